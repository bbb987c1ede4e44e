"""What callers think of answers."""

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from producer.keys import create_key
from tests.house import Factory


async def finished_job(factory: Factory) -> str:
    job = await factory.job(model="fast", prompt="x")
    assert job["status"] == "completed"
    return str(job["id"])


async def give(factory: Factory, job_id: str, **body: Any) -> httpx.Response:
    return await factory.client.post(f"/v1/jobs/{job_id}/feedback", json=body)


async def kept(factory: Factory) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await factory.execute("SELECT score, label FROM factory.feedback")]


async def test_the_newest_word_on_a_job_counts(factory: Factory) -> None:
    job_id = await finished_job(factory)
    first = await give(factory, job_id, score=0.25, label="  dull ")
    assert first.status_code == 200, first.text
    assert first.json() | {"id": "", "created_at": ""} == {
        "id": "", "object": "feedback", "job_id": job_id, "score": 0.25, "label": "dull", "created_at": "",
    }  # fmt: skip
    again = await give(factory, job_id, score=1)
    assert (again.json()["score"], again.json()["label"]) == (1, None)
    for shown in (await factory.client.get(f"/v1/jobs/{job_id}"), await factory.client.get("/v1/jobs")):
        job = shown.json().get("data", [shown.json()])[0]
        assert job["feedback"] == {"score": 1, "label": None}
    assert again.json()["created_at"] > first.json()["created_at"]
    assert await kept(factory) == [(1, None)]


@pytest.mark.parametrize(
    ("body", "score", "label"),
    [
        ({"score": 0}, 0, None), ({"score": 0.1}, Decimal("0.1"), None), ({"score": -0.0}, 0, None),
        ({"score": 1e-300}, 0, None), ({"score": 1 / 3}, Decimal("0.333333"), None), ({"label": "x" * 64}, None, "x" * 64),
        ({"score": None, "label": "größer 👍"}, None, "größer 👍"),
    ],
)  # fmt: skip
async def test_a_score_a_label_or_both(factory: Factory, body: dict[str, Any], score: Any, label: str | None) -> None:
    job_id = await finished_job(factory)
    assert (await give(factory, job_id, **body)).status_code == 200
    assert await kept(factory) == [(score, label)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "score"), ('{"score": null}', "score"), ('{"score": 1.001}', "score"), ('{"score": -0.1}', "score"),
        ('{"score": "1"}', "score"), ('{"score": true}', "score"), ('{"score": NaN}', "score"),
        ('{"score": Infinity}', "score"), ('{"score": 1e999}', "score"), ('{"label": ""}', "label"),
        ('{"label": "   "}', "label"), ('{"label": "%s"}' % ("x" * 65), "label"), ('{"label": 5}', "label"), ('{"label": "a\\u0000b"}', "label"),
        ('{"label": "a\\nb"}', "label"), ('{"label": "\\ud83d"}', "label"), ('{"score": 1, "stars": 5}', "stars"),
        ('{"score": 1, "comment": "good"}', "comment"), ("[1]", None), ("1", None), ("", None), ('{"score": 1', None),
    ],
)  # fmt: skip
async def test_bad_feedback_is_refused_with_its_field(shared: Factory, body: str, field: str | None) -> None:
    job_id = await finished_job(shared)
    answer = await shared.client.post(f"/v1/jobs/{job_id}/feedback", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.text
    assert answer.json()["problems"][0].get("field") == field
    assert await kept(shared) == []


async def test_feedback_is_for_answers_of_the_own_project(factory: Factory) -> None:
    job_id = await finished_job(factory)
    for nobodys in (str(uuid4()), "no-id"):
        assert (await give(factory, nobodys, score=1)).status_code == 404
    key = await create_key(factory.services.database, project="stranger", make_project=True)
    place = f"/v1/jobs/{job_id}/feedback"
    theirs = await factory.client.post(place, json={"score": 0}, headers={"x-api-key": key})
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    looking = await create_key(factory.services.database, project="nicestory", scopes=["read"])
    refused = await factory.client.post(place, json={"score": 0}, headers={"x-api-key": looking})
    assert refused.status_code == 403
    assert await kept(factory) == []


async def test_a_job_without_an_answer_has_nothing_to_judge(factory: Factory) -> None:
    later = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}
    waiting = (await factory.client.post("/v1/jobs", json=later)).json()["id"]
    early = await give(factory, waiting, score=1)
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    assert "queued" in early.json()["detail"]
    await factory.client.post(f"/v1/jobs/{waiting}/cancel")
    assert "cancelled" in (await give(factory, waiting, score=1)).json()["detail"]
    assert await kept(factory) == []


async def test_a_job_shows_what_was_said_of_it_wherever_it_is_shown(factory: Factory) -> None:
    lines = [{"model": "fast", "prompt": "x"}, {"model": "fast", "prompt": "y"}]
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": lines})).json()
    await factory.client.get(f"/v1/job-batches/{batch['id']}", params={"wait": 30})
    listed = (await factory.client.get("/v1/jobs", params={"batch_id": batch["id"]})).json()["data"]
    assert [job["feedback"] for job in listed] == [None, None]
    judged = listed[0]["id"]
    await give(factory, judged, score=1 / 3, label="kind")
    results = await factory.client.get(f"/v1/job-batches/{batch['id']}/results?jobs=true")
    said = {job["id"]: job["feedback"] for job in map(json.loads, results.text.splitlines())}
    assert said == {judged: {"score": 0.333333, "label": "kind"}, listed[1]["id"]: None}
