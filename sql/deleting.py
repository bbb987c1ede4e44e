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


@dataclass(frozen=True, slots=True)
class DeletableBatch:
    """`over`: no job of it can change. `needed`: jobs elsewhere that come after one of its jobs are not over."""

    state: str
    over: bool
    deleted: bool
    needed: bool
    last_line: int


async def lock_deletable_batch(db: Executor, batch_id: UUID, project_id: UUID) -> DeletableBatch | None:
    """Locks the row until the end of the transaction; None when there is no such batch."""
    row = await db.fetchrow(statement("lock_deletable_batch"), batch_id, project_id)
    return DeletableBatch(**row) if row else None


async def select_batch_content(db: Executor, batch_id: UUID, after_line: int, until_line: int) -> list[UUID]:
    """Jobs of a stretch of lines that have their content."""
    rows = await db.fetch(statement("select_batch_content"), batch_id, after_line, until_line)
    return [row["id"] for row in rows]


async def delete_batch_content(db: Executor, batch_id: UUID, now: datetime | None) -> None:
    """What the batch says besides its jobs, after theirs."""
    await db.execute(statement("delete_batch_content"), batch_id, now)


async def forget_answers(db: Executor, job_ids: list[UUID]) -> None:
    """Nothing is answered with these jobs any more."""
    await db.execute(statement("forget_answers"), job_ids)


async def delete_content(db: Executor, job_ids: list[UUID], now: datetime | None) -> None:
    """After their bytes are gone from the store. Jobs that are not over are left alone."""
    await db.execute(statement("delete_content"), job_ids, now)


async def select_outlived(db: Executor, now: datetime | None, limit: int) -> list[UUID]:
    """Jobs that are older than their project keeps content (`settings.content_retention_days`)."""
    return [row["id"] for row in await db.fetch(statement("select_outlived"), now, limit)]
