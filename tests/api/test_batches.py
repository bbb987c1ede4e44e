import json
from typing import Any

from tests.house import Factory


async def finished(factory: Factory, jobs: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    made = await factory.client.post("/v1/job-batches", json={"jobs": jobs, **more})
    assert made.status_code == 202, made.text
    batch: dict[str, Any] = (await factory.client.get(f"{made.json()['urls']['self']}?wait=30")).json()
    return batch


async def results(factory: Factory, batch: dict[str, Any]) -> dict[str | None, dict[str, Any]]:
    answer = await factory.client.get(batch["urls"]["results"] + "?jobs=true")
    return {job["key"]: job for job in map(json.loads, answer.text.splitlines())}


SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


async def test_jobs_come_after_each_other_and_take_each_others_answers(factory: Factory) -> None:
    outline = {
        "key": "outline",
        "model": "json",
        "prompt": "An outline",
        "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
    }
    chapter = {"key": "chapter", "after": ["outline"], "model": "fast", "prompt": "Write {{outline.parsed.title}}"}
    spoken = {
        "key": "spoken",
        "after": ["chapter"],
        "kind": "speech",
        "model": "narrator",
        "input": "{{chapter.content}}",
    }
    batch = await finished(factory, [spoken, chapter, outline], name="story")
    assert batch["status"] == "completed"
    assert batch["counts"]["completed"] == 3, await results(factory, batch)
    found = await results(factory, batch)
    assert found["outline"]["finished_at"] <= found["chapter"]["started_at"]
    assert found["chapter"]["finished_at"] <= found["spoken"]["started_at"]
    assert abs(batch["cost"] - sum(job["cost"] for job in found.values())) < 1e-12


async def test_what_comes_after_a_failure_fails_with_the_reason(factory: Factory) -> None:
    first = {"key": "first", "model": "fast", "prompt": "x", "deadline_s": 0.000001}
    second = {"key": "second", "after": ["first"], "model": "fast", "prompt": "x"}
    third = {"key": "third", "after": ["second"], "model": "fast", "prompt": "x"}
    batch = await finished(factory, [first, second, third])
    found = await results(factory, batch)
    assert found["first"]["status"] == "expired"
    assert found["second"]["error"]["kind"] == found["third"]["error"]["kind"] == "dependency_failed"
    assert "first" in found["third"]["error"]["message"]
    assert batch["cost"] == 0


async def test_lines_are_jobs_too_and_results_keep_their_order(factory: Factory) -> None:
    body = (
        b"\n".join(b'{"model": "cheap", "prompt": "line %d", "max_output_tokens": 20}' % n for n in range(12)) + b"\n"
    )
    made = await factory.client.post("/v1/job-batches", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert made.status_code == 202, made.text
    batch = (await factory.client.get(f"{made.json()['urls']['self']}?wait=30")).json()
    assert batch["counts"]["completed"] == 12
    answer = await factory.client.get(batch["urls"]["results"] + "?jobs=true")
    ids = [json.loads(line)["id"] for line in answer.text.splitlines()]
    assert ids == sorted(ids)


async def test_a_cancelled_batch_runs_nothing_more(factory: Factory) -> None:
    later = [{"model": "fast", "prompt": f"{n}", "run_at": "2099-01-01T00:00:00Z"} for n in range(3)]
    made = await factory.client.post("/v1/job-batches", json={"jobs": later})
    batch = (await factory.client.post(made.json()["urls"]["cancel"])).json()
    assert (batch["status"], batch["counts"]["cancelled"]) == ("cancelled", 3)


async def test_the_same_idempotency_key_joins_the_batch(factory: Factory) -> None:
    body = {"jobs": [{"model": "fast", "prompt": "x"}]}
    made = [
        (await factory.client.post("/v1/job-batches", json=body, headers={"Idempotency-Key": "k"})).json()["id"]
        for _ in range(2)
    ]
    assert made[0] == made[1]
