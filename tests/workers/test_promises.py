"""What a worker keeps: failover, money, fences, cancels, and what operators change while it runs."""

import asyncio
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.clock import utc_now
from core.ids import new_id
from sql.calls import OpenedCall, open_calls
from sql.ends import EndedJob, end_jobs
from sql.jobs import start_jobs
from tests.house import Factory


async def break_model(
    emulator: httpx.AsyncClient, provider: str, model: str, fault: str, times: int | None = None
) -> None:
    answer = await emulator.post(
        "/_emulator/faults", json={"provider": provider, "model": model, "fault": fault, "times": times}
    )
    assert answer.status_code < 300, answer.text


async def alone(factory: Factory, *models: str) -> None:
    """An alias `mine` with these models of OpenAI and Google, under names no other test uses."""
    for place, model in enumerate(models):
        provider = "google" if model.startswith("gemini") else "openai"
        await factory.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id, position) VALUES ('mine', $1, $2, $3)",
            provider,
            model,
            place,
        )
    await factory.settled()


COPY_MODEL = """
INSERT INTO factory.models SELECT (jsonb_populate_record(m, jsonb_build_object('model_id', $1::text))).*
FROM factory.models m WHERE provider = $2 AND model_id = $3
"""
COPY_PRICE = """
INSERT INTO factory.model_prices SELECT (jsonb_populate_record(p, jsonb_build_object('model_id', $1::text))).*
FROM factory.model_prices p WHERE provider = $2 AND model_id = $3
"""


async def own_model(factory: Factory, name: str, like: str = "gpt-6-luna", provider: str = "openai") -> str:
    """A copy of a model under another name, with its price; a fault may follow an `@` in the name."""
    await factory.execute(COPY_MODEL, name, provider, like)
    await factory.execute(COPY_PRICE, name, provider, like)
    return name


@pytest.mark.parametrize(
    "fault", ["429", "500", "503", "529", "quota", "badkey", "notfound", "empty", "cut", "badjson"]
)
async def test_a_providers_trouble_goes_to_the_next_route(factory: Factory, fault: str) -> None:
    await own_model(factory, f"gpt-6-luna@{fault}")
    await alone(factory, f"gpt-6-luna@{fault}", "gemini-3.5-flash-lite")
    job = await factory.job(model="mine", prompt="Answer as JSON", response_format={"type": "json_object"})
    assert job["status"] == "completed", job["error"]
    assert job["result"]["provider"] == "google"
    outcomes = [call["outcome"] for call in job["calls"]]
    assert outcomes[-1] == "ok"
    assert "ok" not in outcomes[:-1]
    assert job["attempts"] == 1


async def test_a_schema_that_is_never_met_is_an_error_and_every_call_is_paid_for(factory: Factory) -> None:
    await own_model(factory, "gpt-6-luna@badschema")
    await alone(factory, "gpt-6-luna@badschema")
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    answer = await factory.generate(
        model="mine", prompt="A title", response_format={"type": "json_schema", "json_schema": {"schema": schema}}
    )
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["code"] == "schema_violation"
    job = problem["job"]
    assert job["attempts"] == 1
    assert {call["outcome"] for call in job["calls"]} == {"invalid_response"}
    assert job["cost"] == pytest.approx(sum(call["cost"] for call in job["calls"]))
    assert job["cost"] > 0


async def test_a_refusal_is_the_callers_answer(factory: Factory) -> None:
    await own_model(factory, "gpt-6-luna@refusal")
    await alone(factory, "gpt-6-luna@refusal", "gemini-3.5-flash-lite")
    answer = await factory.generate(model="mine", prompt="x")
    assert (answer.status_code, answer.json()["code"]) == (422, "content_policy")
    assert len(answer.json()["job"]["calls"]) == 1


async def test_all_routes_used_up_is_tried_again_later(factory: Factory, emulator: httpx.AsyncClient) -> None:
    name = await own_model(factory, "gpt-6-luna@500:2")
    await alone(factory, name)
    job = await factory.job(model="mine", prompt=f"again {time.monotonic_ns()}")
    assert job["status"] == "completed", job["error"]
    assert [call["outcome"] for call in job["calls"]] == ["server_error", "server_error", "ok"]
    assert job["attempts"] == 3


async def test_costs_match_a_calculation_by_hand_to_the_last_digit(factory: Factory) -> None:
    await alone(factory, "gpt-6-luna")
    first = await factory.job(model="mine", prompt="Write a line")
    await factory.execute(
        "INSERT INTO factory.model_prices (provider, model_id, valid_from, input_usd_per_mtok, output_usd_per_mtok, "
        "cached_input_usd_per_mtok) VALUES ('openai', 'gpt-6-luna', now(), 0.123456789, 7.000000001, 0.01)"
    )
    await factory.settled()
    second = await factory.job(model="mine", prompt="Write another line")
    for job, fresh, output in ((first, "0.1", "0.5"), (second, "0.123456789", "7.000000001")):
        usage = job["result"]["usage"]
        assert "cached_tokens" not in usage
        by_hand = (usage["prompt_tokens"] * Decimal(fresh) + usage["completion_tokens"] * Decimal(output)) / 1_000_000
        row = (await factory.execute("SELECT cost FROM factory.jobs WHERE id = $1", UUID(job["id"])))[0]
        assert row["cost"] == by_hand
        text = (await factory.client.get(job["urls"]["self"])).text
        digits = format(by_hand, "f").rstrip("0")
        assert f'"cost":{digits}' in text


async def test_an_endpoint_switched_by_sql_is_used_within_a_second(
    factory: Factory, emulator: httpx.AsyncClient
) -> None:
    await alone(factory, "gpt-6-luna")
    await factory.execute(
        "INSERT INTO factory.provider_endpoints (provider, base_url, handler_function, priority) "
        "VALUES ('openai', $1, 'openai.chat_completions', 1)",
        f"{factory.emulator}/openai/v1",
    )
    await factory.settled()
    job = await factory.job(model="mine", prompt="Where am I")
    assert [(call["outcome"], call["emulated"]) for call in job["calls"]] == [("auth", False), ("ok", True)]


async def test_a_new_server_is_a_row(factory: Factory) -> None:
    await factory.execute(
        "INSERT INTO factory.provider_endpoints (provider, base_url, handler_function, credential) "
        "VALUES ('cellar', $1, 'openai.chat_completions', 'file:' || $2::text)",
        f"{factory.emulator}/openai/v1",
        str(_write(factory, "a-key")),
    )
    await factory.execute("INSERT INTO factory.models (provider, model_id) VALUES ('cellar', 'gpt-4o-mini')")
    await factory.execute(
        "INSERT INTO factory.alias_targets (alias, provider, model_id) VALUES ('house', 'cellar', 'gpt-4o-mini')"
    )
    await factory.settled()
    job = await factory.job(model="house", prompt="Hello there")
    assert job["status"] == "completed", job["error"]
    assert job["result"]["provider"] == "cellar"
    assert job["cost"] is None


def _write(factory: Factory, key: str) -> Any:
    path = factory.settings.home / "key"
    path.write_text(key)
    return path


async def test_a_running_job_is_cancelled_and_its_call_is_aborted(
    factory: Factory, emulator: httpx.AsyncClient
) -> None:
    name = await own_model(factory, "gpt-6-luna@hang")
    await alone(factory, name)
    made = (await factory.client.post("/v1/jobs", json={"model": "mine", "prompt": "forever"})).json()
    async with asyncio.timeout(5):
        while not (await factory.client.get(made["urls"]["self"])).json()["calls"]:
            await asyncio.sleep(0.02)
    stopping = (await factory.client.post(made["urls"]["cancel"])).json()
    assert stopping["status"] in {"cancelling", "cancelled"}
    job = (await factory.client.get(f"{made['urls']['self']}?wait=5")).json()
    assert job["status"] == "cancelled"
    assert job["calls"][0]["outcome"] == "unknown"
    assert job["uncertain_cost"] > 0
    again = await factory.client.post(made["urls"]["cancel"])
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def count_calls(emulator: httpx.AsyncClient, model: str) -> int:
    return sum(one["model"] == model for one in (await emulator.get("/_emulator/calls")).json()["calls"])


async def test_no_byte_leaves_before_the_ledger_has_its_line(factory: Factory, emulator: httpx.AsyncClient) -> None:
    name = await own_model(factory, "gpt-5.2@hang")
    await alone(factory, name)
    before = await count_calls(emulator, "gpt-5.2")  # no other test calls it
    async with factory.services.database.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE factory.calls IN SHARE MODE")
        made = (await factory.client.post("/v1/jobs", json={"model": "mine", "prompt": "not yet"})).json()
        async with asyncio.timeout(5):
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)
        assert (await factory.client.post(made["urls"]["cancel"])).json()["status"] == "cancelling"
    job = (await factory.client.get(f"{made['urls']['self']}?wait=5")).json()
    assert job["status"] == "cancelled"
    assert await count_calls(emulator, "gpt-5.2") == before
    assert (job["cost"], job["uncertain_cost"]) == (0, None), "what was never sent costs nothing"
    assert {call["outcome"] for call in job["calls"]} <= {"connection"}
    made = (await factory.client.post("/v1/jobs", json={"model": "mine", "prompt": "now"})).json()
    async with asyncio.timeout(5):
        while await count_calls(emulator, "gpt-5.2") == before:
            await asyncio.sleep(0.02)
    await factory.client.post(made["urls"]["cancel"])


async def test_a_deadline_that_passed_is_never_billed(factory: Factory) -> None:
    answer = await factory.generate(model="fast", prompt="too late", deadline_s=0.000001)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline")
    assert answer.json()["job"]["calls"] == []
    assert answer.json()["job"]["cost"] == 0


async def test_a_job_for_later_waits_for_its_time(factory: Factory) -> None:
    from datetime import timedelta

    later = utc_now() + timedelta(seconds=1.0)
    job = await factory.job(model="fast", prompt="Write a line", run_at=later.isoformat())
    assert job["status"] == "completed"
    assert job["started_at"] >= later.isoformat(timespec="milliseconds")[:23]


async def test_what_redis_never_heard_of_is_handed_over(factory: Factory) -> None:
    made = (
        await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"})
    ).json()
    from redis.asyncio import Redis

    async with Redis.from_url(factory.settings.redis_url or "") as redis:
        await redis.flushdb()
    await factory.execute(
        "UPDATE factory.jobs SET run_at = now() - interval '1 minute' WHERE id = $1", UUID(made["id"])
    )
    job = (await factory.client.get(f"{made['urls']['self']}?wait=10")).json()
    assert job["status"] == "completed"


async def test_only_the_holder_of_the_fence_finishes(factory: Factory) -> None:
    made = (
        await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"})
    ).json()
    database, job_id = factory.services.database, UUID(made["id"])
    (first,) = await start_jobs(database, [job_id], [1], None)
    (second,) = await start_jobs(database, [job_id], [2], None)
    assert (first.fence, second.attempts, second.lost_leases) == (1, 1, 1)
    assert await start_jobs(database, [job_id], [2], None) == []

    def line(fence: int) -> OpenedCall:
        return OpenedCall(
            new_id(), job_id, fence, "fast", 1, None, job_id, "openai", "gpt", None, False, utc_now(), None, None
        )

    stale, mine = line(1), line(2)
    assert await open_calls(database, [stale, mine], [job_id]) == {mine.id}

    async def finish(fence: int, state: str) -> list[UUID]:
        ended = EndedJob(job_id, fence, state)
        return [one.id for one in await end_jobs(database, [job_id], [ended], [], [], None)]

    assert await finish(1, "completed") == []
    assert await finish(2, "completed") == [job_id]
    assert await finish(2, "failed") == []
