"""A batch ends once, with its last job, whoever ends it; what did not complete can be tried again; graphs are quick."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from core.ids import id_of_line
from core.jsonio import dump_json
from sql.ends import EndedJob, end_jobs
from sql.jobs import start_jobs
from tests.house import Factory

LATER = "2099-01-01T00:00:00Z"
WATCH = """
CREATE TABLE factory.batch_ends (batch_id uuid, state text);
CREATE FUNCTION factory.note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO factory.batch_ends VALUES (NEW.id, NEW.state); RETURN NULL; END $$;
CREATE TRIGGER note_end AFTER UPDATE ON factory.batches FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION factory.note_end();
"""
RECOUNT = """
SELECT batch.id FROM factory.batches AS batch JOIN factory.jobs AS job ON job.batch_id = batch.id GROUP BY batch.id
HAVING (batch.waiting, batch.queued, batch.in_progress, batch.completed, batch.failed, batch.cancelled, batch.expired,
        batch.total, batch.cost_usd, batch.unpriced)
    IS DISTINCT FROM (
        count(*) FILTER (WHERE job.state = 'waiting'), count(*) FILTER (WHERE job.state = 'queued'),
        count(*) FILTER (WHERE job.state IN ('in_progress', 'cancelling')),
        count(*) FILTER (WHERE job.state = 'completed'), count(*) FILTER (WHERE job.state = 'failed'),
        count(*) FILTER (WHERE job.state = 'cancelled'), count(*) FILTER (WHERE job.state = 'expired'), count(*),
        coalesce(sum(job.cost) FILTER (WHERE factory.is_over(job.state)), 0),
        count(*) FILTER (WHERE factory.is_over(job.state) AND job.cost IS NULL))
"""


async def made(factory: Factory, jobs: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer = await factory.client.post("/v1/job-batches", content=dump_json({"jobs": list(jobs), **more}))
    assert answer.status_code == 202, answer.text
    batch: dict[str, Any] = answer.json()
    return batch


def job(key: str | None = None, *after: str, **more: Any) -> dict[str, Any]:
    """One that no worker takes."""
    named = {"key": key} if key else {}
    return {"model": "cheap", "prompt": "x", "run_at": LATER, "after": list(after), **named, **more}


async def seen(factory: Factory, batch: dict[str, Any], wait_s: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = (await factory.client.get(f"{batch['urls']['self']}?wait={wait_s}")).json()
    return found


async def end(
    connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", ids: list[UUID], state: str = "completed"
) -> list[UUID]:
    """What a worker does with started jobs at their end; the jobs that are queued or failed thereby."""
    reason = None if state == "completed" else {"kind": "x"}
    ends = [EndedJob(one, 1, state, dependents_error=reason) for one in ids]
    return [one.id for one in await end_jobs(connection, ids, ends, [], [], None) if one.what in ("queued", "failed")]


async def test_two_workers_end_the_last_two_jobs_at_once_and_the_batch_ends_once(factory: Factory) -> None:
    await factory.services.database.execute(WATCH)
    batch = await made(factory, [job(), job()])
    ids = [id_of_line(UUID(batch["id"]), line) for line in (1, 2)]
    database = factory.services.database
    await start_jobs(database, ids, [1, 1], None)
    assert (await seen(factory, batch))["counts"]["in_progress"] == 2
    async with database.acquire() as one, database.acquire() as other:
        first, second = one.transaction(), other.transaction()
        await first.start()
        await second.start()
        await end(one, ids[:1])
        await end(other, ids[1:])
        await asyncio.gather(first.commit(), second.commit())
    found = await seen(factory, batch)
    assert (found["status"], found["counts"]["completed"]) == ("completed", 2)
    assert found["finished_at"] is not None
    assert len(await factory.execute("SELECT FROM factory.batch_ends")) == 1


async def test_counts_follow_many_at_once_and_a_cancel_in_between(factory: Factory) -> None:
    await factory.services.database.execute(WATCH)
    database = factory.services.database
    graph = [job(f"k{n}", *([f"k{(n + 7) % 60}"] if n % 3 == 0 and n < 50 else [])) for n in range(60)]
    batches = [await made(factory, graph) for _ in range(2)]
    ids = [id_of_line(UUID(batch["id"]), line) for line in range(1, 61) for batch in batches]
    started = {one.id for one in await start_jobs(database, ids, [1] * len(ids), None)}
    groups = [[one for one in ids if one in started][start::6] for start in range(6)]

    async def work(group: list[UUID], state: str) -> None:
        async with database.acquire() as connection, connection.transaction():
            await end(connection, group, state)

    async def stop() -> None:
        await factory.client.post(batches[0]["urls"]["cancel"])

    states = ("completed", "failed", "completed", "expired", "completed", "failed")
    ended = await asyncio.gather(*map(work, groups, states), stop(), return_exceptions=True)
    assert all(isinstance(came, asyncpg.DeadlockDetectedError | None) for came in ended)
    for group, came in zip(groups, ended[:-1], strict=True):
        if came is not None:
            await work(group, "completed")
    assert await factory.execute(RECOUNT) == []
    await stop()
    assert await factory.execute(RECOUNT) == []
    found = await seen(factory, batches[0])
    assert (found["status"], found["counts"]["cancelled"] > 0) == ("cancelled", True)
    assert len(await factory.execute("SELECT FROM factory.batch_ends")) >= 1
    rows = await factory.execute("SELECT batch_id FROM factory.batch_ends GROUP BY batch_id HAVING count(*) > 1")
    assert rows == []


async def test_a_batch_that_the_cache_answers_is_over_when_it_is_made(factory: Factory) -> None:
    await factory.job(model="fast", prompt="known")
    known = {"model": "fast", "prompt": "known", "key": "known"}
    batch = await made(factory, [known, job("next", "known")])
    assert (batch["counts"]["completed"], batch["counts"]["queued"], batch["counts"]["waiting"]) == (1, 1, 0)
    whole = await made(factory, [known])
    assert (whole["status"], whole["cost"]) == ("completed", 0)
    assert await factory.execute(RECOUNT) == []


async def test_what_did_not_complete_is_tried_again_with_the_answers_that_there_are(factory: Factory) -> None:
    first = {"key": "outline", "model": "fast", "prompt": "An outline"}
    second = {"key": "chapter", "after": ["outline"], "model": "fast", "prompt": "{{outline.content}}",
              "deadline_s": 0.000001}  # fmt: skip
    third = {"key": "title", "after": ["chapter", "outline"], "model": "fast", "prompt": "{{chapter.content}}"}
    batch = await made(factory, [first, second, third], name="tale")
    place = f"{batch['urls']['self']}/retry-failed"
    assert (await factory.client.post(place)).status_code == 409
    batch = await seen(factory, batch, 30)
    assert (batch["counts"]["completed"], batch["counts"]["failed"], batch["counts"]["expired"]) == (1, 1, 1)
    await factory.execute("UPDATE factory.jobs SET request = request - 'deadline_s'")
    answers = [await factory.client.post(place, headers={"Idempotency-Key": "again"}) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    again = await seen(factory, answers[0].json(), 30)
    assert (again["status"], again["total"], again["counts"]["completed"]) == ("completed", 2, 2)
    assert (again["retry_of"], again["name"]) == (batch["id"], "tale")
    lines = (await factory.client.get(again["urls"]["results"] + "?jobs=true")).text.splitlines()
    found = {one["key"]: one for one in map(json.loads, lines)}
    assert found.keys() == {"chapter", "title"}
    assert found["chapter"]["finished_at"] <= found["title"]["started_at"]
    assert (await factory.client.post(f"{again['urls']['self']}/retry-failed")).status_code == 409
    listed = (await factory.client.get("/v1/job-batches?status=completed&limit=1")).json()
    assert [one["id"] for one in listed["data"]] == [again["id"]]
    older = (await factory.client.get(f"/v1/job-batches?cursor={listed['next_cursor']}")).json()
    assert [one["id"] for one in older["data"]] == [batch["id"]]
    for query in ("created_since=2099-01-01T00:00:00Z", "created_until=2001-01-01T00:00:00Z", "status=failed"):
        assert (await factory.client.get(f"/v1/job-batches?{query}")).json()["data"] == []


async def test_graphs_of_thousands_are_accepted_and_fail_in_seconds(factory: Factory) -> None:
    """A chain written backwards, and a fan: each is one statement, whose time must not grow with the square."""
    database = factory.services.database
    chain = [job(f"k{n}", f"k{n + 1}") for n in range(3999)] + [job("k3999")]
    fan = [job("root"), *(job(None, "root") for _ in range(3999))]
    async with asyncio.timeout(30):
        for graph, root in ((chain, 4000), (fan, 1)):
            batch = await made(factory, graph)
            assert (batch["counts"]["queued"], batch["counts"]["waiting"]) == (1, 3999)
            one = id_of_line(UUID(batch["id"]), root)
            await start_jobs(database, [one], [1], None)
            async with database.acquire() as connection, connection.transaction():
                failed = await end(connection, [one], "failed")
            assert len(failed) == 3999
            found = await seen(factory, batch)
            assert (found["status"], found["counts"]["failed"]) == ("completed", 4000)
