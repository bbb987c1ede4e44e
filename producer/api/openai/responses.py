"""`/v1/responses`, in the foreground and in the background."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from core.errors import Conflict, NotFound
from producer.api.access import CallerOf, ServicesOf
from producer.api.jobs import json_response
from producer.api.openai.generating import STREAMED, body_docs
from producer.api.openai.serving import headers_of, place_order, take_order, wait_for_completion
from producer.api.openai.streaming import event_stream, response_frames
from producer.cancelling import stop_job
from producer.composition import Services
from producer.openai.asking import flag
from producer.openai.errors import Refusal
from producer.openai.ids import job_of_response
from producer.openai.parameters import RESPONSES
from producer.openai.responses import conversation_of, present_response, read_response
from producer.reading import wait_for_row
from producer.submit import Caller

STOPPING_S = 10.0
_QUERY = {"stream", "starting_after", "include_obfuscation"}
router = APIRouter(tags=["openai"])


@router.post(
    "/v1/responses",
    responses=STREAMED,
    openapi_extra=body_docs(RESPONSES, {"model": "fast", "input": "Name three islands"}),
)
async def create_response(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """OpenAI's responses over the factory's jobs. `background` answers at once."""
    order = await take_order(request, services, RESPONSES)
    streamed, background = flag(order.body, "stream"), flag(order.body, "background")
    earlier = await _conversation(services, caller, order.body)
    accepted = await place_order(request, services, caller, order, read_response(order.body, earlier))
    echo = {
        "background": background,
        "previous_response_id": order.body.get("previous_response_id"),
        "store": True,
    }
    if streamed or background:
        row = await wait_for_row(services, caller, accepted.id, 0)
        if streamed:
            return event_stream(response_frames(services, caller, row, echo), accepted.id)
    else:
        row = await wait_for_completion(request, services, caller, accepted)
    return json_response(present_response(row) | echo, 200, headers_of(row))


@router.get("/v1/responses/{response_id}", responses=STREAMED)
async def get_response(request: Request, services: ServicesOf, caller: CallerOf, response_id: str) -> Response:
    """A text job as a response, however it was submitted; `stream=true` and `starting_after` take up its stream."""
    streamed, after = _read_query(request)
    row = await _response_row(services, caller, job_of_response(response_id))
    if streamed:
        return event_stream(response_frames(services, caller, row, {}, after), row["id"])
    return json_response(present_response(row), 200, headers_of(row))


@router.post("/v1/responses/{response_id}/cancel")
async def cancel_response(services: ServicesOf, caller: CallerOf, response_id: str) -> Response:
    """Stop it; what is over stays as it is."""
    job_id = job_of_response(response_id)
    await _response_row(services, caller, job_id)
    with suppress(Conflict):
        await stop_job(services, caller, job_id)
    row = await wait_for_row(services, caller, job_id, STOPPING_S)
    return json_response(present_response(row), 200, headers_of(row))


async def _response_row(services: Services, caller: Caller, job_id: UUID) -> dict[str, Any]:
    row = await wait_for_row(services, caller, job_id, 0)
    if row["kind"] != "text" or row["content_deleted_at"] is not None:
        raise NotFound
    return row


async def _conversation(services: Services, caller: Caller, body: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The turns behind `previous_response_id`. Raises Refusal where there are none yet."""
    named = body.get("previous_response_id")
    if named is None:
        return ()
    if not isinstance(named, str):
        raise Refusal("'previous_response_id' is a text.", "previous_response_id", "invalid_type")
    try:
        row = await _response_row(services, caller, job_of_response(named))
    except NotFound:
        message = f"Previous response with id '{named[:100]}' not found."
        raise Refusal(message, "previous_response_id", "previous_response_not_found") from None
    if row["state"] != "completed":
        raise Refusal(f"The previous response is {row['state']}, not completed.", "previous_response_id")
    return conversation_of(row)


def _read_query(request: Request) -> tuple[bool, int]:
    """Whether a stream is wanted, and behind which number. Raises Refusal."""
    query = request.query_params
    for name in query.keys() - _QUERY:
        message = f"Unsupported parameter: '{name[:100]}' is not supported here."
        raise Refusal(message, name[:100], "unsupported_parameter")
    if (stream := query.get("stream", "false")) not in ("true", "false"):
        raise Refusal("'stream' is true or false.", "stream")
    if re.fullmatch("[0-9]{1,9}", after := query.get("starting_after", "0")) is None:
        raise Refusal("'starting_after' is a number.", "starting_after")
    return stream == "true", int(after) if "starting_after" in query else -1
