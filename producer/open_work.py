"""What is ready and what runs, as work with a service time and a ceiling: what demand is reckoned from."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from broker.queue import POOLS, pool_of
from core.budgets import Figures
from core.catalog import Catalog
from core.ceilings import (
    USUAL,
    CallLoad,
    Places,
    Said,
    call_load,
    calls_at_once,
    ceiling_of,
    mean_of_kind,
    mix_of,
    places_of,
    scopes_of,
)
from core.demand import NO_CEILING, Work
from core.errors import UnknownModel
from core.estimates import parts_of
from core.health import Health
from core.limits import Limits, Scope, route_scope
from core.request import JobRequest, Kind
from core.routing import Route, Router
from producer.composition import Services
from producer.quoting import read_health
from sql.demand import AskedModel, OpenJobs, sample_demand

SAMPLED = 300
_CONTENT: Mapping[str, Mapping[str, Any]] = {
    "text": {"prompt": "x"},
    "speech": {"input": "x"},
    "embedding": {"input": "x"},
}


@dataclass(frozen=True, slots=True)
class OpenWork:
    """Of a pool. `ceiling`: of all of it together, by the `limits` of scopes."""

    work: tuple[Work, ...] = ()
    ceiling: float = NO_CEILING
    limits: Mapping[str, Places] = field(default_factory=dict)
    oldest_wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """Those who ask for the same, and where their calls may go now."""

    row: AskedModel
    routes: Sequence[Route]
    rests: bool

    def parts(self, route: Route) -> list[int]:
        """Of each narration, were it spoken there."""
        return [parts_of(one, route.model.max_input_characters) for one in self.row.characters]


async def read_open_work(services: Services, now: datetime, *, redis_is_there: bool) -> Mapping[str, OpenWork]:
    """By pool; without Redis, which routes rest and what providers said is not known."""
    catalog, figures = services.catalog.current, services.figures.current
    counted = await services.open_counts.read(now)
    ready = _ready_of(counted, catalog)
    health = await read_health(services) if redis_is_there else Health()
    asked = [_ask(services.catalog.router, one, health, now) for one in await _sample(services, now, ready)]
    places = await _read_places(services, asked, redis_is_there)
    counts = _spread([one.row for one in asked], ready)
    at_once, found = services.settings.speech_parts_at_once, {}
    for pool in POOLS:
        here = [(one, count) for one, count in zip(asked, counts, strict=True) if pool_of(one.row.kind) == pool]
        found[pool] = OpenWork(
            work=tuple(_work_of(one, count, catalog, places, figures, at_once) for one, count in here),
            ceiling=_together([one for one, _ in here], catalog, places, at_once),
            limits=_limits([one for one, _ in here], catalog, places),
            oldest_wait_s=max(
                (
                    one.oldest_wait_s or 0.0
                    for one in counted
                    if ready[one.project_id, one.kind] and pool_of(one.kind) == pool
                ),
                default=0.0,
            ),
        )
    return found


async def _sample(services: Services, now: datetime, ready: Mapping[tuple[UUID, str], int]) -> list[AskedModel]:
    """Of those whose jobs a slot would take: others may stand before them."""
    able = {project for (project, _), jobs in ready.items() if jobs}
    without = sorted({project for project, _ in ready} - able)
    kinds = sorted({kind for (_, kind), jobs in ready.items() if jobs})
    return await sample_demand(services.database, now, kinds, without, SAMPLED)


def _spread(rows: Sequence[AskedModel], ready: Mapping[tuple[UUID, str], int]) -> list[float]:
    """Ready jobs by row: those beyond the sample are taken to ask for what those of their kind in it ask for."""
    wanted: dict[str, int] = {}
    sampled: dict[str, int] = {}
    for (_, kind), jobs in ready.items():
        wanted[kind] = wanted.get(kind, 0) + jobs
    for one in rows:
        sampled[one.kind] = sampled.get(one.kind, 0) + one.ready
    return [wanted.get(one.kind, 0) * one.ready / sampled[one.kind] if sampled[one.kind] else 0.0 for one in rows]


def _work_of(
    asked: _Asked, ready: float, catalog: Catalog, places: Mapping[str, Places], figures: Figures, at_once: int
) -> Work:
    row = asked.row
    service_s = service_s_of(row.kind, asked.routes, figures)
    if not asked.routes:
        return Work(row.kind, row.model, ready, row.running, service_s, 0.0 if asked.rests else NO_CEILING)
    held, first = _held([asked], at_once), asked.routes[0]
    ceiling = ceiling_of(asked.routes, catalog.providers, places, held)
    tokens, calls = _load_of(first, figures).tokens, held[route_scope(first.endpoint, first.model)]
    return Work(row.kind, row.model, ready, row.running, service_s, ceiling, round(tokens, 1), round(calls, 2))


def _ask(router: Router, row: AskedModel, health: Health, now: datetime) -> _Asked:
    try:
        request = JobRequest(model=row.model, kind=Kind(row.kind), **_CONTENT[row.kind])
        plan = router.plan(request, row.project_id, health, now)
    except (UnknownModel, ValueError):  # its alias is gone, or a later release accepted it
        return _Asked(row, (), rests=False)
    return _Asked(row, plan.routes, rests=not plan.routes and bool(plan.resting))


async def _read_places(services: Services, asked: Iterable[_Asked], redis_is_there: bool) -> Mapping[str, Places]:
    """By scope: how many calls may run at once. Without a word of Redis, what the tables say."""
    catalog, figures = services.catalog.current, services.figures.current
    scopes: dict[str, Scope] = {}
    loads: dict[str, list[tuple[CallLoad, float]]] = {}
    for one in asked:
        for route in one.routes:
            load, calls = _load_of(route, figures), sum(one.parts(route)) or one.row.ready + one.row.running
            for scope in scopes_of(route, catalog.providers):
                scopes[scope.name] = scope
                loads.setdefault(scope.name, []).append((load, calls))
    said = [Said()] * len(scopes)
    if redis_is_there and scopes:
        with contextlib.suppress(RedisError, OSError):
            said = [Said.of(one["said"]) for one in await services.limiter.look(list(scopes.values()))]
    return {
        name: places_of(scope.limits, heard, mix_of(loads[name]))
        for (name, scope), heard in zip(scopes.items(), said, strict=True)
    }


def _load_of(route: Route, figures: Figures) -> CallLoad:
    return call_load(route.model.provider, route.model.model_id, route.model.kind, figures)


def _ready_of(counted: Sequence[OpenJobs], catalog: Catalog) -> dict[tuple[UUID, str], int]:
    """Jobs that a free slot would take: not those of who is paused, nor those beyond their project's own cap."""
    running: dict[UUID, int] = {}
    for one in counted:
        running[one.project_id] = running.get(one.project_id, 0) + one.running
    found: dict[tuple[UUID, str], int] = {}
    for one in counted:
        project = catalog.projects.get(one.project_id)
        ready = one.ready
        if catalog.paused or (project is not None and project.paused):
            ready = 0
        elif project is not None and (cap := Limits.of(project.settings.get("limits")).concurrency) is not None:
            ready = min(ready, max(0, cap - running[one.project_id]))
        found[one.project_id, one.kind] = ready
    return found


def _held(asked: Sequence[_Asked], at_once: int) -> Mapping[str, float]:
    """Places that one of these jobs takes on a route, by its scope."""
    parts: dict[str, list[int]] = {}
    for one in asked:
        for route in one.routes:
            parts.setdefault(route_scope(route.endpoint, route.model), []).extend(one.parts(route))
    return {scope: calls_at_once(counted, at_once) for scope, counted in parts.items()}


def _together(asked: Sequence[_Asked], catalog: Catalog, places: Mapping[str, Places], at_once: int) -> float:
    """What all of it may run at once. Work whose routes are not known bounds nothing, and no work neither."""
    if not asked or any(not one.routes and not one.rests for one in asked):
        return NO_CEILING
    routes = [route for one in asked for route in one.routes]
    return ceiling_of(routes, catalog.providers, places, _held(asked, at_once))


def _limits(asked: Sequence[_Asked], catalog: Catalog, places: Mapping[str, Places]) -> Mapping[str, Places]:
    """Those that bound it somewhere, by scope."""
    scopes = {scope.name for one in asked for route in one.routes for scope in scopes_of(route, catalog.providers)}
    return {name: places[name] for name in sorted(scopes) if places[name].by is not None}


def service_s_of(kind: str, routes: Sequence[Route], figures: Figures) -> float:
    """What a job holds a slot for, by what was measured of the first route's model, else of all of its kind."""
    first = figures.get((routes[0].model.provider, routes[0].model.model_id, kind)) if routes else None
    if first is not None and first.slot_ms_mean is not None:
        return first.slot_ms_mean / 1000
    alike = mean_of_kind("slot_ms_mean", kind, figures)
    return USUAL.get(kind, USUAL["text"]).seconds if alike is None else alike / 1000
