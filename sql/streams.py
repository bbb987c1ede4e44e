"""What subscribers follow: single jobs, many at once, and everything of a project in the order of its changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class Mark:
    """Grows with everything that makes an event."""

    id: UUID
    seq: int
    calls: int


async def mark_followed_jobs(db: Executor, job_ids: list[UUID]) -> list[Mark]:
    """Cheap enough to ask every second about thousands."""
    return [Mark(**row) for row in await db.fetch(statement("mark_followed_jobs"), job_ids)]


async def select_followed_jobs(db: Executor, job_ids: list[UUID]) -> list[dict[str, Any]]:
    """Rows like those of `read_job`, of any project: who may see them was asked before."""
    return [dict(row) for row in await db.fetch(statement("select_followed_jobs"), job_ids)]


async def read_event_horizon(db: Executor, look_back: timedelta) -> datetime:
    """Whatever is stamped earlier is committed, and seen by statements that begin now: no transaction older than this
    is under way. At most `look_back` ago; as long ago where this role may not see other sessions."""
    horizon: datetime = await db.fetchval(statement("read_event_horizon"), look_back)
    return horizon


async def select_changed_jobs(
    db: Executor, project_id: UUID, after: datetime, after_id: UUID, limit: int
) -> list[dict[str, Any]]:
    """A page in the order of `changed_at`, the time of a job's last event."""
    rows = await db.fetch(statement("select_changed_jobs"), project_id, after, after_id, limit)
    return [dict(row) for row in rows]
