"""The platform's side: sends each request when its time comes and waits for its end, whatever becomes of the API."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.replay.day import Planned
from tests.replay.world import World

GIVE_UP_S = 180.0
AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller saw. `status` of the last answer, 0 for none; `reconnected`: how often it had to ask again."""

    number: int
    status: int
    began_s: float
    took_s: float
    reconnected: int


async def replay(world: World, day: Sequence[Planned]) -> list[Asked]:
    """Every request at its time; seconds count from the first moment of the day."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    headers = {"x-api-key": world.key, "prefer": "wait=60"}
    async with httpx.AsyncClient(timeout=90, limits=limits, headers=headers) as http, asyncio.TaskGroup() as group:
        began = time.monotonic()
        tasks = []
        for planned in day:
            await asyncio.sleep(max(0.0, began + planned.at_s - time.monotonic()))
            tasks.append(group.create_task(_ask(world, http, planned, began)))
    return [task.result() for task in tasks]


async def _ask(world: World, http: httpx.AsyncClient, planned: Planned, began: float) -> Asked:
    """A repeat after a broken connection carries the same Idempotency-Key, so it joins the first."""
    body = {**planned.body, "metadata": {"replay": planned.number}}
    sent, status, reconnected = time.monotonic(), 0, 0
    place: str | None = None
    while time.monotonic() - sent < GIVE_UP_S:
        api = world.apis[(planned.number + reconnected) % len(world.apis)]
        try:
            answer = await _send(http, api.url, place, planned.number, body)
        except httpx.TransportError:
            reconnected += 1
            await asyncio.sleep(AGAIN_S)
            continue
        status = answer.status_code
        if status == 503:
            reconnected += 1
            await asyncio.sleep(AGAIN_S)
        elif status == 202 or (place and answer.json()["status"] not in ("completed", "failed", "expired")):
            place = place or answer.headers["location"]
        else:
            break
    return Asked(planned.number, status, sent - began, time.monotonic() - sent, reconnected)


async def _send(http: httpx.AsyncClient, url: str, place: str | None, number: int, body: dict[str, Any]) -> Any:
    if place is not None:
        return await http.get(f"{url}{place}", params={"wait": 60})
    return await http.post(f"{url}/v1/generate", json=body, headers={"idempotency-key": f"replay-{number}"})
