"""The story of one job, from claim to notify."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from redis.exceptions import RedisError

from core.clock import utc_now
from core.errors import FactoryError
from core.failover import Fail, RetryAt
from core.jsonio import dump_json
from core.logging import get_logger
from core.request import JobRequest, Kind
from core.result import JobError, Result
from sql.calls import abandon_calls
from sql.jobs import EndedJob, StartedJob, requeue_job
from sql.patience import GONE, patiently
from storage.store import NotStored, StorageUnavailable
from workers.attempting import attempt
from workers.calling import FenceLost
from workers.endings import Back, Ending, Over
from workers.finishing import Ended
from workers.outcomes import Done, JobRun, Narrated
from workers.recording import finish_narration
from workers.services import WorkerServices

AWAY_S = 2.0


async def run_job(ctx: dict[str, Any], job: StartedJob) -> Ending:
    """What the worker does with a started job, whatever its kind."""
    services: WorkerServices = ctx["services"]
    project = services.catalog.current.projects.get(job.project_id)
    with structlog.contextvars.bound_contextvars(
        job_id=str(job.id), project=project.name if project else str(job.project_id)
    ):
        deadline = utc_now() + timedelta(seconds=job.deadline_in_s) if job.deadline_in_s is not None else None
        run = JobRun(job, deadline)
        try:
            if job.lost_leases:
                await abandon_calls(services.database, job.id, job.fence, None)
            outcome: Settled = await _work(services, run)
        except asyncio.CancelledError:
            await asyncio.shield(requeue_job(services.database, job.id, job.fence, timedelta(0), 1))
            raise
        except (*GONE, RedisError) as error:
            get_logger(__name__).warning("put back: a server is away", error=type(error).__name__)
            return await _put_back(services, job, AWAY_S, counted=False)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller learns of it
            get_logger(__name__).exception("a fault of ours")
            outcome = Fail(_our_fault(error))
        return await asyncio.shield(_settle(services, run, outcome))


@dataclass(frozen=True, slots=True)
class Stopped:
    """The job ends without an answer, in the state `cancelled` or `expired`."""

    state: str
    error: JobError


Settled = Result | RetryAt | Fail | Stopped
CANCELLED = Stopped("cancelled", JobError("cancelled", "cancelled by its caller"))
EXPIRED = Stopped("expired", JobError("deadline", "the deadline passed before it could run"))


async def _work(services: WorkerServices, run: JobRun) -> Settled:
    """What came of it."""
    job, now = run.job, utc_now()
    if job.state == "cancelling":
        return CANCELLED
    if job.lost_leases > services.settings.max_lost_leases:
        return Fail(JobError("worker_lost", f"{job.lost_leases} workers were lost while running this job"))
    if run.deadline is not None and now >= run.deadline:
        return EXPIRED
    attempt_end = now + timedelta(seconds=services.settings.job_timeout_s)
    until = min(attempt_end, run.deadline) if run.deadline else attempt_end
    try:
        with services.running.running(job.id):
            try:
                request = JobRequest.model_validate_json(dump_json(job.request))
                match await attempt(services, run, request, until):
                    case Done() as done:
                        return _result_of(done)
                    case Narrated() as narrated:
                        return await finish_narration(services, job, narrated)
                    case other:
                        return other
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if services.running.was_cancelled(job.id) and task is not None:
                    task.uncancel()
                    return CANCELLED
                raise
    except FenceLost:
        return CANCELLED
    except (StorageUnavailable, NotStored) as error:
        if job.attempts >= services.settings.max_attempts:
            return Fail(JobError(StorageUnavailable.code, str(error)))
        return RetryAt(utc_now() + timedelta(seconds=AWAY_S))
    except FactoryError as error:
        return Fail(JobError(error.code, error.message))


def _our_fault(error: Exception) -> JobError:
    return JobError("internal", f"the factory failed at this job ({type(error).__name__}); see the worker's log")


async def _settle(services: WorkerServices, run: JobRun, outcome: Settled) -> Ending:
    """Write it down, whatever it is. A server that is away is waited for."""
    job = run.job
    match outcome:
        case Result():
            return await _finish(services, job, "completed", outcome, None)
        case Fail(error=error):
            expired = run.deadline is not None and utc_now() >= run.deadline
            if expired:
                error = JobError("deadline", "the deadline passed; the last word was: " + error.message, error.provider)
            return await _finish(services, job, "expired" if expired else "failed", None, error)
        case RetryAt(run_at=run_at, counted=counted):
            delay_s = max(0.0, (run_at - utc_now()).total_seconds())
            get_logger(__name__).info("retry later", delay_s=round(delay_s, 3), attempts=job.attempts)
            return await _put_back(services, job, delay_s, counted=counted)
        case Stopped(state=state, error=error):
            return await _finish(services, job, state, None, error)


async def _put_back(services: WorkerServices, job: StartedJob, delay_s: float, *, counted: bool) -> Ending:
    delay = timedelta(seconds=delay_s)
    if await patiently(requeue_job, services.database, job.id, job.fence, delay, 0 if counted else 1):
        await services.wakeups.publish(job.id, job.batch_id)
        return Back(delay_s)
    return await _finish(services, job, CANCELLED.state, None, CANCELLED.error)


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
        schema=done.answered.schema,
    )


async def _finish(
    services: WorkerServices, job: StartedJob, state: str, result: Result | None, error: JobError | None
) -> Ending:
    """Record together with what else ends now, then notify."""
    named = job.key or str(job.id)
    ended = EndedJob(
        id=job.id,
        fence=job.fence,
        state=state,
        result=result.as_dict() if result else None,
        error=error.as_dict() if error else None,
        provider=result.provider if result else error.provider if error else None,
        model=result.model if result else None,
        variant=result.variant if result else None,
        usage=result.usage.as_dict() if result else None,
        cached=result.cached if result else False,
    )
    recorded = await services.finisher.finish(Ended(ended, job.batch_id, named))
    if recorded is None:
        get_logger(__name__).warning("fenced out", state=state)
        return Over()
    await services.limits.settle_job(job, result.usage if result else None)
    get_logger(__name__).info(
        state,
        model=result.model if result else None,
        error=error.kind if error else None,
        cost_usd=str(recorded.cost) if recorded.cost is not None else None,
    )
    return Over()
