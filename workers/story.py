"""The story of one job, from claim to notify."""

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from arq import Retry
from redis.exceptions import RedisError

from core.clock import utc_now
from core.errors import FactoryError
from core.failover import Fail, RetryAt
from core.jsonio import dump_json
from core.logging import get_logger
from core.request import JobRequest, Kind
from core.result import JobError, Result
from sql.calls import abandon_calls
from sql.jobs import (
    FinishedJob,
    ReleasedJob,
    StartedJob,
    fail_dependents,
    finish_job,
    release_dependents,
    requeue_job,
    start_job,
)
from sql.patience import GONE, patiently
from sql.pool import Database
from workers.attempting import Outcome, attempt
from workers.calling import FenceLost
from workers.outcomes import Done, Narrated
from workers.recording import finish_narration
from workers.services import WorkerServices


async def run_job(ctx: dict[str, Any], job_id: str, handed_fence: int) -> None:
    """arq's function. The token is the fence at hand-over plus the number of deliveries since."""
    services: WorkerServices = ctx["services"]
    job = await start_job(services.database, UUID(job_id), handed_fence + ctx["job_try"], None)
    if job is None:
        return
    project = services.catalog.current.projects.get(job.project_id)
    with structlog.contextvars.bound_contextvars(
        job_id=job_id, project=project.name if project else str(job.project_id)
    ):
        if job.lost_leases:
            await abandon_calls(services.database, job.id, job.fence, None)
        try:
            await _settle(services, job, await _work(services, job))
        except (*GONE, RedisError) as error:
            get_logger(__name__).warning("put back: a server is away", error=type(error).__name__)
            raise Retry(defer=2) from error
        except Retry:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the caller learns of it
            get_logger(__name__).exception("a fault of ours")
            await _finish(services, job, "failed", None, _our_fault(error))


@dataclass(frozen=True, slots=True)
class Stopped:
    """The job ends without an answer, in the state `cancelled` or `expired`."""

    state: str
    error: JobError


CANCELLED = Stopped("cancelled", JobError("cancelled", "cancelled by its caller"))
EXPIRED = Stopped("expired", JobError("deadline", "the deadline passed before it could run"))


async def _work(services: WorkerServices, job: StartedJob) -> Outcome | Stopped:
    """What came of it."""
    now = utc_now()
    if job.state == "cancelling":
        return CANCELLED
    if job.lost_leases > services.settings.max_lost_leases:
        return Fail(JobError("worker_lost", f"{job.lost_leases} workers were lost while running this job"))
    if job.deadline is not None and now >= job.deadline:
        return EXPIRED
    attempt_end = now + timedelta(seconds=services.settings.job_timeout_s)
    until = min(attempt_end, job.deadline) if job.deadline else attempt_end
    try:
        with services.running.running(job.id):
            try:
                request = JobRequest.model_validate_json(dump_json(job.request))
                return await attempt(services, job, request, until)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if services.running.was_cancelled(job.id) and task is not None:
                    task.uncancel()
                    return CANCELLED
                await asyncio.shield(requeue_job(services.database, job.id, job.fence, utc_now(), 1))
                raise
    except FenceLost:
        return CANCELLED
    except FactoryError as error:
        return Fail(JobError(error.code, error.message))


def _our_fault(error: Exception) -> JobError:
    return JobError("internal", f"the factory failed at this job ({type(error).__name__}); see the worker's log")


async def _settle(services: WorkerServices, job: StartedJob, outcome: Outcome | Stopped) -> None:
    match outcome:
        case Done():
            await _finish(services, job, "completed", _result_of(outcome), None)
        case Narrated():
            await _finish(services, job, "completed", await finish_narration(services, job, outcome), None)
        case Fail(error=error):
            expired = job.deadline is not None and utc_now() >= job.deadline
            if expired:
                error = JobError("deadline", "the deadline passed; the last word was: " + error.message, error.provider)
            await _finish(services, job, "expired" if expired else "failed", None, error)
        case RetryAt(run_at=run_at, counted=counted):
            await _retry_later(services, job, run_at, counted=counted)
        case Stopped(state=state, error=error):
            await _finish(services, job, state, None, error)


async def _retry_later(services: WorkerServices, job: StartedJob, run_at: datetime, *, counted: bool) -> None:
    if await requeue_job(services.database, job.id, job.fence, run_at, 0 if counted else 1):
        get_logger(__name__).info("retry later", run_at=run_at.isoformat(), attempts=job.attempts)
        await services.wakeups.publish(job.id, job.batch_id)
        raise Retry(defer=max(0.0, (run_at - utc_now()).total_seconds()) + random.random() / 100)  # noqa: S311
    await _settle(services, job, CANCELLED)


def _result_of(done: Done) -> Result:
    answer = done.answered.answer
    return Result(
        content=answer.content if done.request.kind is Kind.text else None,
        model=answer.model,
        provider=done.route.model.provider,
        usage=answer.usage,
        cost_usd=None,
        finish_reason=answer.finish_reason if done.request.kind is Kind.text else None,
        parsed=done.answered.parsed,
        tool_calls=answer.tool_calls,
        embeddings=answer.embeddings,
        warnings=answer.warnings,
        variant=done.route.variant,
    )


async def _record(
    database: Database, job: StartedJob, state: str, result: Result | None, error: JobError | None
) -> tuple[FinishedJob, list[ReleasedJob], list[UUID]] | None:
    """One transaction: the result, if the fence is still mine, and what waited for it. None when fenced out."""
    released: list[ReleasedJob] = []
    downstream: list[UUID] = []
    async with database.acquire() as connection, connection.transaction():
        finished = await finish_job(
            connection,
            job.id,
            job.fence,
            state,
            result.as_dict() if result else None,
            error.as_dict() if error else None,
            result.provider if result else error.provider if error else None,
            result.model if result else None,
            result.variant if result else None,
            result.usage.as_dict() if result else None,
            None,
        )
        if finished is None:
            return None
        if job.batch_id is not None and state == "completed":
            released = await release_dependents(connection, job.id, None)
        elif job.batch_id is not None:
            reason = JobError("dependency_failed", f"job {job.key or job.id}, which this one comes after, is {state}")
            downstream = await fail_dependents(connection, job.id, reason.as_dict(), None)
    return finished, released, downstream


async def _finish(
    services: WorkerServices, job: StartedJob, state: str, result: Result | None, error: JobError | None
) -> None:
    """Record, then notify."""
    recorded = await patiently(_record, services.database, job, state, result, error)
    if recorded is None:
        get_logger(__name__).warning("fenced out", state=state)
        return
    finished, released, downstream = recorded
    get_logger(__name__).info(
        state,
        model=result.model if result else None,
        error=error.kind if error else None,
        cost_usd=str(finished.cost) if finished.cost is not None else None,
    )
    await services.handover.hand_over([(one.id, one.fence, one.run_at) for one in released if one.state == "queued"])
    await services.wakeups.publish(job.id, job.batch_id, *downstream)
