"""Feedback, and variants compared out of the ledger."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from core.jsonio import load_json_exact
from tests.house import Factory


async def test_feedback_is_given_and_given_again(factory: Factory) -> None:
    job = await factory.job(model="fast", prompt="x")
    place = f"/v1/jobs/{job['id']}/feedback"
    first = await factory.client.post(place, json={"score": 0.25, "label": "dull"})
    assert (first.status_code, first.json()["score"], first.json()["label"]) == (200, 0.25, "dull")
    await factory.client.post(place, json={"score": 1})
    kept = await factory.execute("SELECT score, label FROM factory.feedback WHERE job_id = $1", job["id"])
    assert [tuple(row) for row in kept] == [(Decimal(1), None)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "score"), ({"score": 2}, "score"), ({"score": -1}, "score"), ({"score": "good"}, "score"),
        ({"label": ""}, "label"), ({"label": "x" * 65}, "label"), ({"label": "a\x00b"}, "label"),
        ({"stars": 5}, "stars"),
    ],
)  # fmt: skip
async def test_bad_feedback_is_refused_with_its_field(factory: Factory, body: dict[str, Any], field: str) -> None:
    answer = await factory.client.post(f"/v1/jobs/{uuid4()}/feedback", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["problems"][0]["field"] == field


async def test_feedback_needs_an_answer_of_the_own_project(factory: Factory) -> None:
    assert (await factory.client.post(f"/v1/jobs/{uuid4()}/feedback", json={"score": 1})).status_code == 404
    later = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}
    waiting = (await factory.client.post("/v1/jobs", json=later)).json()
    early = await factory.client.post(f"/v1/jobs/{waiting['id']}/feedback", json={"score": 1})
    assert (early.status_code, early.json()["code"]) == (409, "conflict")


async def test_variants_are_drawn_by_reader_and_compared_out_of_the_ledger(factory: Factory) -> None:
    await factory.execute(
        "INSERT INTO factory.aliases (alias, strategy, split_by) VALUES ('trial', 'weighted', 'metadata.reader')"
    )
    for provider, model in (("openai", "gpt-6-luna"), ("google", "gemini-3.5-flash-lite")):
        await factory.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id) VALUES ('trial', $1, $2)", provider, model
        )
    await factory.settled()
    done = await asyncio.gather(
        *(factory.job(model="trial", prompt=f"{n}", metadata={"reader": n % 20}) for n in range(40))
    )
    drawn: dict[int, set[str]] = {}
    for job in done:
        drawn.setdefault(job["metadata"]["reader"], set()).add(job["result"]["variant"])
        await factory.client.post(f"/v1/jobs/{job['id']}/feedback", json={"score": 1, "label": "kind"})
    assert {len(variants) for variants in drawn.values()} == {1}
    shown = load_json_exact((await factory.client.get("/v1/experiments/trial")).content)
    ledger = await factory.execute(
        "SELECT variant, count(DISTINCT job_id) AS jobs, sum(cost) AS cost FROM factory.calls GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    assert [(one["variant"], one["jobs"], one["cost"]) for one in shown["variants"]] == [tuple(row) for row in ledger]
    assert sum(one["feedback"]["labels"]["kind"] for one in shown["variants"]) == 40
    assert len(shown["comparisons"]) == len(shown["variants"]) - 1 == 1
    usage = load_json_exact((await factory.client.get("/v1/usage")).content)["data"]
    assert {row["variant"] for row in usage} == {row["variant"] for row in ledger}
    nothing = (await factory.client.get("/v1/experiments/trial", params={"until": "2020-01-01T00:00:00Z"})).json()
    assert nothing["jobs"] == 0
    assert (await factory.client.get("/v1/experiments/trial", params={"since": "yesterday"})).status_code == 400
