"""The workers that are alive, by their own word: what they take, what they run, how late their event loop is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson
from redis.asyncio import Redis

from broker.queue import read_script
from core.demand import Worker

PREFIX = "factory:{fleet}:"
_KEYS = [PREFIX + name for name in ("workers", "alive", "busy")]
ALIVE_S = 8.0
_KNOWN = {one.name for one in fields(Worker)}


@dataclass(frozen=True, slots=True)
class Fleet:
    """`busy_ago_s`: by pool, how long ago something ran in it; a pool that nobody remembers is not there."""

    workers: tuple[Worker, ...]
    busy_ago_s: Mapping[str, float]


class FleetBoard:
    """One round trip each. Raises RedisError while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._beat: Any = redis.register_script(read_script("beat_worker"))
        self._look: Any = redis.register_script(read_script("look_at_fleet"))

    async def beat(self, worker: Worker) -> None:
        """It counts as alive for `ALIVE_S` from now on."""
        busy = [pool for pool, jobs in worker.running.items() if jobs]
        await self._beat(keys=_KEYS, args=[worker.name, orjson.dumps(asdict(worker)), round(ALIVE_S * 1000), *busy])

    async def leave(self, name: str) -> None:
        """This worker is gone."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zrem(_KEYS[1], name)
            pipeline.hdel(_KEYS[0], name)
            await pipeline.execute()

    async def look(self) -> Fleet:
        """Workers in the order in which they started."""
        said, busy = await self._look(keys=_KEYS, args=[])
        workers = [_read(one) for one in said if one]
        ago = {busy[at].decode(): busy[at + 1] / 1000 for at in range(0, len(busy), 2)}
        return Fleet(tuple(sorted(workers, key=lambda one: (one.started_at, one.name))), ago)


def _read(said: bytes) -> Worker:
    """A worker of a later release may say more."""
    return Worker(**{name: value for name, value in orjson.loads(said).items() if name in _KNOWN})
