"""The content of jobs that are over: request, answer, metadata. The row, its cost and its ledger lines stay."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class Deletable:
    """`needed`: jobs that come after it are not over."""

    state: str
    deleted: bool
    needed: bool


async def lock_deletable(db: Executor, job_id: UUID, project_id: UUID) -> Deletable | None:
    """Locks the row until the end of the transaction; None when there is no such job."""
    row = await db.fetchrow(statement("lock_deletable"), job_id, project_id)
    return Deletable(**row) if row else None


async def forget_answers(db: Executor, job_ids: list[UUID]) -> None:
    """Nothing is answered with these jobs any more."""
    await db.execute(statement("forget_answers"), job_ids)


async def delete_content(db: Executor, job_ids: list[UUID], now: datetime | None) -> None:
    """After their bytes are gone from the store. Jobs that are not over are left alone."""
    await db.execute(statement("delete_content"), job_ids, now)


async def select_outlived(db: Executor, now: datetime | None, limit: int) -> list[UUID]:
    """Jobs that are older than their project keeps content (`settings.content_retention_days`)."""
    return [row["id"] for row in await db.fetch(statement("select_outlived"), now, limit)]
