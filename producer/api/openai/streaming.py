"""Streams of an answer that is there when its job is over; until then comments keep the connection open.

A client that goes away stops nothing: the job goes on, and a retry joins it. When this process ends, an error is the
last frame.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from fastapi.responses import StreamingResponse

from core.jsonio import dump_json
from core.presenting import TERMINAL
from producer.api.openai.serving import raise_if_failed, raise_if_moved
from producer.composition import Services
from producer.openai.chat import present_completion
from producer.openai.chunks import completion_chunks
from producer.openai.errors import error_of_failure, moved
from producer.openai.events import closing_events, opening_events
from producer.openai.responses import present_response
from producer.reading import wait_for_row
from producer.submit import Caller

HEARTBEAT_S = 10.0
_STILL_HERE = b": still here\n\n"


def event_stream(frames: AsyncIterator[bytes], job_id: UUID) -> StreamingResponse:
    return StreamingResponse(
        frames,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "x-factory-job-id": str(job_id)},
    )


async def begin_chat(services: Services, caller: Caller, job_id: UUID) -> dict[str, Any]:
    """The job's row once it is over or a heartbeat is due: what fails soon still has its status, what takes longer
    begins with 200. Raises Ended."""
    row = await wait_for_row(services, caller, job_id, HEARTBEAT_S)
    raise_if_moved(services, row)
    raise_if_failed(row)
    return row


async def chat_frames(
    services: Services, caller: Caller, row: Mapping[str, Any], *, usage: bool
) -> AsyncIterator[bytes]:
    """Of a job that has not failed yet; when it does, an error is the last frame."""
    while row["state"] not in TERMINAL:
        if services.closing.begun:
            yield _frame(moved(row["id"]).body())
            return
        yield _STILL_HERE
        row = await wait_for_row(services, caller, row["id"], HEARTBEAT_S)
    if row["state"] != "completed":
        yield _frame(error_of_failure(row["error"], row["state"]).body())
        return
    for chunk in completion_chunks(present_completion(row), usage=usage):
        yield _frame(chunk)
    yield b"data: [DONE]\n\n"


async def response_frames(
    services: Services, caller: Caller, row: Mapping[str, Any], echo: Mapping[str, Any], after: int = -1
) -> AsyncIterator[bytes]:
    """The events behind number `after`; a failed job is an event too. `echo`: what the response repeats of its
    request."""
    for event in opening_events({**present_response(row), **echo}):
        if event["sequence_number"] > after:
            yield _named_frame(event)
    while row["state"] not in TERMINAL:
        row = await wait_for_row(services, caller, row["id"], HEARTBEAT_S)
        if row["state"] not in TERMINAL:
            if services.closing.begun:
                yield _frame(moved(row["id"]).body())
                return
            yield _STILL_HERE
    for event in closing_events({**present_response(row), **echo}):
        if event["sequence_number"] > after:
            yield _named_frame(event)


def _frame(value: Mapping[str, Any]) -> bytes:
    return b"data: %s\n\n" % dump_json(value)


def _named_frame(event: Mapping[str, Any]) -> bytes:
    return b"event: %s\n%s" % (event["type"].encode(), _frame(event))
