"""A project's limits at the door: 429 that says when to come again, headers, and nothing counted twice."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from broker.direct import Direct, Script
from broker.queue import read_script
from producer.limiting import Asked, ProjectLimits
from tests.house import Factory

HEADERS = ("retry-after", "ratelimit", "ratelimit-policy", "x-ratelimit-limit-requests")


async def limit(factory: Factory, **limits: int) -> None:
    settings = json.dumps({"limits": limits})
    await factory.execute("UPDATE factory.projects SET settings = $1::text::jsonb WHERE name = 'nicestory'", settings)
    await factory.settled()


async def post(factory: Factory, *, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"model": "fast", "prompt": "A line", "max_output_tokens": 10} | fields
    return await factory.client.post("/v1/jobs", json=body, headers=headers)


async def test_beyond_the_limit_is_429_with_the_time_to_come_again(factory: Factory) -> None:
    await limit(factory, requests_per_minute=2)
    accepted = [await post(factory) for _ in range(2)]
    assert [one.status_code for one in accepted] == [202, 202]
    assert [one.headers["x-ratelimit-remaining-requests"] for one in accepted] == ["1", "0"]
    refused = await post(factory)
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate_limited"
    assert 55 <= int(refused.headers["retry-after"]) <= 61
    assert refused.headers["ratelimit-policy"] == '"requests";q=2;w=60'
    assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
    assert len(await factory.execute("SELECT FROM factory.jobs")) == 2


async def test_without_a_limit_there_are_no_headers(factory: Factory) -> None:
    answer = await post(factory)
    assert answer.status_code == 202
    assert not [name for name in HEADERS if name in answer.headers]


async def test_tokens_count_by_the_estimate_and_then_as_they_were(factory: Factory) -> None:
    await limit(factory, tokens_per_minute=1500)
    job = (await post(factory, prompt="Write ten words", max_output_tokens=1400)).json()
    assert (await factory.client.get(f"/v1/jobs/{job['id']}?wait=20")).json()["status"] == "completed"
    answer = await post(factory, max_output_tokens=500)
    assert answer.status_code == 202, answer.text
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 1000


async def test_what_the_cache_answers_takes_no_tokens(factory: Factory) -> None:
    await factory.job(model="fast", prompt="A line", max_output_tokens=1400)
    await limit(factory, tokens_per_minute=1500)
    for _ in range(3):
        answer = await post(factory, max_output_tokens=1400)
        assert (answer.status_code, answer.json()["status"]) == (202, "completed"), answer.text


async def read(factory: Factory, made: dict[str, Any], admitted: list[int]) -> dict[str, Any]:
    """Once its lines are read; what was admitted of it on the way."""
    async with asyncio.timeout(30):
        while (batch := (await factory.client.get(made["urls"]["self"])).json())["status"] == "validating":
            await factory.services.intake.step()
            rows = await factory.execute("SELECT admitted_requests FROM factory.batch_admissions")
            admitted += [row["admitted_requests"] for row in rows]
            await asyncio.sleep(0.05)
    found: dict[str, Any] = batch
    return found


async def test_a_batch_counts_as_its_jobs_and_one_larger_than_a_minute_admits_is_taken_later(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limit(factory, requests_per_minute=6)
    line = {"model": "fast", "prompt": "A line", "run_at": "2099-01-01T00:00:00Z"}

    async def batch_of(count: int) -> httpx.Response:
        headers = {"Idempotency-Key": str(count)}
        return await factory.client.post("/v1/job-batches", json={"jobs": [line] * count}, headers=headers)

    assert [(await batch_of(count)).status_code for count in (3, 4)] == [202, 429]
    (project,) = await factory.execute("SELECT id FROM factory.projects WHERE name = 'nicestory'")
    limits = ProjectLimits(factory.services.limiter, factory.services.catalog)
    part, _ = await limits.admit_part(project["id"], Asked(9))
    assert part.requests == 2, "one of six is left to those who submit meanwhile"
    assert [(await post(factory)).status_code for _ in range(2)] == [202, 429]
    monkeypatch.setattr(factory.services.limiter, "_window_s", 1.0)
    larger, stopped = await batch_of(12), await batch_of(7)
    assert [one.status_code for one in (larger, stopped)] == [202, 202]
    assert (larger.json()["status"], larger.json()["total"]) == ("validating", 12)
    await factory.client.post(f"{stopped.json()['urls']['self']}/cancel")
    again = await batch_of(12)
    assert again.json()["id"] == larger.json()["id"]
    admitted: list[int] = []
    batch = await read(factory, larger.json(), admitted)
    assert (batch["status"], batch["total"], batch["refused"]) == ("in_progress", 12, 0)
    assert admitted == sorted(admitted)
    assert any(0 < one < 12 for one in admitted), "part by part"

    await factory.client.post(f"{batch['urls']['self']}/cancel")
    tried = (await factory.client.post(batch["urls"]["retry-failed"])).json()
    assert (tried["status"], tried["total"], tried["retry_of"]) == ("validating", 12, batch["id"])
    assert (await read(factory, tried, admitted))["counts"]["queued"] == 12
    for table in ("batch_lines", "batch_admissions"):
        assert await factory.execute(f"SELECT FROM factory.{table}") == []


async def test_lines_that_are_read_in_the_background_wait_for_room_of_either_kind(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory.services.limiter, "_window_s", 1.0)
    await limit(factory, requests_per_minute=1100, tokens_per_minute=60_000)
    line = json.dumps({"model": "fast", "prompt": "A line", "max_output_tokens": 50, "run_at": "2099-01-01T00:00:00Z"})
    headers = {"Content-Type": "application/jsonl"}
    assert (await post(factory)).status_code == 202
    made = await factory.client.post("/v1/job-batches", content="\n".join([line] * 1200), headers=headers)
    batch = await read(factory, made.json(), [])
    assert (batch["status"], batch["total"]) == ("in_progress", 1200)
    tries = await factory.execute("SELECT tries FROM factory.batches WHERE id = $1", batch["id"])
    assert tries[0]["tries"] == 2


async def test_the_same_request_again_counts_once(factory: Factory) -> None:
    await limit(factory, requests_per_minute=2)
    answers = [await post(factory, key="one") for _ in range(3)]
    assert len({one.json()["id"] for one in answers}) == 1
    assert (await post(factory)).headers["x-ratelimit-remaining-requests"] == "0"


async def test_a_refused_request_with_a_key_can_be_sent_again_later(factory: Factory) -> None:
    await limit(factory, requests_per_minute=1)
    await post(factory)
    assert (await post(factory, key="later")).status_code == 429
    await limit(factory, requests_per_minute=9)
    assert (await post(factory, key="later")).status_code == 202


async def test_a_retry_counts_too(factory: Factory) -> None:
    await limit(factory, requests_per_minute=1)
    job = (await post(factory)).json()
    await factory.client.get(f"/v1/jobs/{job['id']}?wait=20")
    assert (await factory.client.post(f"/v1/jobs/{job['id']}/retry")).status_code == 429


async def test_an_operator_sees_what_is_in_use(factory: Factory) -> None:
    await factory.execute("UPDATE factory.providers SET limits = '{\"concurrency\": 5}' WHERE id = 'mistral'")
    await limit(factory, requests_per_minute=9, concurrency=3)
    await post(factory)
    headers = {"x-api-key": await factory.operator_key()}
    answer = await factory.client.get("/v1/admin/limits", headers=headers)
    rows = {row.pop("scope"): row for row in answer.json()["data"]}
    assert rows["project nicestory"]["limits"] == {"requests_per_minute": 9, "concurrency": 3}
    assert rows["project nicestory"]["requests"] == 1
    assert rows["provider mistral"] == {
        "limits": {"concurrency": 5}, "requests": 0, "tokens": 0, "running": 0, "said": {},
    }  # fmt: skip
    assert (await factory.client.get("/v1/admin/limits")).status_code == 403


async def test_no_caller_sees_an_error_because_redis_is_away(factory: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    await limit(factory, requests_per_minute=2)
    async with Redis(host="127.0.0.1", port=1) as nowhere:
        for name in factory.services.limiter._scripts:
            monkeypatch.setitem(factory.services.limiter._scripts, name, Script(Direct(nowhere), read_script(name)))
        answers = [await post(factory) for _ in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 429]
    assert 50 <= int(answers[2].headers["retry-after"]) <= 61
