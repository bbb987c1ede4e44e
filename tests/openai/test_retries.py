"""What a client's transport sends again joins the job that its first sending made."""

import asyncio
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, InternalServerError

from producer.keys import create_key
from tests.house import Factory
from tests.workers.test_promises import own_model

PATH = "/v1/chat/completions"


def body(text: str = "Hi", model: str = "fast") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


async def send(factory: Factory, sent: dict[str, Any], count: str = "0", **headers: str) -> str:
    answer = await factory.client.post(PATH, json=sent, headers={"x-stainless-retry-count": count, **headers})
    assert answer.status_code == 200, answer.text
    return answer.headers["x-factory-job-id"]


async def test_when_the_wait_runs_out_the_clients_retry_joins(client: AsyncOpenAI, factory: Factory) -> None:
    slow = await own_model(factory, "gpt-6-luna@slow=1.4")
    await factory.settled()
    impatient = client.with_options(default_headers={"Prefer": "wait=1"})
    raw = await impatient.chat.completions.with_raw_response.create(**body(model=slow))
    assert raw.retries_taken == 1
    assert len(await factory.execute("SELECT FROM factory.calls")) == 1
    with pytest.raises(InternalServerError) as waited:
        await client.with_options(max_retries=0).responses.create(
            model=slow, input="Hi", extra_headers={"Prefer": "wait=0"}
        )
    assert (waited.value.status_code, waited.value.code) == (504, "still_running")
    assert waited.value.response.headers["x-should-retry"] == "true"
    job_id = waited.value.response.headers["x-factory-job-id"]
    job = (await factory.client.get(f"/v1/jobs/{job_id}?wait=20")).json()
    assert job["status"] == "completed"


async def test_a_lost_connection_stops_nothing_and_the_retry_joins(factory: Factory, served: str) -> None:
    slow = await own_model(factory, "gpt-6-luna@slow=0.7")
    await factory.settled()
    async with httpx.AsyncClient(base_url=served, headers={"x-api-key": factory.key}) as http:
        lost = asyncio.create_task(http.post(PATH, json=body(model=slow)))
        while not await factory.execute("SELECT FROM factory.jobs"):
            await asyncio.sleep(0.01)
        lost.cancel()
        again = await http.post(PATH, json=body(model=slow), headers={"x-stainless-retry-count": "1"}, timeout=20)
    assert again.status_code == 200
    assert len(await factory.execute("SELECT FROM factory.jobs")) == 1


async def test_only_a_retry_of_the_same_key_and_body_joins_and_only_for_a_while(factory: Factory) -> None:
    first = await send(factory, body())
    assert await send(factory, body(), "1") == first
    assert await send(factory, body(), "2") == first
    second = await send(factory, body())
    assert second != first
    assert await send(factory, body(), "1") == second
    assert await send(factory, body("Ho"), "1") not in (first, second)
    other_key = await create_key(factory.services.database, project="nicestory")
    assert await send(factory, body(), "1", **{"x-api-key": other_key}) not in (first, second)
    await factory.execute("UPDATE factory.jobs SET finished_at = finished_at - interval '16 minutes'")
    assert await send(factory, body(), "1") not in (first, second)
    cached = {"x-factory-cache": "use"}
    await send(factory, body("Cached"), **cached)
    hit = await send(factory, body("Cached"), **cached)
    assert await send(factory, body("Cached"), "1", **cached) == hit


async def test_an_idempotency_key_holds_here_too(factory: Factory) -> None:
    key = {"Idempotency-Key": "chapter-1"}
    assert await send(factory, body(), **key) == await send(factory, body(), **key)
    answer = await factory.client.post(PATH, json=body("Ho"), headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency_key_reused")
