"""The leased queue beside stock arq: how soon work is picked up, what it costs Redis, how many run, who replaces the dead."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.asyncio import Redis

from adapters.registry import HANDLERS
from core.request import JobRequest
from core.settings import Settings, child_environment
from producer.composition import Services, open_services
from producer.embedded import EmbeddedServers
from producer.submit import Caller
from sql.access import find_project
from sql.migrating import migrate
from sql.pool import open_pool
from sql.seeding import seed
from tests.bench.measuring import Effort, Measured
from tests.bench.queue_programs import NOOP

TITLE = "the leased queue beside stock arq"
PICK_UPS = 150
BACKLOG = 1000
FLEETS = (1, 8, 32)
SLOTS = 10
SETTLE_S = 60.0
QUEUE = "bench:arq"
SENT = frozenset({"evalsha", "eval", "script|load", "blpop", "publish", "psetex", "hlen", "subscribe", "ping"})
ENDPOINT = (
    "INSERT INTO factory.provider_endpoints (provider, base_url, handler_function) "
    "VALUES ('bench', 'http://127.0.0.1:9', 'bench.noop')"
)
MODEL = "INSERT INTO factory.models (provider, model_id) VALUES ('bench', 'noop')"

Submit = Callable[[str, float], Awaitable[str]]


@dataclass
class Bench:
    """`side` is `ours` or `arq`; `submit(NAME, SECONDS)` puts one job in, and gives what the start of its function is
    noted under."""

    side: str
    folder: Path
    redis: Redis
    environment: dict[str, str]
    submit: Submit
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def starts(self) -> dict[str, float]:
        """When each job began."""
        path = self.folder / "starts"
        lines = path.read_text().splitlines() if path.exists() else []
        return {name: float(at) for name, at in (line.split() for line in lines)}

    def start_workers(self, count: int) -> None:
        command = [sys.executable, "-m", "tests.bench.queue_programs", self.side, str(SLOTS)]
        for _ in range(count):
            self.workers.append(subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL))

    def end_workers(self) -> None:
        for one in self.workers:
            one.kill()
        for one in self.workers:
            one.wait()
        self.workers.clear()

    async def until_begun(self, names: set[str]) -> None:
        async with asyncio.timeout(SETTLE_S * 4):
            while not names <= self.starts.keys():
                await asyncio.sleep(0.05)

    async def warm_up(self, count: int) -> None:
        """Until every worker is up: each has run something, or all have had the time to."""
        names = {f"warm-{self.side}-{number}-{time.monotonic_ns()}" for number in range(count * SLOTS)}
        for name in names:
            await self.submit(name, 0.05)
        await self.until_begun(names)
        await asyncio.sleep(min(20, 1 + count))

    async def commands(self) -> int:
        """That clients have sent so far. Redis counts what a script does inside, too; ours send nothing else than
        `SENT` while they work, and their scripts do none of it."""
        stats: dict[str, dict[str, int]] = await self.redis.info("commandstats")
        counted = {name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()}
        names = SENT if self.side == "ours" else counted.keys() - {"info", "config|get", "client|list"}
        return sum(counted.get(name, 0) for name in names)


def run(effort: Effort) -> Measured:
    """Every figure once; pick-up and commands are medians of many jobs."""
    rows, samples = asyncio.run(_run(effort.say))
    return Measured(rows, samples)


def pick_up(say: Callable[[str], None]) -> dict[str, list[float]]:
    """Milliseconds from the submit's return to the start of each job on an idle worker, for `ours` and `arq`."""
    return asyncio.run(_pick_ups(say))


async def _pick_ups(say: Callable[[str], None]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    async for bench in _sides():
        say(f"{bench.side}: pick-up")
        bench.start_workers(1)
        await bench.warm_up(1)
        found[bench.side], _ = await _pick_up(bench)
    return found


async def _sides() -> AsyncIterator[Bench]:
    """Stock arq and ours, one after the other on the same servers; their workers end with them."""
    with tempfile.TemporaryDirectory(prefix="factory-bench-") as place:
        root = Path(place)
        root.chmod(0o711)
        with EmbeddedServers(root / "servers", log=lambda _text: None) as servers:
            for side, opened in (("arq", _stock), ("ours", _ours)):
                async with opened(root / side, servers.database_url, servers.redis_url) as bench:
                    try:
                        yield bench
                    finally:
                        bench.end_workers()


async def _run(say: Callable[[str], None]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    found: dict[str, dict[str, str]] = {}
    async for bench in _sides():
        async for name, figure in _figures(bench, say):
            found.setdefault(name, {})[bench.side] = figure
    rows = [{"figure": name, "stock arq": row["arq"], "the factory": row["ours"]} for name, row in found.items()]
    return rows, [{"figure": name, **row} for name, row in found.items()]


async def _figures(bench: Bench, say: Callable[[str], None]) -> AsyncIterator[tuple[str, str]]:
    say(f"{bench.side}: pick-up")
    bench.start_workers(1)
    await bench.warm_up(1)
    for name, ms in zip(("idle pick-up", "until its work begins"), await _pick_up(bench), strict=True):
        yield f"{name}, p50 and p99, ms", f"{median(ms):.1f}, {quantiles(ms, n=100)[98]:.1f}"
    yield "commands a second of an idle worker", f"{await _idle(bench):.1f}"
    bench.end_workers()
    for fleet in FLEETS:
        say(f"{bench.side}: commands with {fleet} workers")
        bench.start_workers(fleet)
        await bench.warm_up(fleet)
        yield f"Redis commands per job, {fleet} workers", f"{await _commands(bench):.1f}"
        if fleet == FLEETS[-1]:
            yield f"running at once, {fleet} × {SLOTS} slots, 3 s jobs", str(await _running(bench))
        bench.end_workers()
    say(f"{bench.side}: a killed worker")
    yield "SIGKILL until its job runs elsewhere, s", await _recovery(bench)


async def _pick_up(bench: Bench) -> tuple[list[float], list[float]]:
    """Until a worker runs the job's function, and until that does what is asked: with us, the provider's call."""
    picked_up, works = [], []
    for number in range(PICK_UPS):
        name = f"pick-{bench.side}-{number}"
        begun = await bench.submit(name, 0)
        returned = time.monotonic()
        await bench.until_begun({begun, name})
        picked_up.append((bench.starts[begun] - returned) * 1000)
        works.append((bench.starts[name] - returned) * 1000)
        await asyncio.sleep(0.02 + number % 7 / 100)
    return picked_up, works


async def _idle(bench: Bench) -> float:
    before, began = await bench.commands(), time.monotonic()
    await asyncio.sleep(8)
    return (await bench.commands() - before - 1) / (time.monotonic() - began)


async def _commands(bench: Bench) -> float:
    """Of a backlog; what the same time costs an idle fleet is taken off."""
    idle_s = await _idle(bench)
    names = {f"load-{bench.side}-{number}-{time.monotonic_ns()}" for number in range(BACKLOG)}
    before, began = await bench.commands(), time.monotonic()
    gate = asyncio.Semaphore(50)

    async def submit(name: str) -> None:
        async with gate:
            await bench.submit(name, 0.01)

    await asyncio.gather(*map(submit, names))
    await bench.until_begun(names)
    await asyncio.sleep(1)
    sent = await bench.commands() - before - idle_s * (time.monotonic() - began)
    return sent / BACKLOG


async def _running(bench: Bench) -> int:
    names = [f"long-{bench.side}-{number}" for number in range(FLEETS[-1] * SLOTS)]
    await asyncio.gather(*(bench.submit(name, 3) for name in names))
    await bench.until_begun(set(names[:1]))
    await asyncio.sleep(2.5)
    at = sorted(bench.starts[name] for name in names if name in bench.starts)
    return max(sum(one <= begin < one + 3 for one in at) for begin in at)


async def _recovery(bench: Bench) -> str:
    """Stock arq is not waited for: its lock lasts as long as the longest job may, and ten seconds."""
    if bench.side == "arq":
        return "310 (its lock: 300 + 10)"
    bench.start_workers(1)
    await bench.warm_up(1)
    await bench.submit("killed", 60)
    await bench.until_begun({"killed"})
    first = bench.starts["killed"]
    bench.start_workers(1)
    await asyncio.sleep(4)
    victim, began = bench.workers.pop(0), time.monotonic()
    victim.kill()
    victim.wait()
    async with asyncio.timeout(SETTLE_S):
        while bench.starts["killed"] == first:
            await asyncio.sleep(0.05)
    return f"{bench.starts['killed'] - began:.1f}"


@asynccontextmanager
async def _stock(folder: Path, _database_url: str, redis_url: str) -> AsyncIterator[Bench]:
    folder.mkdir()
    async with AsyncExitStack() as stack:
        pool: ArqRedis = await create_pool(RedisSettings.from_dsn(redis_url), default_queue_name=QUEUE)
        stack.push_async_callback(pool.aclose)
        environment = child_environment(FACTORY_REDIS_URL=redis_url, BENCH_STARTS=str(folder / "starts"))

        async def submit(name: str, seconds: float) -> str:
            await pool.enqueue_job("stock", name, seconds)
            return name

        yield Bench("arq", folder, pool, environment, submit)


@asynccontextmanager
async def _ours(folder: Path, database_url: str, redis_url: str) -> AsyncIterator[Bench]:
    folder.mkdir()
    HANDLERS[NOOP.name] = NOOP
    pool = await open_pool(database_url, max_size=2)
    await migrate(pool)
    await seed(pool)
    await pool.execute(ENDPOINT)
    await pool.execute(MODEL)
    await pool.close()
    settings = Settings(database_url=database_url, redis_url=redis_url, home=folder, database_pool_size=4)
    environment = child_environment(
        FACTORY_DATABASE_URL=database_url,
        FACTORY_REDIS_URL=redis_url,
        FACTORY_HOME=str(folder),
        FACTORY_DATABASE_POOL_SIZE="2",
        FACTORY_WORKER_SLOTS=str(SLOTS),
        FACTORY_LOG_LEVEL="error",
        BENCH_STARTS=str(folder / "starts"),
    )
    async with open_services(settings) as services, Redis.from_url(redis_url) as redis:
        yield Bench("ours", folder, redis, environment, await _submitter(services))


async def _submitter(services: Services) -> Submit:
    project = await find_project(services.database, "default")
    assert project is not None
    caller = Caller(project.id, project.name, frozenset())

    async def submit(name: str, seconds: float) -> str:
        request = JobRequest(model="bench/noop", prompt=f"{name} {seconds}", cache="off")
        return str(await services.submitter.submit(caller, request))

    return submit
