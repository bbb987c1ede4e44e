"""The platform that a day is replayed on: real servers, two API processes, two workers, providers that fail."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from core.settings import child_environment, python_program
from producer.embedded import EmbeddedServers
from producer.keys import create_key
from sql.migrating import migrate
from sql.pool import Database, open_pool
from sql.seeding import seed

HERE = Path(__file__).parent
FAULTS = ("429=1", "500", "503", "529", "slow=1", "hang", "cut", "empty", "truncated", "badjson", "badschema")
FAULT_SHARE = 0.05
LATENCY_MS = 250
SETTINGS = {"FACTORY_WORKER_SLOTS": "60", "FACTORY_CALL_TIMEOUT_S": "4"}
READY_S = 30.0


@dataclass(slots=True)
class Running:
    """One process of the factory; `url` of an API."""

    name: str
    process: asyncio.subprocess.Process
    url: str = ""


@dataclass(slots=True)
class World:
    """`apis` are in the balancer now; who calls takes them in turn. `code`: where the programs that are started next
    are, when not here."""

    root: Path
    database: Database
    emulator: httpx.AsyncClient
    key: str
    environment: Mapping[str, str]
    apis: list[Running] = field(default_factory=list)
    workers: list[Running] = field(default_factory=list)
    started: int = 0
    code: Path | None = None

    async def start_api(self) -> None:
        """Into the balancer once it is ready."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        running = await self._start("producer", "api", FACTORY_PORT=str(port))
        running.url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(READY_S), httpx.AsyncClient() as probe:
            while not await answers(probe, f"{running.url}/readyz"):
                await asyncio.sleep(0.05)
        self.apis.append(running)

    async def start_worker(self) -> None:
        running = await self._start("workers", "worker")
        log = self.root / f"{running.name}.log"
        async with asyncio.timeout(READY_S):
            while b"worker ready" not in log.read_bytes():
                await asyncio.sleep(0.05)
        self.workers.append(running)

    async def restart(self) -> None:
        """One after the other, each replaced before it is asked to stop."""
        for running in list(self.apis):
            await self.start_api()
            self.apis.remove(running)
            await end(running)
        for running in list(self.workers):
            await self.start_worker()
            self.workers.remove(running)
            await end(running)

    async def switch_on_faults(self) -> None:
        for fault in FAULTS:
            await self._fault(fault, FAULT_SHARE / len(FAULTS), "weather")

    async def begin_outage(self, provider: str) -> None:
        await self._fault("503", 1.0, "outage", provider)

    async def end_outage(self) -> None:
        (await self.emulator.delete("/_emulator/faults", params={"owner": "outage"})).raise_for_status()

    async def _fault(self, fault: str, share: float, owner: str, provider: str | None = None) -> None:
        body = {"fault": fault, "share": share, "provider": provider}
        (await self.emulator.post("/_emulator/faults", json=body, params={"owner": owner})).raise_for_status()

    async def _start(self, module: str, kind: str, **changes: str) -> Running:
        self.started += 1
        name = f"{kind}-{self.started}"
        with (self.root / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *python_program(module), cwd=self.code, env={**self.environment, **changes}, stdout=log, stderr=log
            )
        return Running(name, process)


async def end(running: Running) -> None:
    """As an operator stops it: it is given the time to finish."""
    if running.process.returncode is None:
        running.process.terminate()
    await running.process.wait()


async def answers(probe: httpx.AsyncClient, url: str) -> bool:
    """With 200?"""
    try:
        return (await probe.get(url)).status_code == 200
    except httpx.TransportError:
        return False


@asynccontextmanager
async def open_world(root: Path, *, latency_ms: int) -> AsyncIterator[World]:
    """Up and ready, with the day's aliases; stops everything that it started."""
    servers = EmbeddedServers(root, emulator=True, emulator_latency_ms=latency_ms, log=lambda _: None)
    running = await asyncio.to_thread(servers.start)
    emulator_url = running.emulator_url or ""
    try:
        database = await open_pool(running.database_url, max_size=2)
        await migrate(database)
        await seed(database)
        await database.execute((HERE / "fixtures.sql").read_text())
        key = await create_key(database, project="default")
        environment = child_environment(
            FACTORY_DATABASE_URL=running.database_url, FACTORY_REDIS_URL=running.redis_url,
            FACTORY_EMULATOR_URL=emulator_url, FACTORY_HOME=str(root / "home"), **SETTINGS,
        )  # fmt: skip
        async with httpx.AsyncClient(base_url=emulator_url, timeout=60) as emulator:
            world = World(root, database, emulator, key, environment)
            try:
                await asyncio.gather(*(start() for start in (world.start_api, world.start_worker) * 2))
                await world.switch_on_faults()
                yield world
            finally:
                await asyncio.gather(*(end(one) for one in (*world.apis, *world.workers)))
                await database.close()
    finally:
        await asyncio.to_thread(servers.stop)
