"""Alerts that are looked for, what becomes of them, and what the operator's webhook hears."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from adapters.outbound import Outbound
from broker.health import HealthBoard, Tally
from broker.queue import PREFIX
from core.clock import utc_now
from core.health import BreakerRule, route_name
from core.outbound import Allowed
from core.settings import Settings
from producer.api.app import create_app
from producer.composition import Services
from producer.keys import create_key
from tests.adapters.server import Asked, Reply, serving
from tests.house import Factory
from tests.webhooks.conftest import signatures
from workers.alarming import AlertWatch
from workers.telling import AlertDeliveryPruning, AlertTelling

SECRET = "whsec_" + "YWxlcnRz" * 5


@pytest.fixture
async def board(settings: Settings) -> AsyncIterator[HealthBoard]:
    async with Redis.from_url(settings.redis_url or "") as redis:
        yield HealthBoard(redis, BreakerRule())


def watch_of(services: Services, board: HealthBoard) -> AlertWatch:
    """As one more process has it."""
    parts = services.database, services.queue, board, services.catalog, services.figures, services.settings
    return AlertWatch(*parts, f"test-{uuid4()}")


async def alerts(services: Services) -> dict[str, tuple[str, str]]:
    rows = await services.database.fetch("SELECT kind, subject, message FROM factory.alerts WHERE resolved_at IS NULL")
    return {row["kind"]: (row["subject"], row["message"]) for row in rows}


async def set_up(services: Services, statement: str, *values: Any) -> None:
    await services.database.execute(statement, *values)
    await services.catalog.step()


async def test_what_is_wrong_is_raised_once_and_resolved_when_it_is_over(
    services: Services, board: HealthBoard
) -> None:
    watch = watch_of(services, board)
    await set_up(services, "UPDATE factory.models SET retires_on = NULL")
    key = await create_key(services.database, project="nicestory", make_project=True)
    await services.catalog.step()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(services)), base_url="http://factory", headers={"x-api-key": key}
    ) as client:
        for priority in ("standard", "batch"):
            body = {"model": "fast", "prompt": priority, "priority": priority}
            assert (await client.post("/v1/jobs", json=body)).status_code == 202
    [endpoint] = services.catalog.current.endpoints["mistral"][:1]
    model = next(one for one in services.catalog.current.models.values() if one.provider == "mistral")
    name = route_name(endpoint.id, model.name)
    assert (await board.report({name: Tally(0, 5, "timeout", "no answer")}, {})).opened == [name]
    await watch.step()
    assert await alerts(services) == {}
    await services.wakeups._redis.delete(f"{PREFIX}duty:alerts")
    watch = watch_of(services, board)  # the duty moves, and the time goes on

    later = utc_now() + timedelta(seconds=901)
    await watch.step(later)
    target = services.catalog.current.aliases["fast", None].targets[0]
    where = (target.provider, target.model_id)
    await set_up(
        services,
        "UPDATE factory.models SET retires_on = current_date + 9 WHERE provider = $1 AND model_id = $2",
        *where,
    )
    await watch.step(later)
    await watch.step(later)
    raised = await alerts(services)
    assert raised["jobs_late"][0] == "text jobs of project nicestory"
    assert raised["jobs_late"][1].startswith("1 have waited longer than 900 s for a worker, the first for 90")
    assert raised["breaker_open"][0] == f"{model.name} at {endpoint.base_url}"
    assert raised["breaker_open"][1].endswith("the last failed with timeout: no answer")
    assert raised["model_retires"][0] == f"model {'/'.join(where)}"
    assert "fast means it, target 1 of" in raised["model_retires"][1]
    counted = await services.database.fetch("SELECT times FROM factory.alerts")
    assert [row["times"] for row in counted] == [1, 1, 1]

    await set_up(services, "UPDATE factory.models SET retires_on = NULL")
    await set_up(services, "UPDATE factory.projects SET paused = true")
    await services.wakeups._redis.delete("factory:{health}:breakers")
    await watch.step(later)
    assert await alerts(services) == {}
    told = await services.database.fetch("SELECT type, count(*) AS told FROM factory.alert_deliveries GROUP BY type")
    assert {row["type"]: row["told"] for row in told} == {"alert.raised": 3, "alert.resolved": 3}


async def test_the_operators_webhook_hears_of_alerts_until_it_takes_them(services: Services) -> None:
    now, got, replies = utc_now() + timedelta(minutes=1), list[Asked](), [Reply(b"", "500 No")]

    def answer(asked: Asked) -> Reply:
        got.append(asked)
        return replies.pop() if replies else Reply(b"ok")

    database, allowed = services.database, Allowed.of("127.0.0.1")

    def telling(url: str, allowed: Allowed, clock: Callable[[], datetime]) -> AlertTelling:
        return AlertTelling(database, Outbound(allowed=allowed), allowed, url, SECRET, clock=clock)

    await database.execute("INSERT INTO factory.alerts (kind, subject, message) VALUES ('auth', 'openai K', 'refused')")
    async with serving(answer) as url:
        await telling(f"{url}/alerts", allowed, lambda: now).step()
        await telling(f"{url}/alerts", allowed, lambda: now).step()  # not due yet
        assert len(got) == 1
        for _ in range(2):  # the second finds nothing
            await telling(f"{url}/alerts", allowed, lambda: now + timedelta(seconds=10)).step()
        await database.execute("UPDATE factory.alerts SET resolved_at = now()")
        await telling(f"{url}/alerts", allowed, lambda: now).step()
        assert [json.loads(one.body)["type"] for one in got] == ["alert.raised", "alert.raised", "alert.resolved"]
        said = json.loads(got[1].body)
        assert said["text"] == "alert: auth: openai K: refused"
        assert (said["data"]["kind"], said["data"]["times"]) == ("auth", 1)
        assert got[1].headers["webhook-id"] == got[0].headers["webhook-id"]
        assert got[1].headers["webhook-signature"] == signatures(SECRET, got[1])

        await database.execute("INSERT INTO factory.alerts (kind, subject, message) VALUES ('auth', 'b', 'c')")
        closed = Allowed.of("")
        await telling(f"{url}/alerts", closed, lambda: now).step()
        assert len(got) == 3
        [row] = await database.fetch("SELECT last_error, over_at FROM factory.alert_deliveries WHERE over_at IS NULL")
        assert "the receiver has an address that" in row["last_error"]
        await telling(f"{url}/alerts", allowed, lambda: now + timedelta(days=2)).step()  # nobody wants old news
        assert len(got) == 3
    await AlertDeliveryPruning(database).step(now + timedelta(days=31))
    assert await database.fetch("SELECT id FROM factory.alert_deliveries") == []


async def test_a_job_that_kills_its_workers_is_told_of(factory: Factory) -> None:
    await factory.execute("UPDATE factory.projects SET paused = true WHERE name = 'nicestory'")
    await factory.settled()
    made = await factory.client.post("/v1/jobs", json={"model": "fast", "prompt": "deadly"})
    await factory.execute("UPDATE factory.jobs SET lost_leases = 9")
    await factory.execute("UPDATE factory.projects SET paused = false")
    ended = await factory.client.get(made.json()["urls"]["self"], params={"wait": 20})
    assert ended.json()["error"]["kind"] == "worker_lost"
    async with asyncio.timeout(5):
        while "dead_letters" not in (found := await alerts(factory.services)):
            await asyncio.sleep(0.01)
    assert found["dead_letters"] == (
        "jobs of project nicestory", f"job {made.json()['id']}: 9 workers were lost while running this job",
    )  # fmt: skip
