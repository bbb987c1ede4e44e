"""Workers as real processes: stopped, and killed in the middle of a call."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from core.request import JobRequest, Kind
from core.settings import Settings, child_environment
from producer.composition import Services
from producer.reading import load_job, wait_for_job
from producer.submit import Caller
from sql.access import find_project
from tests.prose import chapter
from tests.workers.test_promises import COPY_MODEL, COPY_PRICE


class Hands:
    """Submits to a factory whose workers are processes that a test starts and ends."""

    def __init__(self, settings: Settings, services: Services, caller: Caller) -> None:
        self.settings, self.services, self.caller = settings, services, caller
        self.workers: list[asyncio.subprocess.Process] = []

    async def start_worker(self, **changes: str) -> asyncio.subprocess.Process:
        given = {
            "FACTORY_DATABASE_URL": self.settings.database_url or "",
            "FACTORY_REDIS_URL": self.settings.redis_url or "",
            "FACTORY_EMULATOR_URL": self.settings.emulator_url or "",
            "FACTORY_HOME": str(self.settings.home),
            "FACTORY_LEASE_S": "2",
            "FACTORY_DRAIN_S": "1",
        }
        environment = child_environment(**{**given, **changes})
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "workers", env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        self.workers.append(worker)
        return worker

    async def submit(self, model: str, **fields: Any) -> UUID:
        said = fields or {"prompt": f"Write a line {uuid4()}"}
        return await self.services.submitter.submit(self.caller, JobRequest(model=model, **said))

    async def until_called(self, job_id: UUID) -> None:
        """Until the provider has the job's first call."""
        async with asyncio.timeout(15), httpx.AsyncClient(base_url=self.settings.emulator_url or "") as emulator:
            while not (calls := (await load_job(self.services, self.caller, job_id))["calls"]):
                await asyncio.sleep(0.02)
            seen: set[str] = set()
            while str(calls[0]["id"]) not in seen:
                journal = (await emulator.get("/_emulator/calls")).json()["calls"]
                seen = {call["call_id"] for call in journal if call["model"]}

    async def until_worker_is(self, state: str) -> None:
        """By its own word."""
        async with asyncio.timeout(15):
            while [one.state for one in (await self.services.fleet.look()).workers] != [state]:
                await asyncio.sleep(0.02)

    async def stored_parts(self, job_id: UUID) -> list[str]:
        """Where the finished parts of a narration are."""
        rows = await self.services.database.fetch("SELECT storage_key FROM factory.job_parts WHERE job_id = $1", job_id)
        return [row["storage_key"] for row in rows]

    async def until(self, job_id: UUID, status: str) -> dict[str, Any]:
        async with asyncio.timeout(15):
            while (job := await load_job(self.services, self.caller, job_id))["status"] != status:
                await asyncio.sleep(0.02)
        return job


@pytest.fixture
async def hands(settings: Settings, services: Services) -> AsyncIterator[Hands]:
    project = await find_project(services.database, "default")
    assert project is not None
    for name in ("gpt-6-luna@hang:1", "gpt-6-luna@slow=2.5", "tts-1-hd@slow=0.3"):
        await services.database.execute(COPY_MODEL, name, "openai", name.partition("@")[0])
        await services.database.execute(COPY_PRICE, name, "openai", name.partition("@")[0])
    await services.catalog.step()
    found = Hands(settings, services, Caller(project.id, project.name, frozenset({"jobs"})))
    yield found
    for worker in found.workers:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


async def test_a_killed_workers_job_runs_again_and_its_call_stays_in_the_ledger(hands: Hands) -> None:
    worker = await hands.start_worker()
    job_id = await hands.submit("gpt-6-luna@hang:1")
    await hands.until_called(job_id)
    worker.kill()
    await hands.start_worker()
    job = await wait_for_job(hands.services, hands.caller, job_id, 40)
    assert job["status"] == "completed", job["error"]
    assert [call["outcome"] for call in job["calls"]] == ["unknown", "ok"]
    assert job["attempts"] == 1
    assert job["cost"] == job["calls"][1]["cost"]
    assert job["uncertain_cost"] > job["cost"]


async def test_a_narration_whose_worker_is_killed_buys_no_finished_part_again(hands: Hands) -> None:
    worker = await hands.start_worker(FACTORY_SPEECH_PARTS_AT_ONCE="1")
    text = chapter(20_000, 8)
    job_id = await hands.submit("tts-1-hd@slow=0.3", kind=Kind.speech, input=text, format="wav")
    async with asyncio.timeout(20):
        while len(stored := await hands.stored_parts(job_id)) < 3:
            await asyncio.sleep(0.02)
    worker.kill()
    await worker.wait()
    stored = await hands.stored_parts(job_id)
    await hands.start_worker()
    job = await wait_for_job(hands.services, hands.caller, job_id, 60)
    assert job["status"] == "completed", job["error"]
    bought = [call["part"] for call in job["calls"] if call["outcome"] == "ok"]
    assert sorted(bought) == list(range(1, job["result"]["audio"]["parts"] + 1))
    assert job["result"]["audio"]["parts"] > 5
    assert sum(call["outcome"] == "unknown" for call in job["calls"]) <= 1
    assert set(stored) <= set(await hands.stored_parts(job_id))


async def test_a_stopping_worker_lets_its_jobs_finish(hands: Hands) -> None:
    worker = await hands.start_worker(FACTORY_DRAIN_S="10")
    job_id = await hands.submit("gpt-6-luna@slow=2.5")
    await hands.until_called(job_id)
    worker.send_signal(signal.SIGTERM)
    assert await worker.wait() == 0
    job = await load_job(hands.services, hands.caller, job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)


async def test_a_worker_that_leaves_ends_its_jobs_however_long_they_take_and_takes_no_more(hands: Hands) -> None:
    worker = await hands.start_worker()
    first = await hands.submit("gpt-6-luna@slow=2.5")
    await hands.until_called(first)
    worker.send_signal(signal.SIGUSR2)
    await hands.until_worker_is("leaving")
    worker.send_signal(signal.SIGUSR1)
    second = await hands.submit("gpt-6-luna@slow=2.5")
    await hands.until_called(second)
    worker.send_signal(signal.SIGUSR2)
    await hands.until_worker_is("leaving")
    third = await hands.submit("gpt-6-luna@slow=2.5")
    assert await worker.wait() == 0, "kept once, it left the second time"
    jobs = [await load_job(hands.services, hands.caller, job_id) for job_id in (first, second, third)]
    assert [(job["status"], job["attempts"]) for job in jobs] == [("completed", 1), ("completed", 1), ("queued", 0)]


async def test_a_stopping_worker_puts_back_what_takes_too_long_without_counting(hands: Hands) -> None:
    worker = await hands.start_worker()
    job_id = await hands.submit("gpt-6-luna@hang:1")
    await hands.until_called(job_id)
    worker.send_signal(signal.SIGTERM)
    await hands.until(job_id, "queued")
    assert await worker.wait() == 0
    await hands.start_worker()
    job = await wait_for_job(hands.services, hands.caller, job_id, 20)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert [call["outcome"] for call in job["calls"]] == ["unknown", "ok"]


async def test_a_thousand_identical_requests_over_four_processes_are_one_call_or_two_where_its_worker_is_killed(
    hands: Hands,
) -> None:
    worker = await hands.start_worker()
    first = await hands.submit("gpt-6-luna@hang:1", prompt="The same one")
    await hands.until_called(first)
    for _ in range(3):
        await hands.start_worker()
    ids = await asyncio.gather(*(hands.submit("gpt-6-luna@slow=2.5", prompt="The same") for _ in range(1000)))
    jobs = [await wait_for_job(hands.services, hands.caller, job_id, 60) for job_id in ids]
    assert {job["status"] for job in jobs} == {"completed"}
    assert sum(len(job["calls"]) for job in jobs) == 1
    assert sum(job["result"]["cached"] for job in jobs) == 999

    ids = await asyncio.gather(*(hands.submit("gpt-6-luna@hang:1", prompt="The same one") for _ in range(1000)))
    worker.kill()
    jobs = [await wait_for_job(hands.services, hands.caller, job_id, 60) for job_id in (first, *ids)]
    assert {job["status"] for job in jobs} == {"completed"}
    assert sum(len(job["calls"]) for job in jobs) == 2
    assert [call["outcome"] for call in jobs[0]["calls"]] == ["unknown", "ok"], "the job itself goes on"
