"""What is ready and what runs, as work with a service time and a ceiling: what demand is reckoned from."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from broker.queue import pool_of
from core.budgets import Figures
from core.catalog import Catalog
from core.ceilings import Said, ceiling_of, places_of, scopes_of
from core.demand import NO_CEILING, Work
from core.errors import UnknownModel
from core.health import Health
from core.limits import Limits, Scope
from core.request import JobRequest, Kind
from core.routing import Route, Router
from producer.composition import Services
from producer.quoting import read_health
from sql.demand import AskedModel, OpenJobs, count_demand, sample_demand

SAMPLED = 300
USUAL_S: Mapping[str, float] = {"text": 3.0, "speech": 6.0, "embedding": 0.5}  # while no call was measured
_CONTENT: Mapping[str, Mapping[str, Any]] = {
    "text": {"prompt": "x"},
    "speech": {"input": "x"},
    "embedding": {"input": "x"},
}


@dataclass(frozen=True, slots=True)
class OpenWork:
    """Of a pool. `ceiling`: of all of it together."""

    work: tuple[Work, ...] = ()
    ceiling: float = NO_CEILING
    oldest_wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """Those who ask for the same, and where their calls may go now."""

    row: AskedModel
    routes: Sequence[Route]
    rests: bool


async def read_open_work(services: Services, now: datetime, *, redis_is_there: bool) -> Mapping[str, OpenWork]:
    """By pool; without Redis, which routes rest and what providers said is not known. Of a line that is longer than
    what is looked at, the rest is taken to be alike."""
    counted = await count_demand(services.database, now)
    kinds = sorted({one.kind for one in counted if one.ready})
    sampled = await sample_demand(services.database, now, kinds, SAMPLED)
    catalog, figures = services.catalog.current, services.figures.current
    health = await read_health(services) if redis_is_there else Health()
    asked = [_ask(services.catalog.router, one, health, now) for one in sampled]
    places = await _read_places(services, [route for one in asked for route in one.routes], redis_is_there)
    ready = _ready_of(counted, catalog)
    seen = {key: sum(one.ready for one in sampled if (one.project_id, one.kind) == key) for key in ready}
    works: dict[str, list[Work]] = {}
    for one in asked:
        key = (one.row.project_id, one.row.kind)
        count = ready.get(key, 0) * one.row.ready / seen[key] if seen.get(key) else 0.0
        ceiling = 0.0 if one.rests else ceiling_of(one.routes, catalog.providers, places) if one.routes else NO_CEILING
        service_s = service_s_of(one.row.kind, one.routes, figures)
        work = Work(one.row.kind, one.row.model, count, one.row.running, service_s, ceiling)
        works.setdefault(pool_of(one.row.kind), []).append(work)
    return {
        pool: OpenWork(
            tuple(found),
            _together([one for one in asked if pool_of(one.row.kind) == pool], catalog, places),
            max((one.oldest_wait_s or 0.0 for one in counted
                 if pool_of(one.kind) == pool and ready.get((one.project_id, one.kind))), default=0.0),
        )
        for pool, found in works.items()
    }  # fmt: skip


def _ask(router: Router, row: AskedModel, health: Health, now: datetime) -> _Asked:
    request = JobRequest(model=row.model, kind=Kind(row.kind), **_CONTENT[row.kind])
    try:
        plan = router.plan(request, row.project_id, health, now)
    except UnknownModel:
        return _Asked(row, (), rests=False)
    return _Asked(row, plan.routes, rests=not plan.routes and bool(plan.resting))


async def _read_places(services: Services, routes: Iterable[Route], redis_is_there: bool) -> Mapping[str, float]:
    """By scope: how many calls may run at once. Without a word of Redis, what the tables say."""
    catalog, figures = services.catalog.current, services.figures.current
    scopes: dict[str, tuple[Scope, float]] = {}
    for route in routes:
        measured = figures.get((route.model.provider, route.model.model_id, route.model.kind))
        call_s = (measured.duration_ms_mean if measured else None) or 1000 * USUAL_S.get(route.model.kind, 3.0)
        for scope in scopes_of(route, catalog.providers):
            scopes.setdefault(scope.name, (scope, call_s / 1000))
    said = [Said()] * len(scopes)
    if redis_is_there and scopes:
        with contextlib.suppress(RedisError, OSError):
            said = [
                Said.of(one["said"]) for one in await services.limiter.look([scope for scope, _ in scopes.values()])
            ]
    return {
        name: places_of(scope.limits, heard, call_s)
        for (name, (scope, call_s)), heard in zip(scopes.items(), said, strict=True)
    }


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


def _together(asked: Sequence[_Asked], catalog: Catalog, places: Mapping[str, float]) -> float:
    """What all of it may run at once. Work whose routes are not known bounds nothing."""
    if any(not one.routes and not one.rests for one in asked):
        return NO_CEILING
    return ceiling_of([route for one in asked for route in one.routes], catalog.providers, places)


def service_s_of(kind: str, routes: Sequence[Route], figures: Figures) -> float:
    """What a job holds a slot for, by what was measured of the first route's model, else of all of its kind."""
    first = figures.get((routes[0].model.provider, routes[0].model.model_id, kind)) if routes else None
    if first is not None and first.slot_ms_mean is not None:
        return first.slot_ms_mean / 1000
    alike = [(one.calls, one.slot_ms_mean) for one in figures.values() if one.kind == kind and one.slot_ms_mean]
    calls = sum(count for count, _ in alike)
    return sum(count * ms for count, ms in alike) / calls / 1000 if calls else USUAL_S.get(kind, 3.0)
