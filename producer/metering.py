"""What metrics say of the whole fleet: read out of Postgres and Redis when somebody asks."""

import asyncio
import contextlib
import time
from collections import Counter as Tally
from collections.abc import Awaitable, Callable

from core import metrics
from core.clock import utc_now
from core.health import Health
from core.logging import get_logger
from producer.composition import Services
from producer.demand import read_demand
from producer.quoting import read_health
from sql.fleet import count_open_alerts, count_open_jobs

LEAST_S = 1.0
SHARE = 20  # what takes a while is read so many times less often
FIRST_PATIENCE_S = 2.0
PATIENCE_S = 0.1
MOST_S = 5.0
STATES = ("waiting", "queued", "in_progress", "cancelling")
KINDS = ("text", "speech", "embedding")


class FleetMeter:
    """At most one look a second, whoever asks, and none for longer the more a look takes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._looking: asyncio.Task[None] | None = None
        self._fresh_until = 0.0

    async def refresh(self) -> None:
        """Look again, if the last look is too old. Where that takes longer than `PATIENCE_S`, the last one will do."""
        patience_s = PATIENCE_S if self._fresh_until else FIRST_PATIENCE_S
        if self._looking is None or self._looking.done():
            if time.monotonic() < self._fresh_until:
                return
            self._looking = asyncio.create_task(self._look(), name="fleet meter")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await asyncio.shield(self._looking)

    async def _look(self) -> None:
        began = time.monotonic()
        postgres = [await self._is_answered(one) for one in (self._read_jobs, self._read_demand, self._read_alerts)]
        redis = [await self._is_answered(one) for one in (self._read_redis, self._read_health)]
        metrics.SERVERS.labels("postgres").set(all(postgres))
        metrics.SERVERS.labels("redis").set(all(redis))
        took_s = time.monotonic() - began
        metrics.READ_TIME.set(took_s)
        self._fresh_until = began + max(LEAST_S, took_s * SHARE)

    async def _is_answered(self, read: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(MOST_S):
                await read()
        except Exception as error:  # noqa: BLE001  what this process counts is shown all the same
            get_logger(__name__).warning("fleet not read", error=f"{type(error).__name__}: {error}"[:200])
            return False
        return True

    async def _read_jobs(self) -> None:
        found = {(one.state, one.kind): one.jobs for one in await count_open_jobs(self._services.database)}
        for state in STATES:
            for kind in KINDS:
                metrics.JOBS.labels(state, kind).set(found.get((state, kind), 0))

    async def _read_demand(self) -> None:
        found = await read_demand(self._services, utc_now())
        for pool, one in found.pools.items():
            metrics.DEPTH.labels(pool).set(sum(work.ready for work in one.load.work))
            metrics.ARRIVALS.labels(pool).set(one.load.arrivals_per_s)
            metrics.OLDEST.labels(pool).set(one.load.oldest_wait_s)
            metrics.WANTED_SLOTS.labels(pool).set(one.demand.slots)
            metrics.WANTED_WORKERS.labels(pool).set(one.workers)
        if found.fleet is not None:
            workers = found.fleet.workers
            for state in ("working", "leaving"):
                metrics.WORKERS.labels(state).set(sum(one.state == state for one in workers))
            metrics.FLEET_SLOTS.set(sum(one.slots for one in workers))
            metrics.LAG.set(max((one.lag_ms for one in workers), default=0) / 1000)

    async def _read_alerts(self) -> None:
        found = await count_open_alerts(self._services.database)
        metrics.ALERTS.clear()
        for one in found:
            metrics.ALERTS.labels(one.kind).set(one.alerts)

    async def _read_redis(self) -> None:
        metrics.IN_REDIS.set(await self._services.queue.depth())

    async def _read_health(self) -> None:
        found = self._resting(await read_health(self._services))
        metrics.RESTING.clear()
        for (provider, scope), routes in found.items():
            metrics.RESTING.labels(provider, scope).set(routes)

    def _resting(self, health: Health) -> Tally[tuple[str, str]]:
        """By provider and why: `breaker`, `route` (it asked for a rest), or `credential` with all that use it."""
        now, catalog = utc_now(), self._services.catalog.current
        provider_of = {one.id: one.provider for group in catalog.endpoints.values() for one in group}
        ids = [*((key[0], rest) for key, rest in health.routes.items()), *health.endpoints.items()]
        return Tally(
            (provider_of[endpoint], rest.scope)
            for endpoint, rest in ids
            if endpoint in provider_of and not rest.is_over(now)
        )
