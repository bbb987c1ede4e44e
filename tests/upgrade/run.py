"""Replaces an older release by this one while jobs come in: schema, workers, API. Nothing may be refused or lost."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from core.settings import child_environment, python_program
from producer.embedded import EmbeddedServers
from producer.keys import create_key
from sql.pool import Database, open_pool
from tests.replay.world import World, answers, end

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LATENCY_MS = 300
LOOK_S = 0.1
PRE_STOP_S = 3.0  # as in deploy/kubernetes/api.yaml: the balancer looks elsewhere first


async def run(fleet: World, *arguments: str) -> None:
    """A command of the release. Raises RuntimeError with what it said."""
    process = await asyncio.create_subprocess_exec(
        *python_program("producer.cli", *arguments), cwd=fleet.code, env=fleet.environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} of {fleet.code}: {said.decode()[-2000:]}")


@dataclass(slots=True)
class Load:
    """A caller behind a balancer that sends to whoever says that it is ready."""

    fleet: World
    rate: float
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    over: bool = False

    async def go(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        headers = {"x-api-key": self.fleet.key}
        async with httpx.AsyncClient(timeout=30, limits=limits, headers=headers) as http, asyncio.TaskGroup() as group:
            looking = group.create_task(self._look(http))
            began, number = time.monotonic(), 0
            while not self.over:
                await asyncio.sleep(max(0.0, began + number / self.rate - time.monotonic()))
                if self.ready:
                    group.create_task(self._send(http, number))
                    number += 1
            looking.cancel()

    async def _look(self, http: httpx.AsyncClient) -> None:
        while True:
            urls = [one.url for one in self.fleet.apis]
            self.ready = [url for url in urls if await answers(http, f"{url}/readyz")]
            await asyncio.sleep(LOOK_S)

    async def _send(self, http: httpx.AsyncClient, number: int) -> None:
        url = self.ready[number % len(self.ready)]
        try:
            answer = await http.post(
                f"{url}/v1/jobs", json={"model": "fast", "prompt": f"Line {number}", "cache": "off"}
            )
        except httpx.TransportError as error:
            self.refused.append(f"{type(error).__name__} from {url}")
            return
        if answer.status_code == 202:
            self.accepted.append(answer.json()["id"])
        else:
            self.refused.append(f"{answer.status_code} {answer.text[:200]}")


@asynccontextmanager
async def open_fleet(root: Path, old: Path) -> AsyncIterator[World]:
    """Two APIs and two workers of the old release."""
    servers = EmbeddedServers(root, emulator=True, emulator_latency_ms=LATENCY_MS, log=lambda _: None)
    running = await asyncio.to_thread(servers.start)
    try:
        environment = child_environment(
            FACTORY_DATABASE_URL=running.database_url, FACTORY_REDIS_URL=running.redis_url,
            FACTORY_EMULATOR_URL=running.emulator_url or "", FACTORY_HOME=str(root / "home"), PYTHONPATH="",
        )  # fmt: skip
        database = await open_pool(running.database_url, max_size=2)
        async with httpx.AsyncClient(base_url=running.emulator_url or "") as emulator:
            fleet = World(root, database, emulator, "", environment, code=old)
            try:
                await run(fleet, "migrate")
                fleet.key = await create_key(database, project="default")
                await asyncio.gather(*(start() for start in (fleet.start_api, fleet.start_worker) * 2))
                yield fleet
            finally:
                await asyncio.gather(*(end(one) for one in (*fleet.apis, *fleet.workers)))
                await database.close()
    finally:
        await asyncio.to_thread(servers.stop)


async def replace(fleet: World) -> None:
    """As docs/fleet.md says: the schema, then the workers, then the APIs, each new one before an old one goes."""
    await run(fleet, "migrate")
    for running in list(fleet.workers):
        await fleet.start_worker()
        fleet.workers.remove(running)
        await end(running)
    for running in list(fleet.apis):
        await fleet.start_api()
        fleet.apis.remove(running)
        await asyncio.sleep(PRE_STOP_S)
        await end(running)


async def settle(database: Database, within_s: float) -> None:
    text = (HERE / "count_open.sql").read_text()
    async with asyncio.timeout(within_s):
        while await database.fetchval(text):
            await asyncio.sleep(0.2)


async def upgrade(old: Path, rate: float, calm_s: float) -> int:
    with tempfile.TemporaryDirectory(prefix="factory-upgrade-") as folder:
        root = Path(folder)
        root.chmod(0o711)
        async with open_fleet(root, old) as fleet, asyncio.TaskGroup() as group:
            load = Load(fleet, rate)
            group.create_task(load.go())
            await asyncio.sleep(calm_s)
            before = len(load.accepted)
            fleet.code = ROOT
            began = time.monotonic()
            await replace(fleet)
            took_s, during = time.monotonic() - began, len(load.accepted) - before
            await asyncio.sleep(calm_s)
            load.over = True
            await settle(fleet.database, 120)
            rows = await fleet.database.fetch((HERE / "left.sql").read_text())
    ended = {str(row["id"]): row for row in rows}
    lost = [one for one in load.accepted if one not in ended or ended[one]["state"] != "completed"]
    twice = [one for one in load.accepted if one in ended and ended[one]["paid"] > 1]
    print(f"{len(load.accepted)} accepted, {during} of them in the {took_s:.1f} s of the change")
    print(f"{len(load.refused)} refused, {len(lost)} lost, {len(twice)} paid twice")
    for line in [*load.refused[:5], *(dict(ended.get(one) or {"never there": one}) for one in (*lost, *twice)[:9])]:
        print(" ", line)
    return 1 if load.refused or lost or twice or not during else 0


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, prog="scripts/upgrade")
    asked.add_argument("old", type=Path, help="a checkout of the release before")
    asked.add_argument("--rate", type=float, default=20.0, help="jobs a second")
    asked.add_argument("--calm-s", type=float, default=5.0, help="of load before and after the change")
    given = asked.parse_args()
    return asyncio.run(upgrade(given.old.resolve(), given.rate, given.calm_s))


if __name__ == "__main__":
    sys.exit(main())
