"""The end of jobs, in one statement: ledger lines, the jobs, their answers for others, and what comes after them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.records import record
from sql.calls import CompletedCall
from sql.jobs import ReleasedJob
from sql.statements import Executor, statement


@record
class EndedJob:
    """A terminal transition to make, by the holder of the fence. `dependents_error`: of the jobs that come after one
    that did not complete."""

    id: UUID
    fence: int
    state: str
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    provider: str | None = None
    model: str | None = None
    variant: str | None = None
    usage: dict[str, int] | None = None
    cached: bool = False
    dependents_error: dict[str, Any] | None = None


@record
class Landing:
    """A completed job whose answer is given to all that wait for it. It is kept for `ttl_s`; None: it is that of the
    job `source`, out of the cache. `fingerprint` in hex."""

    id: UUID
    project_id: UUID
    fingerprint: str
    ttl_s: float | None
    source: UUID | None = None


@record
class JobEnd:
    """`what`: the job has `ended` as its holder said (then with what it cost), was `answered` with its answer, `failed`
    because of it, or is `queued` again."""

    what: str
    id: UUID
    batch_id: UUID | None
    cost: Decimal | None


async def end_jobs(
    db: Executor,
    job_ids: list[UUID],
    ends: Sequence[EndedJob],
    lines: Sequence[CompletedCall],
    landings: Sequence[Landing],
    now: datetime | None,
) -> list[JobEnd]:
    """The one terminal transition of each, after the ends of ledger lines, before the answers are given to identical
    requests, and whatever that means for other jobs. Not given back: those whose fence is no longer mine; their lines
    are completed all the same. Cost is summed from the ledger."""
    return [JobEnd(*row) for row in await db.fetch(statement("end_jobs"), job_ids, ends, lines, landings, now)]


async def select_released(db: Executor, job_ids: list[UUID]) -> list[ReleasedJob]:
    """Those of these jobs that are queued."""
    return [ReleasedJob(**row) for row in await db.fetch(statement("select_released"), job_ids)]
