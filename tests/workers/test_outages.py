"""What holds while Redis or Postgres is away, line by line, and what arq still does."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from arq import cron
from redis.asyncio import Redis

from broker.queue import PREFIX
from core.settings import Settings, child_environment
from producer.api.app import create_app
from producer.composition import Services, open_services
from producer.embedded.valkey import EmbeddedValkey
from producer.keys import create_key
from tests.house import Factory
from workers.engine import LeasedWorker
from workers.worker import worker_options


@pytest.fixture
def own_valkey(tmp_path: Path) -> Any:
    """A Valkey that a test may stop."""
    (tmp_path / "valkey-root").mkdir()
    valkey = EmbeddedValkey(tmp_path / "valkey-root")
    valkey.url = valkey.start()  # type: ignore[attr-defined]
    yield valkey
    valkey.stop()


@asynccontextmanager
async def api(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    key = await create_key(services.database, project="outage", make_project=True)
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://factory", headers={"x-api-key": key}, timeout=60
    ) as client:
        yield client


async def test_while_redis_is_away_jobs_are_accepted_within_the_budget_and_run_once_it_is_back(
    settings: Settings, own_valkey: Any
) -> None:
    settings = settings.model_copy(update={"redis_url": own_valkey.url, "lease_s": 2})
    async with open_services(settings) as services, api(services) as client:
        worker = LeasedWorker(**{**worker_options(settings), "handle_signals": False})
        running = asyncio.create_task(worker.async_run())
        try:
            before = await client.post("/v1/generate", json={"model": "fast", "prompt": "before"})
            assert before.status_code == 200, before.text
            await services.database.execute(
                "UPDATE factory.projects SET settings = $1 WHERE name = 'outage'",
                {"budgets": {"daily": {"hard_usd": 0.001}}},
            )
            await services.catalog.step()
            await asyncio.to_thread(own_valkey.stop)
            during = {"model": "fast", "prompt": "during", "max_output_tokens": 100}
            made = await client.post("/v1/jobs", json=during)
            assert made.status_code == 202, made.text
            reserved = (await client.get("/v1/budget")).json()["reserved_usd"]
            assert 0 < reserved < 0.001
            dear = {**during, "prompt": "x" * 100_000}
            assert (await client.post("/v1/jobs", json=dear)).json()["code"] == "budget"
            quote = await client.post("/v1/job-batches/quote", json={"jobs": [during, dear]})
            assert (quote.status_code, quote.json()["fits"]) == (200, False)
            assert (await client.get(made.json()["urls"]["self"])).json()["status"] == "queued"
            assert await asyncio.to_thread(own_valkey.start) == own_valkey.url
            done = (await client.get(f"{made.json()['urls']['self']}?wait=30")).json()
            assert done["status"] == "completed", done["error"]
            assert not running.done(), "the worker goes on by itself"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await worker.close()


async def test_a_redis_that_comes_back_with_an_older_memory_is_filled_and_starts_nothing_twice(
    settings: Settings, own_valkey: Any, tmp_path: Path
) -> None:
    """The snapshot knows a job that has run since, and not one that was submitted since."""
    settings = settings.model_copy(update={"redis_url": own_valkey.url, "lease_s": 2})
    data, snapshot = tmp_path / "valkey-root" / "valkey", tmp_path / "snapshot"
    async with open_services(settings) as services, api(services) as client:
        await services.database.execute("UPDATE factory.controls SET paused = true")
        await services.catalog.step()
        early = (await client.post("/v1/jobs", json={"model": "fast", "prompt": "early"})).json()
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(shutil.copytree, data, snapshot)
        assert await asyncio.to_thread(own_valkey.start) == own_valkey.url
        await services.database.execute("UPDATE factory.controls SET paused = false")
        worker = LeasedWorker(**{**worker_options(settings), "handle_signals": False})
        running = asyncio.create_task(worker.async_run())
        try:
            done = (await client.get(f"{early['urls']['self']}?wait=30")).json()
            assert done["status"] == "completed", done["error"]
            soon = {"model": "fast", "prompt": "since", "run_at": "2099-01-01T00:00:00Z"}
            since = (await client.post("/v1/jobs", json=soon)).json()
            await asyncio.to_thread(own_valkey.stop)
            await asyncio.to_thread(shutil.rmtree, data)
            await asyncio.to_thread(snapshot.rename, data)
            assert await asyncio.to_thread(own_valkey.start) == own_valkey.url
            async with Redis.from_url(own_valkey.url) as redis, asyncio.timeout(15):
                while not await redis.hexists(PREFIX + "jobs", since["id"]):
                    await asyncio.sleep(0.05)
                while await redis.hexists(PREFIX + "jobs", early["id"]):
                    await asyncio.sleep(0.05)
            again = (await client.get(early["urls"]["self"])).json()
            assert (again["status"], len(again["calls"])) == ("completed", 1)
            after = await client.post("/v1/generate", json={"model": "fast", "prompt": "after"})
            assert after.status_code == 200, after.text
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await worker.close()


async def test_while_postgres_is_away_submits_say_when_to_come_back(settings: Settings, services: Services) -> None:
    async with api(services) as client:
        await services.database.close()
        answer = await client.post("/v1/jobs", json={"model": "fast", "prompt": "x"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_a_flood_of_redis_starts_nothing_twice(factory: Factory) -> None:
    async with httpx.AsyncClient(base_url=factory.emulator) as emulator:
        fault = {"provider": "openai", "model": "gpt-6-luna", "fault": "slow=2", "times": 1}
        owner = {"owner": "flood"}
        await emulator.post("/_emulator/faults", json=fault, params=owner)
        running = (await factory.client.post("/v1/jobs", json={"model": "gpt-6-luna", "prompt": "slow one"})).json()
        async with asyncio.timeout(10):
            while not (await factory.client.get(running["urls"]["self"])).json()["calls"]:
                await asyncio.sleep(0.01)
        waiting = (
            await factory.client.post(
                "/v1/jobs", json={"model": "fast", "prompt": "later", "run_at": "2099-01-01T00:00:00Z"}
            )
        ).json()
        async with Redis.from_url(factory.settings.redis_url or "") as redis:
            await redis.flushdb()
            done = (await factory.client.get(f"{running['urls']['self']}?wait=20")).json()
            assert done["status"] == "completed"
            assert len(done["calls"]) == 1
            async with asyncio.timeout(10):
                while not await redis.hexists(PREFIX + "jobs", waiting["id"]):
                    await asyncio.sleep(0.05)
        await emulator.delete("/_emulator/faults", params=owner)


async def test_a_paused_project_waits_and_goes_on(factory: Factory) -> None:
    await factory.execute("UPDATE factory.projects SET paused = true WHERE name = 'nicestory'")
    await factory.settled()
    held = (await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "held"})).json()
    await factory.execute("UPDATE factory.projects SET paused = false WHERE name = 'nicestory'")
    await factory.execute("UPDATE factory.controls SET paused = true")
    await factory.settled()
    assert (await factory.client.get(f"{held['urls']['self']}?wait=0.5")).json()["status"] == "queued"
    await factory.execute("UPDATE factory.controls SET paused = false")
    assert (await factory.client.get(f"{held['urls']['self']}?wait=10")).json()["status"] == "completed"


async def test_a_changed_weight_reaches_redis_without_a_submit_and_after_a_flush(factory: Factory) -> None:
    (project,) = [
        row["id"] for row in await factory.execute("SELECT id FROM factory.projects WHERE name = 'nicestory'")
    ]

    async def until_told(redis: Redis, weight: int) -> None:
        while await cast("Any", redis.hget(PREFIX + "projects", f"weight:{project}")) != str(weight).encode():
            await asyncio.sleep(0.05)

    async with Redis.from_url(factory.settings.redis_url or "") as redis, asyncio.timeout(10):
        for weight in (700, 800):
            await factory.execute("UPDATE factory.projects SET weight = $1 WHERE id = $2", weight, project)
            await until_told(redis, weight)
        await redis.flushdb()
        await until_told(redis, weight)


async def test_a_kind_that_this_version_does_not_know_is_put_back(factory: Factory) -> None:
    """An older worker beside a newer submitter."""
    later = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}
    made = (await factory.client.post("/v1/jobs", json=later)).json()
    job_id = UUID(made["id"])
    async with Redis.from_url(factory.settings.redis_url or "") as redis:
        await factory.execute("UPDATE factory.jobs SET kind = 'film', run_at = now() WHERE id = $1", job_id)
        await redis.zadd(PREFIX + "delayed", {str(job_id): 1})
        async with asyncio.timeout(10):
            while True:
                rows = await factory.execute("SELECT state, attempts, fence FROM factory.jobs WHERE id = $1", job_id)
                if rows[0]["fence"] and rows[0]["state"] == "queued":
                    break
                await asyncio.sleep(0.02)
    assert rows[0]["attempts"] == 0


async def test_cron_jobs_hooks_and_bursts_are_still_arqs(settings: Settings, services: Services) -> None:
    ticks: list[str] = []

    async def tick(ctx: dict[str, Any]) -> None:
        ticks.append(ctx["job_id"])

    async def note(_ctx: dict[str, Any]) -> None:
        ticks.append("a job began")

    options = {**worker_options(settings), "handle_signals": False, "on_job_start": note}
    worker = LeasedWorker(**options, cron_jobs=[cron(tick, second=set(range(60)), run_at_startup=True)])
    running = asyncio.create_task(worker.async_run())
    async with api(services) as client:
        assert (await client.post("/v1/generate", json={"model": "fast", "prompt": "x"})).status_code == 200
    async with asyncio.timeout(10):
        while not any(one.startswith("cron:") for one in ticks):
            await asyncio.sleep(0.05)
    assert "a job began" in ticks
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await worker.close()


async def test_arqs_own_command_runs_our_worker(settings: Settings, tmp_path: Path) -> None:
    given = child_environment(
        FACTORY_DATABASE_URL=settings.database_url or "",
        FACTORY_REDIS_URL=settings.redis_url or "",
        FACTORY_HOME=str(tmp_path),
    )
    command = (sys.executable, "-m", "arq", "workers.main.WorkerSettings")
    quiet = {"stderr": asyncio.subprocess.PIPE, "env": given, "cwd": str(Path(__file__).parents[2])}
    worker = await asyncio.create_subprocess_exec(*command, **quiet)  # type: ignore[arg-type]
    async with asyncio.timeout(30):
        while True:
            check = await asyncio.create_subprocess_exec(*command, "--check", **quiet)  # type: ignore[arg-type]
            await check.communicate()
            if check.returncode == 0:
                break
    worker.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(worker.communicate(), 20)
    assert b"Traceback" not in errors, errors.decode()
    assert worker.returncode in (0, -signal.SIGTERM)
    assert os.environ.get("FACTORY_DATABASE_URL") is None
