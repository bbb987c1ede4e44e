"""The gate before each provider call: rates and places of the provider, the endpoint, and what the provider said.

Who is refused because calls must end first may wait here for a place, in a line of this worker of which only the head
asks again. Nothing is held while waiting.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections import defaultdict
from datetime import timedelta
from itertools import count
from uuid import UUID

from arq.connections import ArqRedis

from broker.leases import LeaseKeeper
from broker.limits import FREED, Limiter
from broker.wakeups import Wakeups
from core import metrics
from core.catalog import Catalog
from core.ceilings import scopes_of
from core.clock import utc_now
from core.health import Rest
from core.limits import Limits, ProviderWord, Refused, Scope, Taken, tokens_asked
from core.provider import ErrorKind, ProviderAnswer, ProviderError
from core.request import JobRequest
from core.result import Usage
from core.routing import Route
from sql.following import CatalogFollower
from sql.jobs import StartedJob

_LOOK_S = (0.2, 0.5)  # behind the news, for those that were lost
_AWAY_S = (2.0, 6.0)
_UNLIMITED_S = 1.0  # for so long a route that nothing limits is called without asking again


class AtLimit(Exception):
    """No room for a call on this route now. `wait_s` None: until some call ends."""

    def __init__(self, why: str, wait_s: float | None) -> None:
        super().__init__(why)
        self.wait_s = wait_s

    @classmethod
    def of(cls, refused: Refused) -> "AtLimit":
        what = "rests as it said" if refused.dimension == "rest" else f"has {refused.limit} {refused.dimension}"
        return cls(f"{refused.scope} {what}", refused.wait_s)

    def rest(self) -> Rest:
        """A limit that is said, for `core.failover`: to wait for it is no attempt and never ends in failure."""
        wait_s = random.uniform(*_AWAY_S) if self.wait_s is None else self.wait_s  # noqa: S311  spreading
        return Rest("limit", ErrorKind.rate_limited.value, str(self), utc_now() + timedelta(seconds=wait_s))


class ProviderLimits:
    """Rooms for this worker's calls; places are renewed with the leases of jobs."""

    def __init__(self, redis: ArqRedis, limiter: Limiter, leases: LeaseKeeper, catalog: CatalogFollower) -> None:
        self._limiter = limiter
        self._name = secrets.token_hex(8)
        self._calls = count()
        self._leases = leases
        self._catalog = catalog
        self._news = Wakeups(redis, FREED)
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._scopes_by: Catalog | None = None
        self._known_scopes: dict[tuple[UUID, str], list[Scope]] = {}
        self._unlimited_until: dict[str, float] = {}

    async def start(self) -> None:
        self._news.start()

    async def stop(self) -> None:
        await self._news.stop()
        await self._limiter.drain()

    async def enter(self, route: Route, request: JobRequest, patience_s: float) -> Taken:
        """Room for one call. Raises AtLimit; with patience it waits that long for a place, and is given a turn of its
        own where it is told to come back."""
        learned = self._scopes(route)[-1].name
        if self._unlimited_until.get(learned, 0.0) > time.monotonic():
            return Taken("", (learned,), (0,), 0, 0)
        answer = await self._try(route, request, pace=patience_s > 0)
        if isinstance(answer, Refused) and answer.wait_s is None and patience_s > 0:
            answer = await self._wait(route, request, answer, time.monotonic() + patience_s)
        if isinstance(answer, Refused):
            metrics.count(metrics.LIMITED, route.model.provider, answer.dimension)
            raise AtLimit.of(answer)
        if answer.places:
            self._leases.hold_places(answer.holder, answer.places)
        if answer.is_unlimited:
            self._unlimited_until[learned] = time.monotonic() + _UNLIMITED_S
        return answer

    def leave(self, taken: Taken, outcome: ProviderAnswer | ProviderError | None) -> "asyncio.Future[None]":
        """The call is over; what the provider said of its limits is told to all workers. It is done whether or not
        somebody waits for it."""
        if taken.places:
            self._leases.drop_places(taken.holder)
        word: ProviderWord | None = outcome.limits if outcome is not None else None
        if word is not None:
            self._unlimited_until.pop(taken.scopes[-1], None)
        tokens = outcome.usage.total_tokens if outcome is not None and outcome.usage is not None else None
        if isinstance(outcome, ProviderError) and outcome.kind is ErrorKind.rate_limited:
            tokens = 0
        return self._limiter.give_back(taken, tokens, taken.scopes[-1], word)

    async def settle_job(self, job: StartedJob, usage: Usage | None) -> None:
        """The project's own limit counts the true tokens from now on."""
        project = self._catalog.current.projects.get(job.project_id)
        said = project.settings.get("limits") if project else None
        if usage is not None and said and Limits.of(said).tokens_per_minute:
            await self._limiter.settle(str(job.id), usage.total_tokens)

    async def _try(self, route: Route, request: JobRequest, *, pace: bool) -> Taken | Refused:
        asking = self._limiter.take(
            f"{self._name}.{next(self._calls)}", self._scopes(route), tokens=tokens_asked(request), pace=pace
        )
        try:
            return await asking
        except asyncio.CancelledError:
            if not asking.cancelled() and not asking.exception() and isinstance(taken := asking.result(), Taken):
                self._limiter.give_back(taken, 0)
            raise

    async def _wait(self, route: Route, request: JobRequest, refused: Refused, until: float) -> Taken | Refused:
        line = self._lines[refused.scope]
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await line.acquire()
        except TimeoutError:
            return refused
        try:
            with self._news.waiting_for(refused.scope) as freed:
                while True:
                    freed.clear()
                    answer = await self._try(route, request, pace=True)
                    left_s = until - time.monotonic()
                    if isinstance(answer, Taken) or answer.wait_s is not None or left_s <= 0:
                        return answer
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(min(left_s, random.uniform(*_LOOK_S))):  # noqa: S311
                            await freed.wait()
        finally:
            line.release()

    def _scopes(self, route: Route) -> list[Scope]:
        """The learned one last. What the catalog says is read once."""
        if self._scopes_by is not self._catalog.current:
            self._scopes_by, self._known_scopes = self._catalog.current, {}
            self._unlimited_until.clear()
        key = (route.endpoint.id, route.model.name)
        if key not in self._known_scopes:
            self._known_scopes[key] = self._read_scopes(route)
        return self._known_scopes[key]

    def _read_scopes(self, route: Route) -> list[Scope]:
        return [one for one in scopes_of(route, self._catalog.current.providers) if one.limits or one.learned]
