"""Servers and worker processes for a bench that lays jobs in line, lets workers end them, and asks what each process
spent on it. Workers are the production program; the handler that answers at once is added to it."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from redis.asyncio import Redis

from adapters.registry import HANDLERS
from broker.fleet import FleetBoard
from broker.queue import JobQueue
from core.jsonio import load_json
from core.settings import Settings, child_environment, python_program
from producer.composition import open_services
from producer.embedded import EmbeddedServers, postgres
from producer.intake.lines import LineCutter
from producer.intake.order import BatchHeader
from producer.submit import Caller
from sql.access import find_project
from sql.batches import read_batch
from sql.migrating import migrate
from sql.pool import Database, open_pool
from sql.seeding import seed
from tests.bench.measuring import cpu_s, wait_for
from tests.bench.noop_worker import ANSWER

READY_WITHIN_S = 60.0
OVER_WITHIN_S = TIDY_WITHIN_S = 3600.0
CATALOG_FOLLOWS_S = 1.5
LINE = (
    '{"model": "%s", "cache": "%s", "prompt": "Describe item %d of our catalogue in two friendly sentences, for '
    'somebody who has never seen it.", "max_output_tokens": 60, "metadata": {"row": %d}}\n'
)
PROVIDER = "INSERT INTO factory.providers (id, name) VALUES ('bench', 'bench') ON CONFLICT DO NOTHING"
ENDPOINT = (
    "INSERT INTO factory.provider_endpoints (provider, base_url, handler_function, model_pattern) "
    "VALUES ('bench', $1, $2, $3)"
)
MODEL = "INSERT INTO factory.models (provider, model_id) VALUES ('bench', $1)"
PRICE = (
    "INSERT INTO factory.model_prices (provider, model_id, valid_from, input_usd_per_mtok, output_usd_per_mtok) "
    "VALUES ('bench', $1, '2026-01-01', 2, 8)"
)
SPAN = (
    "SELECT extract(epoch FROM max(finished_at) - min(started_at))::double precision AS took_s, count(*) AS jobs, "
    "count(*) FILTER (WHERE state = 'completed') AS completed FROM factory.jobs WHERE batch_id = $1"
)


@dataclass(frozen=True, slots=True)
class Laid:
    """A batch in line, and how many of its lines a second were accepted, and were in line, from the first byte on."""

    batch_id: UUID
    jobs: int
    accepted_per_s: float
    in_line_per_s: float
    cpu_s: dict[str, float]


@dataclass
class House:
    """`servers` are the numbers of their processes. `statements`: Postgres counts what each statement takes."""

    settings: Settings
    database: Database
    redis: Redis
    servers: dict[str, int]
    log: Path
    statements: bool
    workers: list[int] = field(default_factory=list)

    def spent_s(self) -> dict[str, float]:
        """CPU since each server was started, and of all workers together."""
        found = {name: cpu_s(pid, children=True) for name, pid in self.servers.items()}
        return found | {"worker": sum(map(cpu_s, self.workers))}

    async def add_provider(self, model: str, handler: str, base_url: str) -> None:
        """The model `bench/MODEL`, with a price, behind an endpoint of its own."""
        await self.database.execute(PROVIDER)
        await self.database.execute(MODEL, model)
        await self.database.execute(PRICE, model)
        await self.database.execute(ENDPOINT, base_url, handler, model)

    async def pause(self, paused: bool) -> None:
        """For workers that look once or twice a second; after this they have seen it."""
        await self.database.execute("UPDATE factory.controls SET paused = $1", paused)
        if paused:
            await asyncio.sleep(CATALOG_FOLLOWS_S)

    async def lay(self, jobs: int, *, model: str = "bench/noop", cache: str = "use", project: str = "default") -> Laid:
        """So many jobs of one batch, in line."""
        before, own, queue = self.spent_s(), cpu_s(), JobQueue(self.redis)
        already = await queue.depth()
        async with open_services(self.settings) as services:
            found = await find_project(services.database, project)
            assert found is not None
            caller, began = Caller(found.id, found.name, frozenset({"jobs"})), time.perf_counter()
            body = _body(jobs, model, cache)
            batch_id = await services.intake.receive(caller, BatchHeader(), body, LineCutter(1), None)
            while (row := await read_batch(services.database, batch_id, found.id)) and row["state"] == "validating":
                await asyncio.sleep(0.02)
            assert row is not None
            assert row["queued"] == jobs, row
            accepted_s = time.perf_counter() - began
            while await queue.depth() < already + jobs and await self.open_jobs(batch_id) == jobs:
                await asyncio.sleep(0.02)
            in_line_s = time.perf_counter() - began
        spent = {name: value - before[name] for name, value in self.spent_s().items()} | {"process": cpu_s() - own}
        return Laid(batch_id, jobs, jobs / accepted_s, jobs / in_line_s, spent)

    async def until_over(self, laid: Laid) -> float:
        """Seconds from the first job's start to the last one's end, by the rows. Raises RuntimeError when one failed."""
        async with asyncio.timeout(OVER_WITHIN_S):
            while await self.open_jobs(laid.batch_id):
                await asyncio.sleep(0.05)
        row = await self.database.fetchrow(SPAN, laid.batch_id)
        assert row is not None
        if row["completed"] != laid.jobs:
            raise RuntimeError(f"{row['completed']} of {laid.jobs} jobs completed; see {self.log}")
        took_s: float = row["took_s"]
        return took_s

    async def open_jobs(self, batch_id: UUID) -> int:
        found: int = await self.database.fetchval(
            "SELECT queued + in_progress FROM factory.batches WHERE id = $1", batch_id
        )
        return found

    async def count_anew(self) -> None:
        """What statements took before is forgotten."""
        if self.statements:
            await self.database.execute("SELECT pg_stat_statements_reset()")

    async def tidy(self) -> None:
        """As autovacuum leaves it sooner or later, so that every round finds the same."""
        async with self.database.acquire() as connection:
            for table in ("jobs", "calls", "batches", "cache_entries"):
                await connection.execute(f"VACUUM (ANALYZE) factory.{table}", timeout=TIDY_WITHIN_S)
            await connection.execute("CHECKPOINT", timeout=TIDY_WITHIN_S)

    @asynccontextmanager
    async def working(
        self, count: int, slots: int, *, profile: Path | None = None, more: Mapping[str, str] | None = None
    ) -> AsyncIterator[None]:
        """So many workers, each a process that is ready; the first leaves a profile at its end. `more`: environment."""
        environment = child_environment(
            FACTORY_DATABASE_URL=self.settings.database_url or "",
            FACTORY_REDIS_URL=self.settings.redis_url or "",
            FACTORY_HOME=str(self.settings.home),
            FACTORY_WORKER_SLOTS=str(slots),
            **(more or {}),
        )
        first = environment | {"BENCH_PROFILE": str(profile or "")}
        with self.log.open("ab") as log:
            command = python_program("tests.bench.noop_worker")
            started = [
                subprocess.Popen(command, env=environment if number else first, stderr=log, stdout=log)
                for number in range(count)
            ]
        self.workers[:] = [one.pid for one in started]
        try:
            board = FleetBoard(self.redis)
            await _until(lambda: _alive(board, self.workers))
            yield
        finally:
            self.workers.clear()
            for one in started:
                one.terminate()
            for one in started:
                await asyncio.to_thread(one.wait, READY_WITHIN_S)


@contextmanager
def completing(house: House, latency_ms: int) -> Iterator[str]:
    """A server of chat completions in a process of its own; its URL."""
    ready = house.log.with_name("completions.json")
    with subprocess.Popen(python_program("tests.bench.completions", str(latency_ms), str(ready))) as process:
        try:
            url = wait_for(ready, process)
            house.servers["provider"] = process.pid
            yield url
        finally:
            house.servers.pop("provider", None)
            process.terminate()


@asynccontextmanager
async def open_house(*, statements: bool = False) -> AsyncIterator[House]:
    """PostgreSQL and Valkey as `factory up` runs them, with the schema, the seed and the model `bench/noop`."""
    HANDLERS[ANSWER.name] = ANSWER
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="factory-bench-")))
        place.chmod(0o711)
        stack.enter_context(_counting(statements))
        running = stack.enter_context(EmbeddedServers(place, log=lambda _text: None))
        database = await open_pool(running.database_url, max_size=2)
        stack.push_async_callback(database.close)
        await migrate(database)
        await seed(database)
        if statements:
            await database.execute("CREATE EXTENSION pg_stat_statements")
        redis = await stack.enter_async_context(Redis.from_url(running.redis_url))
        servers = {
            "Postgres": int((place / "postgres" / "postmaster.pid").read_text().split()[0]),
            "Valkey": int(load_json((place / "valkey.json").read_bytes())["pid"]),
        }
        settings = Settings(database_url=running.database_url, redis_url=running.redis_url, home=place / "home")
        house = House(settings, database, redis, servers, place / "workers.log", statements)
        await house.add_provider("noop", ANSWER.name, "http://127.0.0.1:9")
        yield house


@contextmanager
def _counting(wanted: bool) -> Iterator[None]:
    if wanted:
        postgres.SETTINGS["shared_preload_libraries"] = "pg_stat_statements"
    try:
        yield
    finally:
        postgres.SETTINGS.pop("shared_preload_libraries", None)


async def _alive(board: FleetBoard, pids: Sequence[int]) -> bool:
    fleet = await board.look()
    return {str(pid) for pid in pids} <= {one.name.split(":")[1] for one in fleet.workers}


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(READY_WITHIN_S):
        while not await true():
            await asyncio.sleep(0.05)


async def _body(jobs: int, model: str, cache: str) -> AsyncIterator[bytes]:
    salt = time.time_ns()
    for start in range(0, jobs, 300):
        rows = range(start, min(jobs, start + 300))
        yield "".join(LINE % (model, cache, salt + row, row) for row in rows).encode()
