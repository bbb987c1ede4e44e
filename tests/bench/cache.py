"""A request whose answer is known: from submit to the Result in the caller's hands, inside the API's process.

Beside it what one round trip to the same Postgres takes, and a submit that the cache cannot answer.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from core.request import JobRequest
from core.settings import Settings
from producer.composition import Services, open_services
from producer.embedded import EmbeddedServers
from producer.embedded.servers import Running
from producer.reading import wait_for_job
from producer.submit import Caller
from sql.access import find_project
from sql.migrating import migrate
from sql.pool import open_pool
from sql.reading import probe
from sql.seeding import seed
from tests.bench.measuring import Effort, Measured, middle, of_setting
from workers.engine import LeasedWorker
from workers.worker import worker_options

TITLE = "milliseconds from submit to the answer, one at a time: median (lowest–highest round)"
HIT, MISS, TRIP = "a hit: submit, read the Result", "no hit: submit alone", "one round trip to Postgres"
KNOWN = JobRequest(model="fast", prompt="Tell me about lighthouses. " * 40)


def run(effort: Effort) -> Measured:
    """Hits, misses and round trips in turn, on real servers."""
    with (
        tempfile.TemporaryDirectory(prefix="factory-bench-") as place,
        EmbeddedServers(Path(place), emulator=True, log=lambda _: None) as running,
    ):
        return asyncio.run(_run(effort, running, Path(place)))


async def _run(effort: Effort, running: Running, place: Path) -> Measured:
    pool = await open_pool(running.database_url, max_size=2)
    await migrate(pool)
    await seed(pool)
    await pool.close()
    settings = Settings(
        database_url=running.database_url,
        redis_url=running.redis_url,
        emulator_url=running.emulator_url,
        home=place / "home",
    )
    async with open_services(settings) as services:
        project = await find_project(services.database, "default")
        assert project is not None
        caller = Caller(project.id, project.name, frozenset({"jobs"}))
        await _answer_once(services, settings, caller)
        samples = []
        for number in range(effort.rounds):
            for what in (HIT, MISS, TRIP):
                sample = {"what": what, **await _measure(services, caller, what, effort.seconds / 4)}
                effort.say(f"round {number + 1} of {effort.rounds}: {sample}")
                samples.append(sample)
    rows = []
    for what in (HIT, MISS, TRIP):
        p50, p99 = (of_setting(samples, {"what": what}, name) for name in ("p50", "p99"))
        rows.append({"what": what, "p50": middle(p50), "p99": middle(p99)})
    return Measured(rows, samples)


async def _answer_once(services: Services, settings: Settings, caller: Caller) -> None:
    worker = LeasedWorker(**{**worker_options(settings), "handle_signals": False})
    running = asyncio.create_task(worker.async_run())
    job = await wait_for_job(services, caller, await services.submitter.submit(caller, KNOWN), 30)
    assert job["status"] == "completed", job["error"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await worker.close()


async def _measure(services: Services, caller: Caller, what: str, seconds: float) -> dict[str, float]:
    async def hit(_number: int) -> None:
        job = await wait_for_job(services, caller, await services.submitter.submit(caller, KNOWN), 30)
        assert job["result"]["cached"]

    async def miss(number: int) -> None:
        await services.submitter.submit(caller, KNOWN.model_copy(update={"seed": number}))

    async def trip(_number: int) -> None:
        await probe(services.database)

    steps: dict[str, Callable[[int], Awaitable[None]]] = {HIT: hit, MISS: miss, TRIP: trip}
    took: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        await steps[what](len(took))
        took.append((time.perf_counter() - began) * 1000)
    return {"p50": statistics.median(took), "p99": statistics.quantiles(took, n=100)[98], "times": len(took)}
