"""`/v1/job-batches`: many jobs at once, as JSON or as one JSON object a line."""

import hashlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime

from core.errors import Conflict, NotFound
from core.jsonio import dump_json
from core.presenting import present_batch, present_batch_result
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import JSON_TYPES, MAX_WAIT_S, id_of, idempotency_key_of, read_body, stream_body
from producer.api.jobs import json_response, load_jobs, refuse_deleted
from producer.cancelling import stop_batch
from producer.composition import Services
from producer.deleting import delete_batch
from producer.intake.lines import LineCutter
from producer.intake.order import LINES_TYPES, BatchBody, BatchHeader, OnError, is_lines, read_json
from producer.reading import wait_for_batch
from producer.submit import Caller
from sql.batches import read_batch, read_last_line, select_batch_errors, select_batch_results, select_batches
from sql.reading import select_batch_jobs

PAGE = 200
MaxCost = Annotated[Decimal | None, Query(ge=0)]
Over = Literal["completed", "failed", "cancelled", "expired"]
State = Literal["validating", "in_progress", "completed", "failed", "cancelled"]
JSONL = "application/jsonl"
BATCH_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": BatchBody.model_json_schema(by_alias=False),
                "example": {"jobs": [{"model": "fast", "prompt": "One"}, {"model": "fast", "prompt": "Two"}]},
            },
            JSONL: {"schema": {"type": "string"}},
        },
    }
}
RESULTS_DOCS: dict[int | str, dict[str, Any]] = {200: {"content": {JSONL: {}}}}
router = APIRouter(tags=["batches"])


@router.post("/v1/job-batches", status_code=202, openapi_extra=BATCH_DOCS)
async def create_batch(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    max_cost_usd: MaxCost = None,
    on_error: OnError = "reject",
    name: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Many jobs at once. JSON `{"jobs": [Request…], "name", "metadata", "max_cost_usd", "on_error"}`, or JSONL with a
    Request a line and the rest in the address. `max_cost_usd`: no call is begun that could take the batch beyond it.
    `on_error`: with `reject` a wrong line refuses them all, with `skip` the others run. More lines than a thousand are
    `validating` first."""
    key = idempotency_key_of(request)
    place = request.url.path.encode() + b"\n"
    header = BatchHeader(name, None, max_cost_usd, on_error)
    if is_lines(request.headers.get("content-type", "")):
        cutter = LineCutter(services.settings.max_body_mb, place)
        batch_id = await services.intake.receive(caller, header, stream_body(request), cutter, key)
    else:
        body = await read_body(request, services.settings.max_body_mb, (*JSON_TYPES, *LINES_TYPES))
        header, lines = read_json(body, header)
        digest = hashlib.sha256(place + body).digest()
        batch_id = await services.intake.create(caller, header, lines, key, digest)
    batch = await wait_for_batch(services, caller, batch_id, 0, None)
    refuse_deleted(batch)
    return json_response(batch, 202, {"Location": batch["urls"]["self"]})


@router.get("/v1/job-batches")
async def list_batches(
    services: ServicesOf,
    caller: CallerOf,
    status: State | None = None,
    created_since: AwareDatetime | None = None,
    created_until: AwareDatetime | None = None,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=500),
) -> Response:
    """A page of batches, the newest first; `next_cursor` leads to the older ones."""
    before = id_of(cursor) if cursor else None
    rows = await select_batches(
        services.database, caller.project_id, before, status, created_since, created_until, limit
    )
    next_cursor = rows[-1]["id"] if len(rows) == limit else None
    return json_response({"data": [present_batch(row) for row in rows], "next_cursor": next_cursor})


@router.get("/v1/job-batches/{batch_id}")
async def get_batch(
    services: ServicesOf,
    caller: CallerOf,
    batch_id: str,
    wait: float = Query(0, ge=0, le=MAX_WAIT_S),
    seen: int | None = None,
) -> Response:
    """The batch with its counts; `wait=N` answers when it is over, with `seen=SEQUENCE` at the next change."""
    return json_response(await wait_for_batch(services, caller, id_of(batch_id), wait, seen))


@router.delete("/v1/job-batches/{batch_id}", status_code=204)
async def delete(services: ServicesOf, caller: CallerOf, batch_id: str) -> Response:
    """Delete for good what all its jobs were asked and answered, recordings too, its name and metadata. 409 while it is
    not over. Counts, times and costs stay. Can be repeated where it broke off."""
    await delete_batch(services, caller, id_of(batch_id))
    return Response(status_code=204)


@router.post("/v1/job-batches/{batch_id}/cancel")
async def cancel_batch(services: ServicesOf, caller: CallerOf, batch_id: str) -> Response:
    """Stop every job of the batch that is not over."""
    await stop_batch(services, caller, id_of(batch_id))
    return json_response(await wait_for_batch(services, caller, id_of(batch_id), 0, None))


@router.post("/v1/job-batches/{batch_id}/retry-failed", status_code=202)
async def retry_failed(request: Request, services: ServicesOf, caller: CallerOf, batch_id: str) -> Response:
    """A new batch with `retry_of`, of all jobs that did not complete. 409 while this one is not over, or when all of
    them did."""
    earlier = await read_batch(services.database, id_of(batch_id), caller.project_id)
    if earlier is None:
        raise NotFound
    if earlier["finished_at"] is None:
        raise Conflict(f"the batch is {earlier['state']}: only what is over can be tried again")
    if not earlier["failed"] + earlier["cancelled"] + earlier["expired"]:
        raise Conflict("no job of the batch is left to be tried again")
    made = await services.intake.retry(caller, earlier, idempotency_key_of(request))
    batch = await wait_for_batch(services, caller, made, 0, None)
    return json_response(batch, 202, {"Location": batch["urls"]["self"]})


@router.get("/v1/job-batches/{batch_id}/errors")
async def batch_errors(
    services: ServicesOf,
    caller: CallerOf,
    batch_id: str,
    cursor: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
    limit: int = Query(100, ge=1, le=1000),
) -> Response:
    """What was wrong with lines, in their order: `{"line", "key", "problems": [{"field", "message"}]}`."""
    await _refuse_unknown(services, caller, id_of(batch_id))
    rows = await select_batch_errors(services.database, id_of(batch_id), cursor, limit)
    return json_response({"data": rows, "next_cursor": rows[-1]["line"] if len(rows) == limit else None})


@router.get("/v1/job-batches/{batch_id}/results", response_class=StreamingResponse, responses=RESULTS_DOCS)
async def batch_results(
    services: ServicesOf, caller: CallerOf, batch_id: str, status: Over | None = None, jobs: bool = False
) -> Response:
    """A line for every job that is over, in the order of the batch: `{"line", "key", "job_id", "status", "result",
    "error", "cost"}`. With `jobs=true` whole Jobs with their calls, in whatever state they are."""
    known = id_of(batch_id)
    await _refuse_unknown(services, caller, known)
    lines = _jobs(services, caller, known) if jobs else _results(services, known, status)
    return StreamingResponse(lines, media_type=JSONL)


async def _refuse_unknown(services: Services, caller: Caller, batch_id: UUID) -> None:
    if await read_batch(services.database, batch_id, caller.project_id) is None:
        raise NotFound


async def _results(services: Services, batch_id: UUID, status: str | None) -> AsyncIterator[bytes]:
    for line in range(0, await read_last_line(services.database, batch_id), PAGE):
        if rows := await select_batch_results(services.database, batch_id, line, line + PAGE, status):
            yield b"".join(dump_json(present_batch_result(row)) + b"\n" for row in rows)


async def _jobs(services: Services, caller: Caller, batch_id: UUID) -> AsyncIterator[bytes]:
    for line in range(0, await read_last_line(services.database, batch_id), PAGE):
        rows = await select_batch_jobs(services.database, batch_id, caller.project_id, line, line + PAGE)
        for job in await load_jobs(services, caller, rows):
            yield dump_json(job) + b"\n"
