"""The API is killed between a submit and its answer, and started again."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from factory_client import FactoryClient

from core.settings import Settings, child_environment
from tests.house import Factory

AT_ONCE = 3


@asynccontextmanager
async def api(settings: Settings, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own, killed at the end."""
    environment = child_environment(
        FACTORY_DATABASE_URL=settings.database_url or "",
        FACTORY_REDIS_URL=settings.redis_url or "",
        FACTORY_HOME=str(settings.home),
        FACTORY_PORT=str(port),
        FACTORY_DATABASE_POOL_SIZE="2",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "producer", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_repeated_submit_finds_its_job_although_the_api_was_killed_in_between(
    factory: Factory, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    await factory.execute("UPDATE factory.projects SET paused = true WHERE name = 'nicestory'")
    await factory.settled()
    async with FactoryClient(f"http://127.0.0.1:{port}", factory.key, retry_for_s=60) as client:
        asked = [
            asyncio.create_task(client.generate(model="fast", prompt=f"Line {number}", cache="off"))
            for number in range(AT_ONCE)
        ]
        async with api(settings, port), asyncio.timeout(60):
            while len(await factory.execute("SELECT FROM factory.jobs")) < AT_ONCE:
                await asyncio.sleep(0.05)
        assert not any(one.done() for one in asked)
        await factory.execute("UPDATE factory.projects SET paused = false WHERE name = 'nicestory'")
        async with api(settings, port), asyncio.timeout(60):
            results = await asyncio.gather(*asked)
    rows = await factory.execute("SELECT state, result FROM factory.jobs")
    assert [row["state"] for row in rows] == ["completed"] * AT_ONCE
    assert {result.content for result in results} == {row["result"]["content"] for row in rows}
    assert len(await factory.execute("SELECT FROM factory.calls")) == AT_ONCE
