"""CPU of planning one job's routes over the shipped catalog: with what was worked out kept, and from nothing."""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.registry import HANDLERS
from core.catalog import Catalog
from core.clock import utc_now
from core.health import Health, Rest
from core.request import JobRequest
from core.routing import Router
from producer.embedded import EmbeddedServers
from sql.configuration import load_configuration
from sql.migrating import migrate
from sql.pool import open_pool
from sql.seeding import seed
from tests.bench.measuring import Effort, Measured, in_turn, middle, middle_ratio, of_setting

TITLE = "microseconds to plan one job's routes: median (lowest–highest round)"
REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "an alias, a prompt": {"model": "fast", "prompt": "Tell me about lighthouses. " * 20},
    "a model by its id": {"model": "gpt-6-luna", "prompt": "Tell me about lighthouses. " * 20},
    "by measured speed": {"model": "fast", "prompt": "Tell me.", "requirements": {"prefer": "speed"}},
    "messages, a ceiling of cost": {
        "model": "smart",
        "messages": [{"role": "user", "content": "Tell me."}],
        "max_output_tokens": 100,
        "requirements": {"max_cost_usd": "0.5"},
    },
    "strict": {"model": "smart", "prompt": "Tell me.", "strict": True, "temperature": 0.5},
    "a narration with a voice": {"model": "narrator", "kind": "speech", "input": "Tell me.", "voice": "grandmother"},
}
KEPT, FRESH = "what the catalog decides is kept", "worked out for every job"
SHARE_FRESH = 20


def run(effort: Effort) -> Measured:
    """Every kind of request, kept and fresh, in turn."""
    catalog = _shipped_catalog()
    settings = [{"request": request, "router": router} for request in REQUESTS for router in (KEPT, FRESH)]

    def measure(request: str, router: str) -> dict[str, float]:
        return {"us": _measure(catalog, request, effort.seconds / 8, fresh=router == FRESH)}

    samples = in_turn(settings, effort, measure)
    rows = []
    for request in REQUESTS:
        kept = of_setting(samples, {"request": request, "router": KEPT}, "us")
        fresh = of_setting(samples, {"request": request, "router": FRESH}, "us")
        rows.append(
            {
                f"{len(catalog.models)} models": request,
                "kept": middle(kept),
                "fresh": middle(fresh),
                "fresh / kept": middle_ratio(fresh, kept),
            }
        )
    return Measured(rows, samples)


def _measure(catalog: Catalog, name: str, seconds: float, *, fresh: bool) -> float:
    request = JobRequest.model_validate(REQUESTS[name], strict=False)
    project_id, now = next(iter(catalog.projects)), utc_now()
    endpoint = catalog.endpoints["mistral"][0].id
    health = Health(
        routes={(endpoint, "mistral/mistral-small-2603"): Rest("breaker", "overloaded", "down", now)},
        latency_ms={"openai/gpt-6-luna": 300.0, "google/gemini-3.5-flash-lite": 200.0},
    )
    router = Router(catalog, HANDLERS)
    router.plan(request, project_id, health, now, "job")
    planned, began = 0, time.process_time()
    while (took := time.process_time() - began) < seconds / (SHARE_FRESH if fresh else 1):
        for number in range(200):
            if fresh:
                router = Router(catalog, HANDLERS)
            router.plan(request, project_id, health, now, f"job {number}")
        planned += 200
    return took / planned * 1e6


def _shipped_catalog() -> Catalog:
    with (
        tempfile.TemporaryDirectory(prefix="factory-bench-") as place,
        EmbeddedServers(Path(place), valkey=False, log=lambda _: None) as running,
    ):
        return asyncio.run(_load(running.database_url))


async def _load(url: str) -> Catalog:
    pool = await open_pool(url, max_size=2)
    try:
        await migrate(pool)
        await seed(pool)
        return await load_configuration(pool)
    finally:
        await pool.close()
