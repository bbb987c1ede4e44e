"""The story of one job, from claim to notify."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError

from core import metrics
from core.alerting import DEAD_LETTERS
from core.clock import utc_now
from core.errors import FactoryError
from core.failover import Fail, RetryAt
from core.fingerprint import cache_use
from core.logging import get_logger, lines_about
from core.request import JobRequest
from core.result import JobError, Result
from core.templates import TemplateFault, fill_templates, find_references
from sql.alerts import raise_alert
from sql.cache import read_answer
from sql.calls import abandon_calls
from sql.jobs import StartedJob, requeue_job, select_ancestor_results
from sql.patience import GONE
from storage.store import NotStored, StorageUnavailable
from workers.attempting import attempt
from workers.calling import FenceLost
from workers.endings import Ending
from workers.outcomes import Done, JobRun, Narrated
from workers.recording import finish_narration
from workers.services import WorkerServices
from workers.settling import CANCELLED, EXPIRED, Known, Parked, Settled, Stopped, pay, put_back, result_of, settle

AWAY_S = 2.0
_LOOKED = {"found": "hit", "waits": "joined"}


async def run_job(ctx: dict[str, Any], job: StartedJob) -> Ending:
    """What the worker does with a started job, whatever its kind."""
    services: WorkerServices = ctx["services"]
    project = services.catalog.current.name_of(job.project_id)
    if job.waited_s is not None:
        metrics.observe(metrics.PICKUP, job.waited_s, job.kind)
    traced = services.tracing.job(job.kind, job.traceparent, job.id, project, job.attempts)
    with lines_about(job_id=str(job.id), project=project), traced:
        deadline = utc_now() + timedelta(seconds=job.deadline_in_s) if job.deadline_in_s is not None else None
        run = JobRun(job, deadline)
        try:
            if job.lost_leases:
                await abandon_calls(services.database, job.id, job.fence, None)
            outcome: Settled = await _work(services, run)
        except asyncio.CancelledError:
            await asyncio.shield(pay(services, run))
            await asyncio.shield(requeue_job(services.database, job.id, job.fence, timedelta(0), 1))
            raise
        except (*GONE, RedisError) as error:
            get_logger(__name__).warning("put back: a server is away", error=type(error).__name__)
            return await put_back(services, run, AWAY_S, counted=False)
        except Exception as error:  # noqa: BLE001  whatever it is, the caller learns of it
            get_logger(__name__).exception("a fault of ours")
            outcome = Fail(_our_fault(error))
        settling = settle(services, run, outcome)
        return await (settling if isinstance(outcome, Result) else asyncio.shield(settling))


async def _work(services: WorkerServices, run: JobRun) -> Settled:
    """What came of it."""
    job, now = run.job, utc_now()
    if job.state == "cancelling":
        return CANCELLED
    if job.lost_leases > services.settings.max_lost_leases:
        return await _give_up(services, job)
    if run.deadline is not None and now >= run.deadline:
        return EXPIRED
    attempt_end = now + timedelta(seconds=services.settings.job_timeout_s)
    until = min(attempt_end, run.deadline) if run.deadline else attempt_end
    services.running.begin(job.id)
    try:
        return await _answer(services, run, until)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if services.running.was_cancelled(job.id) and task is not None:
            task.uncancel()
            return CANCELLED
        raise
    except FenceLost:
        return CANCELLED
    except TemplateFault as fault:
        return Fail(JobError("invalid_request", str(fault)))
    except (StorageUnavailable, NotStored) as error:
        if job.attempts >= services.settings.max_attempts:
            return Fail(JobError(StorageUnavailable.code, str(error)))
        return RetryAt(utc_now() + timedelta(seconds=AWAY_S))
    except FactoryError as error:
        return Fail(JobError(error.code, error.message))
    finally:
        services.running.end(job.id)


async def _give_up(services: WorkerServices, job: StartedJob) -> Fail:
    """It may be what kills the workers."""
    reason = f"{job.lost_leases} workers were lost while running this job"
    subject = f"jobs of project {services.catalog.current.name_of(job.project_id)}"
    get_logger(__name__).error("alert", alert=DEAD_LETTERS, subject=subject, reason=reason)
    await raise_alert(services.database, DEAD_LETTERS, subject, f"job {job.id}: {reason}")
    return Fail(JobError("worker_lost", reason))


async def _answer(services: WorkerServices, run: JobRun, until: datetime) -> Settled:
    """Out of the cache, else from the job that is getting it already, else from a provider."""
    request = await _read_request(services, run.job)
    if (known := await _look_up(services, run, request)) is not None:
        return known
    match await attempt(services, run, request, until):
        case Done() as done:
            return result_of(done)
        case Narrated() as narrated:
            return await finish_narration(services, run.job, narrated)
        case other:
            return other


async def _read_request(services: WorkerServices, job: StartedJob) -> JobRequest:
    """As the provider is to get it: what refers to the answers of other jobs is filled in. Raises TemplateFault."""
    request = JobRequest.model_validate_json(job.request)
    if not job.after or not find_references(request):
        return request
    return fill_templates(request, await select_ancestor_results(services.database, job.after))


async def _look_up(services: WorkerServices, run: JobRun, request: JobRequest) -> Known | Parked | Stopped | None:
    """Is the answer known, or on its way to another job? None: this job makes the call."""
    job, catalog = run.job, services.catalog.current
    emulated, in_batch = services.emulator_url is not None, job.batch_id is not None
    known = bytes.fromhex(job.leads) if job.leads else None
    run.cache = use = cache_use(request, catalog, job.project_id, emulated=emulated, in_batch=in_batch, known=known)
    if use is None or not use.looks_up:
        return None
    if use.fingerprint == known:
        metrics.count(metrics.CACHE, "worker", "miss")
        return None
    boarded, ending = await services.flights.board(job, use)
    metrics.count(metrics.CACHE, "worker", _LOOKED.get(boarded.part, "miss"))
    match boarded.part:
        case "gone":
            return CANCELLED
        case "waits":
            return Parked(ending)
        case "found" if boarded.source and (answer := await read_answer(services.database, boarded.source)):
            audio = answer.result.get("audio")
            if audio is None or await services.storage.has(audio["storage_key"]):
                return Known(boarded.source, answer)
            return None
        case _:
            return None


def _our_fault(error: Exception) -> JobError:
    return JobError("internal", f"the factory failed at this job ({type(error).__name__}); see the worker's log")
