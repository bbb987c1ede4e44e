"""What this worker knows of routes and tells the others. While Redis is away, calls go on with what is known."""

import asyncio
import contextlib
from collections import defaultdict

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from broker.health import HEALTH, HealthBoard, Tally, latency_bucket
from broker.wakeups import Wakeups
from core import metrics
from core.catalog import Endpoint
from core.clock import utc_now
from core.credentials import address_of, endpoints_without_credential
from core.health import Board, BreakerRule, Health, blame, credential_name, health_of, route_name
from core.logging import get_logger
from core.looper import Looper, raise_if_cancelled
from core.provider import ProviderError
from core.routing import Route
from sql.alerts import raise_alert, resolve_alert
from sql.following import CatalogFollower
from sql.pool import Database

READ_EVERY_S = 1.0
TELL_EVERY_S = 0.5
log = get_logger(__name__)


class RouteHealth:
    """`current` follows what all workers see, at once when one of them says so, else within a second."""

    def __init__(self, redis: ArqRedis, database: Database, catalog: CatalogFollower, emulator_url: str | None) -> None:
        self._board = HealthBoard(redis, BreakerRule())
        self._database = database
        self._catalog = catalog
        self._emulator_url = emulator_url
        self._seen = Board()
        self._news = asyncio.Event()
        self._hints = Wakeups(redis, HEALTH, on_wake=lambda _: self._news.set())
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._latencies: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._teller = Looper("route health", self.tell, TELL_EVERY_S)
        self._reader: asyncio.Task[None] | None = None
        self.current = Health()

    async def start(self) -> None:
        await self.look()
        self._hints.start()
        self._teller.start()
        self._reader = asyncio.create_task(self._follow(), name="route health")

    async def stop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._teller.stop()
        await self._hints.stop()
        with contextlib.suppress(RedisError, OSError):
            await self.tell()

    async def look(self) -> None:
        """Read the board; while Redis is away the last one counts."""
        now, catalog = utc_now(), self._catalog.current
        try:
            self._seen = await self._board.read(now)
        except (RedisError, OSError) as error:
            log.debug("route health not read", error=type(error).__name__)
        missing = endpoints_without_credential(catalog, emulated=self._emulator_url is not None)
        self.current = health_of(self._seen, catalog, missing, self.secret_of)

    async def admits(self, route: Route) -> bool:
        """May the route be called now? After a breaker's rest, one call of the whole fleet tries it."""
        now, key = utc_now(), (route.endpoint.id, route.model.name)
        if self.current.rest_of(*key, now) is not None:
            return False
        trial = self.current.routes.get(key)
        if trial is None or trial.scope != "breaker":
            return True
        try:
            return await self._board.take_probe(route_name(*key))
        except (RedisError, OSError):
            return True

    async def note_answer(self, route: Route, duration_ms: float) -> None:
        """A good answer: how long it took, and that the credential is taken."""
        self._latencies[route.model.name, latency_bucket(duration_ms)] += 1
        await self._note_life(route)
        if self._seen.credentials:
            await self._lift(route.endpoint)

    async def note_error(self, route: Route, error: ProviderError) -> None:
        """What it means for the calls to come, of all workers."""
        blamed = blame(error)
        if blamed is None:
            await self._note_life(route)
            return
        name, kind, reason = route_name(route.endpoint.id, route.model.name), error.kind.value, error.message[:200]
        try:
            match blamed.scope:
                case "breaker":
                    tally = self._tallies[name]
                    tally.failures, tally.kind, tally.reason = tally.failures + 1, kind, reason
                    await self.tell()
                case "route":
                    await self._note_life(route)
                    if await self._board.rest_route(name, blamed.rest_s, kind, reason):
                        log.info("route rests", model=route.model.name, kind=kind, rest_s=round(blamed.rest_s, 3))
                    await self.look()
                case _:
                    mark = credential_name(route.endpoint, self.secret_of(route.endpoint))
                    if await self._board.rest_credential(mark, blamed.rest_s, kind, reason):
                        await self._alert(route.endpoint, kind, reason)
                    await self.look()
        except (RedisError, OSError) as gone:
            log.debug("route health not told", error=type(gone).__name__)

    async def tell(self) -> None:
        """Report what was counted since the last time."""
        if not self._tallies and not self._latencies:
            return
        tallies, latencies = dict(self._tallies), dict(self._latencies)
        self._tallies.clear()
        self._latencies.clear()
        change = await self._board.report(tallies, latencies)
        for name in change.opened:
            metrics.count_breaker(name, "opened")
            log.warning("breaker opened", route=name, kind=tallies[name].kind, reason=tallies[name].reason)
        for name in change.closed:
            metrics.count_breaker(name, "closed")
            log.warning("breaker closed", route=name)
        if change.opened or change.closed:
            await self.look()

    def secret_of(self, endpoint: Endpoint) -> str | None:
        return address_of(endpoint, self._emulator_url)[1]

    async def _note_life(self, route: Route) -> None:
        """The provider answered, whatever we think of the answer; a breaker on trial hears of it at once."""
        self._tallies[route_name(route.endpoint.id, route.model.name)].answers += 1
        if (route.endpoint.id, route.model.name) in self.current.routes:
            with contextlib.suppress(RedisError, OSError):
                await self.tell()

    async def _alert(self, endpoint: Endpoint, kind: str, reason: str) -> None:
        subject = endpoint.credential or endpoint.base_url
        log.error("alert", alert=kind, provider=endpoint.provider, credential=subject, reason=reason)
        await raise_alert(self._database, kind, f"{endpoint.provider} {subject}", reason)

    async def _lift(self, endpoint: Endpoint) -> None:
        """The credential is taken again, be it a new secret or an old one with new credit."""
        prefix = credential_name(endpoint, None if endpoint.credential is None else "").rpartition("|")[0]
        marks = [name for name in self._seen.credentials if name.rpartition("|")[0] == prefix]
        if marks:
            with contextlib.suppress(RedisError, OSError):
                await self._board.lift_credentials(marks)
            await resolve_alert(self._database, f"{endpoint.provider} {endpoint.credential or endpoint.base_url}")
            log.warning("credential is taken again", provider=endpoint.provider, credential=endpoint.credential)
            await self.look()

    async def _follow(self) -> None:
        while True:
            raise_if_cancelled()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READ_EVERY_S):
                    await self._news.wait()
            self._news.clear()
            await self.look()
