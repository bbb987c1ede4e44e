"""Whatever way a job comes to its call, there is money for it or the call is not made."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx

from tests.house import Factory
from tests.workers.test_budgets import COSTLY, account, set_budgets, submit
from tests.workers.test_promises import alone, break_model, own_model

DEAR = "gpt-6-luna-dear"


async def priced(factory: Factory, name: str, usd_per_mtok: int, like: str = "gpt-6-luna") -> str:
    """A model of which a token costs the same in and out."""
    await own_model(factory, name, like)
    await factory.execute(
        "UPDATE factory.model_prices SET input_usd_per_mtok = $2, output_usd_per_mtok = $2 WHERE model_id = $1",
        name, Decimal(usd_per_mtok),
    )  # fmt: skip
    await factory.settled()
    return name


async def batch(factory: Factory, *jobs: dict[str, Any], **more: Any) -> tuple[dict[str, Any], list[Any]]:
    """The batch when it is over, and its jobs in order."""
    made = await factory.client.post("/v1/job-batches", json={"jobs": jobs, **more})
    assert made.status_code == 202, made.text
    over = (await factory.client.get(made.json()["urls"]["self"], params={"wait": 40})).json()
    rows = await factory.execute(
        "SELECT *, (SELECT count(*) FROM factory.calls WHERE job_id = jobs.id) AS calls, error ->> 'kind' AS fault "
        "FROM factory.jobs WHERE batch_id = $1 ORDER BY line", made.json()["id"],
    )  # fmt: skip
    return over, rows


async def test_a_retry_is_a_new_job_and_needs_money_of_its_own(factory: Factory) -> None:
    job = (await submit(factory, **COSTLY, deadline_s=0.000001)).json()
    assert job["status"] == "expired"
    await set_budgets(factory, daily={"hard_usd": 0})
    retried = await factory.client.post(f"/v1/jobs/{job['id']}/retry")
    assert (retried.status_code, retried.json()["code"]) == (402, "budget")
    await set_budgets(factory, daily={"hard_usd": 1})
    retried = await factory.client.post(f"/v1/jobs/{job['id']}/retry")
    assert retried.status_code == 202
    reserved = await factory.execute("SELECT reserved_usd FROM factory.jobs WHERE retry_of IS NOT NULL")
    assert reserved[0]["reserved_usd"] > 0


async def test_who_takes_a_failed_leaders_place_is_held_to_the_budget(
    factory: Factory, emulator: httpx.AsyncClient
) -> None:
    """They were accepted before there was a budget, and so nothing is reserved for them."""
    name = await own_model(factory, "gpt-6-luna-leads")
    await factory.settled()
    await break_model(emulator, "openai", name, "slow=2")
    asked = {"model": name, "prompt": "The same", "max_output_tokens": 50}
    jobs = [(await factory.client.post("/v1/jobs", json=asked)).json()]
    async with asyncio.timeout(10):
        while not await factory.execute("SELECT FROM factory.calls"):
            await asyncio.sleep(0.01)
        jobs.append((await factory.client.post("/v1/jobs", json=asked)).json())
        while not await factory.execute("SELECT FROM factory.jobs WHERE waits_for IS NOT NULL"):
            await asyncio.sleep(0.01)
    await set_budgets(factory, daily={"hard_usd": 0})
    await factory.client.post(f"/v1/jobs/{jobs[0]['id']}/cancel")
    follower = (await factory.client.get(f"{jobs[1]['urls']['self']}?wait=20")).json()
    assert (follower["status"], follower["error"]["kind"], follower["calls"]) == ("failed", "budget", [])


async def test_a_prompt_that_grew_beyond_the_budget_is_not_sent(factory: Factory) -> None:
    dear = await priced(factory, DEAR, 1000)
    cheap = {"key": "outline", "model": "gpt-6-luna", "prompt": "An outline", "max_output_tokens": 100}
    grown = {
        "key": "chapter", "after": ["outline"], "model": dear, "max_output_tokens": 60,
        "prompt": "{{outline.content}} {{outline.content}}",
    }  # fmt: skip
    asked = (await factory.client.post("/v1/job-batches/quote?lines=true", json={"jobs": [cheap, grown]})).json()
    reserve, most = asked["totals"]["reserve_usd"], asked["totals"]["most_usd"]
    assert most > 2 * reserve
    await set_budgets(factory, daily={"hard_usd": reserve * 1.2})
    _, (outline, chapter) = await batch(factory, cheap, grown)
    assert outline["state"] == "completed"
    assert (chapter["state"], chapter["fault"], chapter["calls"]) == ("failed", "budget", 0)
    await set_budgets(factory, daily={"hard_usd": most * 2})
    _, (_, chapter) = await batch(factory, cheap, grown)
    assert (chapter["state"], chapter["calls"]) == ("completed", 1), chapter["error"]
    assert (await account(factory))["reserved_usd"] == 0


async def test_who_waits_for_a_batchs_ceiling_uses_up_no_attempt_and_comes_to_its_call(
    factory: Factory, emulator: httpx.AsyncClient
) -> None:
    """The first call of an alias is too dear for what is left, and the second must wait for a slow one: not an end."""
    dear, slow = await priced(factory, DEAR, 100_000), await priced(factory, "gpt-6-luna-slow", 100)
    await break_model(emulator, "openai", slow, "slow=2", times=1)
    await factory.execute("INSERT INTO factory.aliases (alias, strategy) VALUES ('mine', 'priority')")
    await alone(factory, dear, slow)
    first = {"model": slow, "prompt": "Now", "max_output_tokens": 400, "cache": "off", "priority": "interactive"}
    other = {**first, "model": "mine", "prompt": "Then", "key": "other", "priority": "batch"}
    most = (await factory.client.post("/v1/job-batches/quote", json={"jobs": [first]})).json()["totals"]["most_usd"]
    made, rows = await batch(factory, first, other, max_cost_usd=most * 1.5)
    assert [row["state"] for row in rows] == ["completed", "completed"], [row["error"] for row in rows]
    assert [(row["attempts"], row["calls"]) for row in rows] == [(1, 1), (1, 1)]
    assert rows[1]["seq"] > rows[0]["seq"], "it was put back"
    assert rows[1]["model"] == slow
    assert made["cost"] <= most * 1.5


async def test_a_route_without_money_is_no_end_while_another_only_stumbled(
    factory: Factory, emulator: httpx.AsyncClient
) -> None:
    dear, weak = await priced(factory, DEAR, 100_000), await own_model(factory, "gpt-6-luna-weak")
    await break_model(emulator, "openai", weak, "503", times=1)
    await factory.execute("INSERT INTO factory.aliases (alias, strategy) VALUES ('mine', 'priority')")
    await alone(factory, weak, dear)
    await set_budgets(factory, daily={"hard_usd": 1})
    job = (await submit(factory, model="mine", prompt="x", max_output_tokens=400, cache="off")).json()
    assert (job["status"], job["attempts"]) == ("completed", 2), job["error"]
    assert [call["outcome"] for call in job["calls"]] == ["overloaded", "ok"]


async def test_parts_that_are_spoken_side_by_side_are_not_all_paid_from_the_same_rest(factory: Factory) -> None:
    """A narration of a text that grew after it was accepted: none of its parts was reserved for, and the budget has
    room for two of them, not for all."""
    await factory.execute("UPDATE factory.models SET max_input_characters = 400 WHERE model_id = 'tts-1-hd'")
    await factory.settled()
    outline = {"key": "text", "model": "gpt-6-luna", "prompt": "A long tale", "max_output_tokens": 4000}
    spoken = {"kind": "speech", "model": "openai/tts-1-hd", "format": "wav", "voice_policy": "any", "cache": "off"}
    words = " ".join(f"{n}. {{{{text.content}}}}" for n in range(24))
    part = 400 * Decimal(30) / 1_000_000
    _, (text, whole) = await batch(factory, outline, {**spoken, "key": "voice", "after": ["text"], "input": words})
    assert (text["state"], whole["state"]) == ("completed", "completed"), whole["error"]
    assert whole["calls"] > 6
    spent = Decimal(str((await account(factory))["periods"][0]["spent_usd"]))
    most = spent + Decimal("2.5") * part
    await set_budgets(factory, daily={"hard_usd": float(most)})
    _, (_, voice) = await batch(factory, outline, {**spoken, "key": "voice", "after": ["text"], "input": words})
    assert (voice["state"], voice["fault"]) == ("failed", "budget"), voice["error"]
    assert voice["calls"] >= 1
    after = await account(factory)
    assert Decimal(str(after["periods"][0]["spent_usd"])) <= most
    assert after["reserved_usd"] == 0
