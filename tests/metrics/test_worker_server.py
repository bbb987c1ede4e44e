"""The tiny server of a worker."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from core.settings import Settings
from producer.composition import Services
from producer.keys import create_key
from tests.metrics.scraping import Scrape
from workers.metering import MetricsServer
from workers.running import RunningJobs


@pytest.fixture
async def server(settings: Settings, services: Services) -> AsyncIterator[MetricsServer]:
    found = MetricsServer(settings.model_copy(update={"metrics_port": 0}), services.database, RunningJobs())
    await found.start()
    yield found
    await found.stop()


async def said_to(port: int | None, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_worker_shows_its_metrics(server: MetricsServer, services: Services, settings: Settings) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.get("/metrics?x=1")
        assert answer.status_code == 200
        assert Scrape(answer.text).value("worker_slots") == settings.worker_slots
        assert (await client.get("/healthz")).text == "ok\n"
        assert (await client.get("/v1/jobs")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405
        elsewhere = {"x-forwarded-for": "203.0.113.9"}
        assert (await client.get("/metrics", headers=elsewhere)).status_code == 401
        of_project = await create_key(services.database, project="nicestory", make_project=True)
        of_operator = await create_key(services.database, project=None)
        for key, status in ((of_project, 401), (of_operator, 200), (of_operator + "x", 401)):
            for sent in ({"x-api-key": key}, {"Authorization": f"Bearer {key}"}):
                assert (await client.get("/metrics", headers={**elsewhere, **sent})).status_code == status
    assert b"431" in await said_to(server.port, b"GET /metrics HTTP/1.1\r\nx: " + b"a" * 20_000 + b"\r\n\r\n")
    assert b"404" in await said_to(server.port, b"\xff\xfe\r\n\r\n")


async def test_the_next_worker_of_a_machine_takes_the_next_port(
    server: MetricsServer, services: Services, settings: Settings
) -> None:
    second = MetricsServer(settings.model_copy(update={"metrics_port": server.port}), services.database, RunningJobs())
    await second.start()
    try:
        assert second.port is not None
        assert second.port != server.port
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{second.port}/metrics")).status_code == 200
    finally:
        await second.stop()
    off = MetricsServer(settings, services.database, RunningJobs())
    await off.start()
    assert off.port is None
