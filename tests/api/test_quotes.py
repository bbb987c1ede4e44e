"""What jobs would cost is said before anything is made of them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from core.jsonio import load_json_exact
from tests.house import Factory
from tests.workers.test_budgets import set_budgets
from tests.workers.test_promises import own_model

ASKED = {"model": "gpt-6-luna", "prompt": "Tell me about lighthouses", "max_output_tokens": 100}


async def quote(factory: Factory, *jobs: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = await factory.client.post("/v1/job-batches/quote", json={"jobs": jobs}, params={"lines": True, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = load_json_exact(answer.content)
    return found


async def rows(factory: Factory) -> list[int]:
    tables = ("jobs", "batches", "calls", "cache_hits", "idempotency_keys")
    return [(await factory.execute(f"SELECT count(*) FROM factory.{name}"))[0]["count"] for name in tables]


async def test_a_quote_makes_nothing_and_agrees_with_what_is_reserved_and_spent(factory: Factory) -> None:
    await set_budgets(factory, daily={"hard_usd": 5})
    before = await rows(factory)
    said = await quote(factory, ASKED)
    assert await rows(factory) == before
    (line,) = said["lines"]
    assert (line["provider"], line["model"], line["expected_by"]) == ("openai", "gpt-6-luna", "most")
    assert (said["fits"], said["reason"]) == (True, None)
    assert said["budget"]["periods"][0]["left_usd"] == 5
    later = {**ASKED, "run_at": "2030-01-01T00:00:00Z"}
    await factory.client.post("/v1/jobs", json=later)
    reserved = (await factory.execute("SELECT reserved_usd FROM factory.jobs"))[0]["reserved_usd"]
    assert reserved == line["most_usd"] == line["reserve_usd"] == said["totals"]["most_usd"] > 0
    job = await factory.job(**ASKED)
    assert 0 < job["cost"] <= line["most_usd"]


async def test_what_is_cached_or_said_twice_costs_nothing_more(factory: Factory) -> None:
    await factory.job(**ASKED)
    hits = await factory.client.get("/v1/cache")
    new = {**ASKED, "prompt": "Something new"}
    said = await quote(factory, ASKED, new, new, {**new, "cache": "refresh"})
    cached, first, second, refreshed = said["lines"]
    assert (cached["cached"], cached["expected_usd"], cached["most_usd"]) == (True, 0, 0)
    assert (second["same_as"], second["expected_usd"], refreshed["same_as"]) == (2, 0, None)
    assert refreshed["expected_usd"] == first["expected_usd"] > 0
    totals = said["totals"]
    assert (totals["jobs"], totals["cached_jobs"], totals["repeated_jobs"]) == (4, 1, 1)
    assert totals["most_usd"] == 2 * first["most_usd"]
    assert totals["reserve_usd"] == 3 * first["most_usd"], "each may come to lead"
    assert (await factory.client.get("/v1/cache")).json() == hits.json()
    (group,) = said["groups"]
    assert (group["asked"], group["jobs"], group["most_usd"]) == ("gpt-6-luna", 4, totals["most_usd"])


async def test_a_narration_alone_is_answered_by_the_cache_and_one_of_a_batch_is_not(factory: Factory) -> None:
    spoken = {"kind": "speech", "model": "narrator", "input": "A lamp in the night"}
    await factory.job(**spoken)
    assert (await quote(factory, spoken, single=True))["totals"]["cached_jobs"] == 1
    assert (await quote(factory, spoken))["totals"]["cached_jobs"] == 0
    stored = await factory.execute("SELECT result -> 'audio' ->> 'storage_key' AS key FROM factory.jobs")
    await factory.services.storage.delete([stored[0]["key"]])
    assert (await quote(factory, spoken, single=True))["totals"]["cached_jobs"] == 0, "its recording is gone"


async def test_an_unknown_price_makes_sums_unknown_and_fits_no_hard_budget(factory: Factory) -> None:
    await own_model(factory, "gpt-6-luna@unpriced")
    await factory.execute("DELETE FROM factory.model_prices WHERE model_id = 'gpt-6-luna@unpriced'")
    await set_budgets(factory, daily={"soft_usd": 5})
    unpriced = {**ASKED, "model": "gpt-6-luna@unpriced"}
    said = await quote(factory, ASKED, unpriced, max_cost_usd=1)
    totals = said["totals"]
    assert (totals["expected_usd"], totals["most_usd"], totals["unpriced_jobs"]) == (None, None, 1)
    assert said["lines"][0]["expected_usd"] > 0
    assert (said["fits"], said["max_cost_is_enough"]) == (True, False)
    await set_budgets(factory, daily={"hard_usd": 5})
    said = await quote(factory, ASKED, unpriced)
    assert said["fits"] is False
    assert "openai/gpt-6-luna@unpriced is not known" in said["reason"]
    await set_budgets(factory, daily={"hard_usd": 5}, allow_unknown_prices=True)
    assert (await quote(factory, ASKED, unpriced))["fits"] is True


async def test_fits_is_what_a_submit_would_say(factory: Factory) -> None:
    lines = [{**ASKED, "prompt": f"Line {number}"} for number in range(3)]
    totals = (await quote(factory, *lines))["totals"]
    for hard, status in ((totals["reserve_usd"] - Decimal("0.0000001"), 402), (totals["reserve_usd"], 202)):
        await set_budgets(factory, daily={"hard_usd": str(hard)})
        said = await quote(factory, *lines)
        answer = await factory.client.post("/v1/job-batches", json={"jobs": lines})
        assert (answer.status_code, said["fits"]) == (status, status == 202)
        assert (said["reason"] or "").startswith("the daily budget of" if status == 402 else "")


async def test_a_ceiling_is_held_against_the_most(factory: Factory) -> None:
    totals = (await quote(factory, ASKED))["totals"]
    assert (await quote(factory, ASKED))["max_cost_is_enough"] is None
    assert (await quote(factory, ASKED, max_cost_usd=str(totals["most_usd"])))["max_cost_is_enough"] is True
    said = await quote(factory, ASKED, max_cost_usd="0.0000001")
    assert said["max_cost_is_enough"] is False
    assert "USD are expected" in said["max_cost_reason"]


async def test_measured_answers_and_answers_that_prompts_refer_to(factory: Factory) -> None:
    await factory.execute(
        "INSERT INTO factory.call_figures (provider, model, kind, calls, completion_tokens_mean, completion_tokens_p99)"
        " VALUES ('openai', 'gpt-6-luna', 'text', 20, 400, 900)"
    )
    await factory.services.figures.step()
    outline = {"model": "gpt-6-luna", "prompt": "An outline", "key": "outline"}
    twice = {"model": "gpt-6-luna", "prompt": "{{outline.parsed.a}} {{outline.parsed.b}}", "after": ["outline"]}
    spoken = {"kind": "speech", "model": "narrator", "input": "{{outline.content}}", "after": ["outline"]}
    first, second, third = (await quote(factory, outline, twice, spoken))["lines"]
    assert (first["expected_by"], first["usage"]["completion_tokens"]) == ("measured", 400)
    assert 800 < second["usage"]["prompt_tokens"] < 850
    assert 1400 < third["usage"]["characters"] < 1500
    assert first["expected_usd"] < first["most_usd"]
    assert third["reserve_usd"] < third["expected_usd"] < third["most_usd"], "a template reserves for what it says now"


async def test_what_a_submit_refuses_a_quote_refuses_in_the_same_words(factory: Factory) -> None:
    for jobs in (
        [ASKED, {"model": "no-such-model", "prompt": "x"}],
        [ASKED, {"model": "fast"}, {"model": "fast", "prompt": "x", "nonsense": 1}],
        [{**ASKED, "key": "a", "after": ["b"]}, {**ASKED, "key": "b", "after": ["a"]}],
        [{**ASKED, "project": "another"}],
        [],
    ):
        headers = {"x-request-id": "the-same"}
        quoted = await factory.client.post("/v1/job-batches/quote", json={"jobs": jobs}, headers=headers)
        submitted = await factory.client.post("/v1/job-batches", json={"jobs": jobs}, headers=headers)
        assert (quoted.status_code, quoted.json()) == (submitted.status_code, submitted.json())
        assert quoted.status_code in (400, 403)
    two = await factory.client.post("/v1/job-batches/quote?single=true", json={"jobs": [ASKED, ASKED]})
    assert (two.status_code, two.json()["problems"][0]["field"]) == (400, "single")
    for query in ("max_cost_usd=-1", "max_cost_usd=many", "lines=perhaps"):
        said = await factory.client.post(f"/v1/job-batches/quote?{query}", json={"jobs": [ASKED]})
        assert said.status_code == 400
    for headers in ({"x-api-key": "fk_wrong"}, {"x-project-id": "another"}):
        answer = await factory.client.post("/v1/job-batches/quote", json={"jobs": [ASKED]}, headers=headers)
        assert answer.status_code in (401, 403)


async def test_a_quote_charges_no_limit_and_goes_by_what_rests_now(factory: Factory) -> None:
    await factory.execute(
        'UPDATE factory.projects SET settings = settings || \'{"limits": {"requests_per_minute": 2}}\' '
        "WHERE name = 'nicestory'"
    )
    await factory.settled()
    for _ in range(4):
        assert (await quote(factory, ASKED))["limit_minutes"] == 1
    assert [(await factory.client.post("/v1/jobs", json=ASKED)).status_code for _ in range(3)] == [202, 202, 429]
    body = b"\n".join(json.dumps({**ASKED, "prompt": f"Line {number}"}).encode() for number in range(2000))
    answer = await factory.client.post(
        "/v1/job-batches/quote?max_cost_usd=0.5", content=body, headers={"content-type": "application/jsonl"}
    )
    assert answer.status_code == 200, answer.text
    assert "lines" not in answer.json()
    assert len(answer.content) < 3000
    assert answer.json()["limit_minutes"] == 1000


async def test_a_tier_of_service_that_is_asked_for_is_in_the_quote(factory: Factory) -> None:
    asked = {"model": "openai/gpt-6-luna", "prompt": "Tell me of lamps", "max_output_tokens": 500}
    flex = {**asked, "provider_options": {"openai": {"service_tier": "flex"}}}
    answer = await factory.client.post("/v1/job-batches/quote", json={"jobs": [asked, flex]}, params={"lines": True})
    standard, cheaper = answer.json()["lines"]
    assert cheaper["expected_usd"] == pytest.approx(standard["expected_usd"] / 2)
    assert cheaper["most_usd"] == standard["most_usd"], "it may be served by the standard tier all the same"
