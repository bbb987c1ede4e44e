"""One attempt at a job: down its routes until one answers. Decisions are values of `core.failover`."""

import random
from dataclasses import dataclass
from datetime import datetime

from adapters.images import fetch_images
from adapters.registry import HANDLERS
from core.clock import utc_now
from core.credentials import endpoints_without_credential
from core.failover import Fail, RetryAt, Step, after_all_routes, describe, next_step
from core.provider import ErrorKind, ProviderError
from core.request import JobRequest
from core.result import JobError
from core.routing import Health, Route, RoutePlan, plan_routes
from core.templates import TemplateFault, fill_templates, find_references
from sql.jobs import StartedJob, select_ancestor_results
from workers.calling import Answered, call_provider
from workers.services import WorkerServices


@dataclass(frozen=True, slots=True)
class Done:
    """An answer that is what was asked for."""

    request: JobRequest
    route: Route
    answered: Answered


Outcome = Done | RetryAt | Fail


async def attempt(services: WorkerServices, job: StartedJob, request: JobRequest, until: datetime) -> Outcome:
    """Try every route once, `invalid_response` twice. `until`: when this attempt must be over."""
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
        return Fail(no_route(plan))
    try:
        images = await fetch_images(request, services.outbound)
    except ProviderError as error:
        return Fail(describe(error, plan.routes[0].model.provider))
    return await _walk(services, job, request, plan, images, until)


async def _walk(
    services: WorkerServices,
    job: StartedJob,
    request: JobRequest,
    plan: RoutePlan,
    images: dict[str, tuple[str, bytes]],
    until: datetime,
) -> Outcome:
    errors: list[tuple[str, ProviderError]] = []
    too_small = 0
    settings = services.settings
    for route in plan.routes:
        if (route.model.context_window or 0) <= too_small and too_small:
            continue
        for asked_again in (False, True):
            left_s = (until - utc_now()).total_seconds()
            if left_s <= 0:
                error = ProviderError(ErrorKind.timeout, "the time for this attempt ran out")
                errors.append((route.model.provider, error))
                break
            try:
                answered = await call_provider(
                    services, job, request, route, images, min(settings.call_timeout_s, left_s)
                )
            except ProviderError as error:
                errors.append((route.model.provider, error))
                step = next_step(error.kind, asked_again=asked_again, on_content_policy=plan.on_content_policy)
                if step is Step.fail:
                    return Fail(describe(error, route.model.provider))
                if error.kind is ErrorKind.context_length:
                    too_small = max(too_small, route.model.context_window or 0)
                if step is Step.next_route:
                    break
            else:
                return Done(request, route, answered)
    return after_all_routes(
        errors,
        attempts=job.attempts,
        max_attempts=settings.max_attempts,
        deadline=job.deadline,
        now=utc_now(),
        base_s=settings.retry_base_s,
        cap_s=settings.retry_cap_s,
        jitter=random.random(),  # noqa: S311  spreading retries needs no secrecy
    )


def no_route(plan: RoutePlan) -> JobError:
    """Why nothing can serve this request."""
    codes = {exclusion.code for exclusion in plan.exclusions}
    reasons = "; ".join(dict.fromkeys(f"{one.model}: {one.reason}" for one in plan.exclusions))
    kind = "context_length" if codes == {"context_length"} else "budget" if codes == {"max_cost"} else "no_route"
    return JobError(kind, f"no route can serve this request: {reasons[:1500]}")
