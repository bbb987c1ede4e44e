"""What the workers tell each other of routes, in Redis: breakers, rests, dead credentials, and how fast models are.

Nothing here is the truth of anything: forgotten, it is found out again by the next calls.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from redis.asyncio import Redis

from core.health import Board, BreakerRule, Rest

HEALTH = "factory:health"
PREFIX = "factory:{health}:"
_BREAKERS, _RESTS, _CREDENTIALS = (PREFIX + name for name in ("breakers", "rests", "credentials"))
_SCRIPTS = Path(__file__).parent / "scripts"
_BUCKET = 1.1
_MINUTES = 5
_REUSED_MS = 2000


@dataclass(slots=True)
class Tally:
    """How the calls to one route went since the last report. `kind` and `reason` are those of the last failure."""

    answers: int = 0
    failures: int = 0
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Breakers that a report opened and closed, by route name."""

    opened: list[str]
    closed: list[str]


def latency_bucket(duration_ms: float) -> int:
    """Durations are counted in steps of a tenth."""
    return round(math.log(max(1.0, duration_ms), _BUCKET))


class HealthBoard:
    """One round trip each. Raises RedisError while Redis is away: then each worker goes on with what it knows."""

    def __init__(self, redis: Redis, rule: BreakerRule) -> None:
        self._redis = redis
        self._rule = rule
        self._report = redis.register_script(_script("report_calls"))
        self._rest = redis.register_script(_script("rest_route"))
        self._read = redis.register_script(_script("read_health"))

    async def read(self, now: datetime) -> Board:
        """`now` is this machine's; the server says how long rests have left."""
        raw = await self._read(keys=[_BREAKERS, _RESTS, _CREDENTIALS], args=[PREFIX, _MINUTES, _BUCKET, _REUSED_MS])
        found = orjson.loads(raw)

        def rests(name: str, scope: str) -> dict[str, Rest]:
            return {
                key: Rest(
                    scope,
                    one["kind"],
                    one["reason"],
                    now + timedelta(milliseconds=one["left_ms"]),
                    _time(one.get("since")),
                )
                for key, one in found[name].items()
            }

        return Board(
            rests("breakers", "breaker"),
            rests("rests", "route"),
            rests("credentials", "credential"),
            found["latency_ms"],
        )

    async def report(self, tallies: Mapping[str, Tally], latencies: Mapping[tuple[str, int], int]) -> Change:
        """Tallies by route name, latencies by model and bucket."""
        rule = self._rule
        args: list[Any] = [PREFIX, HEALTH, _ms(rule.window_s), rule.failures, rule.share]
        args += [_ms(rule.rest_s), _ms(rule.rest_cap_s), len(tallies)]
        for name, tally in tallies.items():
            args += [name, tally.answers, tally.failures, tally.kind, tally.reason]
        for (model, bucket), count in latencies.items():
            args += [model, bucket, count]
        opened, closed = await self._report(keys=[_BREAKERS], args=args)
        return Change([one.decode() for one in opened], [one.decode() for one in closed])

    async def rest_route(self, name: str, rest_s: float, kind: str, reason: str) -> bool:
        """Did it not rest before?"""
        return bool(await self._rest(keys=[_RESTS], args=[HEALTH, name, _ms(rest_s), kind, reason]))

    async def rest_credential(self, name: str, rest_s: float, kind: str, reason: str) -> bool:
        """Did it not rest before?"""
        return bool(await self._rest(keys=[_CREDENTIALS], args=[HEALTH, name, _ms(rest_s), kind, reason]))

    async def lift_credentials(self, names: Sequence[str]) -> None:
        """They were taken again."""
        await self._redis.hdel(_CREDENTIALS, *names)  # type: ignore[misc]
        await self._redis.publish(HEALTH, "")

    async def take_probe(self, name: str) -> bool:
        """May I make the one call that tries a route whose breaker's rest is over?"""
        taken = await self._redis.set(f"{PREFIX}probe:{name}", "1", nx=True, px=_ms(self._rule.probe_s))
        return bool(taken)


def _time(since_ms: float | None) -> datetime | None:
    return None if since_ms is None else datetime.fromtimestamp(since_ms / 1000, UTC)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


@cache
def _script(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")
