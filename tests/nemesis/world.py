"""Servers, workers and a submitter to be hurt."""

import asyncio
import json
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from redis.asyncio import Redis

from core.settings import child_environment
from producer.embedded.emulator import EmbeddedEmulator
from producer.embedded.postgres import EmbeddedPostgres
from producer.embedded.valkey import EmbeddedValkey
from sql.migrating import migrate
from sql.pool import open_pool
from sql.seeding import seed
from tests.nemesis.checker import Left

HERE = Path(__file__).parent
LEASE_S = 2.0
LATENCY_MS = 150


@dataclass
class World:
    """`root` holds the servers' data, the programs' logs and `history.jsonl`."""

    root: Path
    seed: int
    jobs: int
    poisoned: int
    workers: int = 3
    slots: int = 10
    kills: int = 0
    running: list[asyncio.subprocess.Process] = field(default_factory=list)
    submitter: asyncio.subprocess.Process | None = None
    began: float = field(default_factory=time.monotonic)

    async def open(self) -> None:
        """Start the servers and make the database."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        self.draw = random.Random(self.seed)
        self.postgres = EmbeddedPostgres(self.root, lambda _text: None)
        self.valkey = EmbeddedValkey(self.root)
        self.emulator = EmbeddedEmulator(self.root, LATENCY_MS)
        self.database_url = await asyncio.to_thread(self.postgres.start)
        self.redis_url = await asyncio.to_thread(self.valkey.start)
        self.emulator_url = await asyncio.to_thread(self.emulator.start)
        pool = await open_pool(self.database_url, max_size=2)
        await migrate(pool)
        await seed(pool)
        await pool.execute((HERE / "fixtures.sql").read_text())
        await pool.close()

    async def close(self) -> None:
        """End every program and server of this world."""
        for process in (*self.running, *([self.submitter] if self.submitter else [])):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                await process.wait()
        for server in (self.emulator, self.valkey, self.postgres):
            await asyncio.to_thread(server.stop)

    def note(self, event: str, **details: Any) -> None:
        """A line of the history."""
        line = {"at_s": round(time.monotonic() - self.began, 3), "event": event, **details}
        with (self.root / "history.jsonl").open("a") as history:
            history.write(json.dumps(line) + "\n")

    async def start_worker(self, clock_off_s: float = 0) -> None:
        process = await self._start("worker", clock_off_s=clock_off_s)
        self.running.append(process)
        self.note("worker started", pid=process.pid, clock_off_s=clock_off_s)

    async def start_submitter(self, crash_every: int) -> None:
        arguments = ("default", str(self.jobs), str(self.poisoned), str(self.seed))
        self.submitter = await self._start("submitter", *arguments, crash_every=crash_every)

    async def _start(
        self, program: str, *arguments: str, clock_off_s: float = 0, crash_every: int = 0
    ) -> asyncio.subprocess.Process:
        environment = child_environment(
            FACTORY_DATABASE_URL=self.database_url,
            FACTORY_REDIS_URL=self.redis_url,
            FACTORY_EMULATOR_URL=self.emulator_url,
            FACTORY_HOME=str(self.root / "home"),
            FACTORY_LEASE_S=str(LEASE_S),
            FACTORY_WORKER_SLOTS=str(self.slots),
            FACTORY_DATABASE_POOL_SIZE="5",
            FACTORY_RETRY_BASE_S="0.2",
            FACTORY_RETRY_CAP_S="1",
            FACTORY_MAX_ATTEMPTS="50",
            FACTORY_MAX_LOST_LEASES="6",
            NEMESIS_CLOCK_OFF_S=str(clock_off_s),
            NEMESIS_CRASH_EVERY=str(crash_every),
            NEMESIS_BLOCK_S=str(LEASE_S * 2.5),
        )
        with (self.root / f"{program}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.nemesis.programs", program, *arguments, env=environment, stderr=log
            )

    def alive(self) -> list[asyncio.subprocess.Process]:
        self.running = [one for one in self.running if one.returncode is None]
        return self.running

    async def keep_staffed(self) -> None:
        """A supervisor would start what died; a poisonous job kills without our help."""
        for process in list(self.running):
            if process.returncode is not None:
                self.note("worker found dead", pid=process.pid, code=process.returncode)
                self.kills += 1
        self.alive()
        while len(self.running) < self.workers:
            await self.start_worker(self.draw.choice((0, 0, 120, -120)))
        if self.submitter is not None and self.submitter.returncode not in (None, 0):
            self.note("submitter died")
            await self.start_submitter(0 if self.draw.random() < 0.3 else 25)

    async def kill_worker(self) -> None:
        victim = self.draw.choice(self.alive())
        self.note("kill", pid=victim.pid)
        with suppress(ProcessLookupError):
            victim.kill()
        await victim.wait()
        self.running.remove(victim)
        self.kills += 1

    async def stop_and_continue(self) -> None:
        """Longer than a lease: its jobs are taken over, and it wakes up believing that they are its own."""
        victim = self.draw.choice(self.alive())
        self.note("stop", pid=victim.pid)
        with suppress(ProcessLookupError):
            victim.send_signal(signal.SIGSTOP)
            await asyncio.sleep(LEASE_S * 2.5)
            victim.send_signal(signal.SIGCONT)
        self.kills += 1

    async def block_loop(self) -> None:
        victim = self.draw.choice(self.alive())
        self.note("block", pid=victim.pid)
        with suppress(ProcessLookupError):
            victim.send_signal(signal.SIGUSR1)
        self.kills += 1

    async def end_worker(self) -> None:
        """A deploy: it lets its jobs finish."""
        victim = self.draw.choice(self.alive())
        self.note("end", pid=victim.pid)
        with suppress(ProcessLookupError):
            victim.terminate()

    async def flush_redis(self) -> None:
        self.note("FLUSHALL")
        async with Redis.from_url(self.redis_url) as redis:
            await redis.flushall()

    async def restart_redis(self, away_s: float = 3.0) -> None:
        self.note("Redis stops", away_s=away_s)
        await asyncio.to_thread(self.valkey.stop)
        await asyncio.sleep(away_s)
        assert await asyncio.to_thread(self.valkey.start) == self.redis_url
        self.note("Redis is back")

    async def restart_postgres(self) -> None:
        self.note("Postgres stops")
        await asyncio.to_thread(self.postgres.stop)
        await asyncio.sleep(1)
        assert await asyncio.to_thread(self.postgres.start) == self.database_url
        self.note("Postgres is back")

    async def terminate_backends(self) -> None:
        connection = await asyncpg.connect(self.database_url)
        count = await connection.fetchval((HERE / "terminate_backends.sql").read_text())
        await connection.close()
        self.note("backends terminated", count=count)

    async def counts(self) -> dict[str, int]:
        """Jobs by state; empty while Postgres is away."""
        try:
            connection = await asyncpg.connect(self.database_url)
        except (OSError, asyncpg.PostgresError):
            return {}
        try:
            rows = await connection.fetch("SELECT state, count(*) AS n FROM factory.jobs GROUP BY state")
            return {row["state"]: row["n"] for row in rows}
        finally:
            await connection.close()

    async def left(self) -> Left:
        """What is there now."""
        connection = await asyncpg.connect(self.database_url)
        for name in ("json", "jsonb"):
            await connection.set_type_codec(name, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        tables = {
            "jobs": "SELECT * FROM factory.jobs",
            "calls": "SELECT * FROM factory.calls",
            "transitions": "SELECT * FROM nemesis.transitions ORDER BY n",
        }
        rows = {name: [dict(row) for row in await connection.fetch(text)] for name, text in tables.items()}
        await connection.close()
        async with httpx.AsyncClient(base_url=self.emulator_url, timeout=30) as client:
            seen = (await client.get("/_emulator/calls")).json()["calls"]
        async with Redis.from_url(self.redis_url) as redis:
            redis_left = await _queue_left(redis)
        return Left(
            **rows,
            seen=[one["call_id"] for one in seen if one["call_id"] and one["model"]],
            redis=redis_left,
            submitted=self.jobs,
            poisoned=self.poisoned,
            kills=self.kills,
            slots=self.slots,
        )


async def _queue_left(redis: Any) -> dict[str, int]:
    """Keys of jobs that are still there; a bell may ring once more, marks and what is known of projects stay."""
    found: dict[str, int] = {}
    async for key in redis.scan_iter(match="factory:{q}:*"):
        name = key.decode().removeprefix("factory:{q}:")
        if name.startswith(("bell:", "duty:", "mark", "filled", "projects")):
            continue
        kind = (await redis.type(key)).decode()
        found[name] = await {"zset": redis.zcard, "hash": redis.hlen}.get(kind, redis.strlen)(key)
    return found
