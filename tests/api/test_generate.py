"""The door's main promise, as the story platform uses it."""

import asyncio
import json
import shutil
from pathlib import Path

import httpx
import pytest

from tests.house import Factory

FIELDS = {"content", "model", "provider", "usage", "cost", "cached"}


async def test_a_prompt_comes_back_as_a_result(factory: Factory) -> None:
    answer = await factory.generate(model="fast", prompt="Generate a story chapter", project="nicestory")
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert result.keys() >= FIELDS
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} <= result["usage"].keys()
    assert result["usage"]["total_tokens"] == result["usage"]["prompt_tokens"] + result["usage"]["completion_tokens"]
    assert len(result["content"].split()) > 50
    assert result["cost"] > 0
    assert result["cached"] is False


async def test_a_schema_that_strict_modes_refuse_comes_back_as_valid_json(factory: Factory) -> None:
    schema = {"type": "object", "properties": {"characters": {"type": "array"}, "locations": {"type": "array"}}}
    answer = await factory.generate(
        model="smart",
        prompt="Generate a story chapter and name who is in it",
        project="nicestory",
        responseFormat={"type": "json_schema", "json_schema": {"name": "story_entities", "schema": schema}},
    )
    assert answer.status_code == 200, answer.text
    parsed = json.loads(answer.json()["content"])
    assert answer.json()["parsed"] == parsed
    assert isinstance(parsed["characters"], list)
    assert isinstance(parsed["locations"], list)


async def test_embeddings_come_one_for_each_text(factory: Factory) -> None:
    answer = await factory.generate(kind="embedding", model="embed", input=["a cat", "a dog", "the sea"])
    assert answer.status_code == 200, answer.text
    vectors = answer.json()["embeddings"]
    assert len(vectors) == 3
    assert len({len(vector) for vector in vectors}) == 1


async def test_a_job_tells_its_whole_story(factory: Factory) -> None:
    job = await factory.job(model="fast", prompt="Write a line", metadata={"chapter": 3})
    assert job["status"] == "completed"
    assert job["metadata"] == {"chapter": 3}
    assert [call["outcome"] for call in job["calls"]] == ["ok"]
    call = job["calls"][0]
    assert call["emulated"] is True
    assert call["cost"] == job["cost"] == job["result"]["cost"]
    assert call["usage"] == job["result"]["usage"]
    assert job["attempts"] == 1
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert job["urls"]["self"] == f"/v1/jobs/{job['id']}"


async def test_speech_comes_as_a_file_with_ranges(factory: Factory) -> None:
    text = "The lamp went out at four, and nobody on the island slept after that."
    job = await factory.job(kind="speech", model="narrator", voice="narrator", input=text)
    assert job["status"] == "completed", job["error"]
    audio = job["result"]["audio"]
    assert audio["format"] == "mp3"
    assert 2 < audio["duration_s"] < 12
    whole = await factory.client.get(job["urls"]["audio"])
    assert whole.status_code == 200
    assert whole.headers["content-type"] == "audio/mpeg"
    assert len(whole.content) == audio["bytes"]
    part = await factory.client.get(job["urls"]["audio"], headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == whole.content[10:20]


async def test_the_wait_running_out_answers_with_the_job(factory: Factory) -> None:
    await factory.execute("UPDATE factory.models SET active = false WHERE model_id <> 'gpt-6-luna'")
    async with httpx.AsyncClient(base_url=factory.emulator) as emulator:
        await emulator.post(
            "/_emulator/faults", json={"provider": "openai", "model": "gpt-6-luna", "fault": "slow=3", "times": 1}
        )
    answer = await factory.client.post(
        "/v1/generate", json={"model": "gpt-6-luna", "prompt": "slowly"}, headers={"Prefer": "wait=1"}
    )
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["urls"]["self"]
    cancelled = await factory.client.post(answer.json()["urls"]["cancel"])
    assert cancelled.status_code == 200


async def test_an_idempotency_key_joins_the_same_job(factory: Factory) -> None:
    body = {"model": "fast", "prompt": "Write a line"}
    headers = {"Idempotency-Key": "chapter-1"}
    first = (await factory.client.post("/v1/jobs", json=body, headers=headers)).json()
    second = (await factory.client.post("/v1/jobs", json=body, headers=headers)).json()
    assert first["id"] == second["id"]
    other = await factory.client.post("/v1/jobs", json={**body, "prompt": "Another"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


async def test_keys_that_come_together_are_told_apart(factory: Factory) -> None:
    async def submit(key: str, prompt: str) -> httpx.Response:
        body = {"model": "fast", "prompt": prompt, "cache": "off"}
        return await factory.client.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})

    same, others, odd = ("one", "the same"), [(f"other {number}", "x") for number in range(10)], ("one", "another body")
    await submit(*same)
    answers = await asyncio.gather(
        *(submit(*each) for each in [same, odd, *others, *others, ("two", "a"), ("two", "b")])
    )
    assert (answers[0].status_code, answers[1].status_code) == (202, 422)
    ids = [answer.json()["id"] for answer in answers[2:22]]
    assert ids[:10] == ids[10:]
    assert len(set(ids)) == 10
    assert sorted(answer.status_code for answer in answers[22:]) == [202, 422]
    (made,) = await factory.execute("SELECT count(*) AS jobs FROM factory.jobs")
    assert made["jobs"] == 12


async def test_a_key_whose_job_was_refused_is_free_again(factory: Factory) -> None:
    async def set_budget(usd: float | None) -> None:
        budgets = {"daily": {"hard_usd": usd}} if usd else {}
        await factory.execute(
            "UPDATE factory.projects SET settings = jsonb_build_object('budgets', $1::jsonb) WHERE name = 'nicestory'",
            budgets,
        )
        await factory.settled()

    async def submit() -> httpx.Response:
        body = {"model": "gpt-6-luna", "prompt": "x", "max_output_tokens": 100_000, "cache": "off"}
        return await factory.client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "dear"})

    await set_budget(0.0005)
    assert {answer.status_code for answer in await asyncio.gather(submit(), submit(), submit())} == {402}
    await set_budget(None)
    assert (await submit()).status_code == 202


async def test_node_needs_nothing_but_fetch(served: str, factory: Factory) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    node = await asyncio.create_subprocess_exec(
        "node",
        str(Path(__file__).with_name("generate.mjs")),
        served,
        factory.key,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await node.communicate()
    assert node.returncode == 0, err.decode()
    plain, entities = (json.loads(line) for line in out.splitlines())
    assert plain.keys() >= FIELDS
    assert set(json.loads(entities["content"])) <= {"characters", "locations"}
