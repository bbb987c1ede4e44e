"""A receiver on 127.0.0.1, which the operator allows, and the delivery duty under a clock that the test turns."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.outbound import Outbound
from core.clock import utc_now
from core.settings import Settings, read_secret
from producer.api.app import create_app
from producer.composition import Services
from producer.keys import create_key
from sql.ends import EndedJob, Landing, end_jobs
from sql.jobs import start_jobs
from tests.adapters.server import Asked, Reply, serving
from workers.delivering import WebhookDelivery

LATER = "2099-01-01T00:00:00Z"
ANSWER = {
    "content": "Once upon a time", "model": "m", "provider": "p", "cost": 0, "cached": False,
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip


def signatures(secret: str, asked: Asked) -> str:
    """What Standard Webhooks says the signature is, by hand."""
    key = base64.b64decode(secret[len("whsec_") :])
    content = asked.headers["webhook-id"] + "." + asked.headers["webhook-timestamp"] + "." + asked.body.decode()
    return "v1," + base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest()).decode()


@dataclass
class Receiver:
    """`replies` are given in their order, then 200; a path of its own may have its own answer."""

    url: str = ""
    got: list[Asked] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    by_path: dict[str, Reply] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Reply:
        self.got.append(asked)
        if asked.path in self.by_path:
            return self.by_path[asked.path]
        return self.replies.pop(0) if self.replies else Reply(b"thanks")

    @property
    def said(self) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in self.got]

    def at(self, path: str) -> list[Asked]:
        return [one for one in self.got if one.path == path]


@dataclass
class Clock:
    """A minute ahead of Postgres, so that what a test has just made is due."""

    now: datetime = field(default_factory=lambda: utc_now() + timedelta(minutes=1))

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Post:
    """Jobs are ended by hand, and delivered when a test says so: no worker runs."""

    services: Services
    client: httpx.AsyncClient
    receiver: Receiver
    clock: Clock
    make_duty: Callable[..., WebhookDelivery]
    duty: WebhookDelivery

    async def listen(self, path: str = "/hook", **more: Any) -> dict[str, Any]:
        answer = await self.client.post("/v1/webhook-endpoints", json={"url": self.receiver.url + path, **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def submit(self, **request: Any) -> UUID:
        body = {"model": "fast", "prompt": "x", "run_at": LATER, "cache": "off", **request}
        answer = await self.client.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["id"])

    async def batch(self, *jobs: dict[str, Any]) -> tuple[UUID, list[UUID]]:
        body = {"jobs": [{"model": "fast", "prompt": "x", "run_at": LATER, "cache": "off", **job} for job in jobs]}
        answer = await self.client.post("/v1/job-batches", json=body)
        assert answer.status_code == 202, answer.text
        rows = await self.fetch("SELECT id FROM factory.jobs WHERE batch_id = $1 ORDER BY line", answer.json()["id"])
        return UUID(answer.json()["id"]), [row["id"] for row in rows]

    async def end(
        self, *jobs: UUID, state: str = "completed", db: Any = None, landings: Sequence[Landing] = ()
    ) -> list[UUID]:
        """Those that were answered with them."""
        db = db or self.services.database
        await start_jobs(db, list(jobs), [1] * len(jobs), None)
        error = None if state == "completed" else {"kind": "deadline", "message": "over"}
        result = ANSWER if state == "completed" else None
        rows = [EndedJob(UUID(str(one)), 1, state, result=result, error=error, provider="p", model="m") for one in jobs]
        ends = await end_jobs(db, list(jobs), rows, [], landings, None)
        assert {one.id for one in ends if one.what == "ended"} == {UUID(str(job)) for job in jobs}
        return [one.id for one in ends if one.what == "answered"]

    async def deliver(self, duty: WebhookDelivery | None = None) -> None:
        """All that is due now."""
        await (duty or self.duty).step()
        await (duty or self.duty).settled()

    async def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        data: list[dict[str, Any]] = (await self.client.get("/v1/webhook-deliveries", params=query)).json()["data"]
        return data

    async def fetch(self, statement: str, *values: Any) -> Any:
        return await self.services.database.fetch(statement, *values)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_allow": "127.0.0.1"})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with serving(made.answer) as url:
        made.url = url
        yield made


@pytest.fixture
async def post(settings: Settings, services: Services, receiver: Receiver) -> AsyncIterator[Post]:
    key = await create_key(services.database, project="nicestory", make_project=True)
    clock, secret, allowed = Clock(), read_secret(settings), settings.webhooks_allowed

    def make_duty(**outbound: Any) -> WebhookDelivery:
        return WebhookDelivery(
            services.database, Outbound(allowed=allowed, **outbound), allowed, secret, clock=clock, draw=lambda: 0
        )

    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://factory", headers={"x-api-key": key}) as client:
        duty = make_duty()
        yield Post(services, client, receiver, clock, make_duty, duty)
        await duty.stop()
