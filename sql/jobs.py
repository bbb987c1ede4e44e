"""The life of a job in Postgres: made once, started under a fence, finished by its holder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.records import record
from sql.statements import Executor, statement


@record
class StartedJob:
    """What a worker gets with the fence. `state` is `cancelling` when somebody asked meanwhile.
    `deadline_in_s` counts from this start, `running_for_s` from the first one, `waited_s` is how long it was due before
    this start (None after a lost worker), all by the clock of Postgres. `leads`: the fingerprint, in hex, of the
    request whose answer this job gets for all identical ones; None where that is still to be asked. `request` is
    JSON."""

    id: UUID
    project_id: UUID
    batch_id: UUID | None
    key: str | None
    after: list[UUID]
    state: str
    kind: str
    priority: str
    request: str
    attempts: int
    lost_leases: int
    fence: int
    created_at: datetime
    deadline_in_s: float | None
    running_for_s: float
    waited_s: float | None
    traceparent: str | None
    batch_has_ceiling: bool
    leads: str | None


@dataclass(frozen=True, slots=True)
class ReleasedJob:
    """A job that is to be put in line. `wait_s` until its time comes."""

    id: UUID
    fence: int
    project_id: UUID
    kind: str
    priority: str
    state: str
    created_at: datetime
    wait_s: float


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that belongs in Redis. `wait_s` until its time comes."""

    id: UUID
    fence: int
    project_id: UUID
    kind: str
    priority: str
    created_at: datetime
    wait_s: float
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class JobState:
    id: UUID
    state: str


@dataclass(frozen=True, slots=True)
class IdempotentAnswer:
    """What the key stands for: mine if the ids are mine."""

    request_hash: bytes
    job_id: UUID | None
    batch_id: UUID | None


@dataclass(frozen=True, slots=True)
class InsertedJobs:
    """`answered`: which of them the cache has answered; they are completed."""

    at: datetime
    answered: frozenset[UUID]


async def insert_jobs(db: Executor, rows: Sequence[Mapping[str, Any]], *, only_answered: bool = False) -> InsertedJobs:
    """Many jobs in one INSERT, completed as they are born where the cache has the answer of their `fingerprint` (in
    hex); the keys of a row are the columns named in the statement. `only_answered`: the others are not made."""
    made = await db.fetchrow(statement("insert_jobs"), rows, only_answered)
    assert made is not None
    return InsertedJobs(made["at"], frozenset(made["answered"]))


async def claim_idempotency_key(
    db: Executor,
    project_id: UUID,
    key_hash: bytes,
    request_hash: bytes,
    job_id: UUID | None,
    batch_id: UUID | None,
    expires_at: datetime,
    now: datetime,
) -> IdempotentAnswer:
    """The first to come owns the key until it expires; everybody gets what the owner wrote."""
    row = await db.fetchrow(
        statement("claim_idempotency_key"),
        project_id,
        key_hash,
        request_hash,
        job_id,
        batch_id,
        expires_at,
        now,
    )
    assert row is not None
    return IdempotentAnswer(**row)


async def find_sent_job(
    db: Executor, project_id: UUID, sent_hash: bytes, within_s: float, now: datetime | None
) -> UUID | None:
    """The youngest job made of these very bytes that is not over, or has been for at most `within_s`."""
    found: UUID | None = await db.fetchval(statement("find_sent_job"), project_id, sent_hash, within_s, now)
    return found


async def start_jobs(db: Executor, job_ids: list[UUID], tokens: list[int], now: datetime | None) -> list[StartedJob]:
    """Take the fences, a claim's all at once. Not given back: jobs that are over or that a later start has."""
    return [StartedJob(*row) for row in await db.fetch(statement("start_jobs"), job_ids, tokens, now)]


async def release_dependents(db: Executor, job_ids: list[UUID], now: datetime | None) -> list[UUID]:
    """Tell the jobs that waited for these, which are completed; returns those that are queued now."""
    return [row["id"] for row in await db.fetch(statement("release_dependents"), job_ids, now)]


async def fail_dependents(db: Executor, job_id: UUID, error: dict[str, Any], now: datetime | None) -> list[UUID]:
    """Everything downstream of a job that will never complete; returns what failed with it."""
    return [row["id"] for row in await db.fetch(statement("fail_dependents"), job_id, error, now)]


async def requeue_job(db: Executor, job_id: UUID, fence: int, delay: timedelta, uncounted: int) -> bool:
    """Back to the queue for later; `uncounted=1` takes the attempt back (a graceful stop)."""
    return await db.fetchval(statement("requeue_job"), job_id, fence, delay, uncounted) is not None


async def select_queued_jobs(
    db: Executor, after: datetime, after_id: UUID, settled: timedelta, limit: int
) -> list[OpenJob]:
    """A page in the order of `queued_at`, of those that were queued `settled` ago or earlier."""
    rows = await db.fetch(statement("select_queued_jobs"), after, after_id, settled, limit)
    return [OpenJob(**row) for row in rows]


async def select_running_jobs(db: Executor, after_id: UUID, limit: int) -> list[OpenJob]:
    """A page of what is held by some worker, alive or not."""
    return [OpenJob(**row) for row in await db.fetch(statement("select_running_jobs"), after_id, limit)]


async def select_cancelling(db: Executor, job_ids: list[UUID]) -> list[UUID]:
    """Which of these somebody wants stopped."""
    return [row["id"] for row in await db.fetch(statement("select_cancelling"), job_ids)]


async def select_ancestor_results(db: Executor, job_ids: list[UUID]) -> dict[str, dict[str, Any]]:
    """Key → result of finished jobs, for templates."""
    rows = await db.fetch(statement("select_ancestor_results"), job_ids)
    return {row["key"]: row["result"] or {} for row in rows}


async def cancel_job(db: Executor, job_id: UUID, project_id: UUID, now: datetime | None) -> JobState | None:
    """`cancelled` at once when it was not running, else `cancelling`; None when it is over or not there."""
    row = await db.fetchrow(statement("cancel_job"), job_id, project_id, now)
    return JobState(**row) if row else None
