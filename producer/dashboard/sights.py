"""The parts of the live board, each one look at Postgres and Redis."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError

from broker.queue import POOLS, Line
from core.clock import utc_now
from core.health import Health, Rest
from producer.composition import Services
from producer.dashboard.board import Reader
from producer.limits_in_use import read_limits_in_use
from producer.quoting import read_health
from producer.usage import UsageQuery, add_up, present_sums, read_usage
from sql.alerts import select_alerts
from sql.dashboard import count_recent_calls, list_running_jobs, read_newest_ids, read_oldest_queued

MOST_RUNNING = 200
RECENT = timedelta(minutes=30)


def readers_of(services: Services) -> Mapping[str, Reader]:
    """By the name that the page knows them by."""
    return {
        "work": lambda: read_work(services),
        "providers": lambda: read_providers(services),
        "limits": lambda: read_limits(services),
        "cost": lambda: read_cost(services, utc_now()),
        "alerts": lambda: select_alerts(services.database, resolved=False),
    }


async def read_lines(services: Services) -> tuple[Mapping[str, Line], int] | None:
    """None while Redis is away."""
    try:
        return await services.queue.look(MOST_RUNNING)
    except (RedisError, OSError):
        return None


async def read_oldest(services: Services, lines: Mapping[str, Line]) -> dict[str, datetime | None]:
    """Since when the job waits that waits longest, by pool; looked for only where jobs wait."""
    return {
        pool: await read_oldest_queued(services.database, pool == "speech", None) if line.ready else None
        for pool, line in lines.items()
    }


async def read_work(services: Services) -> dict[str, Any]:
    """The lines, who runs what, and marks that change whenever a list of jobs would."""
    looked, catalog = await read_lines(services), services.catalog.current
    lines, delayed = looked or ({}, None)
    oldest = await read_oldest(services, lines)
    running = await list_running_jobs(services.database, MOST_RUNNING)
    newest = await read_newest_ids(services.database)
    owners = {job: owner for line in lines.values() for job, owner in line.holders.items()}
    return {
        "redis": looked is not None,
        "pools": {
            pool: {"ready": lines[pool].ready, "running": lines[pool].running, "oldest_at": oldest[pool]}
            for pool in POOLS
            if pool in lines
        },
        "delayed": delayed,
        "paused": catalog.paused,
        "paused_projects": sorted(one.name for one in catalog.projects.values() if one.paused),
        "catalog": catalog.version,
        "newest": newest,
        "running": [job | {"owner": owners.get(job["id"])} for job in running],
    }


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
        "lacks": health.without_credential.get(endpoint.id),
        "rest": None if rest is None or rest.is_over(now) else _rest(rest, now),
    }


def _rest(rest: Rest, now: datetime) -> dict[str, Any]:
    """To the second: the same rest reads the same at the next look."""
    until = (rest.until + timedelta(milliseconds=500)).replace(microsecond=0)
    return {"scope": rest.scope, "kind": rest.kind, "reason": rest.reason, "until": until, "over": rest.is_over(now)}
