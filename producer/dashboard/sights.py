"""The parts of the live board, each one look at Postgres and Redis."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from broker.queue import POOLS, pool_of
from core.clock import utc_now
from core.health import Health, Rest
from producer.composition import Services
from producer.dashboard.board import Reader
from producer.demand import present_demand, read_demand
from producer.limits_in_use import read_limits_in_use
from producer.quoting import read_health
from producer.usage import UsageQuery, add_up, present_sums, read_usage
from sql.alerts import select_alerts
from sql.dashboard import count_recent_calls, list_running_jobs, read_newest_ids
from sql.demand import count_demand

MOST_RUNNING = 200
RECENT = timedelta(minutes=30)


@dataclass(slots=True)
class Line:
    """Of a pool. `oldest_s`: for how long the first of those that are ready could have run."""

    ready: int = 0
    running: int = 0
    oldest_s: float | None = None


def readers_of(services: Services) -> Mapping[str, Reader]:
    """By the name that the page knows them by."""
    return {
        "work": lambda: read_work(services),
        "fleet": lambda: read_fleet(services),
        "providers": lambda: read_providers(services),
        "limits": lambda: read_limits(services),
        "cost": lambda: read_cost(services, utc_now()),
        "alerts": lambda: select_alerts(services.database, resolved=False),
    }


async def read_lines(services: Services) -> dict[str, Line]:
    """By pool, by the word of Postgres."""
    found = {pool: Line() for pool in POOLS}
    for one in await count_demand(services.database, None):
        line = found[pool_of(one.kind)]
        line.ready += one.ready
        line.running += one.running
        if one.oldest_wait_s is not None:
            line.oldest_s = max(line.oldest_s or 0.0, one.oldest_wait_s)
    return found


async def read_work(services: Services) -> dict[str, Any]:
    """The lines, what runs, and marks that change whenever a list of jobs would."""
    now, catalog = utc_now(), services.catalog.current
    lines = await read_lines(services)
    return {
        "pools": {
            pool: {
                "ready": line.ready,
                "running": line.running,
                "oldest_at": None if line.oldest_s is None else _to_the_second(now - timedelta(seconds=line.oldest_s)),
            }
            for pool, line in lines.items()
        },
        "paused": catalog.paused,
        "paused_projects": sorted(one.name for one in catalog.projects.values() if one.paused),
        "catalog": catalog.version,
        "newest": await read_newest_ids(services.database),
        "running": await list_running_jobs(services.database, MOST_RUNNING),
    }


async def read_fleet(services: Services) -> dict[str, Any]:
    """The workers there are, and how many the work asks for."""
    shown = present_demand(await read_demand(services, utc_now()))
    pools = {
        name: {key: pool[key] for key in ("slots", "reactive_slots", "predicted_slots", "reason")}
        for name, pool in shown["pools"].items()
    }
    return {"workers": shown["fleet"], "wanted": shown["workers"], "slots": shown["slots"], "pools": pools}


async def read_limits(services: Services) -> list[dict[str, Any]]:
    """How much of each limit is in use, and what providers said."""
    return await read_limits_in_use(services)


async def read_cost(services: Services, now: datetime) -> dict[str, Any]:
    """Since midnight UTC, by project and model."""
    since = now.replace(hour=0, minute=0, second=0, microsecond=0)
    report = await read_usage(services.database, UsageQuery(("project", "provider", "model"), None, None, since=since))
    groups = [
        {"project": one.project, "provider": one.provider, "model": one.model} | present_sums(one)
        for one in report.rows
    ]
    return {"since": since, "totals": add_up(report.rows), "groups": groups}


async def read_providers(services: Services) -> list[dict[str, Any]]:
    """Every provider with its endpoints, what rests and why, and how its calls went lately."""
    now, catalog, health = utc_now(), services.catalog.current, await read_health(services)
    calls: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in await count_recent_calls(services.database, now.replace(second=0, microsecond=0) - RECENT):
        calls[row.pop("provider")].append(row)
    return [
        {
            "id": provider.id,
            "name": provider.name,
            "active": provider.active,
            "calls": calls[provider.id],
            "endpoints": [_endpoint(one, health, now) for one in catalog.endpoints.get(provider.id, ())],
            "rests": [
                {"model": model, "endpoint_id": endpoint.id} | _rest(rest, now)
                for endpoint in catalog.endpoints.get(provider.id, ())
                for (endpoint_id, model), rest in sorted(health.routes.items(), key=lambda pair: pair[0][1])
                if endpoint_id == endpoint.id
            ],
            "latency_ms": {
                name.partition("/")[2]: round(median)
                for name, median in sorted(health.latency_ms.items())
                if name.partition("/")[0] == provider.id
            },
        }
        for provider in catalog.providers.values()
    ]


def _endpoint(endpoint: Any, health: Health, now: datetime) -> dict[str, Any]:
    rest = health.endpoints.get(endpoint.id)
    return {
        "id": endpoint.id,
        "base_url": endpoint.base_url,
        "handler": endpoint.handler_function,
        "region": endpoint.region,
        "active": endpoint.active,
        "lacks": health.without_credential.get(endpoint.id),
        "rest": None if rest is None or rest.is_over(now) else _rest(rest, now),
    }


def _rest(rest: Rest, now: datetime) -> dict[str, Any]:
    until = _to_the_second(rest.until)
    return {"scope": rest.scope, "kind": rest.kind, "reason": rest.reason, "until": until, "over": rest.is_over(now)}


def _to_the_second(at: datetime) -> datetime:
    """What is reckoned from a duration reads the same at the next look."""
    return (at + timedelta(milliseconds=500)).replace(microsecond=0)
