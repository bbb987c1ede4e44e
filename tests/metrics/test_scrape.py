"""`/metrics` of the API, after jobs that ended in every way. Counters are those of this process, so they are compared
with what they were before."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from redis.asyncio import Redis

from broker.health import HealthBoard
from broker.queue import JobQueue
from core import metrics
from core.exposition import write_metrics
from core.health import BreakerRule
from producer.metering import FleetMeter
from tests.house import Factory
from tests.metrics.scraping import Scrape
from tests.workers.test_promises import own_model


async def scrape(factory: Factory) -> Scrape:
    answer = await factory.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Scrape(answer.text)


def change(before: Scrape, after: Scrape, name: str, **labels: str) -> float:
    return after.sum(name, **labels) - before.sum(name, **labels)


async def test_what_jobs_did_is_counted(factory: Factory) -> None:
    refusing = await own_model(factory, "gpt-6-luna@policy")
    await factory.settled()
    before = await scrape(factory)
    secret = "a lighthouse that nobody must read of"
    job = await factory.job(model="gpt-5.4-mini", prompt=secret)
    cached = await factory.job(model="gpt-5.4-mini", prompt=secret)
    spoken = await factory.job(kind="speech", model="narrator", input="One short sentence.")
    failed = await factory.job(model=refusing, prompt="no")
    refused = await factory.client.post("/v1/jobs", json={"model": "nobody", "prompt": "x"})
    assert [one["status"] for one in (job, cached, spoken, failed)] == ["completed", "completed", "completed", "failed"]
    assert refused.status_code == 400
    after = await scrape(factory)

    def grew(name: str, **labels: str) -> float:
        return change(before, after, name, **labels)

    project = {"project": "nicestory"}
    assert grew("jobs_finished_total", **project, kind="text", outcome="completed") == 1
    assert grew("jobs_finished_total", **project, kind="speech", outcome="completed") == 1
    assert grew("jobs_finished_total", **project, kind="text", outcome="failed") == 1
    assert grew("job_failures_total", reason="content_policy") == 1
    assert grew("job_total_seconds_count", kind="text") == grew("job_run_seconds_count", kind="text") == 2
    assert grew("job_pickup_seconds_count", kind="speech") == 1
    model = {"provider": "openai", "model": "gpt-5.4-mini"}
    assert grew("provider_calls_total", **model, outcome="ok") == grew("provider_call_seconds_count", **model) == 1
    assert grew("provider_calls_total", provider="openai", model=refusing, outcome="content_policy") == 1
    usage = job["result"]["usage"]
    assert grew("tokens_total", **model, type="input") == usage["prompt_tokens"]
    assert grew("tokens_total", **model, type="output") == usage["completion_tokens"]
    assert grew("cost_usd_total", **model) == pytest.approx(job["cost"])
    assert grew("project_cost_usd_total", **project) == pytest.approx(
        sum(one["cost"] or 0 for one in (job, spoken, failed))
    )
    assert grew("characters_total") == len("One short sentence.")
    assert grew("cache_lookups_total", where="submit", result="hit") == 1
    assert grew("cache_lookups_total", where="submit", result="miss") >= 2
    assert grew("refusals_total", code="unknown_model") == 1
    assert grew("group_size_count", batcher="finish") >= 2
    assert grew("jobs_claimed_total") >= 2
    assert grew("jobs_claimed_total", by="poll") == 0
    assert after.value("jobs", state="queued", kind="text") == 0
    assert after.value("server_up", server="postgres") == after.value("server_up", server="redis") == 1
    assert after.value("desired_workers", pool="text") >= 0
    for hidden in (secret, "One short", job["id"], spoken["id"], factory.key, "nobody"):
        assert hidden not in after.text


async def test_the_fleet_is_read_out_of_postgres_and_redis(factory: Factory) -> None:
    await factory.execute("UPDATE factory.projects SET paused = true WHERE name = 'nicestory'")
    await factory.settled()
    for text in ("a", "b"):
        await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": text, "cache": "off"})
    await factory.execute("INSERT INTO factory.alerts (kind, subject, message) VALUES ('auth', 'openai', 'dead')")
    first = await FleetMeter(factory.services).refresh()
    assert first is None
    seen = Scrape(write_metrics(metrics.REGISTRY).decode())
    assert seen.value("jobs", state="queued", kind="text") == 2
    assert seen.value("queue_depth", pool="text") == 0  # of a project that is paused
    assert seen.value("queue_redis_jobs") == 2
    assert seen.value("alerts_open", kind="auth") == 1
    assert seen.value("workers", state="working") == 1
    assert seen.value("workers_slots") == factory.settings.worker_slots
    assert seen.value("arrivals_per_second", pool="text") > 0

    meter = FleetMeter(factory.services)
    await asyncio.gather(*(meter.refresh() for _ in range(20)))
    await factory.execute("UPDATE factory.alerts SET resolved_at = now()")
    await meter.refresh()  # within the second nobody looks again
    assert Scrape(write_metrics(metrics.REGISTRY).decode()).value("alerts_open", kind="auth") == 1

    async with Redis(port=1, socket_connect_timeout=0.2) as away:
        gone = replace(factory.services, queue=JobQueue(away), health=HealthBoard(away, BreakerRule()))
        await FleetMeter(gone).refresh()
    seen = Scrape(write_metrics(metrics.REGISTRY).decode())
    assert (seen.value("server_up", server="redis"), seen.value("server_up", server="postgres")) == (0, 1)


async def test_metrics_ask_for_an_operators_key_elsewhere(factory: Factory) -> None:
    elsewhere = {"x-forwarded-for": "203.0.113.9"}

    async def asked(**headers: str) -> int:
        async with httpx.AsyncClient(transport=factory.client._transport, base_url="http://factory") as client:
            return (await client.get("/metrics", headers={**elsewhere, **headers})).status_code

    assert await asked() == 401
    assert await asked(**{"x-api-key": factory.key}) == 403
    assert await asked(authorization=f"Bearer {await factory.operator_key()}") == 200
