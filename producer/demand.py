"""How much work there is for workers: what `/v1/autoscaling` and the dashboard show, with every figure behind it."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError

from broker.fleet import Fleet
from broker.queue import POOLS, pool_of
from core.ceilings import Places
from core.demand import Demand, Load, Rule, Worker, demand_of, workers_of
from core.forecast import Came, Past, forecast_per_s, needed_quarters
from core.ids import first_id_at
from producer.composition import Services
from producer.open_work import OpenWork, read_open_work, service_s_of
from sql.demand import Arrivals, count_arrivals, read_arrival_span, select_arrivals

ARRIVALS_OVER = timedelta(minutes=1)
SHOWN = 50
PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class PoolDemand:
    """`workers`: how many have the slots. `takers`: those that take its jobs now. `limits`: by scope."""

    demand: Demand
    workers: int
    load: Load
    takers: Sequence[Worker]
    limits: Mapping[str, Places]


@dataclass(frozen=True, slots=True)
class FleetDemand:
    """`slots` and `workers`: for workers that take jobs of all pools. `fleet` None: Redis is away, and nobody knows
    which workers there are."""

    at: datetime
    rule: Rule
    slots_per_worker: int
    pools: Mapping[str, PoolDemand]
    slots: int
    workers: int
    fleet: Fleet | None


async def read_demand(services: Services, now: datetime, slots_per_worker: int | None = None) -> FleetDemand:
    """Postgres says what is in line and what runs, Redis which workers there are and what providers leave room for.
    `slots_per_worker`: of workers that are still to be started; None: as many as those that run have."""
    rule = Rule(services.settings.target_wait_s, services.settings.cool_down_s)
    fleet = await _look_at_fleet(services)
    seen = fleet.workers if fleet else ()
    slots = slots_per_worker or max((one.slots for one in seen), default=services.settings.worker_slots)
    works = await read_open_work(services, now, redis_is_there=fleet is not None)
    arrivals = await count_arrivals(services.database, first_id_at(now - ARRIVALS_OVER))
    expected = await _forecast(services, now)
    pools = {}
    for pool in POOLS:
        load = _load_of(services, pool, works[pool], arrivals, fleet, expected)
        demand, takers = demand_of(load, rule), [one for one in seen if pool in one.pools]
        workers = workers_of(demand.slots, takers, slots, rule)
        pools[pool] = PoolDemand(demand, workers, load, takers, works[pool].limits)
    together = sum(one.demand.slots for one in pools.values())
    return FleetDemand(now, rule, slots, pools, together, workers_of(together, seen, slots, rule), fleet)


async def _look_at_fleet(services: Services) -> Fleet | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await services.fleet.look()
    except (RedisError, OSError):
        return None


async def _forecast(services: Services, now: datetime) -> Mapping[str, float] | None:
    """Jobs a second by kind; None when nothing is known of the past, or it is not to be asked."""
    since = (await read_arrival_span(services.database)).first if services.settings.forecast else None
    if since is None:
        return None
    ahead = timedelta(seconds=services.settings.forecast_ahead_s)
    rows = await select_arrivals(services.database, needed_quarters(now, ahead))
    by_kind: dict[str, dict[datetime, Came]] = {}
    for one in rows:
        by_kind.setdefault(one.kind, {})[one.quarter] = Came(one.jobs, one.busiest)
    rates = {kind: forecast_per_s(Past(came, since), now, ahead) for kind, came in by_kind.items()}
    return {kind: rate for kind, rate in rates.items() if rate is not None}


def _load_of(
    services: Services,
    pool: str,
    open_work: OpenWork,
    arrivals: Sequence[Arrivals],
    fleet: Fleet | None,
    expected: Mapping[str, float] | None,
) -> Load:
    figures = services.figures.current
    came = {one.kind: one.jobs for one in arrivals if pool_of(one.kind) == pool}
    soon = None if expected is None else {kind: rate for kind, rate in expected.items() if pool_of(kind) == pool}
    jobs = sum(came.values())
    seconds = sum(count * service_s_of(kind, (), figures) for kind, count in came.items())
    return Load(
        work=open_work.work,
        arrivals_per_s=jobs / ARRIVALS_OVER.total_seconds(),
        service_s=seconds / jobs if jobs else service_s_of(pool, (), figures),
        oldest_wait_s=open_work.oldest_wait_s,
        ceiling=open_work.ceiling,
        busy_ago_s=fleet.busy_ago_s.get(pool, math.inf) if fleet else None,
        forecast_per_s=None if soon is None else sum(soon.values()),
        forecast_slots=None if soon is None else sum(r * service_s_of(kind, (), figures) for kind, r in soon.items()),
    )


def present_demand(found: FleetDemand) -> dict[str, Any]:
    """The public shape."""
    return {
        "at": found.at,
        "slots": found.slots,
        "workers": found.workers,
        "pools": {name: _present_pool(one, found.rule) for name, one in found.pools.items()},
        "slots_per_worker": found.slots_per_worker,
        "target_wait_s": found.rule.target_wait_s,
        "cool_down_s": found.rule.cool_down_s,
        "fleet": [_present_worker(one, found.rule) for one in found.fleet.workers] if found.fleet else None,
    }


def _present_pool(one: PoolDemand, rule: Rule) -> dict[str, Any]:
    load = one.load
    work = sorted(load.work, key=lambda part: -part.ready * part.service_s)[:SHOWN]
    return {
        "slots": one.demand.slots,
        "workers": one.workers,
        "reason": one.demand.reason,
        "reactive_slots": one.demand.reactive,
        "predicted_slots": one.demand.predicted,
        "ready": round(sum(part.ready for part in load.work)),
        "running": round(sum(part.running for part in load.work)),
        "ready_service_s": round(sum(part.ready * part.service_s for part in load.work), 3),
        "oldest_wait_s": round(load.oldest_wait_s, 3),
        "arrivals_per_s": round(load.arrivals_per_s, 4),
        "service_s": round(load.service_s, 4),
        "forecast_per_s": None if load.forecast_per_s is None else round(load.forecast_per_s, 4),
        "ceiling": _bounded(load.ceiling),
        "limits": {scope: {"places": places.most, "by": places.by} for scope, places in one.limits.items()},
        "busy_ago_s": None if load.busy_ago_s is None else _bounded(load.busy_ago_s),
        "live_workers": len(one.takers),
        "full_workers": sum(taker.lag_ms > rule.full_lag_ms for taker in one.takers),
        "work": [asdict(part) | {"ceiling": _bounded(part.ceiling)} for part in work],
    }


def _present_worker(one: Worker, rule: Rule) -> dict[str, Any]:
    return asdict(one) | {"full": one.lag_ms > rule.full_lag_ms}


def _bounded(value: float) -> float | None:
    return value if math.isfinite(value) else None
