"""Rate limits and places for calls, one atomic check for the whole fleet, by the server's clock.

While Redis is away each process keeps its share: the limit divided by the processes that were alive when it was last
there.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.direct import Direct, Script
from broker.queue import read_script
from core.batcher import Batcher
from core.limits import SLOTS, WINDOW_S, Limits, ProviderWord, Refused, Room, Scope, Taken, Window
from core.logging import get_logger
from core.records import record

PREFIX = "factory:{limits}:"
FREED = "factory:limits"
ALIVE_S = 15.0
BEAT_S = 4.0
LEARNED_S = 60.0
PATIENCE_S = 1.0
_LAST_LOOK_S = 0.2


@record
class _Asked:
    """Room for one call."""

    holder: str
    scopes: Sequence[Scope]
    requests: int
    tokens: int
    pace: bool

    def as_json(self) -> list[Any]:
        """As `take_rooms` reads it."""
        return [self.holder, self.requests, self.tokens, int(self.pace), [_scope(one) for one in self.scopes]]


@dataclass(slots=True)
class _Share:
    """What this process took by itself in one scope."""

    requests: Window
    tokens: Window
    holders: set[str] = field(default_factory=set)


class Limiter:
    """`role` is the kind of process that shares these limits: `api`, `worker`. Nothing here raises because Redis is
    away."""

    def __init__(self, redis: Redis, role: str, *, lease_s: float = 9.0, window_s: float = WINDOW_S) -> None:
        self._alive = f"{PREFIX}alive:{role}"
        self._name = secrets.token_hex(6)
        self._lease_s = lease_s
        self._window_s = window_s
        self._processes = 1
        self._shares: dict[str, _Share] = {}
        self._away_until = 0.0
        self._taking: Batcher[_Asked, Taken | Refused] = Batcher(
            self._take_group, is_about_one=lambda _error: False, name="take_rooms", unwanted=self._undo
        )
        self._giving: Batcher[list[Any], None] = Batcher(
            self._give_back_group, is_about_one=lambda _error: False, name="give_back_rooms"
        )
        names = ("take_rooms", "give_back_rooms", "count_alive", "remember_room", "settle_room", "look_at_room")
        direct = Direct(redis)
        self._scripts: dict[str, Any] = {name: Script(direct, read_script(name)) for name in names}

    def take(
        self, holder: str, scopes: Sequence[Scope], *, requests: int = 1, tokens: int = 0, pace: bool = False
    ) -> "asyncio.Future[Taken | Refused]":
        """Room in all scopes, or none. `pace`: who is refused gets a turn of its own, so that a crowd does not come
        back at once. The rooms told are those of the first scope. Who is cancelled before it comes takes none."""
        return self._taking.put(_Asked(holder, scopes, requests, tokens, pace))

    def _undo(self, answer: Taken | Refused) -> None:
        if isinstance(answer, Taken):
            self.give_back(answer, 0)

    async def _take_group(self, group: Sequence["_Asked"]) -> list[Taken | Refused]:
        calls = [one.as_json() for one in group]
        found = await self._run("take_rooms", [*self._window, _ms(self._lease_s), orjson.dumps(calls)])
        if found is None:
            return [self._take_alone(one.holder, one.scopes, one.requests, one.tokens) for one in group]
        return [_answer(one, said) for one, said in zip(group, found, strict=True)]

    def give_back(
        self, taken: Taken, tokens: int | None, learned: str = "", word: ProviderWord | None = None
    ) -> "asyncio.Future[None]":
        """The call is over. `tokens`: the true number, None where nobody knows. `word`: of the provider, about the
        scope `learned`. It is done whether or not somebody waits for it."""
        if taken.local:
            self._give_back_alone(taken)
        if taken.local or (word is None and not any(taken.marks)):
            nothing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            nothing.set_result(None)
            return nothing
        difference = 0 if tokens is None else tokens - taken.tokens
        said, marks = _said(word or ProviderWord()), list(zip(taken.scopes, taken.marks, strict=True))
        return self._giving.put([taken.holder, taken.slot, difference, learned if word else "", said, marks])

    async def drain(self) -> None:
        """Everything that was given back is told."""
        await self._taking.drain()
        await self._giving.drain()

    async def _give_back_group(self, group: Sequence[list[Any]]) -> list[None]:
        await self._run("give_back_rooms", [*self._window, FREED, _ms(LEARNED_S), orjson.dumps(group)])
        return [None] * len(group)

    async def remember(self, taken: Taken, tokens: Mapping[str, int]) -> None:
        """Keep the parts of what was taken under names, for whoever learns the true tokens: `settle`."""
        if not taken.local:
            args = [*self._window, taken.slot, taken.scopes[0], *chain.from_iterable(tokens.items())]
            await self._run("remember_room", args)

    async def settle(self, name: str, tokens: int) -> None:
        """The true tokens of what was remembered."""
        await self._run("settle_room", [*self._window, tokens], f"{PREFIX}owed:{name}")

    async def look(self, scopes: Sequence[Scope]) -> list[dict[str, Any]]:
        """What each scope holds now: `requests tokens places` used, and what the provider `said`. Raises RedisError."""
        found = await self._scripts["look_at_room"](keys=[], args=[*self._window, *(scope.name for scope in scopes)])
        return [_holding(row) for row in found]

    async def beat(self) -> None:
        """This process is alive; how many are? Raises RedisError."""
        self._processes = await self._scripts["count_alive"](keys=[self._alive], args=[self._name, _ms(ALIVE_S)])

    @property
    def _window(self) -> tuple[Any, ...]:
        return PREFIX, _ms(self._window_s), SLOTS

    async def _run(self, script: str, args: list[Any], *keys: str) -> Any:
        """None while Redis is away; then it is asked again after a second, and nobody waits for it before."""
        if time.monotonic() < self._away_until:
            return None
        try:
            found = await _within_patience(self._scripts[script](keys=keys, args=args))
        except (RedisError, OSError, TimeoutError) as error:
            if not self._away_until:
                get_logger(__name__).warning("limits by this process alone", error=type(error).__name__)
            self._away_until = time.monotonic() + PATIENCE_S
            return None
        self._away_until = 0.0
        return found

    def _take_alone(self, holder: str, scopes: Sequence[Scope], requests: int, tokens: int) -> Taken | Refused:
        now_s = time.monotonic()
        shares = [(scope, scope.limits.share(self._processes), self._share_of(scope.name)) for scope in scopes]
        refusal: Refused | None = None
        for scope, limits, share in shares:
            for dimension, window, weight, limit in _dimensions(limits, share, requests, tokens):
                wait_s = window.wait_s(now_s, weight, limit)
                if wait_s > 0 and (refusal is None or wait_s > (refusal.wait_s or 0)):
                    refusal = Refused(scope.name, dimension, limit, wait_s)
            if refusal is None and limits.concurrency is not None and len(share.holders) >= limits.concurrency:
                refusal = Refused(scope.name, "concurrency", limits.concurrency, None)
        if refusal is not None:
            return replace(refusal, **_rooms_alone(*shares[0][1:], now_s))
        for _, limits, share in shares:
            for _, window, weight, _ in _dimensions(limits, share, requests, tokens):
                window.add(now_s, weight)
            if limits.concurrency is not None:
                share.holders.add(holder)
        marks = tuple(2 if limits.concurrency is not None else 0 for _, limits, _ in shares)
        names = tuple(scope.name for scope in scopes)
        rooms = _rooms_alone(*shares[0][1:], now_s)
        return Taken(holder, names, marks, tokens, 0, local=True, **rooms)

    def _give_back_alone(self, taken: Taken) -> None:
        for name in taken.places:
            self._share_of(name).holders.discard(taken.holder)

    def _share_of(self, name: str) -> _Share:
        if name not in self._shares:
            self._shares[name] = _Share(Window(self._window_s), Window(self._window_s))
        return self._shares[name]


async def _within_patience(asked: Awaitable[Any]) -> Any:
    """Raises TimeoutError. After a time in which this process itself stood still, what came meanwhile is read first:
    that is no sign that Redis is away."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_S) as patience:
        last_look = loop.call_later(PATIENCE_S - _LAST_LOOK_S, lambda: patience.reschedule(loop.time() + _LAST_LOOK_S))
        try:
            return await asked
        finally:
            last_look.cancel()


def _dimensions(limits: Limits, share: _Share, requests: int, tokens: int) -> list[tuple[str, Window, int, int]]:
    rows = (
        ("requests", share.requests, requests, limits.requests_per_minute),
        ("tokens", share.tokens, tokens, limits.tokens_per_minute),
    )
    return [(name, window, weight, limit) for name, window, weight, limit in rows if limit is not None]


def _rooms_alone(limits: Limits, share: _Share, now_s: float) -> dict[str, Any]:
    def room(window: Window, limit: int | None) -> Room | None:
        return Room(limit, window.used(now_s), window.wait_s(now_s, limit, limit)) if limit else None

    return {
        "requests_room": room(share.requests, limits.requests_per_minute),
        "tokens_room": room(share.tokens, limits.tokens_per_minute),
    }


def _scope(scope: Scope) -> list[Any]:
    said = (scope.limits.requests_per_minute, scope.limits.tokens_per_minute, scope.limits.concurrency)
    return [scope.name, *(limit or 0 for limit in said), int(scope.learned)]


def _answer(asked: _Asked, found: Sequence[Any]) -> Taken | Refused:
    rooms: dict[str, Any] = {"requests_room": _room(found[-6:-3]), "tokens_room": _room(found[-3:])}
    if found[0]:
        names = tuple(scope.name for scope in asked.scopes)
        return Taken(asked.holder, names, tuple(found[2:-6]), asked.tokens, found[1], **rooms)
    _, name, dimension, limit, wait_ms = found[:5]
    wait_s = None if wait_ms < 0 else wait_ms / 1000
    return Refused(name.decode(), dimension.decode(), limit, wait_s, **rooms)


def _room(found: Sequence[int]) -> Room | None:
    limit, used, reset_ms = found
    return Room(limit, used, reset_ms / 1000) if limit else None


def _said(word: ProviderWord) -> list[int]:
    said = (word.requests_per_minute, word.tokens_per_minute, word.most_at_once, word.running)
    rest_ms = None if word.rest_s is None else _ms(word.rest_s)
    return [-1 if one is None else one for one in (*said, rest_ms)]


def _holding(row: Sequence[Any]) -> dict[str, Any]:
    requests, tokens, places, *said = row
    names = ("requests_per_minute", "tokens_per_minute", "most_at_once", "used_by_others", "rests_for_ms")
    heard = {name: int(value) for name, value in zip(names, said, strict=True) if value is not None}
    return {"requests": requests, "tokens": tokens, "places": places, "said": heard}


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
