"""What the dashboard shows of everybody's jobs and batches. Rows are plain dicts with the statement's columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class Newest:
    """Ids; None where there is none yet."""

    job: UUID | None
    batch: UUID | None


async def find_session_key(db: Executor, key_id: UUID, session_id: UUID, now: datetime | None) -> str | None:
    """The prefix of a session's key. None: it is no operator's key in force, or somebody signed out."""
    prefix: str | None = await db.fetchval(statement("find_session_key"), key_id, session_id, now)
    return prefix


async def end_session(db: Executor, session_id: UUID, expires_at: datetime, now: datetime | None) -> None:
    """From now on nobody looks with it; those that have expired meanwhile are forgotten."""
    await db.execute(statement("end_session"), session_id, expires_at, now)


async def record_queue_sample(
    db: Executor,
    pools: Sequence[str],
    ready: Sequence[int],
    running: Sequence[int],
    oldest_s: Sequence[float | None],
    keep_hours: int,
) -> None:
    """One row a pool; rows older than `keep_hours` go."""
    await db.execute(statement("record_queue_sample"), pools, ready, running, oldest_s, keep_hours)


async def select_queue_samples(db: Executor, since: datetime, step: timedelta) -> list[dict[str, Any]]:
    """By pool and time, the highest of every step."""
    return [dict(row) for row in await db.fetch(statement("select_queue_samples"), since, step)]


async def list_running_jobs(db: Executor, limit: int) -> list[dict[str, Any]]:
    """Those that run, the oldest first, with the call that is under way."""
    return [dict(row) for row in await db.fetch(statement("list_running_jobs"), limit)]


async def read_newest_ids(db: Executor) -> Newest:
    row = await db.fetchrow(statement("read_newest_ids"))
    assert row is not None
    return Newest(**row)


async def list_jobs(
    db: Executor,
    before: UUID | None,
    project_id: UUID | None,
    states: Sequence[str] | None,
    kind: str | None,
    batch_id: UUID | None,
    asked: str | None,
    limit: int,
    looks: int,
) -> list[dict[str, Any]]:
    """A page of jobs of all projects, the newest first. `asked`: the model or alias that the request names. No index
    knows `kind` and `asked`: among the newest `looks` they are looked for."""
    rows = await db.fetch(statement("list_jobs"), before, project_id, states, kind, batch_id, asked, limit, looks)
    return [dict(row) for row in rows]


async def find_list_end(
    db: Executor, before: UUID | None, project_id: UUID | None, states: Sequence[str] | None, batch_id: UUID | None,
    looks: int,
) -> UUID | None:  # fmt: skip
    """The last job that `list_jobs` looked at when it had to look at so many; None: there are fewer."""
    found: UUID | None = await db.fetchval(statement("find_list_end"), before, project_id, states, batch_id, looks)
    return found


async def list_batches(
    db: Executor, before: UUID | None, project_id: UUID | None, state: str | None, limit: int
) -> list[dict[str, Any]]:
    """A page of batches of all projects, the newest first."""
    return [dict(row) for row in await db.fetch(statement("list_batches"), before, project_id, state, limit)]


async def list_batch_nodes(db: Executor, batch_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The first jobs of a batch and what each comes after."""
    return [dict(row) for row in await db.fetch(statement("list_batch_nodes"), batch_id, limit)]


async def count_recent_calls(db: Executor, since: datetime) -> list[dict[str, Any]]:
    """Calls by provider and minute; those under way are not counted."""
    return [dict(row) for row in await db.fetch(statement("count_recent_calls"), since)]
