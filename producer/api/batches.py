"""`/v1/job-batches`: many jobs at once, as JSON or as one JSON object a line."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field, ValidationError

from core.errors import NotFound, Problem, RequestRefused
from core.jsonio import dump_json
from core.request import JobRequest, Shape
from core.request_checks import find_unstorable, problems_of, read_request
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import JSON_TYPES, MAX_WAIT_S, id_of, idempotency_of, read_body
from producer.api.jobs import json_response, load_jobs
from producer.cancelling import stop_batch
from producer.composition import Services
from producer.reading import wait_for_batch
from producer.submit import BatchOrder, Caller
from sql.reading import read_batch, select_batch_jobs

MAX_JOBS = 10_000
PAGE = 200
MaxCost = Annotated[Decimal | None, Query(ge=0)]
LINES_TYPES = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")
router = APIRouter(tags=["batches"])


class BatchBody(Shape):
    """A batch as one JSON object."""

    jobs: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_JOBS)]
    name: Annotated[str, Field(max_length=200)] | None = None
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    max_cost_usd: Annotated[Decimal, Field(ge=0, strict=False)] | None = None


RESULTS_DOCS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/jsonl": {}}}}
BATCH_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": BatchBody.model_json_schema(by_alias=False),
                "example": {"jobs": [{"model": "fast", "prompt": "One"}, {"model": "fast", "prompt": "Two"}]},
            },
            "application/jsonl": {"schema": {"type": "string"}},
        },
    }
}


def read_order(body: bytes, content_type: str, max_cost_usd: Decimal | None) -> BatchOrder:
    """`max_cost_usd` stands in the address of JSONL, which has no place for it.

    Raises RequestRefused with the line and field of everything that is wrong."""
    if content_type.split(";", maxsplit=1)[0].strip().lower() in LINES_TYPES:
        lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
        name, metadata = None, {}
        if not 1 <= len(lines) <= MAX_JOBS:
            raise RequestRefused.of([Problem(f"a batch has 1 to {MAX_JOBS} jobs, this one has {len(lines)}", "jobs")])
    else:
        try:
            shape = BatchBody.model_validate_json(body)
        except ValidationError as error:
            raise RequestRefused.of(problems_of(error, body)) from None
        named = {"name": shape.name, "metadata": shape.metadata}
        if unstorable := [Problem(message, field) for field, message in find_unstorable(named, body)]:
            raise RequestRefused.of(unstorable)
        lines = [(number, json.dumps(job).encode()) for number, job in enumerate(shape.jobs, start=1)]
        name, metadata = shape.name, shape.metadata
        max_cost_usd = shape.max_cost_usd if shape.max_cost_usd is not None else max_cost_usd
    requests: list[JobRequest] = []
    problems: list[Problem] = []
    for number, line in lines:
        match read_request(line, number):
            case JobRequest() as request:
                requests.append(request)
            case list() as faults:
                problems += faults
    if problems:
        raise RequestRefused.of(problems)
    return BatchOrder(requests, name, metadata, max_cost_usd)


@router.post("/v1/job-batches", status_code=202, openapi_extra=BATCH_DOCS)
async def create_batch(
    request: Request, services: ServicesOf, caller: CallerOf, max_cost_usd: MaxCost = None
) -> Response:
    """Submit all or none. JSON `{"jobs": [Request…], "name", "metadata", "max_cost_usd"}`, or JSONL with a Request a
    line and `?max_cost_usd=`: no call is begun that could take the batch beyond it."""
    body = await read_body(request, services.settings.max_body_mb, (*JSON_TYPES, *LINES_TYPES))
    order = read_order(body, request.headers.get("content-type", ""), max_cost_usd)
    batch_id = await services.submitter.submit_batch(caller, order, idempotency_of(request, body))
    batch = await wait_for_batch(services, caller, batch_id, 0, None)
    return json_response(batch, 202, {"Location": batch["urls"]["self"]})


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


@router.post("/v1/job-batches/{batch_id}/cancel")
async def cancel_batch(services: ServicesOf, caller: CallerOf, batch_id: str) -> Response:
    """Stop every job of the batch that is not over."""
    await stop_batch(services, caller, id_of(batch_id))
    return json_response(await wait_for_batch(services, caller, id_of(batch_id), 0, None))


@router.get("/v1/job-batches/{batch_id}/results", response_class=StreamingResponse, responses=RESULTS_DOCS)
async def batch_results(services: ServicesOf, caller: CallerOf, batch_id: str) -> Response:
    """Every Job of the batch as JSONL in the order of its lines, in whatever state it is."""
    await _refuse_unknown(services, caller, id_of(batch_id))
    return StreamingResponse(_lines(services, caller, id_of(batch_id)), media_type="application/jsonl")


async def _refuse_unknown(services: Services, caller: Caller, batch_id: UUID) -> None:
    if await read_batch(services.database, batch_id, caller.project_id) is None:
        raise NotFound


async def _lines(services: Services, caller: Caller, batch_id: UUID) -> AsyncIterator[bytes]:
    line = 0
    while rows := await select_batch_jobs(services.database, batch_id, caller.project_id, line, PAGE):
        line = rows[-1]["line"]
        for job in await load_jobs(services, caller, rows):
            yield dump_json(job) + b"\n"
