"""The end of an attempt, whatever it was, written down."""

import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from core import metrics
from core.clock import utc_now
from core.failover import Fail, RetryAt
from core.logging import get_logger
from core.request import Kind
from core.result import JobError, Result, Usage
from sql.cache import CachedAnswer
from sql.ends import EndedJob, JobEnd, Landing
from sql.jobs import StartedJob, requeue_job
from sql.patience import patiently
from workers.endings import Back, Ending, Over
from workers.finishing import Ended
from workers.outcomes import Done, JobRun
from workers.services import WorkerServices

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The job ends without an answer, in the state `cancelled` or `expired`."""

    state: str
    error: JobError


@dataclass(frozen=True, slots=True)
class Known:
    """The job `source` has answered the same request."""

    source: UUID
    answer: CachedAnswer


@dataclass(frozen=True, slots=True)
class Parked:
    """The job waits for another that is being answered; `ending` is what the queue is told."""

    ending: Ending


Settled = Result | RetryAt | Fail | Stopped | Known | Parked
CANCELLED = Stopped("cancelled", JobError("cancelled", "cancelled by its caller"))
EXPIRED = Stopped("expired", JobError("deadline", "the deadline passed before it could run"))


def settle(services: WorkerServices, run: JobRun, outcome: Settled) -> Coroutine[Any, Any, Ending]:
    """Write it down, whatever it is. A server that is away is waited for."""
    job = run.job
    match outcome:
        case Result():
            return _finish(services, run, "completed", outcome, None)
        case Known():
            return _finish_known(services, run, outcome)
        case Parked(ending=ending):
            return _as_told(ending)
        case Fail(error=error):
            expired = run.deadline is not None and utc_now() >= run.deadline
            if expired:
                error = JobError("deadline", "the deadline passed; the last word was: " + error.message, error.provider)
            return _finish(services, run, "expired" if expired else "failed", None, error)
        case RetryAt(run_at=run_at, counted=counted):
            delay_s = max(0.0, (run_at - utc_now()).total_seconds())
            log.info("retry later", delay_s=round(delay_s, 3), attempts=job.attempts)
            return put_back(services, run, delay_s, counted=counted)
        case Stopped(state=state, error=error):
            return _finish(services, run, state, None, error)


async def _as_told(ending: Ending) -> Ending:
    return ending


async def put_back(services: WorkerServices, run: JobRun, delay_s: float, *, counted: bool) -> Ending:
    """Queued again, for later; a job that is being cancelled ends instead."""
    job = run.job
    await pay(services, run)
    delay = timedelta(seconds=delay_s)
    if await patiently(requeue_job, services.database, job.id, job.fence, delay, 0 if counted else 1):
        metrics.count(metrics.RETRIES, job.kind, "yes" if counted else "no")
        await services.wakeups.publish(job.id, job.batch_id)
        return Back(delay_s)
    return await _finish(services, run, CANCELLED.state, None, CANCELLED.error)


async def pay(services: WorkerServices, run: JobRun) -> None:
    """Write the end of its last call by itself: the job does not end now."""
    if run.owed is not None:
        await services.ledger.complete(run.owed)
        run.owed = None


def result_of(done: Done) -> Result:
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


def _finish(
    services: WorkerServices, run: JobRun, state: str, result: Result | None, error: JobError | None
) -> Coroutine[Any, Any, Ending]:
    job, use = run.job, run.cache
    shown = result.as_dict() if result else None
    ended = EndedJob(
        id=job.id,
        fence=job.fence,
        state=state,
        result=shown,
        error=error.as_dict() if error else None,
        provider=result.provider if result else error.provider if error else None,
        model=result.model if result else None,
        variant=result.variant if result else run.variant,
        usage=shown["usage"] if shown else None,
        cached=result.cached if result else False,
        dependents_error=_error_of_dependents(job, state) if job.batch_id is not None and result is None else None,
    )
    landing = Landing(job.id, job.project_id, use.fingerprint.hex(), use.ttl_s) if result and use else None
    return _record(services, run, ended, landing, result.usage if result else None)


def _error_of_dependents(job: StartedJob, state: str) -> dict[str, Any]:
    reason = f"job {job.key or job.id}, which this one comes after, is {state}"
    return JobError("dependency_failed", reason).as_dict()


def _finish_known(services: WorkerServices, run: JobRun, known: Known) -> Coroutine[Any, Any, Ending]:
    """With the answer of another job, which costs nothing."""
    job, answer, use = run.job, known.answer, run.cache
    ended = EndedJob(
        id=job.id,
        fence=job.fence,
        state="completed",
        result=answer.result | {"cached": True, "cost": 0},
        provider=answer.provider,
        model=answer.model,
        variant=answer.variant,
        usage=answer.usage,
        cached=True,
    )
    landing = Landing(job.id, job.project_id, use.fingerprint.hex(), None, known.source) if use else None
    return _record(services, run, ended, landing)


async def _record(
    services: WorkerServices, run: JobRun, ended: EndedJob, landing: Landing | None, usage: Usage | None = None
) -> Ending:
    """Together with what else ends now; then those who wait are told. Once it was given to the finisher it is done,
    also where nobody waits for it any more."""
    then = partial(_tell, services, run, ended)
    recording = services.finisher.finish(Ended(ended, run.job.project_id, then, run.owed, landing))
    with services.tracing.step("record") as span:
        span.set(factory__outcome=ended.state)
        try:
            await services.limits.settle_job(run.job, usage)
            await recording
        except Exception:
            await pay(services, run)
            raise
    return Over()


def _tell(services: WorkerServices, run: JobRun, ended: EndedJob, recorded: JobEnd | None) -> None:
    """The metrics and the log."""
    job = run.job
    catalog = services.catalog.current
    about = {"job_id": str(job.id), "project": catalog.name_of(job.project_id)}
    if recorded is None:
        metrics.count(metrics.FENCED_OUT)
        log.warning("fenced out", state=ended.state, **about)
        return
    metrics.count_end(
        catalog.projects.get(job.project_id),
        job.kind,
        ended.state,
        ended.error["kind"] if ended.error else None,
        time.monotonic() - run.began,
        (utc_now() - job.created_at).total_seconds(),
        cached=ended.cached,
    )
    log.info(
        ended.state,
        provider=ended.provider,
        model=ended.model,
        call_ms=run.owed.duration_ms if run.owed else None,
        error=ended.error["kind"] if ended.error else None,
        cost_usd=str(recorded.cost) if recorded.cost is not None else None,
        cached=ended.cached,
        **about,
    )
