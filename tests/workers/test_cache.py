"""An answer that is known, or on its way, is not bought again."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sql.cache import evict_entries
from tests.house import Factory

TALE = {"model": "fast", "prompt": "A lighthouse keeper finds a bottle"}


async def calls_made(factory: Factory) -> int:
    rows = await factory.execute("SELECT count(*) AS n FROM factory.calls")
    return int(rows[0]["n"])


async def hits(factory: Factory) -> list[dict[str, Any]]:
    return [dict(row) for row in await factory.execute("SELECT * FROM factory.cache_hits ORDER BY at, id")]


def cost_of(job: dict[str, Any]) -> Decimal:
    return Decimal(str(job["cost"]))


async def slow_tale(factory: Factory, seconds: int = 1) -> dict[str, str]:
    """A request that is answered so slowly."""
    model = f"gpt-6-luna@slow={seconds}"
    await factory.execute(
        "INSERT INTO factory.models (provider, model_id, kind) VALUES ('openai', $1, 'text') ON CONFLICT DO NOTHING",
        model,
    )
    await factory.settled()
    return {"model": model, "prompt": "A long tale"}


async def test_a_hit_costs_nothing_and_says_so(factory: Factory) -> None:
    first = await factory.job(**TALE)
    second = await factory.job(**TALE, metadata={"page": 7}, priority="batch")
    assert (first["result"]["cached"], second["result"]["cached"]) == (False, True)
    assert second["status"] == "completed"
    assert (second["calls"], second["attempts"], second["cost"], second["result"]["cost"]) == ([], 0, 0, 0)
    same = ("content", "model", "provider", "usage", "finish_reason")
    assert [second["result"][name] for name in same] == [first["result"][name] for name in same]
    assert second["metadata"] == {"page": 7}
    (hit,) = await hits(factory)
    assert (hit["job_id"], hit["source_job"]) == (UUID(second["id"]), UUID(first["id"]))
    assert (hit["saved_usd"], hit["kind"], hit["alias"]) == (cost_of(first), "text", "fast")
    usage = (await factory.client.get("/v1/usage")).json()["totals"]
    bought, direct = (await factory.execute("SELECT cost, preferred_cost FROM factory.calls"))[0].values()
    assert (usage["cache_hits"], Decimal(str(usage["saved_usd"]))) == (1, bought)
    assert Decimal(str(usage["direct_cost"])) == 2 * direct


async def test_generate_and_events_know_a_hit(factory: Factory) -> None:
    await factory.generate(**TALE)
    answer = await factory.generate(**TALE)
    assert answer.status_code == 200
    assert answer.json()["cached"] is True
    events = await factory.client.get(answer.headers["location"] + "/events")
    assert [line for line in events.text.splitlines() if line.startswith("event:")] == [
        "event: job.queued",
        "event: job.completed",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Another tale"},
        {"temperature": 0.0},
        {"max_output_tokens": 900},
        {"seed": 1},
        {"system": "Be brief"},
        {"model": "gpt-6-luna"},
        {"cache": "off"},
    ],
)
async def test_what_asks_for_something_else_is_asked(factory: Factory, change: dict[str, Any]) -> None:
    await factory.job(**TALE)
    other = await factory.job(**{**TALE, **change})
    assert other["result"]["cached"] is False
    assert await calls_made(factory) == 2


async def test_refresh_buys_a_new_answer_for_all_who_come_after(factory: Factory) -> None:
    await factory.job(**TALE)
    refreshed = await factory.job(**TALE, cache="refresh")
    assert refreshed["result"]["cached"] is False
    third = await factory.job(**TALE)
    assert (await hits(factory))[0]["source_job"] == UUID(refreshed["id"])
    assert third["result"]["cached"] is True


async def test_an_alias_that_means_something_else_has_new_answers(factory: Factory) -> None:
    await factory.job(**TALE)
    await factory.execute("UPDATE factory.alias_targets SET weight = 7 WHERE alias = 'fast' AND provider = 'openai'")
    await factory.settled()
    assert (await factory.job(**TALE))["result"]["cached"] is False


async def test_a_project_that_wants_no_cache_has_none(factory: Factory) -> None:
    await factory.execute("""UPDATE factory.projects SET settings = '{"cache": {"mode": "off"}}'""")
    await factory.settled()
    await factory.job(**TALE)
    assert (await factory.job(**TALE))["result"]["cached"] is False
    assert (await factory.execute("SELECT count(*) AS n FROM factory.cache_entries"))[0]["n"] == 0


async def test_an_answer_is_given_no_longer_than_the_project_says(factory: Factory) -> None:
    await factory.job(**TALE)
    await factory.execute("UPDATE factory.cache_entries SET expires_at = now()")
    assert (await factory.job(**TALE))["result"]["cached"] is False
    rows = await factory.execute(
        "SELECT extract(epoch FROM expires_at - created_at)::int AS ttl_s FROM factory.cache_entries"
    )
    assert [row["ttl_s"] for row in rows] == [7 * 86_400]


async def test_beyond_the_most_entries_the_oldest_go(factory: Factory) -> None:
    for number in range(4):
        await factory.job(model="fast", prompt=f"Tale {number}")
    project = (await factory.execute("SELECT project_id FROM factory.jobs LIMIT 1"))[0]["project_id"]
    assert await evict_entries(factory.services.database, {project: 2}) == 2
    assert (await factory.job(model="fast", prompt="Tale 3"))["result"]["cached"] is True
    assert (await factory.job(model="fast", prompt="Tale 0"))["result"]["cached"] is False


async def test_a_narration_is_answered_with_its_recording(factory: Factory) -> None:
    asked = {"kind": "speech", "model": "openai/tts-1-hd", "voice": "alloy", "input": "Once upon a time."}
    first = await factory.job(**asked)
    second = await factory.job(**asked)
    assert (second["result"]["cached"], second["calls"]) == (True, [])
    assert second["result"]["audio"]["sha256"] == first["result"]["audio"]["sha256"]
    sound = await factory.client.get(second["urls"]["audio"])
    assert (sound.status_code, len(sound.content)) == (200, first["result"]["audio"]["bytes"])


async def test_a_recording_that_is_gone_from_the_store_is_no_answer(factory: Factory) -> None:
    asked = {"kind": "speech", "model": "openai/tts-1-hd", "voice": "alloy", "input": "Gone with the wind."}
    await factory.job(**asked)
    rows = await factory.execute("SELECT result FROM factory.jobs")
    await factory.services.storage.delete([rows[0]["result"]["audio"]["storage_key"]])
    again = await factory.job(**asked)
    assert (again["result"]["cached"], len(again["calls"])) == (False, 1)
    assert (await factory.job(**asked))["result"]["cached"] is True


async def test_found_parts_count_what_they_saved(factory: Factory) -> None:
    asked = {"kind": "speech", "model": "openai/tts-1-hd", "voice": "alloy", "input": "Part by part."}
    first = await factory.job(**asked)
    await factory.execute("DELETE FROM factory.cache_entries")
    again = await factory.job(**asked)
    assert again["result"]["cached"] is True
    (hit,) = await hits(factory)
    assert (hit["part"], hit["saved_usd"]) == (True, cost_of(first))
    third = await factory.job(**asked)
    assert third["result"]["cached"] is True
    assert (await hits(factory))[1]["saved_usd"] == cost_of(first), "worth what its parts once cost"


async def test_vectors_are_answered_too(factory: Factory) -> None:
    asked = {"kind": "embedding", "model": "embed", "input": ["one", "two"]}
    first = await factory.job(**asked)
    second = await factory.job(**asked)
    assert second["result"]["cached"] is True
    assert second["result"]["embeddings"] == first["result"]["embeddings"]


async def test_identical_requests_in_flight_share_one_call(factory: Factory) -> None:
    long = await slow_tale(factory)
    jobs = await asyncio.gather(*(factory.job(**long) for _ in range(40)))
    assert {job["status"] for job in jobs} == {"completed"}
    assert sum(not job["result"]["cached"] for job in jobs) == 1
    assert await calls_made(factory) == 1
    assert len(await hits(factory)) == 39
    assert len({job["result"]["content"] for job in jobs}) == 1


async def test_those_who_wait_hold_no_slot(factory: Factory) -> None:
    """Ten slots, thirty waiting: another request goes by them."""
    long = await slow_tale(factory, 5)
    waiting = [asyncio.create_task(factory.job(**long)) for _ in range(30)]
    await parked(factory, 29)
    other = await factory.job(model="gemini-3.5-flash-lite", prompt="The quick one")
    assert not any(task.done() for task in waiting)
    assert other["status"] == "completed"
    assert {job["status"] for job in await asyncio.gather(*waiting)} == {"completed"}


async def parked(factory: Factory, jobs: int) -> None:
    async with asyncio.timeout(20):
        while True:
            rows = await factory.execute("SELECT count(*) AS n FROM factory.jobs WHERE waits_for IS NOT NULL")
            if rows[0]["n"] == jobs:
                return
            await asyncio.sleep(0.02)


async def test_a_leader_that_fails_is_followed_by_the_next(factory: Factory) -> None:
    long = await slow_tale(factory)
    tasks = [asyncio.create_task(factory.job(**long)) for _ in range(5)]
    await parked(factory, 4)
    leader = (await factory.execute("SELECT job_id FROM factory.flights"))[0]["job_id"]
    cancelled = await factory.client.post(f"/v1/jobs/{leader}/cancel")
    assert cancelled.status_code in (200, 202)
    jobs = await asyncio.gather(*tasks)
    assert sorted(job["status"] for job in jobs) == ["cancelled"] + ["completed"] * 4
    assert sum(job["status"] == "completed" and not job["result"]["cached"] for job in jobs) == 1
    assert await calls_made(factory) == 2


async def test_one_who_waits_can_be_cancelled_alone(factory: Factory) -> None:
    long = await slow_tale(factory)
    tasks = [asyncio.create_task(factory.job(**long)) for _ in range(3)]
    await parked(factory, 2)
    waiting = (await factory.execute("SELECT id FROM factory.jobs WHERE waits_for IS NOT NULL LIMIT 1"))[0]["id"]
    assert (await factory.client.post(f"/v1/jobs/{waiting}/cancel")).json()["status"] == "cancelled"
    jobs = await asyncio.gather(*tasks)
    assert sorted(job["status"] for job in jobs) == ["cancelled", "completed", "completed"]
    assert await calls_made(factory) == 1


async def test_who_waits_longer_than_its_deadline_expires(factory: Factory) -> None:
    long = await slow_tale(factory, 4)
    leader = asyncio.create_task(factory.job(**long))
    async with asyncio.timeout(10):
        while not await factory.execute("SELECT FROM factory.flights"):
            await asyncio.sleep(0.01)
    late = await factory.job(**long, deadline_s=0.3)
    assert late["status"] == "expired"
    assert not leader.done()
    assert (await leader)["status"] == "completed"
    assert await calls_made(factory) == 1


async def test_identical_lines_of_a_batch_are_paid_once_and_release_what_comes_after(factory: Factory) -> None:
    await factory.job(**TALE)
    line = {"model": "fast", "prompt": "The same line"}
    jobs = [{**line, "key": f"n{n}"} for n in range(10)]
    jobs += [{**TALE, "key": "known"}]
    jobs += [{"model": "fast", "prompt": "End {{known.content}}", "after": ["known"], "key": "end"}]
    jobs += [{"model": "fast", "prompt": "End {{n4.content}}", "after": ["n4"], "key": "last"}]
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": jobs})).json()
    batch = (await factory.client.get(batch["urls"]["self"], params={"wait": 30})).json()
    assert batch["counts"]["completed"] == 13
    assert await calls_made(factory) == 4


async def test_redis_that_forgets_everything_loses_no_waiting_job(factory: Factory) -> None:
    from redis.asyncio import Redis

    long = await slow_tale(factory)
    tasks = [asyncio.create_task(factory.job(**long)) for _ in range(5)]
    await parked(factory, 4)
    async with Redis.from_url(factory.settings.redis_url) as redis:
        await redis.flushdb()
    assert {job["status"] for job in await asyncio.gather(*tasks)} == {"completed"}
    assert await calls_made(factory) == 1


async def test_jobs_whose_leader_vanished_find_another(factory: Factory) -> None:
    """A flight is not logged: after a crash of Postgres it is gone, and so may be its leader."""
    long = await slow_tale(factory)
    tasks = [asyncio.create_task(factory.job(**long)) for _ in range(4)]
    await parked(factory, 3)
    await factory.execute("DELETE FROM factory.flights")
    jobs = await asyncio.gather(*tasks)
    assert {job["status"] for job in jobs} == {"completed"}
    assert await calls_made(factory) <= 2


async def test_an_entry_goes_with_its_job(factory: Factory) -> None:
    job = await factory.job(**TALE)
    await factory.execute("DELETE FROM factory.jobs WHERE id = $1", job["id"])
    assert (await factory.client.get("/v1/cache")).json()["entries"] == 0


async def test_a_project_sees_and_empties_its_own_cache(factory: Factory) -> None:
    from producer.keys import create_key

    first = await factory.job(**TALE)
    await factory.job(**TALE)
    key = await create_key(factory.services.database, project="stranger", make_project=True)
    stranger = {"x-api-key": key}
    other = await factory.client.post("/v1/generate", json=TALE, headers=stranger)
    assert other.json()["cached"] is False, "another project's answers are nobody's business"
    shown = (await factory.client.get("/v1/cache")).json()
    assert (shown["entries"], shown["hits"], shown["unpriced"]) == (1, 1, 0)
    assert shown["saved_usd"] == first["cost"]
    assert (await factory.client.delete("/v1/cache", headers=stranger)).json() == {"forgotten": 1}
    assert (await factory.job(**TALE))["result"]["cached"] is True
    assert (await factory.client.delete("/v1/cache")).json() == {"forgotten": 1}
    assert (await factory.job(**TALE))["result"]["cached"] is False
