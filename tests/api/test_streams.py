"""Subscriptions: numbered by Postgres, resumable anywhere, shared by many, cheap when nothing happens."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from producer.composition import open_services
from producer.keys import create_key
from tests.api.conftest import serving
from tests.house import Factory


class Subscriber:
    """A stream that is read frame by frame."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()
        self.comments: list[str] = []

    async def next(self) -> dict[str, Any] | None:
        """The next event with its `id`; None at the end of the stream."""
        frame: dict[str, str] = {}
        async with asyncio.timeout(15):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name:
                    frame[name] = value
                elif line:
                    self.comments.append(value)
                elif "event" in frame:
                    return {"event": frame["event"], "id": frame.get("id"), **json.loads(frame["data"])}
        return None

    async def until(self, kind: str) -> list[dict[str, Any]]:
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
            if event["event"] == kind:
                return found
        raise AssertionError(f"the stream ended without {kind}: {found}")

    async def rest(self) -> list[dict[str, Any]]:
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


@asynccontextmanager
async def subscribed(url: str, path: str, **headers: str) -> AsyncIterator[Subscriber]:
    async with (
        httpx.AsyncClient(base_url=url, timeout=20, headers=headers) as client,
        client.stream("GET", path) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        yield Subscriber(answer)


@pytest.fixture
async def second(factory: Factory) -> AsyncIterator[str]:
    """Another API process, as far as anything is shared: services and a socket of its own."""
    async with open_services(factory.settings) as services, serving(services) as url:
        yield url


async def test_a_project_hears_of_all_its_jobs_and_of_no_others(factory: Factory, served: str, second: str) -> None:
    strange = await create_key(factory.services.database, project="stranger", make_project=True)
    async with (
        subscribed(served, "/v1/events", **{"x-api-key": factory.key}) as here,
        subscribed(second, "/v1/events", **{"x-api-key": factory.key}) as there,
    ):
        await factory.client.post(
            "/v1/jobs", json={"model": "fast", "prompt": "theirs"}, headers={"x-api-key": strange}
        )
        job = await factory.job(model="fast", prompt="mine", metadata={"chapter": 3})
        for stream in (here, there):
            events = await stream.until("job.completed")
            assert [one["event"] for one in events] == ["job.queued", "job.started", "job.completed"]
            assert {one["job_id"] for one in events} == {job["id"]}
            assert events[-1]["data"]["metadata"] == {"chapter": 3}
            assert "result" not in events[-1]["data"]
            assert all(one["id"] == one["sequence"] for one in events)


async def test_a_projects_stream_goes_on_elsewhere_and_after_redis_lost_everything(
    factory: Factory, served: str, second: str, redis_url: str
) -> None:
    headers = {"x-api-key": factory.key}
    async with subscribed(served, "/v1/events", **headers) as stream:
        first = await factory.job(model="fast", prompt="one")
        last = (await stream.until("job.completed"))[-1]["id"]
    missed = [(await factory.job(model="fast", prompt=f"missed {n}"))["id"] for n in range(3)]
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    async with subscribed(second, "/v1/events", **headers, **{"Last-Event-ID": last}) as stream:
        ended: list[str] = []
        while len(set(ended) & set(missed)) < 3:
            event = await stream.next()
            assert event is not None
            if event["event"] == "job.completed":
                ended.append(event["job_id"])
        assert [one for one in ended if one != first["id"]] == missed
        live = await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "live"})
        while True:
            event = await stream.next()
            assert event is not None
            assert event["job_id"] not in missed, "sent twice on one connection"
            if event["job_id"] == live.json()["id"]:
                break


async def test_what_is_committed_late_is_not_skipped(factory: Factory, served: str, second: str) -> None:
    """A job whose transaction began before others and ended after them: it is older than what was sent already."""
    headers = {"x-api-key": factory.key}
    insert = """INSERT INTO factory.jobs (id, project_id, state, kind, priority, request, run_at, created_at, finished_at)
        SELECT gen_random_uuid(), id, 'cancelled', 'text', 'standard', '{"model": "fast"}', now(), now(), now()
        FROM factory.projects WHERE name = 'nicestory' RETURNING id"""
    connection = await asyncpg.connect(factory.settings.database_url)
    try:
        async with subscribed(served, "/v1/events", **headers) as stream:
            transaction = connection.transaction()
            await transaction.start()
            late = str((await connection.fetchrow(insert))["id"])
            await factory.job(model="fast", prompt="overtakes")
            place = (await stream.until("job.completed"))[-1]["id"]
            await transaction.commit()
            assert (await stream.until("job.cancelled"))[-1]["job_id"] == late
        async with subscribed(second, "/v1/events", **headers, **{"Last-Event-ID": place}) as stream:
            assert (await stream.until("job.cancelled"))[-1]["job_id"] == late
    finally:
        await connection.close()


async def test_a_foreign_or_damaged_place_is_refused(factory: Factory, served: str) -> None:
    async with subscribed(served, "/v1/events", **{"x-api-key": factory.key}) as stream:
        await factory.job(model="fast", prompt="one")
        place = (await stream.until("job.completed"))[-1]["id"]
    strange = await create_key(factory.services.database, project="stranger", make_project=True)
    for key, said in ((strange, place), (factory.key, place[:-2]), (factory.key, "7"), (factory.key, "²")):
        headers = {b"x-api-key": key.encode(), b"Last-Event-ID": said.encode()}
        refused = await factory.client.get("/v1/events", headers=headers)
        assert (refused.status_code, refused.json()["problems"][0]["field"]) == (400, "Last-Event-ID")


async def test_a_finished_stream_is_not_asked_for_again(factory: Factory, served: str) -> None:
    """An EventSource comes again whenever a stream ends, except after 204."""
    job = await factory.job(model="fast", prompt="one")
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": [{"model": "fast", "prompt": "x"}]})).json()
    for path in (job["urls"]["events"], batch["urls"]["events"]):
        async with subscribed(served, path, **{"x-api-key": factory.key}) as stream:
            events = await stream.rest()
        assert events[-1]["event"] in ("job.completed", "batch.completed")
        again = await factory.client.get(path, headers={"Last-Event-ID": events[-1]["id"]})
        assert (again.status_code, again.content) == (204, b"")


async def test_a_hundred_subscribers_of_a_job_cost_one_read(
    factory: Factory, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import producer.feeds

    reads: Counter[str] = Counter()
    read = producer.feeds.select_followed_jobs

    async def counted(db: Any, ids: list[Any]) -> Any:
        reads.update(map(str, ids))
        return await read(db, ids)

    later = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}
    job = (await factory.client.post("/v1/jobs", json=later)).json()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=served, headers={"x-api-key": factory.key}, limits=limits, timeout=20
    ) as many:

        async def listen() -> list[dict[str, Any]]:
            async with many.stream("GET", job["urls"]["events"]) as answer:
                stream = Subscriber(answer)
                await stream.until("job.queued")
                listening.release()
                return await stream.rest()

        listening = asyncio.Semaphore(0)
        everybody = [asyncio.create_task(listen()) for _ in range(100)]
        for _ in everybody:
            await listening.acquire()
        monkeypatch.setattr(producer.feeds, "select_followed_jobs", counted)
        await factory.client.post(job["urls"]["cancel"])
        for events in await asyncio.gather(*everybody):
            assert [one["event"] for one in events] == ["job.cancelled"]
    assert reads[job["id"]] <= 2
    assert not factory.services.job_feed._subjects, "who is gone is forgotten"


async def test_batches_tell_at_most_once_a_second_and_continue_by_number(
    factory: Factory, served: str, second: str
) -> None:
    jobs = [{"model": "fast", "prompt": f"x {n}"} for n in range(12)]
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": jobs})).json()
    headers = {"x-api-key": factory.key}
    async with subscribed(served, batch["urls"]["events"], **headers) as stream:
        events = await stream.rest()
    assert events[-1]["event"] == "batch.completed"
    assert len(events) <= 4
    numbers = [int(one["id"]) for one in events]
    assert numbers == sorted(set(numbers))
    before = str(numbers[-1] - 1)
    async with subscribed(second, batch["urls"]["events"], **headers, **{"Last-Event-ID": before}) as stream:
        assert [one["event"] for one in await stream.rest()] == ["batch.completed"]


async def test_signed_links_open_the_streams_of_batches_and_projects(factory: Factory, served: str) -> None:
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": [{"model": "fast", "prompt": "x"}]})).json()
    of_batch = (await factory.client.post(f"{batch['urls']['self']}/links", json={})).json()["url"]
    of_project = (await factory.client.post("/v1/events/links", json={"expires_in_s": 60})).json()["url"]
    async with subscribed(served, of_batch) as stream:
        assert (await stream.rest())[-1]["event"] == "batch.completed"
    async with subscribed(served, of_project) as stream:
        job = await factory.job(model="fast", prompt="by link")
        assert (await stream.until("job.completed"))[-1]["job_id"] == job["id"]
    for link in (of_batch.replace("expires=", "expires=1"), of_project.replace("signature=", "signature=0")):
        refused = await factory.client.get(link, headers={"x-api-key": ""})
        assert (refused.status_code, refused.json()["code"]) == (403, "link_refused")
    other = of_batch.replace("/events?", "/results?")
    assert (await factory.client.get(other, headers={"x-api-key": ""})).status_code == 401


async def test_quiet_streams_say_that_they_live(factory: Factory) -> None:
    settings = factory.settings.model_copy(update={"heartbeat_s": 0.05})
    later = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}
    job = (await factory.client.post("/v1/jobs", json=later)).json()
    async with open_services(settings) as services, serving(services) as url:
        for path in (job["urls"]["events"], "/v1/events"):
            async with (
                httpx.AsyncClient(base_url=url, headers={"x-api-key": factory.key}) as client,
                client.stream("GET", path) as answer,
            ):
                lines = answer.aiter_lines()
                async with asyncio.timeout(10):
                    assert await lines.__anext__() == "retry: 1000"
                    async for line in lines:
                        if line == ": still here":
                            break
