"""The life of a job in Postgres: made once, started under a fence, finished by its holder."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class StartedJob:
    """What a worker gets with the fence. `state` is `cancelling` when somebody asked meanwhile."""

    id: UUID
    project_id: UUID
    batch_id: UUID | None
    key: str | None
    after: list[UUID]
    state: str
    kind: str
    priority: str
    request: dict[str, Any]
    deadline: datetime | None
    attempts: int
    lost_leases: int
    fence: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FinishedJob:
    id: UUID
    batch_id: UUID | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class ReleasedJob:
    """A job one of whose ancestors completed; `queued` when that was the last."""

    id: UUID
    fence: int
    kind: str
    state: str
    run_at: datetime


@dataclass(frozen=True, slots=True)
class DueJob:
    id: UUID
    fence: int
    kind: str
    run_at: datetime


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


async def insert_batch(
    db: Executor,
    batch_id: UUID,
    project_id: UUID,
    name: str | None,
    total: int,
    max_cost_usd: Decimal | None,
    metadata: dict[str, Any],
) -> None:
    await db.execute(statement("insert_batch"), batch_id, project_id, name, total, max_cost_usd, metadata)


async def insert_jobs(db: Executor, rows: list[dict[str, Any]]) -> None:
    """Many jobs in one INSERT; the keys of a row are the columns named in the statement."""
    await db.execute(statement("insert_jobs"), rows)


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


async def start_job(db: Executor, job_id: UUID, token: int, now: datetime | None) -> StartedJob | None:
    """Take the fence: None when a later start has it or the job is over."""
    row = await db.fetchrow(statement("start_job"), job_id, token, now)
    return StartedJob(**row) if row else None


async def finish_job(
    db: Executor,
    job_id: UUID,
    fence: int,
    state: str,
    result: dict[str, Any] | None,
    error: dict[str, Any] | None,
    provider: str | None,
    model: str | None,
    variant: str | None,
    usage: dict[str, int] | None,
    now: datetime | None,
) -> FinishedJob | None:
    """The one terminal transition: None when the fence is no longer mine. Cost is summed from the ledger."""
    row = await db.fetchrow(
        statement("finish_job"),
        job_id,
        fence,
        state,
        result,
        error,
        provider,
        model,
        variant,
        usage,
        now,
    )
    return FinishedJob(**row) if row else None


async def release_dependents(db: Executor, job_id: UUID, now: datetime | None) -> list[ReleasedJob]:
    """Tell the jobs that waited for a completed one."""
    return [ReleasedJob(**row) for row in await db.fetch(statement("release_dependents"), job_id, now)]


async def fail_dependents(db: Executor, job_id: UUID, error: dict[str, Any], now: datetime | None) -> list[UUID]:
    """Everything downstream of a job that will never complete; returns what failed with it."""
    return [row["id"] for row in await db.fetch(statement("fail_dependents"), job_id, error, now)]


async def requeue_job(db: Executor, job_id: UUID, fence: int, run_at: datetime, uncounted: int) -> bool:
    """Back to the queue for a later time; `uncounted=1` takes the attempt back (a graceful stop)."""
    return await db.fetchval(statement("requeue_job"), job_id, fence, run_at, uncounted) is not None


async def read_fence(db: Executor, job_id: UUID) -> tuple[str, int] | None:
    """State and fence as they are now."""
    row = await db.fetchrow(statement("read_fence"), job_id)
    return (row["state"], row["fence"]) if row else None


async def select_due_jobs(
    db: Executor, now: datetime | None, overdue: timedelta, orphaned: timedelta, limit: int
) -> list[DueJob]:
    """Jobs whose hand-over may have been lost: queued ones whose time came `overdue` ago, and started ones
    that began `orphaned` ago."""
    return [DueJob(**row) for row in await db.fetch(statement("select_due_jobs"), now, overdue, orphaned, limit)]


async def select_ancestor_results(db: Executor, job_ids: list[UUID]) -> dict[str, dict[str, Any]]:
    """Key → result of finished jobs, for templates."""
    rows = await db.fetch(statement("select_ancestor_results"), job_ids)
    return {row["key"]: row["result"] or {} for row in rows}


async def cancel_job(db: Executor, job_id: UUID, project_id: UUID, now: datetime | None) -> JobState | None:
    """`cancelled` at once when it was not running, else `cancelling`; None when it is over or not there."""
    row = await db.fetchrow(statement("cancel_job"), job_id, project_id, now)
    return JobState(**row) if row else None


async def cancel_batch(db: Executor, batch_id: UUID, project_id: UUID, now: datetime | None) -> list[JobState]:
    return [JobState(**row) for row in await db.fetch(statement("cancel_batch"), batch_id, project_id, now)]
