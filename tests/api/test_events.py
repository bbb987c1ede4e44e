import json
from typing import Any

import httpx

from tests.house import Factory


async def read_events(url: str, key: str, path: str, **headers: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with (
        httpx.AsyncClient(base_url=url, timeout=30, headers={"x-api-key": key, **headers}) as client,
        client.stream("GET", path) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        frame: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                frame[name] = value
            elif "event" in frame:
                data = json.loads(frame["data"])
                assert (data["type"], str(data["sequence"])) == (frame["event"], frame["id"])
                found.append(data)
                frame = {}
    return found


async def test_a_subscriber_sees_the_whole_story(factory: Factory, served: str) -> None:
    made = await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "Write a line"})
    events = await read_events(served, factory.key, made.json()["urls"]["events"])
    assert [event["type"] for event in events] == ["job.queued", "job.started", "job.attempt", "job.completed"]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    assert events[-1]["data"]["result"]["content"]


async def test_a_subscriber_continues_where_it_left_off(factory: Factory, served: str) -> None:
    job = await factory.job(model="fast", prompt="Write a line")
    events = await read_events(served, factory.key, job["urls"]["events"], **{"Last-Event-ID": "2"})
    assert [event["sequence"] for event in events] == [3, 4]


async def test_a_batch_tells_its_counts_until_it_is_over(factory: Factory, served: str) -> None:
    made = await factory.client.post("/v1/job-batches", json={"jobs": [{"model": "fast", "prompt": "x"}] * 3})
    events = await read_events(served, factory.key, made.json()["urls"]["events"])
    assert events[-1]["type"] == "batch.completed"
    assert events[-1]["data"]["counts"]["completed"] == 3
