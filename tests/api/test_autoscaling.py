"""`/v1/autoscaling`: what the work asks for, who may ask, and what providers leave room for."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from core.clock import utc_now
from core.demand import Worker
from core.forecast import QUARTER, quarter_of
from core.request import JobRequest, Kind
from core.settings import Settings
from producer.api.app import create_app
from producer.composition import Services
from producer.keys import create_key
from producer.open_work import SAMPLED
from producer.submit import Caller
from sql.access import find_project
from tests.house import Factory
from workers.arrivals import ArrivalCounting
from workers.measuring import CallMeasuring

SPEAKER = "eleven_multilingual_v2:JBFqnCBsd6RMkjVDRZzb"

CALLS = """
INSERT INTO factory.calls
    (id, job_id, project_id, kind, alias, attempt, fence, provider, model, started_at, duration_ms, outcome, usage)
SELECT factory.new_id(), $1, $2, 'text', 'gpt-6-luna', number, 1, 'openai', 'gpt-6-luna', now(), 20000, 'ok',
    jsonb_build_object('prompt_tokens', 100 * number, 'completion_tokens', 300, 'total_tokens', 100 * number + 300)
FROM generate_series(1, 3) AS number
"""


class Office:
    """A factory without workers: what is submitted stays in line, and tests say what runs."""

    def __init__(self, services: Services, client: httpx.AsyncClient, caller: Caller) -> None:
        self.services, self.client, self.caller = services, client, caller

    async def submit(self, count: int, **fields: Any) -> list[UUID]:
        said = {"prompt": "Write a line"} | fields if "input" not in fields else fields
        requests = [JobRequest(**said | {"metadata": {"n": str(uuid4())}}) for _ in range(count)]
        return [await self.services.submitter.submit(self.caller, one) for one in requests]

    async def start(self, ids: list[UUID]) -> None:
        await self.services.database.execute(
            "UPDATE factory.jobs SET state = 'in_progress', started_at = now() WHERE id = ANY($1)", ids
        )

    async def demand(self, **query: Any) -> dict[str, Any]:
        answer = await self.client.get("/v1/autoscaling", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def measured(self, model: str, kind: str, provider: str, slot_ms: float, tokens: float | None = None) -> None:
        await self.services.database.execute(
            "INSERT INTO factory.call_figures VALUES ($1, $2, $3, 50, 10, 20, now(), $4, $4, $5)",
            provider, model, kind, slot_ms, tokens,
        )  # fmt: skip
        await self.services.figures.step()


@pytest.fixture
async def office(settings: Settings, services: Services) -> AsyncIterator[Office]:
    project = await find_project(services.database, "default")
    assert project is not None
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://factory") as client:
        yield Office(services, client, Caller(project.id, project.name, frozenset({"jobs"})))


def worker(name: str, **said: Any) -> Worker:
    usual = {"pools": ("text", "speech"), "slots": 10, "running": {}, "lag_ms": 0.0, "state": "working"}
    return Worker(name=name, host="here", pid=1, started_at=1.0, **usual | said)


async def test_the_number_and_every_figure_behind_it(office: Office) -> None:
    idle = await office.demand()
    assert (idle["slots"], idle["workers"]) == (0, 0), "nothing ran here yet"
    assert idle["pools"]["text"]["reason"] == "idle"
    await office.measured("gpt-6-luna", "text", "openai", 2000, 1200)
    ids = await office.submit(105, model="gpt-6-luna")
    await office.start(ids[:5])
    await office.submit(1, model="gpt-6-luna", run_at="2099-01-01T00:00:00Z")
    found = await office.demand(slots_per_worker=10)
    text = found["pools"]["text"]
    assert (text["running"], text["ready"]) == (5, 100)
    assert (text["service_s"], text["ready_service_s"]) == (2.0, 200.0)
    assert text["arrivals_per_s"] == pytest.approx(106 / 60, abs=1e-3)
    assert (text["slots"], text["workers"]) == (25, 3)
    assert text["work"] == [
        {"kind": "text", "model": "gpt-6-luna", "ready": 100, "running": 5, "service_s": 2.0, "ceiling": None,
         "call_tokens": 1200.0, "calls_at_once": 1.0}
    ]  # fmt: skip
    assert text["limits"] == {}
    assert found["pools"]["speech"]["slots"] == 0
    assert (found["slots"], found["workers"], found["slots_per_worker"]) == (25, 3, 10)
    await office.services.database.execute("UPDATE factory.jobs SET queued_at = queued_at - interval '20 s'")
    await office.services.database.execute("UPDATE factory.jobs SET run_at = queued_at WHERE run_at < now()")
    late = (await office.demand())["pools"]["text"]
    assert 20 <= late["oldest_wait_s"] < 25
    assert late["slots"] >= 5 + 40
    assert "the first for" in late["reason"]


async def test_workers_say_what_they_do_and_a_pool_cools_down(office: Office) -> None:
    fleet = office.services.fleet
    await fleet.beat(worker("a", running={"text": 3}, lag_ms=400.0, jobs=["x"]))
    await fleet.beat(worker("b", pools=("speech",), state="leaving"))
    found = await office.demand()
    assert [(one["name"], one["running"], one["full"], one["state"]) for one in found["fleet"]] == [
        ("a", {"text": 3}, True, "working"),
        ("b", {}, False, "leaving"),
    ]
    text, speech = found["pools"]["text"], found["pools"]["speech"]
    assert (text["live_workers"], text["full_workers"], text["reason"], text["slots"]) == (1, 1, "cooling down", 1)
    assert (speech["live_workers"], speech["slots"]) == (2, 0)
    assert found["slots_per_worker"] == 10
    await fleet.leave("b")
    assert [one["name"] for one in (await office.demand())["fleet"]] == ["a"]


async def test_a_worker_whose_event_loop_is_late_counts_as_full(factory: Factory) -> None:
    async def look() -> dict[str, Any]:
        found: dict[str, Any] = (await factory.client.get("/v1/autoscaling")).json()
        return found

    async with asyncio.timeout(20):
        while not (found := await look())["fleet"]:
            await asyncio.sleep(0.05)
    (one,) = found["fleet"]
    assert (one["slots"], one["pools"], one["state"]) == (10, ["text", "speech"], "working")
    async with asyncio.timeout(20):
        while not (found := await look())["pools"]["text"]["full_workers"]:
            time.sleep(0.4)
            await asyncio.sleep(0.01)
    assert found["fleet"][0]["lag_ms"] > 100
    assert found["fleet"][0]["full"]


async def test_speech_at_its_providers_limit_asks_for_no_workers_that_could_only_wait(office: Office) -> None:
    services = office.services
    await services.database.execute("UPDATE factory.providers SET limits = '{}' WHERE id = 'elevenlabs'")
    await services.catalog.step()
    await office.measured(SPEAKER, "speech", "elevenlabs", 20_000)
    ids = await office.submit(60, kind=Kind.speech, model=SPEAKER, input="A line to speak")
    unbound = (await office.demand(slots_per_worker=5))["pools"]["speech"]
    assert (unbound["ceiling"], unbound["slots"]) == (None, 60)
    await services.database.execute(
        "UPDATE factory.providers SET limits = '{\"concurrency\": 5}' WHERE id = 'elevenlabs'"
    )
    await services.catalog.step()
    bound = (await office.demand(slots_per_worker=5))["pools"]["speech"]
    assert (bound["ceiling"], bound["slots"], bound["workers"]) == (5, 5, 1)
    assert bound["limits"] == {"provider:elevenlabs": {"places": 5, "by": "concurrency"}}
    assert "limits leave room for 5" in bound["reason"]
    await office.start(ids[:5])
    full = (await office.demand(slots_per_worker=5))["pools"]["speech"]
    assert (full["running"], full["slots"], full["workers"]) == (5, 5, 1)
    await office.submit(40, model="gpt-6-luna")
    both = await office.demand(slots_per_worker=5)
    assert both["pools"]["speech"]["slots"] == 5
    assert both["pools"]["text"]["slots"] > 5
    assert both["slots"] == sum(one["slots"] for one in both["pools"].values())


async def test_long_narrations_at_a_limit_ask_for_the_slots_that_their_parts_leave_room_for(office: Office) -> None:
    services = office.services

    async def limited(**limits: int) -> dict[str, Any]:
        await services.database.execute("UPDATE factory.providers SET limits = $1 WHERE id = 'elevenlabs'", limits)
        await services.catalog.step()
        found: dict[str, Any] = (await office.demand(slots_per_worker=5))["pools"]["speech"]
        return found

    assert services.settings.speech_parts_at_once == 3
    await office.measured(SPEAKER, "speech", "elevenlabs", 20_000)
    ids = await office.submit(30, kind=Kind.speech, model=SPEAKER, input="灯台守は夜ごと船を数え、星を数えた。" * 250)
    bound = await limited(concurrency=30)
    (work,) = bound["work"]
    assert (work["calls_at_once"], work["ceiling"]) == (2.5, 12), "five parts in two rounds"
    assert bound["limits"] == {"provider:elevenlabs": {"places": 30, "by": "concurrency"}}
    assert (bound["ceiling"], bound["slots"], bound["workers"]) == (12, 12, 3)
    assert (await limited(concurrency=1))["slots"] == 1
    assert (await limited(requests_per_minute=90))["slots"] == 12, "90 requests a minute keep 30 of 20 s busy"
    await office.start(ids[:20])
    assert (await limited(concurrency=30))["slots"] == 20, "what runs is not stopped"
    await office.submit(40, kind=Kind.speech, model=SPEAKER, input="Good night")
    assert (await limited(concurrency=30))["work"][0]["calls_at_once"] == 1.9, "190 calls in 100 rounds"


async def test_tokens_a_minute_are_places_by_what_calls_were_measured_to_use(office: Office) -> None:
    services, database = office.services, office.services.database

    async def limited(tokens_per_minute: int) -> dict[str, Any]:
        await database.execute(
            "UPDATE factory.providers SET limits = jsonb_build_object('tokens_per_minute', $1::integer) "
            "WHERE id = 'openai'",
            tokens_per_minute,
        )
        await services.catalog.step()
        found: dict[str, Any] = (await office.demand(slots_per_worker=5))["pools"]["text"]
        return found

    ids = await office.submit(80, model="gpt-6-luna")
    guessed = await limited(60_000)
    assert (guessed["work"][0]["call_tokens"], guessed["ceiling"]) == (1500, 2), "while no call was measured"
    await database.execute(CALLS, ids[0], office.caller.project_id)
    await CallMeasuring(database, services.queue, "me").step()
    await services.figures.step()
    bound = await limited(60_000)
    assert (bound["service_s"], bound["work"][0]["call_tokens"]) == (20, 500)
    assert bound["limits"] == {"provider:openai": {"places": 40, "by": "tokens_per_minute"}}
    assert (bound["ceiling"], bound["slots"], bound["workers"]) == (40, 40, 8)
    assert (await limited(6_000))["slots"] == 4
    assert (await limited(6_000_000))["slots"] == 80


async def test_a_forecast_stands_beside_what_is_needed_now(office: Office) -> None:
    services, now = office.services, utc_now()
    assert (await office.demand())["pools"]["text"]["predicted_slots"] is None, "nothing is known of the past"
    await office.measured("gpt-6-luna", "text", "openai", 2000)
    rows = [
        (quarter_of(now) - timedelta(weeks=weeks) + number * QUARTER, "text", 9000, 600)
        for weeks in range(1, 5)
        for number in range(-4, 2)
    ]
    for row in rows:
        await services.database.execute("INSERT INTO factory.arrivals VALUES ($1, $2, $3, $4)", *row)
    text = (await office.demand(slots_per_worker=10))["pools"]["text"]
    assert text["forecast_per_s"] == pytest.approx(5.0, rel=0.1), "half of ten a second: nobody came in the last hour"
    assert text["predicted_slots"] == pytest.approx(10 + 2 * 10**0.5, abs=2)
    assert (text["reactive_slots"], text["slots"]) == (0, text["predicted_slots"])
    assert "expected" in text["reason"]


async def test_what_comes_is_counted_by_quarters_of_an_hour(office: Office) -> None:
    database, now = office.services.database, utc_now()
    ids = await office.submit(5, model="gpt-6-luna")
    await database.execute("UPDATE factory.jobs SET state = 'completed', cached = true WHERE id = $1", ids[0])
    old = quarter_of(now) - timedelta(weeks=10)
    await database.execute("INSERT INTO factory.arrivals VALUES ($1, 'text', 7, 7)", old)
    counting = ArrivalCounting(database, office.services.queue, "me")
    for _ in range(2):
        await counting.step()
        rows = await database.fetch(
            "SELECT kind, sum(jobs) AS jobs, max(busiest) AS busiest FROM factory.arrivals GROUP BY kind"
        )
        assert [(row["kind"], row["jobs"]) for row in rows] == [("text", 4)]
        assert 2 <= rows[0]["busiest"] <= 4, "a minute may have ended meanwhile"
    await office.submit(1, model="gpt-6-luna")
    await ArrivalCounting(database, office.services.queue, "another").step()
    assert await database.fetchval("SELECT sum(jobs) FROM factory.arrivals") == 4, "one process does it"
    await counting.step()
    assert await database.fetchval("SELECT sum(jobs) FROM factory.arrivals") == 5


async def test_a_long_line_is_counted_once_for_all_who_ask(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.counting.LONG", 20)
    await office.submit(19, model="gpt-6-luna")
    assert (await office.demand())["pools"]["text"]["ready"] == 19
    await office.submit(1, model="gpt-6-luna")
    assert (await office.demand())["pools"]["text"]["ready"] == 20
    await office.submit(1, model="gpt-6-luna")
    many = await asyncio.gather(*(office.demand() for _ in range(5)))
    assert {one["pools"]["text"]["ready"] for one in many} == {20}
    async with asyncio.timeout(10):
        while (await office.demand())["pools"]["text"]["ready"] != 21:
            await asyncio.sleep(0.1)


async def test_who_may_not_run_asks_for_nothing(office: Office) -> None:
    database = office.services.database
    await office.submit(30, model="gpt-6-luna")
    await database.execute('UPDATE factory.projects SET settings = \'{"limits": {"concurrency": 2}}\'')
    await office.services.catalog.step()
    assert (await office.demand())["pools"]["text"]["ready"] == 2
    await database.execute("UPDATE factory.projects SET paused = true")
    await office.services.catalog.step()
    paused = (await office.demand())["pools"]["text"]
    assert (paused["ready"], paused["oldest_wait_s"]) == (0, 0)
    await office.submit(SAMPLED, model="gpt-6-luna")
    await create_key(database, project="nicestory", make_project=True)
    other = await find_project(database, "nicestory")
    assert other is not None
    office.caller = Caller(other.id, other.name, frozenset({"jobs"}))
    await office.submit(40, model="gpt-6-luna")
    assert (await office.demand())["pools"]["text"]["ready"] == 40, "behind more paused jobs than are looked at"


async def test_it_is_open_next_door_and_asks_others_for_an_operators_key(office: Office) -> None:
    database = office.services.database
    project_key = await create_key(database, project="nicestory", make_project=True)
    operator_key = await create_key(database, project=None)
    away = httpx.ASGITransport(create_app(office.services), client=("192.0.2.7", 4000))
    async with httpx.AsyncClient(transport=away, base_url="http://factory") as client:
        for key, status in (("", 401), ("fk_unknown", 401), (project_key, 403), (operator_key, 200)):
            answer = await client.get("/v1/autoscaling", headers={"x-api-key": key})
            assert answer.status_code == status, answer.text
    proxied = await office.client.get("/v1/autoscaling", headers={"x-forwarded-for": "192.0.2.7"})
    assert proxied.status_code == 401
    for wrong in ("0", "x", "10001"):
        answer = await office.client.get("/v1/autoscaling", params={"slots_per_worker": wrong})
        assert answer.status_code == 400
        assert "slots_per_worker" in answer.text


async def test_without_redis_the_work_still_counts_and_nobody_is_said_to_be_idle(
    settings: Settings, services: Services, office: Office
) -> None:
    await office.submit(50, model="gpt-6-luna")
    async with Redis.from_url(settings.redis_url or "") as redis:
        await redis.client_pause(2500)  # type: ignore[no-untyped-call]
        async with asyncio.timeout(2.4):
            found = await office.demand()
        await redis.ping()
    assert found["fleet"] is None
    assert found["pools"]["text"]["slots"] > 5
    assert (found["pools"]["speech"]["slots"], found["pools"]["speech"]["busy_ago_s"]) == (1, None)
