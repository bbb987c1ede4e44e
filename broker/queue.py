"""The queue in Redis: who may run which job, until when. Postgres stays the truth; what Redis forgets is put back.

A job's token grows with every delivery, so that a holder who was overtaken brings Postgres a smaller one and gets
nothing. The scripts beside this go by the server's clock and no other.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from broker.direct import Direct, Script
from core.records import record

PREFIX = "factory:{q}:"
_JOBS, _DELAYED, _PROJECTS, _MARK, _FILLED = (
    PREFIX + name for name in ("jobs", "delayed", "projects", "mark", "filled")
)
_PROJECTS_KEPT_S = 3600
_SCRIPTS = Path(__file__).parent / "scripts"
_BUILDS_ON = {
    "hand_over": ("line",),
    "claim": ("line", "pick"),
    "renew": ("line",),
    "acknowledge": ("line", "settle"),
    "release": ("line", "settle"),
}
_AT_ONCE = 500
CLAIM_MOST = 1000

POOLS = ("text", "speech")
NO_CAPS: Mapping[UUID, int] = {}
_HEAD_START_MS = {"interactive": 60_000, "standard": 0, "batch": -600_000}

Renewal = Literal["held", "adopted", "taken"]


@record
class Ticket:
    """A job's place in line. `score`: the smaller goes first within its project."""

    id: UUID
    fence: int
    pool: str
    project: UUID
    weight: int
    score: int
    delay_s: float = 0.0


def pool_of(kind: str) -> str:
    """Narrations take long and would hold up the rest."""
    return "speech" if kind == "speech" else "text"


def score_of(priority: str, created_at: datetime) -> int:
    """Priorities are head starts, not classes: in the end everybody's turn comes."""
    return round(created_at.timestamp() * 1000) - _HEAD_START_MS[priority]


@record
class Held:
    """A claimed job. `token` is what its start must bring to Postgres; `lost` is how many holders it has lost."""

    id: UUID
    token: int
    lost: int = 0

    @property
    def suspect(self) -> bool:
        """It may be what kills the workers."""
        return self.lost >= 2


@dataclass(frozen=True, slots=True)
class Claim:
    """`due_in_s` until something delayed is due. `rung`: the bell that was waited for has rung."""

    due_in_s: float | None
    jobs: list[Held]
    rung: bool = False


@cache
def read_script(name: str) -> str:
    """The text of `scripts/NAME.lua`, after those that it builds on."""
    names = [*_BUILDS_ON.get(name, ()), name]
    return "\n".join((_SCRIPTS / f"{one}.lua").read_text(encoding="utf-8") for one in names)


class JobQueue:
    """The scripts as methods. All raise RedisError when the server cannot be reached."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        direct = Direct(redis)
        names = ("hand_over", "claim", "acknowledge", "release", "look_at_memory", "take_duty")
        self._scripts: dict[str, Any] = {name: Script(direct, read_script(name)) for name in names}

    async def hand_over(self, tickets: Sequence[Ticket]) -> int:
        """Put jobs in line; those that are there keep their places. How many were new."""
        new = 0
        for page in _pages(tickets):
            rows = (
                (str(one.id), one.fence, one.pool, str(one.project), one.weight, one.score, _ms(one.delay_s))
                for one in page
            )
            args = [PREFIX, *chain.from_iterable(rows)]
            new += len(await self._scripts["hand_over"](keys=[_JOBS, _DELAYED], args=args))
        return new

    async def claim(
        self,
        owner: str,
        most: int,
        lease_s: float,
        pools: Sequence[str],
        paused: Sequence[UUID] = (),
        *,
        suspects: int = 1,
        caps: Mapping[UUID, int] = NO_CAPS,
        bell: "tuple[Bell, float] | None" = None,
    ) -> Claim:
        """At most so many jobs (and never more than `CLAIM_MOST`), each under a lease, and so many suspects among them:
        one round trip. `caps`: the most jobs of a project that may run at once, everywhere. `bell`: claim when it
        rings, or after so many seconds."""
        most = min(most, CLAIM_MOST)
        args: list[str | int] = [PREFIX, owner, most, round(lease_s * 1000), suspects, len(pools), *pools]
        args += [len(paused), *map(str, paused)]
        for project, cap in caps.items():
            args += [str(project), cap]
        script, rung, answer = self._scripts["claim"], False, None
        if bell is not None:
            rung, answer = await bell[0].wait_and_run(bell[1], script.sha, 2, _JOBS, _DELAYED, *args)
        due_ms, *flat = answer or await script(keys=[_JOBS, _DELAYED], args=args)
        jobs = [Held(UUID(flat[at].decode()), flat[at + 1], flat[at + 2]) for at in range(0, len(flat), 3)]
        return Claim(None if due_ms < 0 else due_ms / 1000, jobs, rung)

    async def acknowledge(self, jobs: Sequence[Held]) -> int:
        """These are over, or not ours to run. What somebody else claimed since is left alone."""
        gone = 0
        for page in _pages(jobs):
            args = [PREFIX, *chain.from_iterable((str(one.id), one.token) for one in page)]
            gone += await self._scripts["acknowledge"](keys=[_JOBS, _DELAYED], args=args)
        return gone

    async def release(self, jobs: Sequence[Held], delay_s: float = 0.0) -> int:
        """Give claimed jobs back, to be run after a delay."""
        back = 0
        for page in _pages(jobs):
            args = [PREFIX, *chain.from_iterable((str(one.id), one.token, _ms(delay_s)) for one in page)]
            back += await self._scripts["release"](keys=[_JOBS, _DELAYED], args=args)
        return back

    async def weigh(self, weights: Mapping[UUID, int]) -> None:
        """Projects' weights from now on, of jobs that are in line as well."""
        if weights:
            said = {f"weight:{project}": weight for project, weight in weights.items()}
            await cast("Any", self._redis.hset(_PROJECTS, mapping=said))
            await self._redis.expire(_PROJECTS, _PROJECTS_KEPT_S)

    async def look_at_memory(self) -> str | None:
        """The identity of a memory that has to be filled from Postgres: after a flush, a restart, a replacement."""
        found = await self._scripts["look_at_memory"](keys=[_MARK, _FILLED], args=[secrets.token_hex(8)])
        identity, filled = (one.decode() for one in found)
        return identity if identity != filled else None

    async def remember_filled(self, identity: str) -> None:
        await self._redis.set(_FILLED, identity)

    async def take_duty(self, name: str, owner: str, life_s: float) -> bool:
        """Is this process the one that does a duty now? It stays so while it asks again in time."""
        args = [owner, round(life_s * 1000)]
        return bool(await self._scripts["take_duty"](keys=[f"{PREFIX}duty:{name}"], args=args))

    async def count_running(self, projects: Sequence[UUID]) -> list[int]:
        """Jobs that run now of projects that have a cap; of others nobody counts them."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for project in projects:
                pipeline.scard(f"{PREFIX}running:{project}")
            counts: list[int] = await pipeline.execute()
        return counts

    async def place_of(self, job_id: UUID, pool: str, project: UUID) -> int | None:
        """Its place in its project's line, the first is 1; None while it is in none."""
        rank: int | None = await self._redis.zrank(f"{PREFIX}ready:{pool}:{project}", str(job_id))
        return None if rank is None else rank + 1

    async def depth(self) -> int:
        """Jobs in Redis: in line, delayed and running."""
        found: int = await cast("Any", self._redis.hlen(_JOBS))
        return found


class Bell:
    """Waits for work on a connection of its own, so that nothing else is held up. One worker hears a ring; who leaves
    work behind rings again."""

    def __init__(self, redis: "Redis", pools: Sequence[str]) -> None:
        self._direct = Direct(redis)
        self._keys = [f"{PREFIX}bell:{pool}" for pool in pools]

    async def wait_and_run(self, most_s: float, sha: str, *args: str | int) -> tuple[bool, list[Any] | None]:
        """Was it rung within that time, and what a script (its sha, its number of keys, keys, arguments) answers then;
        None: the server does not know it. It has both from the start, so that no round trip lies between the ring and
        the script."""
        bell = ("BLPOP", *self._keys, f"{max(0.001, most_s):.3f}")
        rung, answer = await self._direct.send(bell, ("EVALSHA", sha, *args))
        for one in (rung, answer):
            if isinstance(one, ResponseError) and not isinstance(one, NoScriptError):
                raise one
        return rung is not None, None if isinstance(answer, NoScriptError) else answer


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _pages(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
