"""API keys in the hands of an operator. The keys themselves are not known here, only what they begin with."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


async def find_keys(db: Executor, reference: str) -> list[dict[str, Any]]:
    """By id or prefix, also revoked and expired ones, the oldest first."""
    return [dict(row) for row in await db.fetch(statement("find_keys"), reference)]


async def revoke_key(db: Executor, key_id: UUID) -> bool:
    """False when it was revoked before."""
    return await db.fetchval(statement("revoke_key"), key_id) is not None


async def expire_key(db: Executor, key_id: UUID, at: datetime) -> None:
    """In force until then at most; an earlier end stays."""
    await db.execute(statement("expire_key"), key_id, at)
