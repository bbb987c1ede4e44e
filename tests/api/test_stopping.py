"""API processes that end: asked to, callers go on elsewhere; killed, a repeat finds the same job."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from core.settings import Settings, child_environment
from tests.api.test_streams import subscribed
from tests.house import Factory
from tests.workers.test_promises import own_model

LATER = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}


class Api:
    """A process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, key: str) -> None:
        self.process, self.url = process, url
        self.client = httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, timeout=30)


@asynccontextmanager
async def running(settings: Settings, key: str, **changes: str) -> AsyncIterator[Api]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    given = {
        "FACTORY_DATABASE_URL": settings.database_url or "",
        "FACTORY_REDIS_URL": settings.redis_url or "",
        "FACTORY_HOME": str(settings.home),
        "FACTORY_PORT": str(port),
        **changes,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "producer", env=child_environment(**given), stderr=asyncio.subprocess.DEVNULL
    )
    api = Api(process, f"http://127.0.0.1:{port}", key)
    try:
        async with asyncio.timeout(20), api.client:
            while True:
                try:
                    if (await api.client.get("/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            yield api
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
async def waiting(factory: Factory) -> str:
    """A job that will not end."""
    job = (await factory.client.post("/v1/jobs", json=LATER)).json()
    found: str = job["id"]
    return found


async def until_stopping(api: Api) -> httpx.Response:
    async with asyncio.timeout(10):
        while (answer := await api.client.get("/readyz")).status_code == 200:
            await asyncio.sleep(0.01)
    return answer


async def test_a_stopping_api_sends_everybody_elsewhere(factory: Factory, waiting: str) -> None:
    async with running(factory.settings, factory.key, FACTORY_NOTICE_S="0.7") as api:
        asked = [
            asyncio.create_task(api.client.get(f"/v1/jobs/{waiting}", params={"wait": 60})),
            asyncio.create_task(api.client.post("/v1/generate", json=LATER, headers={"Prefer": "wait=60"})),
            asyncio.create_task(api.client.post("/v1/jobs", json=LATER, headers={"Prefer": "wait=60"})),
        ]
        headers = {"x-api-key": factory.key, "accept": "text/event-stream"}
        async with (
            subscribed(api.url, f"/v1/jobs/{waiting}/events", **headers) as job_stream,
            subscribed(api.url, "/v1/events", **headers) as project_stream,
        ):
            first = await job_stream.next()
            assert first is not None
            while len((await factory.client.get("/v1/jobs")).json()["data"]) < 3:
                await asyncio.sleep(0.02)
            api.process.send_signal(signal.SIGTERM)
            told = time.monotonic()
            refused = await until_stopping(api)
            assert (refused.status_code, refused.json()["code"]) == (503, "stopping")
            assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")
            assert (await api.client.get("/healthz")).status_code == 200
            taken = await api.client.post("/v1/jobs", json=LATER, headers={"Prefer": "wait=60"})
            assert (taken.status_code, taken.headers["connection"]) == (202, "close"), "a balancer has not looked yet"
            assert (await api.client.post("/v1/generate", json=LATER)).status_code == 503
            for answer in await asyncio.gather(*asked):
                assert answer.status_code in (200, 202)
                assert answer.json()["status"] == "queued"
            assert await job_stream.rest() == []
            assert {one["event"] for one in await project_stream.rest()} <= {"job.queued"}
            late = await api.client.get(f"/v1/jobs/{waiting}/events", headers={**headers, "Last-Event-ID": "1"})
            assert (late.status_code, "retry: " in late.text) == (200, True), "an EventSource comes again"
        assert await api.process.wait() in (0, -signal.SIGTERM)
        assert time.monotonic() - told < 5


async def test_openais_clients_are_sent_elsewhere_in_their_own_words(factory: Factory) -> None:
    hanging = await own_model(factory, "gpt-6-luna@slow=30")
    chat = {"model": hanging, "messages": [{"role": "user", "content": "Hi"}]}
    response = {"model": hanging, "input": "Hi", "stream": True}
    async with running(factory.settings, factory.key, FACTORY_NOTICE_S="0.7") as api:
        asked = [
            asyncio.create_task(api.client.post("/v1/chat/completions", json=chat)),
            asyncio.create_task(api.client.post("/v1/chat/completions", json=chat | {"stream": True})),
            asyncio.create_task(api.client.post("/v1/responses", json=response)),
        ]
        async with asyncio.timeout(10):
            while len(jobs := (await factory.client.get("/v1/jobs")).json()["data"]) < 3:
                await asyncio.sleep(0.02)
        api.process.send_signal(signal.SIGTERM)
        await until_stopping(api)
        late = await api.client.post("/v1/chat/completions", json=chat, headers={"accept": "text/event-stream"})
        *told, streamed = await asyncio.gather(*asked)
        for answer in (late, *told):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")
            assert (answer.headers["x-should-retry"], answer.headers["retry-after-ms"]) == ("true", "1000")
        assert streamed.status_code == 200
        assert '"code":"stopping"' in streamed.text.split("\n\n")[-2]
    for job in jobs:
        await factory.client.post(job["urls"]["cancel"])
    again = await factory.client.post(
        "/v1/chat/completions", json=chat, headers={"x-stainless-retry-count": "1", "Prefer": "wait=30"}
    )
    assert again.headers["x-factory-job-id"] in {job["id"] for job in jobs}, "a retry joins"


async def test_a_killed_api_has_kept_the_job_of_whoever_repeats(factory: Factory) -> None:
    """SIGKILL between accept and answer, while the caller waits."""
    headers = {"Idempotency-Key": "only-once", "Prefer": "wait=60"}
    async with running(factory.settings, factory.key) as api:
        asked = asyncio.create_task(api.client.post("/v1/generate", json=LATER, headers=headers))
        async with asyncio.timeout(10):
            while not (listed := (await factory.client.get("/v1/jobs")).json()["data"]):
                await asyncio.sleep(0.02)
        api.process.kill()
        with pytest.raises(httpx.TransportError):
            await asked
    again = await factory.client.post("/v1/generate", json=LATER, headers=headers | {"Prefer": "wait=0"})
    assert (again.status_code, again.json()["id"]) == (202, listed[0]["id"])
    assert len((await factory.client.get("/v1/jobs")).json()["data"]) == 1
