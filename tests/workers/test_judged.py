"""200 callers, four real processes, one project: never 101 accepted in a minute, never 21 at once, never more than the
budget; and what two killed processes held is free again."""

import asyncio
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from core.jsonio import dump_json
from core.request import JobRequest
from core.settings import Settings, child_environment, python_program
from producer.budgeting import load_budget
from producer.composition import Services
from producer.intake.order import BatchHeader
from producer.keys import create_key
from producer.limits_in_use import read_limits_in_use
from producer.reading import wait_for_batch
from producer.submit import Caller
from sql.access import find_project
from tests.broker.test_limits_fleet import most_at_once
from tests.house import addresses_of
from tests.workers.test_promises import COPY_MODEL

BUDGET = Decimal(30)
MODEL = "gpt-6-luna@slow=1.5"
ASKED = {"model": MODEL, "max_output_tokens": 100, "cache": "off"}
OVER = ("completed", "failed", "cancelled", "expired")
IN_THE_MIDDLE = (
    "SELECT count(*) FILTER (WHERE outcome = 'ok') >= 1 AND count(*) FILTER (WHERE outcome IS NULL) >= 13 "
    "FROM factory.calls WHERE project_id = $1"
)
SETTINGS = {
    "limits": {"requests_per_minute": 100, "concurrency": 20},
    "budgets": {"daily": {"hard_usd": 30}},
}


@dataclass(frozen=True)
class Fleet:
    apis: list[asyncio.subprocess.Process]
    workers: list[asyncio.subprocess.Process]
    urls: list[str]


@asynccontextmanager
async def fleet_of(settings: Settings) -> AsyncIterator[Fleet]:
    """Two APIs and two workers."""
    ports = [_free_port() for _ in range(2)]
    given = {
        **addresses_of(settings),
        "FACTORY_LEASE_S": "3",
        "FACTORY_WORKER_SLOTS": "12",  # so that 20 calls are those of both workers
        "FACTORY_LOG_LEVEL": "error",
    }

    async def start(module: str, **more: str) -> asyncio.subprocess.Process:
        environment = child_environment(**given, **more)
        return await asyncio.create_subprocess_exec(*python_program(module), env=environment)

    fleet = Fleet(
        [await start("producer", FACTORY_PORT=str(port)) for port in ports],
        [await start("workers") for _ in range(2)],
        [f"http://127.0.0.1:{port}" for port in ports],
    )
    try:
        yield fleet
    finally:
        for process in (*fleet.apis, *fleet.workers):
            if process.returncode is None:
                process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Callers:
    """200 of them; each asks again and again, at the other API where one is gone."""

    def __init__(self, urls: Sequence[str], key: str) -> None:
        self.said: Counter[int] = Counter()
        self.ids: set[str] = set()
        self._urls = urls
        self._http = httpx.AsyncClient(headers={"x-api-key": key}, timeout=10, limits=httpx.Limits(max_connections=200))

    async def __aenter__(self) -> "Callers":
        async with asyncio.timeout(45):
            for url in self._urls:
                while not await self._answers(url):
                    await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._call(number, until) for number in range(200)))

    async def _call(self, number: int, until: float) -> None:
        count = 0
        while time.monotonic() < until:
            count += 1
            url = self._urls[(number + count) % len(self._urls)]
            try:
                answer = await self._http.post(f"{url}/v1/jobs", json={**ASKED, "prompt": f"{number}-{count}"})
            except httpx.TransportError:
                continue
            self.said[answer.status_code] += 1
            if answer.status_code == 202:
                self.ids.add(answer.json()["id"])
            await asyncio.sleep(1)

    async def _answers(self, url: str) -> bool:
        try:
            return (await self._http.get(f"{url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


async def prepare(services: Services) -> str:
    """A project with limits and a budget, and a model of which a call may cost 0.40 USD. The project's key."""
    key = await create_key(services.database, project="judged", make_project=True)
    await services.database.execute("UPDATE factory.projects SET settings = $1 WHERE name = 'judged'", SETTINGS)
    await services.database.execute(COPY_MODEL, MODEL, "openai", "gpt-6-luna")
    await services.database.execute(
        "INSERT INTO factory.model_prices (provider, model_id, valid_from, input_usd_per_mtok, output_usd_per_mtok) "
        "VALUES ('openai', $1, '2026-01-01Z', 0, 4000)", MODEL,
    )  # fmt: skip
    await services.catalog.step()
    return key


async def warm_up(services: Services) -> None:
    """Both workers have made calls of another project, so that none begins by importing an SDK."""
    other = await find_project(services.database, "default")
    assert other is not None
    caller = Caller(other.id, other.name, frozenset({"jobs"}))
    asked = [JobRequest(model=MODEL, prompt=f"{number}", max_output_tokens=100) for number in range(30)]
    batch_id = await services.intake.create(
        caller, BatchHeader(), {line: dump_json(one.stored()) for line, one in enumerate(asked, start=1)}, None, b""
    )
    batch = await wait_for_batch(services, caller, batch_id, 45, None)
    assert batch["counts"]["completed"] == 30


async def ledger(services: Services, project_id: UUID) -> list[dict[str, Any]]:
    found = await services.database.fetch("SELECT * FROM factory.calls WHERE project_id = $1", project_id)
    return [dict(row) for row in found]


def intervals(lines: list[dict[str, Any]], killed_at: datetime) -> list[tuple[int, float, float]]:
    """When each call was under way; those that nobody ended were the killed worker's."""
    ends = [killed_at if line["duration_ms"] is None else line["finished_at"] for line in lines]
    return [(0, line["started_at"].timestamp(), end.timestamp()) for line, end in zip(lines, ends, strict=True)]


async def until_over(services: Services, project_id: UUID) -> list[dict[str, Any]]:
    async with asyncio.timeout(45):
        while True:
            jobs = await services.database.fetch(
                "SELECT id, state, error FROM factory.jobs WHERE project_id = $1", project_id
            )
            if all(job["state"] in OVER for job in jobs):
                return [dict(job) for job in jobs]
            await asyncio.sleep(0.05)


async def test_limits_and_budget_hold_over_four_processes_of_which_two_are_killed(
    settings: Settings, services: Services
) -> None:
    key = await prepare(services)
    project = next(one for one in services.catalog.current.projects.values() if one.name == "judged")
    async with fleet_of(settings) as fleet, Callers(fleet.urls, key) as callers:
        await warm_up(services)
        calling = asyncio.create_task(callers.call_for(5))
        async with asyncio.timeout(30):
            while not await services.database.fetchval(IN_THE_MIDDLE, project.id):
                await asyncio.sleep(0.02)
        for process in (fleet.apis[0], fleet.workers[0]):
            process.send_signal(signal.SIGKILL)
        killed_at = datetime.now(UTC)
        await calling
        jobs = await until_over(services, project.id)
        lines = await ledger(services, project.id)
        async with asyncio.timeout(10):
            while any(row["running"] for row in await read_limits_in_use(services)):
                await asyncio.sleep(0.05)

    assert set(callers.said) == {202, 402, 429}, callers.said
    assert callers.ids <= {str(job["id"]) for job in jobs}, "what was accepted is there"
    assert 60 <= len(jobs) <= 100
    assert 15 <= most_at_once(intervals(lines, killed_at)) <= 20
    assert any(line["outcome"] == "unknown" for line in lines), "the killed worker was in the middle of calls"
    assert {job["error"]["kind"] for job in jobs if job["state"] != "completed"} <= {"budget"}

    spent = sum(line["cost"] or 0 for line in lines)
    uncertain = sum(line["max_cost"] for line in lines if line["cost"] is None)
    assert spent + uncertain <= BUDGET
    budget = await load_budget(services, project.id)
    assert budget["reserved_usd"] == 0
    for period in budget["periods"]:
        assert (period["spent_usd"], period["uncertain_usd"]) == (spent, uncertain), "counters equal the ledger"
    await services.database.execute("DELETE FROM factory.budget_periods")
    assert await load_budget(services, project.id) == budget
