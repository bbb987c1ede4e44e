"""From a request and what Postgres says to an ordered list of routes, each exclusion with its reason. Pure.

A `Router` belongs to one snapshot of the catalog. What the snapshot alone decides about a name is worked out once and
kept until a price or a retirement date changes it; a job pays for the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from core.catalog import Alias, Catalog, Endpoint, Model, Price, Project, Voice
from core.errors import UnknownModel
from core.filters import (
    Fault,
    audio_format_of,
    find_call_fault,
    find_endpoint_fault,
    find_model_fault,
    find_request_fault,
    globs_of,
    matches,
    region_of,
)
from core.health import Health, Rest
from core.pricing import cost_per_token
from core.provider import HandlerSpec
from core.records import record
from core.request import JobRequest, Kind
from core.strategies import Candidate, Ordering, choose_ordering, is_static, order_candidates

MOST_NAMES = 2048
ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Route:
    """One way to get the answer. `variant`: the target that was drawn, also where this route is its failover."""

    candidate: Candidate
    endpoint: Endpoint
    handler: HandlerSpec
    price: Price | None
    voice: Voice | None = None
    variant: str | None = None

    @property
    def model(self) -> Model:
        return self.candidate.model

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The alias target's defaults."""
        return self.candidate.parameters


@dataclass(frozen=True, slots=True)
class Exclusion:
    model: str
    endpoint: str | None
    code: str
    reason: str


@record
class RoutePlan:
    """Routes in the order to try them. `resting` ones would serve, but not now. `variant`: the target that was drawn
    under `weighted`."""

    name: str
    ordering: Ordering
    on_content_policy: str
    routes: tuple[Route, ...]
    resting: tuple[tuple[Route, Rest], ...]
    exclusions: tuple[Exclusion, ...]
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class _Choice:
    """A candidate with the routes that the catalog allows it."""

    candidate: Candidate
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class _Shortlist:
    """What the catalog alone decides about a name, until a price or a retirement changes it."""

    choices: tuple[_Choice, ...]
    exclusions: tuple[Exclusion, ...]
    until: datetime


class Router:
    """Plans requests over one snapshot of the catalog."""

    def __init__(self, catalog: Catalog, handlers: Mapping[str, HandlerSpec]) -> None:
        self.catalog = catalog
        self._handlers = handlers
        self._shortlists: dict[tuple[Any, ...], _Shortlist] = {}

    def plan(
        self, request: JobRequest, project_id: UUID | None, health: Health, now: datetime, job: str = ""
    ) -> RoutePlan:
        """`job` tells jobs apart where they are spread. Raises UnknownModel when no alias or model has the name."""
        catalog = self.catalog
        alias = catalog.find_alias(request.model, project_id)
        ordering = choose_ordering(request, alias, project_id, job)
        shortlist = self._shortlist(request, alias, project_id, ordering, now)
        choices: Sequence[_Choice] = shortlist.choices
        if not is_static(ordering):
            by_candidate = {id(choice.candidate): choice for choice in choices}
            ordered = order_candidates([one.candidate for one in choices], ordering, request.model, health.latency_ms)
            choices = [by_candidate[id(one)] for one in ordered]
        routes: list[Route] = []
        resting: list[tuple[Route, Rest]] = []
        exclusions = list(shortlist.exclusions)
        variant = None
        for choice in choices:
            candidate = choice.candidate
            if fault := find_request_fault(candidate.model, request, catalog):
                exclusions.append(Exclusion(candidate.model.name, None, *fault))
                continue
            for route in self._voiced(choice.routes, request):
                if fault := _route_fault(route, request, health):
                    exclusions.append(Exclusion(candidate.model.name, route.endpoint.base_url, *fault))
                    continue
                if variant is None and ordering.strategy == "weighted" and candidate.weight and not candidate.fallback:
                    variant = candidate.model.name
                if rest := health.rest_of(route.endpoint.id, candidate.model.name, now):
                    resting.append((route, rest))
                else:
                    routes.append(route)
        return RoutePlan(
            name=request.model,
            ordering=ordering,
            on_content_policy=alias.on_content_policy if alias else "fail",
            routes=tuple([replace(route, variant=variant) for route in routes] if variant else routes),
            resting=tuple(resting),
            exclusions=tuple(exclusions),
            variant=variant,
        )

    def _voiced(self, routes: tuple[Route, ...], request: JobRequest) -> Sequence[Route]:
        if request.voice is None or not routes:
            return routes
        voice = self.catalog.voices.get((request.voice, routes[0].model.provider))
        return routes if voice is None else [replace(route, voice=voice) for route in routes]

    def _shortlist(
        self, request: JobRequest, alias: Alias | None, project_id: UUID | None, ordering: Ordering, now: datetime
    ) -> _Shortlist:
        project = self.catalog.projects.get(project_id) if project_id else None
        region, audio_format = region_of(request, project), audio_format_of(request)
        fallbacks = tuple(request.fallbacks)
        key = (request.model, project_id, request.kind, region, audio_format, fallbacks, ordering.strategy)
        found = self._shortlists.get(key)
        if found is None or found.until <= now:
            candidates = self._candidates(request.model, fallbacks, alias, project, now)
            ordered = order_candidates(candidates, replace(ordering, draw="", explores=False), request.model, {})
            found = self._check(ordered, request.kind, project, region, audio_format, now)
            if len(self._shortlists) >= MOST_NAMES:
                self._shortlists.clear()
            self._shortlists[key] = found
        return found

    def _candidates(
        self, name: str, fallbacks: tuple[str, ...], alias: Alias | None, project: Project | None, now: datetime
    ) -> list[Candidate]:
        catalog, preferred = self.catalog, globs_of(project, "preferred_models")
        project_id = project.id if project else None

        def candidate(
            model: Model, position: int, weight: int, parameters: Mapping[str, Any], *, active: bool, fallback: bool
        ) -> Candidate:
            places = [place for place, glob in enumerate(preferred) if matches(model, (glob,))]
            return Candidate(
                model=model,
                position=position,
                weight=weight,
                parameters=parameters,
                active=active,
                fallback=fallback,
                preferred=min(places, default=len(preferred)),
                is_preferred=bool(places),
                cost_per_token=cost_per_token(model, catalog.price_at(model, now)),
            )

        if alias is not None:
            found = [
                candidate(model, one.position, one.weight, one.parameters, active=one.active, fallback=False)
                for one in alias.targets
                if (model := catalog.models.get((one.provider, one.model_id)))
            ]
        else:
            found = [candidate(one, 0, 100, {}, active=True, fallback=False) for one in catalog.find_models(name)]
        if not found and alias is None:
            known = ", ".join(sorted({one for one, owner in catalog.aliases if owner in (None, project_id)})) or "none"
            raise UnknownModel(f"model: no alias or model is called {name[:100]!r}. Aliases: {known}.")
        for place, other in enumerate(fallbacks):
            models = catalog.find_models(other)
            if not models:
                raise UnknownModel(f"fallbacks.{place}: no model is called {other[:100]!r}.")
            found += [candidate(one, place, 0, {}, active=True, fallback=True) for one in models]
        return found

    def _check(
        self,
        candidates: Sequence[Candidate],
        kind: Kind,
        project: Project | None,
        region: str | None,
        audio_format: str | None,
        now: datetime,
    ) -> _Shortlist:
        choices: list[_Choice] = []
        exclusions: list[Exclusion] = []
        until = ALWAYS
        for one in candidates:
            retires_at = _retires_at(one.model)
            dates = [retires_at, *(price.valid_from for price in self._prices(one.model))]
            until = min([until, *(date for date in dates if date is not None and date > now)])
            retired = retires_at is not None and retires_at <= now
            fault = find_model_fault(one.model, kind, project, self.catalog, target_active=one.active, retired=retired)
            if fault is not None:
                exclusions.append(Exclusion(one.model.name, None, *fault))
                continue
            routes, faults = self._routes(one, region, audio_format, now)
            exclusions += faults
            if routes:
                choices.append(_Choice(one, tuple(routes)))
        return _Shortlist(tuple(choices), tuple(exclusions), until)

    def _routes(
        self, one: Candidate, region: str | None, audio_format: str | None, now: datetime
    ) -> tuple[list[Route], list[Exclusion]]:
        routes: list[Route] = []
        faults: list[Exclusion] = []
        for endpoint in self.catalog.endpoints.get(one.model.provider, ()):
            fault = find_endpoint_fault(endpoint, one.model, region, audio_format, one.parameters, self._handlers)
            if fault is None:
                handler = self._handlers[endpoint.handler_function]
                routes.append(Route(one, endpoint, handler, self.catalog.price_at(one.model, now)))
            elif fault[0] != "not_served":
                faults.append(Exclusion(one.model.name, endpoint.base_url, *fault))
        if not routes and not faults:
            faults.append(Exclusion(one.model.name, None, "not_served", "no active endpoint serves this model"))
        return routes, faults

    def _prices(self, model: Model) -> Sequence[Price]:
        return self.catalog.prices.get((model.provider, model.model_id), ())


def _route_fault(route: Route, request: JobRequest, health: Health) -> Fault | None:
    if route.endpoint.id in health.without_credential:
        return "credential", health.without_credential[route.endpoint.id]
    return find_call_fault(route.model, route.endpoint, route.price, route.parameters, request)


def _retires_at(model: Model) -> datetime | None:
    return datetime.combine(model.retires_on, time(), UTC) if model.retires_on is not None else None
