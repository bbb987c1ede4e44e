"""One attempt at a job: down its routes until one answers. Decisions are values of `core.failover`."""

import random
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from adapters.images import fetch_images
from core.clock import utc_now
from core.errors import UnknownModel
from core.explaining import why_no_route
from core.failover import CALLERS_FAULT, Fail, RetryAt, Step, after_all_routes, describe, next_step
from core.health import Rest
from core.provider import ErrorKind, ProviderError
from core.request import JobRequest, Kind
from core.result import JobError
from core.routing import Route, RoutePlan, Router
from core.schema_checks import SCHEMA_VIOLATION
from sql.parts import Speaker
from workers.asking import OneCall
from workers.limiting import AtLimit
from workers.narrating import begin_narration
from workers.outcomes import Done, JobRun, Narrated
from workers.services import WorkerServices
from workers.spending import Unaffordable

UNKNOWN_HANDLER_S = 10.0
Outcome = Done | Narrated | RetryAt | Fail


class Asker(Protocol):
    """How a request is put to a route."""

    @property
    def max_attempts(self) -> int: ...

    def may_use(self, route: Route) -> bool: ...

    async def ask(self, route: Route, patience_s: float = 0.0) -> Done | Narrated | RetryAt:
        """Raises ProviderError, whose ledger lines are written, or AtLimit when there was no room for a call within
        the patience."""
        ...


async def attempt(services: WorkerServices, run: JobRun, request: JobRequest, until: datetime) -> Outcome:
    """Try every route once, `invalid_response` twice. `until`: when this attempt must be over."""
    job, now = run.job, utc_now()
    router = services.catalog.router
    plan = router.plan(request, job.project_id, services.health.current, now, str(job.id))
    run.variant = plan.variant
    walk = Walk(services, run, request, plan, router)
    if not plan.routes:
        if plan.resting:
            return walk.end()
        if any(one.code == "handler" for one in plan.exclusions):  # another version of the worker may have it
            return RetryAt(now + timedelta(seconds=UNKNOWN_HANDLER_S), counted=False)
        return Fail(no_route(plan))
    if request.kind is Kind.speech:
        narration = await begin_narration(services, run, request, until)
        if not any(narration.may_use(route) for route in [*plan.routes, *(route for route, _ in plan.resting)]):
            return Fail(no_route(plan, narration.voice_kept))
        return await walk.down(narration)
    try:
        images = await fetch_images(request, services.outbound)
    except ProviderError as error:
        return Fail(describe(error, plan.routes[0].model.provider))
    return await walk.down(OneCall(services, run, request, images, until))


class Walk:
    """One attempt's way down the routes."""

    def __init__(
        self, services: WorkerServices, run: JobRun, request: JobRequest, plan: RoutePlan, router: Router
    ) -> None:
        self._services = services
        self._run = run
        self._request = request
        self._plan = plan
        self._router = router
        self._allowed: set[tuple[UUID, str]] | None = None  # those of the plan
        self._max_attempts = services.settings.max_attempts
        self._errors: list[tuple[str, ProviderError]] = []
        self._resting: list[tuple[str, Rest]] = [(route.model.provider, rest) for route, rest in plan.resting]
        self._full: list[tuple[Route, AtLimit]] = []
        self._too_small = 0
        self._too_dear: str | None = None
        self._may_recover = False

    async def down(self, asker: Asker) -> Outcome:
        """Until a route answers, or there is no more reason to ask one."""
        self._max_attempts = asker.max_attempts
        self._resting = [(route.model.provider, rest) for route, rest in self._plan.resting if asker.may_use(route)]
        for route in self._plan.routes:
            if asker.may_use(route) and await self._is_open(route):
                outcome = await self._try(route, asker)
                if outcome is not None:
                    return outcome
        if self._full and (outcome := await self._wait_for_room(asker)) is not None:
            return outcome
        return self.end()

    async def _wait_for_room(self, asker: Asker) -> Outcome | None:
        """No other route served it: wait at the one that will have room first."""
        route, _ = min(self._full, key=lambda one: one[1].wait_s or 0.0)
        if not self._is_still_allowed(route):
            return None
        self._full.clear()
        outcome = await self._try(route, asker, self._services.settings.limit_patience_s)
        self._resting += [(route.model.provider, limit.rest()) for route, limit in self._full]
        return outcome

    async def _try(self, route: Route, asker: Asker, patience_s: float = 0.0) -> Outcome | None:
        """None: go on to the next route."""
        for asked_again in (False, True):
            try:
                return await asker.ask(route, patience_s)
            except AtLimit as limit:
                self._full.append((route, limit))
                return None
            except Unaffordable as refusal:
                self._too_dear = str(refusal)
                if refusal.after is not None:
                    self._errors.append((route.model.provider, refusal.after))
                return None
            except ProviderError as error:
                self._errors.append((route.model.provider, error))
                if error.kind is ErrorKind.context_length:
                    self._too_small = max(self._too_small, route.model.context_window or 0)
                policy = self._plan.on_content_policy
                match next_step(error, asked_again=asked_again, on_content_policy=policy):
                    case Step.fail:
                        return Fail(describe(error, route.model.provider))
                    case Step.next_route:
                        hopeless = error.kind in CALLERS_FAULT or error.code == SCHEMA_VIOLATION
                        self._may_recover = self._may_recover or not hopeless
                        return None
                    case Step.ask_again:
                        continue
        return None

    async def _is_open(self, route: Route) -> bool:
        """Is it worth a call, and may it be called now?"""
        if self._too_small and (route.model.context_window or 0) <= self._too_small:
            return False
        if not self._is_still_allowed(route):
            return False
        if not await self._services.health.admits(route):
            now = utc_now()
            rest = self._services.health.current.rest_of(route.endpoint.id, route.model.name, now)
            probed = Rest("breaker", "overloaded", "another call is trying it", now + timedelta(seconds=1))
            self._resting.append((route.model.provider, rest or probed))
            return False
        return True

    def _is_still_allowed(self, route: Route) -> bool:
        """What an operator took away while the job was on its way is not called any more."""
        services, job = self._services, self._run.job
        if (router := services.catalog.router) is not self._router:
            self._router = router
            try:
                plan = router.plan(self._request, job.project_id, services.health.current, utc_now(), str(job.id))
                self._allowed = {_key(one) for one in (*plan.routes, *(resting for resting, _ in plan.resting))}
            except UnknownModel:
                self._allowed = set()
        return self._allowed is None or _key(route) in self._allowed

    def end(self) -> RetryAt | Fail:
        """No route is left for this attempt."""
        if self._too_dear is not None and not self._resting and not self._may_recover:
            last = f". The last word was: {self._errors[-1][1].message}" if self._errors else ""
            return Fail(JobError("budget", self._too_dear + last))
        if not self._errors and not self._resting:  # the configuration changed on the way: by the new one, then
            return RetryAt(utc_now(), counted=False)
        settings = self._services.settings
        return after_all_routes(
            self._errors,
            self._resting,
            attempts=self._run.job.attempts,
            max_attempts=self._max_attempts,
            deadline=self._run.deadline,
            now=utc_now(),
            base_s=settings.retry_base_s,
            cap_s=settings.retry_cap_s,
            out_of_patience=self._run.job.running_for_s > settings.rest_patience_s,
            jitter=random.random(),  # noqa: S311  spreading retries needs no secrecy
        )


def _key(route: Route) -> tuple[UUID, str]:
    return route.endpoint.id, route.model.name


def no_route(plan: RoutePlan, voice_kept: Speaker | None = None) -> JobError:
    """Why nothing can serve this request."""
    if voice_kept is not None:
        spoke = f"{voice_kept.provider}/{voice_kept.model}"
        return JobError(
            "no_route", f"{spoke} began this narration and is no route any more; voice_policy any lets it change"
        )
    code, reasons = why_no_route(plan)
    kind = {"context_length": "context_length", "max_cost": "budget"}.get(code, "no_route")
    return JobError(kind, f"no route can serve this request: {reasons[:1500]}")
