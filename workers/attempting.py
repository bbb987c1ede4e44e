"""One attempt at a job: down its routes until one answers. Decisions are values of `core.failover`."""

import random
from datetime import datetime, timedelta
from typing import Protocol

from adapters.images import fetch_images
from adapters.registry import HANDLERS
from core.clock import utc_now
from core.credentials import endpoints_without_credential
from core.failover import Fail, RetryAt, Step, after_all_routes, describe, next_step
from core.provider import ErrorKind, ProviderError
from core.request import JobRequest, Kind
from core.result import JobError
from core.routing import Health, Route, RoutePlan, plan_routes
from core.templates import TemplateFault, fill_templates, find_references
from sql.jobs import select_ancestor_results
from sql.parts import Speaker
from workers.asking import OneCall
from workers.narrating import begin_narration
from workers.outcomes import Done, JobRun, Narrated
from workers.services import WorkerServices

UNKNOWN_HANDLER_S = 10.0
Outcome = Done | Narrated | RetryAt | Fail


class Asker(Protocol):
    """How a request is put to a route."""

    @property
    def max_attempts(self) -> int: ...

    def may_use(self, route: Route) -> bool: ...

    async def ask(self, route: Route) -> Done | Narrated | RetryAt:
        """Raises ProviderError, whose ledger lines are written."""
        ...


async def attempt(services: WorkerServices, run: JobRun, request: JobRequest, until: datetime) -> Outcome:
    """Try every route once, `invalid_response` twice. `until`: when this attempt must be over."""
    job = run.job
    try:
        if find_references(request):
            request = fill_templates(request, await select_ancestor_results(services.database, job.after))
    except TemplateFault as fault:
        return Fail(JobError("invalid_request", str(fault)))
    catalog = services.catalog.current
    emulated = services.emulator_url is not None
    health = Health(without_credential=endpoints_without_credential(catalog, emulated=emulated))
    plan = plan_routes(request, catalog, job.project_id, HANDLERS, health, utc_now())
    if not plan.routes:
        if any(one.code == "handler" for one in plan.exclusions):  # another version of the worker may have it
            return RetryAt(utc_now() + timedelta(seconds=UNKNOWN_HANDLER_S), counted=False)
        return Fail(no_route(plan))
    if request.kind is Kind.speech:
        narration = await begin_narration(services, run, request, until)
        if not any(narration.may_use(route) for route in plan.routes):
            return Fail(no_route(plan, narration.voice_kept))
        return await _walk(services, run, plan, narration)
    try:
        images = await fetch_images(request, services.outbound)
    except ProviderError as error:
        return Fail(describe(error, plan.routes[0].model.provider))
    return await _walk(services, run, plan, OneCall(services, job, request, images, until))


async def _walk(services: WorkerServices, run: JobRun, plan: RoutePlan, asker: Asker) -> Outcome:
    errors: list[tuple[str, ProviderError]] = []
    too_small = 0
    settings = services.settings
    for route in plan.routes:
        if (route.model.context_window or 0) <= too_small and too_small:
            continue
        if not asker.may_use(route):
            continue
        for asked_again in (False, True):
            try:
                return await asker.ask(route)
            except ProviderError as error:
                errors.append((route.model.provider, error))
                step = next_step(error.kind, asked_again=asked_again, on_content_policy=plan.on_content_policy)
                if step is Step.fail:
                    return Fail(describe(error, route.model.provider))
                if error.kind is ErrorKind.context_length:
                    too_small = max(too_small, route.model.context_window or 0)
                if step is Step.next_route:
                    break
    return after_all_routes(
        errors,
        attempts=run.job.attempts,
        max_attempts=asker.max_attempts,
        deadline=run.deadline,
        now=utc_now(),
        base_s=settings.retry_base_s,
        cap_s=settings.retry_cap_s,
        jitter=random.random(),  # noqa: S311  spreading retries needs no secrecy
    )


def no_route(plan: RoutePlan, voice_kept: Speaker | None = None) -> JobError:
    """Why nothing can serve this request."""
    if voice_kept is not None:
        spoke = f"{voice_kept.provider}/{voice_kept.model}"
        return JobError(
            "no_route", f"{spoke} began this narration and is no route any more; voice_policy any lets it change"
        )
    codes = {exclusion.code for exclusion in plan.exclusions}
    reasons = "; ".join(dict.fromkeys(f"{one.model}: {one.reason}" for one in plan.exclusions))
    kind = "context_length" if codes == {"context_length"} else "budget" if codes == {"max_cost"} else "no_route"
    return JobError(kind, f"no route can serve this request: {reasons[:1500]}")
