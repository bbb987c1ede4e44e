"""`/v1/batches`: OpenAI's batches over the factory's own."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from core.errors import Conflict, NotFound
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import idempotency_key_of
from producer.api.jobs import json_response
from producer.api.openai.files import page_of
from producer.api.openai.generating import body_docs
from producer.api.openai.serving import JOINED_WITHIN_S, cache_word, is_retry, take_order
from producer.cancelling import stop_batch
from producer.composition import Services
from producer.openai.batches import BATCHES, present_openai_batch, read_batch_order
from producer.openai.errors import Refusal
from producer.openai.ids import batch_of, file_of
from producer.submit import Caller
from sql.files import find_sent_batch, read_file, read_openai_batch, select_openai_batches

EXAMPLE = {"input_file_id": "file-…", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
router = APIRouter(tags=["openai"])


@router.post("/v1/batches", openapi_extra=body_docs(BATCHES, EXAMPLE))
async def create_openai_batch(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """A batch of the lines of a file, `validating` first. A line whose body is wrong goes to the error file; when one
    is no line of this batch at all, nothing runs."""
    order = await take_order(request, services, BATCHES)
    asked, cache = read_batch_order(order.body), cache_word(request, services, caller)
    file = await _input_file(services, caller, asked.input_file_id)
    if is_retry(request):
        earlier = await find_sent_batch(
            services.database, caller.project_id, file["id"], asked.endpoint, asked.metadata, JOINED_WITHIN_S, None
        )
        if earlier is not None:
            return json_response(present_openai_batch(await _read(services, caller, earlier)))
    batch_id = await services.intake.read_file(caller, file, asked, cache, idempotency_key_of(request))
    return json_response(present_openai_batch(await _read(services, caller, batch_id)))


@router.get("/v1/batches")
async def list_openai_batches(
    services: ServicesOf,
    caller: CallerOf,
    after: Annotated[str | None, Query(description="the last id of the page before")] = None,
    limit: int = Query(20, ge=1, le=100),
) -> Response:
    """A page of the batches that were made here, the newest first."""
    before = batch_of(after) if after is not None else None
    rows = await select_openai_batches(services.database, caller.project_id, before, limit + 1)
    return json_response(page_of([present_openai_batch(row) for row in rows], limit))


@router.get("/v1/batches/{openai_batch_id}")
async def get_openai_batch(services: ServicesOf, caller: CallerOf, openai_batch_id: str) -> Response:
    """State, counts, and the files once it is over."""
    return json_response(present_openai_batch(await _read(services, caller, batch_of(openai_batch_id))))


@router.post("/v1/batches/{openai_batch_id}/cancel")
async def cancel_openai_batch(services: ServicesOf, caller: CallerOf, openai_batch_id: str) -> Response:
    """Stop what is not over; what is done stays in the output file. 409 when all of it is over."""
    batch_id = batch_of(openai_batch_id)
    row = await _read(services, caller, batch_id)
    if row["finished_at"] is not None and row["state"] != "cancelled":
        raise Conflict(f"Cannot cancel a batch with status '{present_openai_batch(row)['status']}'.")
    await stop_batch(services, caller, batch_id)
    return json_response(present_openai_batch(await _read(services, caller, batch_id)))


async def _read(services: Services, caller: Caller, batch_id: UUID) -> dict[str, Any]:
    row = await read_openai_batch(services.database, batch_id, caller.project_id)
    if row is None:
        raise NotFound
    return row


async def _input_file(services: Services, caller: Caller, named: str) -> dict[str, Any]:
    """Raises Refusal."""
    message = f"No file with purpose batch found with id '{named[:100]}'."
    try:
        row = await read_file(services.database, file_of(named), caller.project_id, None)
    except NotFound:
        row = None
    if row is None or row["storage_key"] is None:
        raise Refusal(message, "input_file_id", "file_not_found")
    return row
