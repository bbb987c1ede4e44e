"""What a scrape of `/metrics` takes, of an API and of a worker that have met 200 projects and 133 models.

What is counted is what real calls and ends count: every project has called every model, with four outcomes. Both are
asked over HTTP, one scrape at a time, by a client in their own process. Beside it the CPU of writing the text, and of
the library's own writer for the same registry, in turn.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urlsplit
from uuid import UUID

import uvloop
from prometheus_client import CollectorRegistry, generate_latest

from core import metrics
from core.catalog import Model, Project
from core.exposition import write_metrics
from core.result import Usage
from producer import metering
from producer.composition import open_services
from tests.api.conftest import serving
from tests.bench.house import open_house
from tests.bench.measuring import Effort, Measured, middle
from workers.metering import MetricsServer
from workers.running import RunningJobs

TITLE = "a scrape after 200 projects called 133 models, ms: median (lowest–highest round)"
PROJECTS = [Project(UUID(int=number), f"project {number}", True, 100, {}) for number in range(200)]
PROVIDERS = ("openai", "google", "elevenlabs", "anthropic", "mistral")
MODELS = [Model(PROVIDERS[number % 5], f"model-{number}", "text") for number in range(133)]
OUTCOMES = ("ok", "rate_limited", "overloaded", "timeout")
SCRAPES = 10
WORKER, API, AGAIN = "of a worker", "of an API, with its look at the fleet", "of an API, within a second of it"
WRITE, LIBRARY = "CPU of writing the text", "CPU of the library's generate_latest"
MUST = {WORKER: "20", API: "20", AGAIN: "20"}


def run(effort: Effort) -> Measured:
    """Every round is the median of ten scrapes of each."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        samples = runner.run(_run(effort))
    rows = [
        {"a scrape": name, "ms": middle([one[name] for one in samples]), "must be under": MUST.get(name, "")}
        for name in samples[0]
    ]
    return Measured(rows, samples)


async def _run(effort: Effort) -> list[dict[str, float]]:
    samples = []
    _count_everything()
    async with open_house() as house, open_services(house.settings) as services, serving(services) as url:
        settings = house.settings.model_copy(update={"metrics_port": 0})
        server = MetricsServer(settings, services.database, RunningJobs())
        await server.start()
        for number in range(effort.rounds):
            took: dict[str, list[float]] = {name: [] for name in (WORKER, API, AGAIN, WRITE, LIBRARY)}
            for _ in range(SCRAPES):
                await asyncio.sleep(metering.LEAST_S)
                took[API].append(await _scrape_ms(url))
                took[AGAIN].append(await _scrape_ms(url))
                took[WORKER].append(await _scrape_ms(f"http://127.0.0.1:{server.port}"))
                took[WRITE].append(_cpu_ms(write_metrics))
                took[LIBRARY].append(_cpu_ms(generate_latest))
            sample = {name: statistics.median(values) for name, values in took.items()}
            effort.say(f"round {number + 1} of {effort.rounds}: {sample}")
            samples.append(sample)
        await server.stop()
    lines = write_metrics(metrics.REGISTRY).splitlines()
    effort.say(f"{sum(not line.startswith(b'#') for line in lines)} series")
    return samples


def _count_everything() -> None:
    for project in PROJECTS:
        for outcome in OUTCOMES:
            for model in MODELS:
                metrics.count_call(model, project, outcome, 1.5, Usage(100, 50, 10, characters=9), Decimal("0.012"))
        for kind in ("text", "speech", "embedding"):
            for end in ("completed", "failed", "cancelled", "expired"):
                metrics.count_end(project, kind, end, None, 1.0, 2.0, cached=end == "completed")


async def _scrape_ms(url: str) -> float:
    """From the connection to the last byte."""
    place, began = urlsplit(url), time.perf_counter()
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    took_ms = (time.perf_counter() - began) * 1000
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    assert answer.count(b"\n") > 3000
    return took_ms


def _cpu_ms(write: Callable[[CollectorRegistry], bytes]) -> float:
    began = time.process_time()
    write(metrics.REGISTRY)
    return (time.process_time() - began) * 1000
