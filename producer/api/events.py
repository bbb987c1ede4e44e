"""Server-sent events, derived from Postgres; Redis only wakes those who listen."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from fastapi import Request

from core.errors import Problem, RequestRefused
from core.jsonio import dump_json
from core.presenting import TERMINAL, derive_events, present_batch
from producer.composition import Services
from producer.reading import read_job_with_calls
from producer.submit import Caller
from sql.batches import read_batch

HEARTBEAT_S = 15.0
LOOK_AGAIN_S = 1.0
BATCH_PAUSE_S = 0.5


def last_seen(request: Request) -> int:
    """The number after which to go on: `Last-Event-ID`, 0 without."""
    text = request.headers.get("last-event-id", "0")
    if not text.isdecimal():
        raise RequestRefused.of([Problem("a number is needed", "Last-Event-ID")])
    return int(text)


def _frame(event: dict[str, Any]) -> bytes:
    return b"event: %s\nid: %d\ndata: %s\n\n" % (event["type"].encode(), event["sequence"], dump_json(event))


async def stream_job_events(services: Services, caller: Caller, job_id: UUID, seen: int) -> AsyncIterator[bytes]:
    """Frames of every event after `seen`, with heartbeats, until the job is over."""
    quiet_s = 0.0
    yield b"retry: 1000\n\n"
    with services.wakeups.waiting_for(job_id) as changed:
        while True:
            changed.clear()
            row, calls = await read_job_with_calls(services, caller, job_id)
            for event in derive_events(row, calls, caller.project):
                if event["sequence"] > seen:
                    seen, quiet_s = event["sequence"], 0.0
                    yield _frame(event)
            if row["state"] in TERMINAL:
                return
            quiet_s += await _pause(changed, LOOK_AGAIN_S)
            if quiet_s >= HEARTBEAT_S:
                quiet_s = 0.0
                yield b": still here\n\n"


async def stream_batch_events(services: Services, caller: Caller, batch_id: UUID, seen: int) -> AsyncIterator[bytes]:
    """`batch.progress` with the counts, at most twice a second, then `batch.completed`."""
    quiet_s = 0.0
    yield b"retry: 1000\n\n"
    with services.wakeups.waiting_for(batch_id) as changed:
        while True:
            changed.clear()
            row = await read_batch(services.database, batch_id, caller.project_id)
            if row is None:
                return
            batch = present_batch(row)
            over = batch["finished_at"] is not None
            if batch["sequence"] > seen or over:
                seen, quiet_s = batch["sequence"], 0.0
                at = row["finished_at"] or row["created_at"]
                kind = "batch.completed" if over else "batch.progress"
                yield _frame({"type": kind, "batch_id": batch_id, "sequence": seen, "at": at, "data": batch})
            if over:
                return
            quiet_s += await _pause(changed, LOOK_AGAIN_S) + BATCH_PAUSE_S
            await asyncio.sleep(BATCH_PAUSE_S)
            if quiet_s >= HEARTBEAT_S:
                quiet_s = 0.0
                yield b": still here\n\n"


async def _pause(changed: asyncio.Event, seconds: float) -> float:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return seconds
    return 0.0
