"""Whatever ends a job tells of it in the same transaction, once."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from core.settings import Settings
from producer.intake.intake import Intake
from producer.keys import create_key
from sql.cache import Boarding, board_flights
from sql.ends import Landing
from sql.jobs import start_jobs
from tests.house import Factory
from tests.webhooks.conftest import Post, Receiver, signatures

ALL = ["job.completed", "job.failed", "job.cancelled", "job.expired", "batch.completed"]


async def test_an_end_that_is_rolled_back_tells_nobody(post: Post) -> None:
    await post.listen()
    job = await post.submit()
    async with post.services.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await post.end(job, db=connection)
        assert await connection.fetchval("SELECT count(*) FROM factory.webhook_deliveries") == 1
        await transaction.rollback()
    await post.deliver()
    assert (await post.deliveries(), post.receiver.got) == ([], [])
    await post.end(job)
    await post.deliver()
    assert [(one["type"], one["state"]) for one in await post.deliveries()] == [("job.completed", "delivered")]


async def test_every_way_to_end_is_told_as_what_it_is(post: Post) -> None:
    await post.listen(events=ALL)
    done, failed, expired, stopped, running = [await post.submit() for _ in range(5)]
    await post.end(done)
    await post.end(failed, state="failed")
    await post.end(expired, state="expired")
    await post.client.post(f"/v1/jobs/{stopped}/cancel")
    await start_jobs(post.services.database, [running], [1], None)
    await post.client.post(f"/v1/jobs/{running}/cancel")
    assert len(await post.deliveries(job_id=str(running))) == 0
    await post.fetch("UPDATE factory.jobs SET fence = 0 WHERE id = $1", running)
    await post.end(running, state="cancelled")
    told = {one["job_id"]: one["type"] for one in await post.deliveries()}
    assert told == {
        str(done): "job.completed", str(failed): "job.failed", str(expired): "job.expired",
        str(stopped): "job.cancelled", str(running): "job.cancelled",
    }  # fmt: skip
    batch, (first, _, _) = await post.batch({"key": "a"}, {"key": "b", "after": ["a"]}, {})
    await post.client.post(f"/v1/jobs/{first}/cancel")
    await post.client.post(f"/v1/job-batches/{batch}/cancel")
    await post.deliver()
    told = [one["type"] for one in await post.deliveries() if one["batch_id"] == str(batch)]
    assert sorted(told) == ["batch.completed", "job.cancelled", "job.cancelled", "job.failed"]
    ended = next(one for one in post.receiver.said if one["type"] == "batch.completed")
    assert (ended["data"]["status"], ended["data"]["counts"]["cancelled"]) == ("cancelled", 2)


async def test_a_follower_is_told_with_its_leader(post: Post) -> None:
    await post.listen()
    leader, follower = [await post.submit() for _ in range(2)]
    await start_jobs(post.services.database, [leader, follower], [1, 1], None)
    project = await post.services.database.fetchval("SELECT project_id FROM factory.jobs WHERE id = $1", leader)
    boarding = [Boarding(one, 1, project, "ab", looks_up=False) for one in sorted([leader, follower])]
    assert [one.part for one in await board_flights(post.services.database, boarding)] == ["leads", "waits"]
    async with post.services.database.acquire() as db, db.transaction():
        await post.fetch("UPDATE factory.jobs SET fence = 0 WHERE id = $1", leader)
        landing = Landing(leader, project, "ab", 60.0)
        assert await post.end(leader, db=db, landings=[landing]) == [follower]
    assert {one["job_id"] for one in await post.deliveries()} == {str(leader), str(follower)}


async def test_only_what_was_asked_for_is_told_and_nothing_when_switched_off(post: Post) -> None:
    made = await post.listen(events=["job.failed"])
    await post.end(await post.submit())
    assert await post.deliveries() == []
    await post.client.patch(f"/v1/webhook-endpoints/{made['id']}", json={"active": False})
    await post.end(await post.submit(), state="failed")
    assert await post.deliveries() == []
    stranger = await create_key(post.services.database, project="stranger", make_project=True)
    await post.client.patch(f"/v1/webhook-endpoints/{made['id']}", json={"active": True})
    body = {"model": "fast", "prompt": "x", "run_at": "2099-01-01T00:00:00Z"}
    theirs = (await post.client.post("/v1/jobs", json=body, headers={"x-api-key": stranger})).json()["id"]
    await post.end(theirs, state="failed")
    assert await post.fetch("SELECT FROM factory.webhook_deliveries") == []


async def test_two_that_end_the_last_two_jobs_at_the_same_moment_complete_the_batch_once(post: Post) -> None:
    await post.listen(events=["batch.completed"])
    other = post.make_duty()
    for _ in range(3):
        batch, (first, second) = await post.batch({}, {})
        async with post.services.database.acquire() as one, post.services.database.acquire() as two:
            early, late = one.transaction(), two.transaction()
            await early.start()
            await late.start()
            await post.end(first, db=one)
            await post.end(second, db=two)
            await post.deliver()
            await early.commit()
            await post.deliver()
            assert [done for done in await post.deliveries() if done["batch_id"] == str(batch)] == []
            await late.commit()
        await asyncio.gather(post.deliver(), post.deliver(other))
        await post.deliver()
        assert [done["type"] for done in await post.deliveries() if done["batch_id"] == str(batch)] == [
            "batch.completed"
        ]
    assert len(post.receiver.got) == 3


async def test_a_batch_that_ends_before_it_has_jobs_is_told_of_once(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.listen(events=["batch.completed"])
    monkeypatch.setattr(Intake, "_begin", lambda *_: None)
    lines = [b'{"model": "fast", "prompt": "x"}'] * 1001
    stopped, refused = [
        (
            await post.client.post(
                "/v1/job-batches", content=b"\n".join(body), headers={"Content-Type": "application/jsonl"}
            )
        ).json()
        for body in (lines, [*lines, b"{}"])
    ]
    assert [one["status"] for one in (stopped, refused)] == ["validating"] * 2
    for _ in range(2):
        await post.client.post(f"{stopped['urls']['self']}/cancel")
        await post.services.intake.step()
    await post.deliver()
    told = {one["data"]["id"]: one["data"] for one in post.receiver.said}
    assert len(post.receiver.got) == len(told) == 2
    assert {one: told[one]["status"] for one in told} == {stopped["id"]: "cancelled", refused["id"]: "failed"}
    assert "line 1002" in told[refused["id"]]["error"]["message"]


async def test_an_endpoint_that_is_being_removed_does_not_break_the_end_of_a_job(post: Post) -> None:
    made = await post.listen()
    job = await post.submit()
    async with post.services.database.acquire() as one:
        removing = one.transaction()
        await removing.start()
        await one.execute("DELETE FROM factory.webhook_endpoints WHERE id = $1", made["id"])
        ending = asyncio.create_task(post.end(job))
        while not await post.fetch(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)
        await removing.commit()
        await ending
    rows = await post.fetch("SELECT state FROM factory.jobs WHERE id = $1", job)
    assert (rows[0]["state"], await post.deliveries()) == ("completed", [])


async def until(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while len(receiver.got) < count:
            await asyncio.sleep(0.02)
    return receiver.said


async def test_a_worker_delivers_signed_what_it_finished_and_what_the_cache_answered(
    factory: Factory, receiver: Receiver, settings: Settings
) -> None:
    url = f"{receiver.url}/hook"
    made = (await factory.client.post("/v1/webhook-endpoints", json={"url": url})).json()
    words = f"Tell me of lighthouses {uuid4()}"
    own = (await factory.client.get("/v1/webhook-secret")).json()["secret"]
    job = await factory.job(model="fast", prompt=words, metadata={"page": 7}, webhook_url=f"{receiver.url}/own")
    said = await until(receiver, 2)
    assert [one["type"] for one in said] == ["job.completed"] * 2
    body = said[0]
    assert body["timestamp"] == job["finished_at"]
    assert body["data"] == job | {"result": None}
    for asked in receiver.got:
        secret = made["secret"] if asked.path == "/hook" else own
        assert asked.headers["webhook-signature"] == signatures(secret, asked)
        assert asked.headers["content-type"] == "application/json"
    assert {asked.path for asked in receiver.got} == {"/hook", "/own"}

    with_content = {
        "url": f"{receiver.url}/full",
        "include_content": True,
        "events": ["job.completed", "batch.completed"],
    }
    await factory.client.post("/v1/webhook-endpoints", json=with_content)
    receiver.got.clear()
    jobs = [{"model": "fast", "prompt": words, "webhook_url": f"{receiver.url}/own"}] * 2
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": jobs})).json()
    assert batch["status"] == "completed"
    said = await until(receiver, 2 * 2 + 2 + 2)
    assert sorted((one.path, json.loads(one.body)["type"]) for one in receiver.got) == [
        ("/full", "batch.completed"), ("/full", "job.completed"), ("/full", "job.completed"),
        ("/hook", "batch.completed"), ("/hook", "job.completed"), ("/hook", "job.completed"),
        ("/own", "job.completed"), ("/own", "job.completed"),
    ]  # fmt: skip
    full = next(json.loads(one.body) for one in receiver.at("/full") if b'"job.completed"' in one.body)
    assert full["data"]["result"]["content"] == job["result"]["content"]
    over = next(one for one in said if one["type"] == "batch.completed")
    assert over["data"] == (await factory.client.get(f"/v1/job-batches/{batch['id']}")).json()
    assert len({one.headers["webhook-id"] for one in receiver.got}) == 8


async def test_a_job_cannot_send_the_factory_inside(post: Post) -> None:
    for url in ("http://hooks.example.org/x", "https://10.0.0.1/", "https://localhost/x", "x"):
        request = {"model": "fast", "prompt": "x", "webhook_url": url}
        alone = await post.client.post("/v1/jobs", json=request)
        assert (alone.status_code, [one["field"] for one in alone.json()["problems"]]) == (400, ["webhook_url"])
        jobs = [{"model": "fast", "prompt": "x"}, request]
        together = await post.client.post("/v1/job-batches", json={"jobs": jobs})
        assert [(one["field"], one["line"]) for one in together.json()["problems"]] == [("webhook_url", 2)]
