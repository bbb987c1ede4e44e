"""What callers see of jobs and batches. Rows are plain dicts with the statement's columns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


async def probe(db: Executor) -> bool:
    """Does Postgres answer?"""
    return bool(await db.fetchval(statement("probe")))


async def read_job(db: Executor, job_id: UUID, project_id: UUID) -> dict[str, Any] | None:
    row = await db.fetchrow(statement("read_job"), job_id, project_id)
    return dict(row) if row else None


async def has_deleted(db: Executor, job_ids: Sequence[UUID]) -> bool:
    """Is the content of one of these jobs deleted?"""
    found: bool = await db.fetchval(statement("has_deleted"), job_ids)
    return found


async def select_jobs(
    db: Executor,
    project_id: UUID,
    before: UUID | None,
    state: str | None,
    kind: str | None,
    batch_id: UUID | None,
    key: str | None,
    model: str | None,
    since: datetime | None,
    until: datetime | None,
    metadata: dict[str, Any] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """A page of jobs, the newest first."""
    rows = await db.fetch(
        statement("select_jobs"),
        project_id, before, state, kind, batch_id, key, model, since, until, metadata, limit,
    )  # fmt: skip
    return [dict(row) for row in rows]


async def select_batch_jobs(
    db: Executor, batch_id: UUID, project_id: UUID, after_line: int, until_line: int
) -> list[dict[str, Any]]:
    """A stretch of a batch in the order of its lines."""
    rows = await db.fetch(statement("select_batch_jobs"), batch_id, project_id, after_line, until_line)
    return [dict(row) for row in rows]


async def count_running_jobs(db: Executor, project_id: UUID, kind: str) -> int:
    """Jobs of a project that run now."""
    running: int = await db.fetchval(statement("count_running_jobs"), project_id, kind)
    return running
