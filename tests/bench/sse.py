"""Two thousand subscribers on one API process: from the commit in Postgres to the event in each one's hands.

Jobs are ended by one UPDATE each and a hint in Redis, as a worker does it, and the time is taken before the UPDATE is
sent. The subscribers share this process, so what they cost is in the figures; a bare Starlette stream that is told by
HTTP, with the same subscribers, shows how much of it.
"""

import asyncio
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import uvloop
from redis.asyncio import Redis

from broker.wakeups import CHANGES
from core.settings import child_environment, python_program
from producer.embedded import EmbeddedServers
from producer.embedded.processes import free_port
from producer.embedded.servers import Running
from producer.keys import create_key
from sql.migrating import migrate
from sql.pool import open_pool
from sql.seeding import seed
from tests.bench.measuring import Effort, Measured, middle, of_setting

TITLE = "2,000 subscribers on one API process, milliseconds from commit to receipt: median (lowest–highest round)"
SUBSCRIBERS = 2000
ONE, EACH, PROJECT, BARE = "all of one job", "each of a job of its own", "all of one project", "bare Starlette"
CHANGES_IN = {ONE: 1, EACH: SUBSCRIBERS, PROJECT: 8, BARE: 8}
WITHIN_S = 60.0
MUST_P99_MS = 250
INSERT = """INSERT INTO factory.jobs (id, project_id, state, kind, priority, request, run_at, created_at, started_at)
    SELECT one, (SELECT id FROM factory.projects WHERE name = 'bench'), 'in_progress', 'text', 'standard',
        '{"model": "fast"}', now(), now(), now() FROM unnest($1::uuid[]) AS one"""
END = "UPDATE factory.jobs SET state = 'failed', seq = seq + 1, cost = 0, finished_at = now() WHERE id = $1"


class Listener:
    """One subscriber, who notes when the last byte of an event came."""

    def __init__(self) -> None:
        self.came: list[float] = []
        self.ready = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def subscribe(self, port: int, path: str, key: str, last: str) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        headers = f"GET {path} HTTP/1.1\r\nhost: bench\r\nx-api-key: {key}\r\n{last}\r\n"
        self._writer.write(headers.encode())
        self._task = asyncio.create_task(self._read(reader))
        await asyncio.wait_for(self.ready.wait(), WITHIN_S)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if line.startswith(b"retry:"):
                self.ready.set()
            elif line.startswith((b"event: job.failed", b"event: told")):
                self.came.append(time.perf_counter())

    async def leave(self) -> None:
        if self._task is not None and self._writer is not None:
            self._task.cancel()
            self._writer.close()
            await asyncio.gather(self._task, return_exceptions=True)


def run(effort: Effort) -> Measured:
    """Each setting in turn, on real servers."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with (
        tempfile.TemporaryDirectory(prefix="factory-bench-") as place,
        EmbeddedServers(Path(place), log=lambda _: None) as running,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_run(effort, running, Path(place)))


async def _run(effort: Effort, running: Running, place: Path) -> Measured:
    pool = await open_pool(running.database_url, max_size=8)
    await migrate(pool)
    await seed(pool)
    key = await create_key(pool, project="bench", make_project=True)
    environment = child_environment(
        FACTORY_DATABASE_URL=running.database_url, FACTORY_REDIS_URL=running.redis_url, FACTORY_HOME=str(place / "home")
    )
    samples: list[dict[str, Any]] = []
    async with Redis.from_url(running.redis_url) as redis:
        for number in range(effort.rounds):
            for what in (ONE, EACH, PROJECT, BARE):
                async with _server(what, environment) as (port, pid):
                    sample = {"what": what, **await _measure(what, pool, redis, port, pid, key)}
                effort.say(f"round {number + 1} of {effort.rounds}: {sample}")
                samples.append(sample)
    await pool.close()
    rows = []
    for what in (ONE, EACH, PROJECT, BARE):
        row: dict[str, Any] = {"subscribers": what}
        for name in ("p50", "p99", "most", "rss_mb", "cpu_s"):
            row[name] = middle(of_setting(samples, {"what": what}, name))
        row["p99 must be at most"] = "" if what == BARE else f"{MUST_P99_MS}"
        rows.append(row)
    return Measured(rows, samples)


@asynccontextmanager
async def _server(what: str, environment: dict[str, str]) -> AsyncIterator[tuple[int, int]]:
    port = free_port()
    command = python_program("tests.bench.sse_baseline", str(port)) if what == BARE else python_program("producer")
    process = subprocess.Popen(command, env=environment | {"FACTORY_PORT": str(port)}, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def _measure(
    what: str, pool: "asyncpg.Pool[asyncpg.Record]", redis: "Redis", port: int, pid: int, key: str
) -> dict[str, float]:
    jobs = [uuid4() for _ in range(CHANGES_IN[what])]
    await pool.execute(INSERT, jobs)
    paths = {ONE: [f"/v1/jobs/{jobs[0]}/events"], EACH: [f"/v1/jobs/{one}/events" for one in jobs]}
    paths |= {PROJECT: ["/v1/events"], BARE: ["/"]}
    listeners = [Listener() for _ in range(SUBSCRIBERS)]
    entering = asyncio.Semaphore(50)

    async def enter(number: int, listener: Listener) -> None:
        async with entering:
            await listener.subscribe(port, paths[what][number % len(paths[what])], key, "")

    await asyncio.gather(*(enter(number, one) for number, one in enumerate(listeners)))
    cpu_before = _cpu_s(pid)
    told: list[float] = []
    async with httpx.AsyncClient() as client:
        for count, job in enumerate(jobs, start=1):
            told.append(time.perf_counter())
            if what == BARE:
                await client.post(f"http://127.0.0.1:{port}/", content=b'{"x": "' + b"y" * 600 + b'"}')
            else:
                await pool.execute(END, job)
                await redis.publish(CHANGES, f"{job} {await _project(pool)}")
            if what == EACH:
                await asyncio.sleep(0.005)  # two hundred a second
            else:
                await _until(listeners, count)
    if what == EACH:
        await _until(listeners, 1)
    took = sorted(_delays(what, listeners, told))
    used = {"rss_mb": _rss_mb(pid), "cpu_s": _cpu_s(pid) - cpu_before}
    await asyncio.gather(*(one.leave() for one in listeners))
    cut = statistics.quantiles(took, n=100)
    return {"p50": cut[49] * 1000, "p99": cut[98] * 1000, "most": took[-1] * 1000, **used}


_projects: list[UUID] = []


async def _project(pool: "asyncpg.Pool[asyncpg.Record]") -> UUID:
    if not _projects:
        _projects.append(await pool.fetchval("SELECT id FROM factory.projects WHERE name = 'bench'"))
    return _projects[0]


def _delays(what: str, listeners: Sequence[Listener], told: Sequence[float]) -> list[float]:
    if what == EACH:
        return [one.came[0] - at for one, at in zip(listeners, told, strict=True)]
    return [came - at for one in listeners for came, at in zip(one.came, told, strict=True)]


async def _until(listeners: Sequence[Listener], count: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while any(len(one.came) < count for one in listeners):
            await asyncio.sleep(0.02)


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
