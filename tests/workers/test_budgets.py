"""What may be spent, and what is reserved of it."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
from redis.asyncio import Redis

from broker.queue import PREFIX
from core.jsonio import dump_json
from sql.budgets import BatchAccount, lock_batch, read_account, read_batch_account, reserve_for_job
from tests.house import Factory
from workers.watching import BudgetWatch

COSTLY = {"model": "gpt-6-luna", "prompt": "Tell me about lighthouses", "cache": "off"}


async def set_budgets(factory: Factory, **budgets: Any) -> None:
    await factory.execute(
        "UPDATE factory.projects SET settings = settings || jsonb_build_object('budgets', $1::jsonb) "
        "WHERE name = 'nicestory'", budgets,
    )  # fmt: skip
    await factory.settled()


async def submit(factory: Factory, **request: Any) -> httpx.Response:
    return await factory.client.post(
        "/v1/jobs", content=dump_json(request), headers={"Prefer": "wait=30", "content-type": "application/json"}
    )


async def account(factory: Factory) -> dict[str, Any]:
    answer = await factory.client.get("/v1/budget")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_hard_budget_refuses_what_does_not_fit_and_says_what_is_left(factory: Factory) -> None:
    await set_budgets(factory, daily={"hard_usd": 0.0005})
    first = await submit(factory, **COSTLY, max_output_tokens=100)
    assert first.status_code == 202, first.text
    refused = await submit(factory, **COSTLY, max_output_tokens=100_000)
    assert (refused.status_code, refused.json()["code"]) == (402, "budget")
    assert "the daily budget of 0.0005 USD" in refused.json()["detail"]
    shown = await account(factory)
    daily = shown["periods"][0]
    assert (daily["period"], daily["hard_usd"], shown["reserved_usd"]) == ("daily", 0.0005, 0)
    spent = (await factory.execute("SELECT sum(cost) AS cost FROM factory.calls"))[0]["cost"]
    assert Decimal(str(daily["spent_usd"])) == spent > 0
    alerts = await factory.execute("SELECT kind FROM factory.alerts")
    assert [row["kind"] for row in alerts] == ["budget_hard"]


def watch_of(factory: Factory) -> BudgetWatch:
    queue = factory.services.queue
    return BudgetWatch(factory.services.database, queue, factory.services.catalog, f"test-{uuid4()}")


async def open_alerts(factory: Factory) -> list[tuple[str, str]]:
    rows = await factory.execute("SELECT kind, subject FROM factory.alerts WHERE resolved_at IS NULL ORDER BY kind")
    return [(row["kind"], row["subject"]) for row in rows]


async def the_watchman_looks(factory: Factory) -> None:
    """Instead of the worker's own, whose turn comes every few seconds."""
    async with Redis.from_url(factory.settings.redis_url) as redis:
        await redis.delete(f"{PREFIX}duty:budgets")
    await watch_of(factory).step()


async def test_a_soft_budget_only_says_so_until_it_is_raised(factory: Factory) -> None:
    await set_budgets(factory, monthly={"soft_usd": 0.00001})
    await the_watchman_looks(factory)
    assert await open_alerts(factory) == []
    job = (await submit(factory, **COSTLY)).json()
    assert job["status"] == "completed"
    await the_watchman_looks(factory)
    assert await open_alerts(factory) == [("budget_soft", "project nicestory monthly")]
    assert (await submit(factory, **COSTLY)).json()["status"] == "completed"
    await set_budgets(factory, monthly={"soft_usd": 100})
    assert await open_alerts(factory) == []


async def test_what_was_said_of_a_day_is_over_with_it(factory: Factory) -> None:
    await set_budgets(factory, daily={"hard_usd": 0})
    assert (await submit(factory, **COSTLY)).status_code == 402
    await the_watchman_looks(factory)
    assert await open_alerts(factory) == [("budget_hard", "project nicestory daily")]
    await factory.execute("UPDATE factory.alerts SET last_at = last_at - interval '1 day'")
    await the_watchman_looks(factory)
    assert await open_alerts(factory) == []


async def test_what_is_answered_by_the_cache_needs_no_money(factory: Factory) -> None:
    asked = {"model": "gpt-6-luna", "prompt": "Once"}
    await factory.job(**asked)
    await set_budgets(factory, daily={"hard_usd": 0})
    assert (await submit(factory, **asked)).json()["result"]["cached"] is True
    assert (await submit(factory, **asked, temperature=0.5)).status_code == 402


async def test_spending_before_the_budget_was_set_counts(factory: Factory) -> None:
    job = await factory.job(**COSTLY)
    await set_budgets(factory, daily={"hard_usd": job["cost"]})
    assert (await submit(factory, **COSTLY, max_output_tokens=1000)).status_code == 402


async def test_an_unknown_price_is_refused_unless_the_operator_allows_it(factory: Factory) -> None:
    await factory.execute("DELETE FROM factory.model_prices WHERE model_id = 'gpt-6-luna'")
    await set_budgets(factory, daily={"hard_usd": 5})
    refused = await submit(factory, **COSTLY)
    assert refused.status_code == 402
    assert "allow_unknown_prices" in refused.json()["detail"]
    await set_budgets(factory, daily={"hard_usd": 5}, allow_unknown_prices=True)
    assert (await submit(factory, **COSTLY)).json()["status"] == "completed"


async def test_nothing_stays_reserved(factory: Factory) -> None:
    """Completed, failed, cancelled: whatever ends a job frees what it reserved."""
    await set_budgets(factory, daily={"hard_usd": 5})
    await factory.client.post("/v1/jobs", json={**COSTLY, "run_at": "2030-01-01T00:00:00Z", "max_output_tokens": 500})
    shown = await account(factory)
    assert shown["reserved_usd"] > 0
    job = (await factory.client.get("/v1/jobs")).json()["data"][0]
    await factory.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (await account(factory))["reserved_usd"] == 0
    await submit(factory, **COSTLY)
    assert (await account(factory))["reserved_usd"] == 0


async def test_a_further_call_that_has_no_money_is_not_made(factory: Factory) -> None:
    """The first answer breaks the schema; asking once more would go beyond the budget."""
    await factory.execute(
        "INSERT INTO factory.models (provider, model_id, kind, max_output_tokens) VALUES ('openai', 'gpt-6-luna@badschema', 'text', 4000)"
    )
    await factory.execute(
        "INSERT INTO factory.model_prices (provider, model_id, valid_from, input_usd_per_mtok, output_usd_per_mtok) "
        "VALUES ('openai', 'gpt-6-luna@badschema', '2026-01-01Z', 1, 10)"
    )
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    asked = {
        "model": "gpt-6-luna@badschema", "prompt": "Tell", "max_output_tokens": 3000, "cache": "off",
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }  # fmt: skip
    await set_budgets(factory, daily={"hard_usd": 0.0302})
    job = (await submit(factory, **asked)).json()
    assert (job["status"], job["error"]["kind"]) == ("failed", "budget"), job["error"]
    assert len(job["calls"]) == 1
    assert (await account(factory))["reserved_usd"] == 0


async def test_two_hundred_at_once_never_reserve_more_than_there_is(factory: Factory) -> None:
    await set_budgets(factory, daily={"hard_usd": 0.01})
    asked = {**COSTLY, "run_at": "2030-01-01T00:00:00Z", "max_output_tokens": 500}
    answers = await asyncio.gather(*(factory.client.post("/v1/jobs", json=asked) for _ in range(200)))
    accepted = sum(answer.status_code == 202 for answer in answers)
    assert {answer.status_code for answer in answers} == {202, 402}
    rows = await factory.execute("SELECT max(reserved_usd) AS each, sum(reserved_usd) AS all FROM factory.jobs")
    assert Decimal("0.01") - rows[0]["each"] < rows[0]["all"] <= Decimal("0.01")
    assert accepted == rows[0]["all"] / rows[0]["each"]


async def batch_of(factory: Factory, jobs: int, max_cost_usd: float, **request: Any) -> dict[str, Any]:
    lines = [{**COSTLY, "prompt": f"Line {number}", **request} for number in range(jobs)]
    answer = await factory.client.post("/v1/job-batches", json={"jobs": lines, "max_cost_usd": max_cost_usd})
    assert answer.status_code == 202, answer.text
    place = answer.json()["urls"]["self"]
    batch: dict[str, Any] = (await factory.client.get(place, params={"wait": 60})).json()
    return batch


async def test_a_batch_goes_as_far_as_its_true_costs_allow_and_no_further(factory: Factory) -> None:
    one = await factory.job(**COSTLY, max_output_tokens=300)
    cap = one["cost"] * 9  # a call may cost four times what it does
    batch = await batch_of(factory, 12, cap, max_output_tokens=300)
    assert batch["status"] == "completed"
    assert 3 <= batch["counts"]["completed"] < 12
    assert batch["counts"]["completed"] + batch["counts"]["failed"] == 12
    assert batch["cost"] <= cap
    rows = await factory.execute("SELECT DISTINCT error ->> 'kind' AS kind FROM factory.jobs WHERE state = 'failed'")
    assert [row["kind"] for row in rows] == ["budget"]
    kept = (await factory.execute("SELECT spent_usd FROM factory.batches"))[0]["spent_usd"]
    assert kept == Decimal(str(batch["cost"]))


async def test_days_begin_where_the_project_says(factory: Factory) -> None:
    await set_budgets(factory, daily={"hard_usd": 5}, timezone="Pacific/Auckland")
    daily = (await account(factory))["periods"][0]
    assert daily["resets_at"][11:16] in ("11:00", "12:00")


async def test_late_and_unknown_lines_are_in_the_sums(factory: Factory) -> None:
    await set_budgets(factory, daily={"hard_usd": 5})
    await submit(factory, **COSTLY)
    await account(factory)
    await factory.execute("UPDATE factory.calls SET outcome = 'unknown', cost = NULL, usage = NULL, max_cost = 0.25")
    daily = (await account(factory))["periods"][0]
    assert (daily["spent_usd"], daily["uncertain_usd"]) == (0, 0.25)
    await factory.execute("UPDATE factory.calls SET outcome = 'ok', cost = 0.125")
    daily = (await account(factory))["periods"][0]
    assert (daily["spent_usd"], daily["uncertain_usd"]) == (0.125, 0)
    await factory.execute("DELETE FROM factory.budget_periods")
    assert (await account(factory))["periods"][0] == daily, "counted again from the ledger"


async def test_who_waits_for_a_batchs_lock_sees_what_was_reserved_meanwhile(factory: Factory) -> None:
    lines = [{**COSTLY, "prompt": f"{place}", "run_at": "2030-01-01T00:00:00Z"} for place in range(2)]
    await factory.client.post("/v1/job-batches", json={"jobs": lines, "max_cost_usd": 1})
    rows = await factory.execute(
        "UPDATE factory.jobs SET state = 'in_progress', fence = 1, reserved_usd = NULL RETURNING id, batch_id"
    )
    (first, batch), (second, _) = rows
    pool = factory.services.database
    async with pool.acquire() as mine, pool.acquire() as other:
        async with mine.transaction():
            await lock_batch(mine, batch)

            async def come_later() -> BatchAccount | None:
                async with other.transaction():
                    await lock_batch(other, batch)
                    return await read_batch_account(other, batch, second)

            later = asyncio.create_task(come_later())
            async with asyncio.timeout(10):
                while not await factory.execute("SELECT FROM pg_locks WHERE NOT granted"):
                    await asyncio.sleep(0.01)
            await reserve_for_job(mine, first, 1, Decimal("0.75"))
        found = await later
    assert found is not None
    assert found.reserved == Decimal("0.75")


async def test_a_job_that_ends_while_the_account_is_read_is_not_overlooked(factory: Factory) -> None:
    await set_budgets(factory, daily={"hard_usd": 5})
    await submit(factory, **COSTLY)
    await factory.execute("UPDATE factory.calls SET cost = NULL, outcome = NULL")
    await factory.execute("UPDATE factory.jobs SET state = 'in_progress', reserved_usd = 2")
    await account(factory)
    project = (await factory.execute("SELECT id FROM factory.projects WHERE name = 'nicestory'"))[0]["id"]

    class EndsBetween:
        """The job ends after the first of what is read."""

        def __init__(self) -> None:
            self.reads = 0

        async def fetch(self, query: str, *given: Any) -> Any:
            return await self._after(await factory.services.database.fetch(query, *given))

        async def fetchval(self, query: str, *given: Any) -> Any:
            return await self._after(await factory.services.database.fetchval(query, *given))

        async def _after(self, found: Any) -> Any:
            self.reads += 1
            if self.reads == 1:
                await factory.execute("UPDATE factory.calls SET outcome = 'ok', cost = 1.5")
                await factory.execute("UPDATE factory.jobs SET state = 'completed'")
            return found

    found = await read_account(EndsBetween(), project, None)  # type: ignore[arg-type]
    assert found.periods[0].spent + found.reserved >= Decimal("1.5")


async def test_what_is_shown_of_a_project_without_budgets_does_not_grow_old(factory: Factory) -> None:
    for _ in range(2):
        job = await factory.job(**COSTLY)
        assert job["status"] == "completed"
        spent = (await factory.execute("SELECT sum(cost) AS cost FROM factory.calls"))[0]["cost"]
        assert [Decimal(str(one["spent_usd"])) for one in (await account(factory))["periods"]] == [spent, spent]
