"""Projects beside each other: how soon a new one's first job starts behind another's backlog, whether shares follow the
weights, and what a claim costs Valkey when there are many projects.
"""

import asyncio
from statistics import median, quantiles
from typing import Any
from uuid import UUID, uuid4

import uvloop
from redis.asyncio import Redis

from broker.queue import POOLS, JobQueue, Ticket
from core.request import JobRequest
from producer.composition import open_services
from producer.submit import Caller
from tests.bench.house import House, open_house
from tests.bench.measuring import Effort, Measured

TITLE = "projects beside each other"
BACKLOG = 100_000
TRIES = 200
WEIGHTS = (1, 2, 3, 4)
CLAIMS = 300
PROJECTS = 1000
PROJECT = "INSERT INTO factory.projects (name, weight) VALUES ($1, $2) RETURNING id"
WAITED = (
    "SELECT extract(epoch FROM started_at - created_at)::double precision AS s FROM factory.jobs "
    "WHERE project_id = ANY ($1) AND started_at IS NOT NULL"
)
STARTED = (
    "SELECT project_id, count(*) AS jobs FROM (SELECT project_id FROM factory.jobs "
    "WHERE started_at IS NOT NULL AND project_id = ANY ($1) ORDER BY started_at, id LIMIT $2) AS first GROUP BY 1"
)


def run(effort: Effort) -> Measured:
    """`jobs`: the backlog; the shares are counted over a fifth of it. Slots: those of the worker of the shares."""
    backlog, slots = effort.jobs or BACKLOG, (effort.slots or (200,))[0]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        samples = []
        for number in range(effort.rounds):
            sample = runner.run(_round(backlog, slots))
            effort.say(f"round {number + 1} of {effort.rounds}: {sample}")
            samples.append(sample)
    return Measured(rows_of(samples, backlog), samples)


async def _round(backlog: int, slots: int) -> dict[str, Any]:
    async with open_house() as house:
        waited = await _wait_behind(house, backlog)
    async with open_house() as house:
        errors = await _share(house, backlog // 5, slots)
        claims = await _claim(house.settings.redis_url or "", backlog)
    return {"backlog": backlog, "waited_s": waited, "share_errors": errors, **claims}


async def _wait_behind(house: House, backlog: int) -> list[float]:
    """One worker with one slot, busy with the backlog of another project: when it is free it takes the newcomer."""
    names = [f"new-{number}" for number in range(TRIES)]
    projects = [await house.database.fetchval(PROJECT, name, 100) for name in names]
    async with house.working(1, 1):
        await house.pause(True)
        laid = await house.lay(backlog, cache="off")
        await house.pause(False)
        async with asyncio.timeout(10):
            while await house.open_jobs(laid.batch_id) == backlog:
                await asyncio.sleep(0.05)
        async with open_services(house.settings) as services:
            for project, name in zip(projects, names, strict=True):
                request = JobRequest(model="bench/noop", prompt=f"the first of {name}", cache="off")
                await services.submitter.submit(Caller(project, name, frozenset({"jobs"})), request)
                await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            while len(rows := await house.database.fetch(WAITED, projects)) < TRIES:
                await asyncio.sleep(0.1)
    return [row["s"] for row in rows]


async def _share(house: House, jobs: int, slots: int) -> list[float]:
    """How far each project's part of the first so many starts is from what its weight gives it, as a fraction of it."""
    projects: dict[UUID, int] = {}
    for weight in WEIGHTS:
        projects[await house.database.fetchval(PROJECT, f"weight-{weight}", weight * 100)] = weight
    async with house.working(1, slots):
        await house.pause(True)
        most = jobs * max(WEIGHTS) // sum(WEIGHTS)
        for weight in WEIGHTS:
            await house.lay(most + most // 10 + slots, cache="off", project=f"weight-{weight}")
        await house.pause(False)
        async with asyncio.timeout(600):
            while sum((found := await _started(house, list(projects), jobs)).values()) < jobs:
                await asyncio.sleep(0.2)
    return [found[project] / (jobs * weight / sum(WEIGHTS)) - 1 for project, weight in projects.items()]


async def _started(house: House, projects: list[UUID], jobs: int) -> dict[UUID, int]:
    return {row["project_id"]: row["jobs"] for row in await house.database.fetch(STARTED, projects, jobs)}


async def _claim(redis_url: str, backlog: int) -> dict[str, list[float]]:
    """Microseconds of the script in the server, few jobs of one project and many of many in turn."""
    found: dict[str, list[float]] = {}
    async with Redis.from_url(redis_url, db=1) as few, Redis.from_url(redis_url, db=2) as many:
        for most, beside in ((1, 10), (100, 1000)):
            for redis, jobs, projects in ((few, beside, 1), (many, backlog, PROJECTS)):
                await redis.flushdb()
                owners = [uuid4() for _ in range(projects)]
                tickets = [Ticket(uuid4(), 0, "text", owners[n % projects], 100, n) for n in range(jobs)]
                await JobQueue(redis).hand_over(tickets)
            for _ in range(CLAIMS):
                for name, redis in (("few", few), ("many", many)):
                    queue, before = JobQueue(redis), await _script_us(redis)
                    claim = await queue.claim("bench", most, 60, POOLS)
                    found.setdefault(f"{name} {most}", []).append(await _script_us(redis) - before)
                    assert len(claim.jobs) == most
                    await queue.release(claim.jobs)
    return {name: [median(us)] for name, us in found.items()}


async def _script_us(redis: Redis) -> float:
    stats = await redis.info("commandstats")
    return float(sum(stats.get(f"cmdstat_{name}", {}).get("usec", 0) for name in ("eval", "evalsha")))


def rows_of(samples: list[dict[str, Any]], backlog: int) -> list[dict[str, str]]:
    """Of all rounds together."""
    waited = [s for one in samples for s in one["waited_s"]]
    worst = max(abs(error) for one in samples for error in one["share_errors"])
    cut = quantiles(waited, n=100)
    rows = [
        {
            "figure": f"first job of a new project behind {backlog:,} of another's, one slot: p50 and p99, s",
            "measured": f"{cut[49]:.3f}, {cut[98]:.3f}",
            "beside it": "",
            "ratio": "",
            "must": "p99 at most 1",
        },
        {
            "figure": f"weights 1 2 3 4 over {backlog // 5:,} jobs: the share that is furthest off",
            "measured": f"{worst:.1%}",
            "beside it": "",
            "ratio": "",
            "must": "at most 5 %",
        },
    ]
    for most in (1, 100):
        many, few = (median(us for one in samples for us in one[f"{name} {most}"]) for name in ("many", "few"))
        rows.append(
            {
                "figure": f"a claim of {most}, µs in Valkey: {backlog:,} jobs of {PROJECTS:,} projects",
                "measured": f"{many:.0f}",
                "beside it": f"{few:.0f} ({'10' if most == 1 else '1,000'} jobs of one)",
                "ratio": f"{many / few:.2f}",
                "must": "at most 2",
            }
        )
    return rows
