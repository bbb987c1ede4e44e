"""Idempotency keys of single jobs, many at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class KeptKey:
    """What a key stands for. No `job_id`: it is a batch's."""

    project_id: UUID
    key_hash: bytes
    request_hash: bytes
    job_id: UUID | None


async def claim_idempotency_keys(
    db: Executor, rows: list[dict[str, Any]], expires_at: datetime, now: datetime
) -> list[KeptKey]:
    """Rows (`project_id key_hash request_hash job_id`, hashes in hex) of different keys. The first to come owns a key
    until it expires; everybody gets what the owner wrote."""
    return [KeptKey(**row) for row in await db.fetch(statement("claim_idempotency_keys"), rows, expires_at, now)]


async def find_idempotency_key(db: Executor, project_id: UUID, key_hash: bytes, now: datetime) -> KeptKey | None:
    """A key that somebody owns."""
    row = await db.fetchrow(statement("find_idempotency_key"), project_id, key_hash, now)
    return KeptKey(**row) if row else None


async def drop_idempotency_keys(db: Executor, project_ids: list[UUID], key_hashes: list[bytes]) -> None:
    """Nobody owns them any more."""
    await db.execute(statement("drop_idempotency_keys"), project_ids, key_hashes)
