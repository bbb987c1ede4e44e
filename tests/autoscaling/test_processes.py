"""Workers come and go with the work, as real processes, and no job notices."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from core.request import Kind
from core.settings import Settings
from producer.composition import Services
from producer.embedded.processes import free_port
from tests.api.conftest import serving
from tests.autoscaling.fleet import add_models, autoscaled, run_burst

QUICK, LONG = "gpt-6-luna@slow=0.5", "gpt-6-luna@slow=6"
SPEAKER = "tts-1-hd@slow=1"
COOL_DOWN_S = 2.0


async def test_a_burst_is_met_and_workers_leave_without_disturbing_a_job(
    settings: Settings, services: Services
) -> None:
    """Other tests share the machine's cores: when the new workers work is `scripts/bench autoscale`'s to hold."""
    await add_models(services, (QUICK, 1000, 600), (LONG, 1, 6500))
    arguments = ("--min", "1", "--max", "3", "--slots", "5", "--cool-down", str(COOL_DOWN_S))
    async with serving(services) as url, autoscaled(settings, services, url, *arguments) as scaled:
        await scaled.until_workers(1)
        bursting = asyncio.create_task(run_burst(scaled, QUICK, 160, COOL_DOWN_S))
        await scaled.until(lambda: bool(scaled.said("scaling")))
        long = await scaled.submit(LONG, 6)
        burst = await bursting
        await scaled.until_over(long, 20)
        assert [*burst.disturbed, *await scaled.disturbed(long)] == []
        assert burst.most == 3
        assert burst.started_s < 5
        assert burst.waits_s[-1] < settings.target_wait_s
        up, down = scaled.said("scaling")[0], scaled.said("scaling")[-1]
        assert up["workers"] == 1
        assert "ready" in up["reason"]
        assert down["to"] == 1
        assert "enough" in down["reason"]
        assert not scaled.said("worker ended")
    assert scaled.process.returncode == 0


async def test_speech_at_its_providers_limit_starts_no_workers_that_could_only_wait(
    settings: Settings, services: Services
) -> None:
    await add_models(services, (SPEAKER, 1, 1000))
    arguments = ("--pool", "speech", "--min", "1", "--max", "3", "--slots", "2", "--cool-down", "60")
    async with serving(services) as url, autoscaled(settings, services, url, *arguments, FACTORY_DRAIN_S="1") as scaled:
        await scaled.limit("openai", concurrency=2)
        await scaled.until_workers(1)
        await scaled.submit(SPEAKER, 60, Kind.speech)
        await scaled.until_done(8)
        assert len(scaled.said("worker started")) == 1, scaled.said("scaling")
        await scaled.limit("openai")
        await scaled.until(lambda: len(scaled.said("worker started")) == 3)
        assert "ready" in scaled.said("scaling")[0]["reason"]


@contextlib.asynccontextmanager
async def forwarding(port: int, to: str) -> AsyncIterator[None]:
    """What comes to a port goes to the server of a URL."""
    place = urlsplit(to)

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while some := await reader.read(65_536):
                writer.write(some)
                await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(place.hostname, place.port)
        await asyncio.gather(pour(reader, there[1]), pour(there[0], writer))

    async with await asyncio.start_server(forward, "127.0.0.1", port):
        yield


async def test_a_worker_waits_for_postgres_when_it_starts_and_has_last_words_when_it_dies(
    settings: Settings, services: Services
) -> None:
    port, real = free_port(), settings.database_url or ""
    url = real.replace(f":{urlsplit(real).port}/", f":{port}/")
    arguments = ("--min", "1", "--max", "1")
    async with autoscaled(settings, services, "http://127.0.0.1:9", *arguments, FACTORY_DATABASE_URL=url) as scaled:
        await scaled.until(lambda: len(scaled.said("waiting for a server")) >= 2)
        assert "Connection refused" in scaled.said("waiting for a server")[0]["error"]
        async with forwarding(port, real):
            (worker,) = await scaled.until_workers(1)
            assert not scaled.said("worker ended")
            os.kill(worker.pid, signal.SIGKILL)
            await scaled.until(lambda: len(scaled.said("worker started")) == 2)
            (ended,) = scaled.said("worker ended")
            assert (ended["code"], ended["worker_pid"]) == (-signal.SIGKILL, worker.pid)
            assert "worker ready" in ended["last_words"]
