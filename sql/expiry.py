"""Audio whose time is over."""

from datetime import datetime
from uuid import UUID

from sql.statements import Executor, statement


async def select_expired_audio(db: Executor, now: datetime | None, default_days: float, limit: int) -> list[UUID]:
    """Finished narrations that are older than their project keeps audio."""
    return [row["id"] for row in await db.fetch(statement("select_expired_audio"), now, default_days, limit)]


async def select_storage_keys(db: Executor, job_ids: list[UUID]) -> list[str]:
    """Where the bytes of these jobs are, less what other jobs still use."""
    return [row["storage_key"] for row in await db.fetch(statement("select_storage_keys"), job_ids)]


async def expire_audio(db: Executor, job_ids: list[UUID], now: datetime | None) -> None:
    """Their bytes are gone."""
    await db.execute(statement("expire_audio"), job_ids, now)
