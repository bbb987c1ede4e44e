"""What answers would have cost called directly: the column that workers fill, and what reports make of it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from core.ids import new_id
from tests.api.test_usage import NOW, projects, report
from tests.house import Factory
from tests.workers.test_promises import alone, own_model
from tests.workers.test_schema_guarantee import BAD, GOOD, ask, completed, scripted


async def test_an_answer_counts_directly_at_the_price_of_the_model_that_its_alias_means_first(factory: Factory) -> None:
    await own_model(factory, "gpt-6-luna@503")
    await alone(factory, "gpt-6-luna@503", "gemini-3.5-flash-lite")
    await factory.execute(
        "UPDATE factory.model_prices SET input_usd_per_mtok = 7, output_usd_per_mtok = 11 WHERE model_id = 'gpt-6-luna@503'"
    )
    await factory.settled()
    job = await factory.job(model="mine", prompt="x")
    assert job["result"]["provider"] == "google"
    used = job["result"]["usage"]
    by_hand = (used["prompt_tokens"] * Decimal(7) + used["completion_tokens"] * Decimal(11)) / 1_000_000
    lines = await factory.execute("SELECT * FROM factory.calls ORDER BY started_at")
    assert {line["preferred"] for line in lines} == {"openai/gpt-6-luna@503"}
    assert [line["preferred_cost"] for line in lines if line["outcome"] != "ok"] == [None] * (len(lines) - 1)
    totals = (await report(factory))["totals"]
    assert totals["direct_cost"] == by_hand
    assert (totals["cost"], totals["failed"]) == (Decimal(str(job["cost"])), len(lines) - 1)
    assert totals["saving"] == round(1 - totals["cost"] / by_hand, 6)
    of_job = await factory.execute("SELECT factory.direct_cost_of(id) AS cost FROM factory.jobs")
    assert of_job[0]["cost"] == by_hand


async def test_an_explicit_model_is_its_own_measure_also_where_a_fallback_answers(factory: Factory) -> None:
    await own_model(factory, "gpt-6-luna@503")
    await factory.settled()
    plain = await factory.job(model="gpt-6-luna", prompt="x")
    fallen = await factory.job(model="gpt-6-luna@503", fallbacks=["gemini-3.5-flash-lite"], prompt="x")
    assert fallen["result"]["provider"] == "google"
    lines = await factory.execute("SELECT * FROM factory.calls WHERE outcome = 'ok' ORDER BY started_at")
    assert [line["preferred"] for line in lines] == ["openai/gpt-6-luna", "openai/gpt-6-luna@503"]
    assert lines[0]["preferred_cost"] == lines[0]["cost"] == Decimal(str(plain["cost"]))
    assert lines[1]["preferred_cost"] != lines[1]["cost"]


async def test_a_repaired_answer_counts_directly_as_one_call_with_the_callers_own_prompt(factory: Factory) -> None:
    long = replace(completed(GOOD), body=completed(GOOD).body.replace(b'"prompt_tokens": 100', b'"prompt_tokens": 170'))
    async with scripted(factory, BAD, long):
        job = await ask(factory)
    assert [call["asked"] for call in job["calls"]] == ["native", "repair"], job["error"]
    first, last = await factory.execute("SELECT * FROM factory.calls ORDER BY started_at")
    assert (first["cost"], last["cost"]) == (Decimal("0.0002"), Decimal("0.00027"))
    assert (first["preferred_cost"], last["preferred_cost"]) == (None, Decimal("0.0002"))
    totals = (await report(factory))["totals"]
    assert (totals["direct_cost"], totals["cost"]) == (Decimal("0.0002"), Decimal("0.00047"))
    assert totals["saving"] == Decimal("-1.35")


async def test_speech_counts_the_characters_that_were_said_where_the_preferred_model_bills_them(
    factory: Factory,
) -> None:
    preferred = await own_model(factory, "eleven_turbo_v2@503", "eleven_turbo_v2", "elevenlabs")
    await factory.execute("UPDATE factory.models SET active = true WHERE model_id = $1", preferred)
    for place, (provider, model) in enumerate([("elevenlabs", preferred), ("openai", "gpt-4o-mini-tts")]):
        await factory.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id, position) VALUES ('voiced', $1, $2, $3)",
            provider, model, place,
        )  # fmt: skip
    await factory.settled()
    said = "Good evening, said the keeper."
    job = await factory.job(model="voiced", kind="speech", input=said)
    assert (job["status"], job["result"]["provider"]) == ("completed", "openai"), job["error"]
    prices = await factory.execute("SELECT * FROM factory.model_prices WHERE model_id = $1", preferred)
    totals = (await report(factory))["totals"]
    assert totals["direct_cost"] == len(said) * prices[0]["audio_usd_per_mchar"] / 1_000_000 > 0


async def test_the_direct_cost_of_a_job_counts_every_part_once_and_is_unknown_while_one_is(factory: Factory) -> None:
    owner, job = next(iter(await projects(factory))), new_id()
    lines = [
        (1, "ok", "0.1", 0), (2, "ok", "0.2", 0), (2, "ok", "0.3", 5), (3, "overloaded", None, 0), (3, "ok", "0.4", 9),
    ]  # fmt: skip
    for part, outcome, direct, later_s in lines:
        await factory.execute(
            "INSERT INTO factory.calls (id, job_id, project_id, kind, alias, attempt, fence, provider, model, part, "
            "started_at, finished_at, outcome, preferred_cost) "
            "VALUES (gen_random_uuid(), $1, $2, 'speech', 'narrator', 1, 1, 'openai', 'm', $3, $4, $5, $6, $7)",
            job, owner, part, NOW, NOW + timedelta(seconds=later_s), outcome, Decimal(direct) if direct else None,
        )  # fmt: skip
    read = "SELECT factory.direct_cost_of($1) AS cost"
    assert [row["cost"] for row in await factory.execute(read, job)] == [Decimal("0.8")]
    await factory.execute("UPDATE factory.calls SET preferred_cost = NULL WHERE part = 1")
    assert [row["cost"] for row in await factory.execute(read, job)] == [None]
    assert [row["cost"] for row in await factory.execute(read, new_id())] == [None]
