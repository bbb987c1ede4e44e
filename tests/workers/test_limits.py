"""Limits of providers as jobs meet them: the next route, or a wait that uses up nothing."""

import asyncio
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from broker.limits import Limiter
from core.limits import ProviderWord, Taken
from core.settings import Settings
from tests.house import Factory
from tests.prose import chapter

SPOKEN = "eleven_v4_turbo:JBFqnCBsd6RMkjVDRZzb"  # no other test speaks with it


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"limit_patience_s": 1.0, "speech_parts_at_once": 3})


async def limited(emulator: httpx.AsyncClient, provider: str, model: str, **limits: int) -> None:
    answer = await emulator.post("/_emulator/limits", json={"provider": provider, "model": model, **limits})
    assert answer.status_code == 200


async def seen(emulator: httpx.AsyncClient) -> dict[str, Any]:
    """What the emulator's limit of this test saw."""
    rows = (await emulator.get("/_emulator/limits")).json()["limits"]
    (mine,) = [one for one in rows if one["owner"] == emulator.params["owner"]]
    found: dict[str, Any] = mine
    return found


async def done(factory: Factory, **fields: Any) -> dict[str, Any]:
    job = await factory.job(**fields)
    async with asyncio.timeout(60):
        while job["status"] not in {"completed", "failed", "cancelled", "expired"}:
            job = (await factory.client.get(f"/v1/jobs/{job['id']}?wait=10")).json()
    return job


async def test_narrations_behind_two_places_all_complete_and_never_three_run(
    factory: Factory, emulator: httpx.AsyncClient
) -> None:
    await factory.execute(
        "UPDATE factory.models SET model_id = $1, max_input_characters = 2000 WHERE model_id = 'eleven_flash_v2_5:cjVigY5qzO86Huf0OWal'",
        SPOKEN,
    )
    await factory.execute("UPDATE factory.providers SET limits = '{\"concurrency\": 2}' WHERE id = 'elevenlabs'")
    await factory.settled()
    await limited(emulator, "elevenlabs", "eleven_v4_turbo", concurrency=2)
    text = chapter(4_500, 5)
    jobs = await asyncio.gather(
        *(
            done(factory, kind="speech", model=f"elevenlabs/{SPOKEN}", format="wav", input=f"{n}. {text}")
            for n in range(6)
        )
    )
    assert [call for job in jobs for call in job["calls"] if call["outcome"] != "ok"] == []
    assert [(job["status"], job["attempts"], job["error"]) for job in jobs] == [("completed", 1, None)] * 6
    assert all(job["result"]["audio"]["parts"] > 1 for job in jobs)
    found = await seen(emulator)
    assert (found["peak"], found["refused"]) == (2, 0)


async def test_a_provider_at_its_limit_leaves_the_job_to_the_next_route(factory: Factory) -> None:
    limits = '{"requests_per_minute": 1}'
    await factory.execute(
        "UPDATE factory.provider_endpoints SET limits = $1::text::jsonb WHERE provider = 'openai'", limits
    )
    for place, (provider, model) in enumerate((("openai", "gpt-5.4-mini"), ("mistral", "mistral-small-2603"))):
        await factory.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id, position) VALUES ('pair', $1, $2, $3)",
            provider, model, place,
        )  # fmt: skip
    await factory.settled()
    jobs = [await done(factory, model="pair", prompt=f"Line {n}") for n in range(3)]
    assert [job["result"]["provider"] for job in jobs] == ["openai", "mistral", "mistral"]
    assert [(job["attempts"], len(job["calls"])) for job in jobs] == [(1, 1)] * 3


async def test_with_no_other_route_the_job_waits_and_that_is_no_attempt(factory: Factory) -> None:
    await factory.execute("UPDATE factory.providers SET limits = '{\"requests_per_minute\": 1}' WHERE id = 'mistral'")
    await factory.settled()
    await done(factory, model="mistral/mistral-small-2603", prompt="First")
    job = (await factory.client.post("/v1/jobs", json={"model": "mistral/mistral-small-2603", "prompt": "Two"})).json()
    async with asyncio.timeout(10):
        while not await factory.execute("SELECT FROM factory.jobs WHERE state = 'queued' AND run_at > now()"):
            await asyncio.sleep(0.02)
    (row,) = await factory.execute(
        "SELECT attempts, run_at - now() AS wait FROM factory.jobs WHERE id = $1::text::uuid", job["id"]
    )
    assert row["attempts"] == 0
    assert 45 < row["wait"].total_seconds() <= 62
    assert len(await factory.execute("SELECT FROM factory.calls")) == 1


async def test_what_a_provider_says_holds_the_next_calls_back(factory: Factory, emulator: httpx.AsyncClient) -> None:
    await factory.execute("UPDATE factory.models SET active = true WHERE model_id = 'ministral-8b-2512'")
    await factory.settled()
    await limited(emulator, "mistral", "ministral-8b-2512", requests_per_minute=2)
    jobs = [await done(factory, model="mistral/ministral-8b-2512", prompt=f"Line {n}") for n in range(2)]
    assert [job["status"] for job in jobs] == ["completed"] * 2
    await factory.client.post("/v1/jobs", json={"model": "mistral/ministral-8b-2512", "prompt": "Three"})
    async with asyncio.timeout(10):
        while not await factory.execute("SELECT FROM factory.jobs WHERE state = 'queued' AND run_at > now()"):
            await asyncio.sleep(0.02)
    assert (await seen(emulator))["refused"] == 0


async def test_what_another_worker_was_told_counts_within_a_second_or_two(factory: Factory) -> None:
    await factory.execute("UPDATE factory.models SET active = true WHERE model_id = 'ministral-8b-2512'")
    await factory.settled()
    job = await done(factory, model="mistral/ministral-8b-2512", prompt="Line 0")
    scope = f"route:{job['calls'][0]['endpoint']}:mistral/ministral-8b-2512"
    async with Redis.from_url(factory.settings.redis_url) as redis:
        taken = Taken("elsewhere", (scope,), (0,), 0, 0)
        await Limiter(redis, "worker").give_back(taken, None, scope, ProviderWord(rest_s=30))
    async with asyncio.timeout(3):
        while not await factory.execute("SELECT FROM factory.jobs WHERE state = 'queued' AND run_at > now()"):
            await factory.client.post(
                "/v1/jobs", json={"model": "mistral/ministral-8b-2512", "prompt": "More", "cache": "off"}
            )
            await asyncio.sleep(0.1)


async def test_a_projects_jobs_at_once_are_its_cap_at_most(factory: Factory) -> None:
    await factory.execute(
        "UPDATE factory.projects SET settings = '{\"limits\": {\"concurrency\": 2}}' WHERE name = 'nicestory'"
    )
    await factory.settled()
    peak = 0
    line = {"model": "fast", "prompt": "A line"}
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": [line] * 30})).json()
    async with asyncio.timeout(30):
        while True:
            (row,) = await factory.execute(
                "SELECT count(*) FILTER (WHERE state = 'in_progress') AS running,"
                " count(*) FILTER (WHERE state = 'completed') AS completed FROM factory.jobs"
            )
            peak = max(peak, row["running"])
            if row["completed"] == 30:
                break
            await asyncio.sleep(0.002)
    assert 1 <= peak <= 2
    assert batch["id"]
