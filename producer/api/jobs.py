"""`/v1/generate` and `/v1/jobs`."""

from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from core.errors import Conflict, ContentDeleted, NotFound, RequestRefused
from core.jsonio import dump_json
from core.presenting import TERMINAL, job_url, present_job, present_result
from core.request import JobRequest
from core.request_checks import read_request
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import JSON_TYPES, MAX_WAIT_S, id_of, idempotency_of, preferred_wait_s, read_body
from producer.api.problems import problem_of_failure
from producer.cancelling import stop_job
from producer.composition import Services
from producer.deleting import delete_job
from producer.reading import load_job, wait_for_answer, wait_for_job
from producer.submit import Accepted, Caller
from sql.calls import select_calls
from sql.reading import has_deleted, read_job

GENERATE_WAIT_S = 120.0
REQUEST_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": JobRequest.model_json_schema(by_alias=False),
                "example": {"model": "fast", "prompt": "Generate a story chapter"},
            }
        },
    }
}
router = APIRouter(tags=["jobs"])


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dump_json(value), status, headers, media_type="application/json")


async def _accept(request: Request, services: Services, caller: Caller) -> Accepted:
    body = await read_body(request, services.settings.max_body_mb, JSON_TYPES)
    parsed = read_request(body)
    if isinstance(parsed, list):
        raise RequestRefused.of(parsed)
    return await services.submitter.accept(caller, parsed, idempotency_of(request, body))


def refuse_deleted(made: dict[str, Any]) -> None:
    """A Job or Batch that an earlier submit of the same Idempotency-Key made. Raises ContentDeleted."""
    if made["content_deleted_at"] is not None:
        raise ContentDeleted(
            f"the content of {made['id']}, which this Idempotency-Key made, is deleted; another key has it done again"
        )


@router.post("/v1/generate", openapi_extra=REQUEST_DOCS)
async def generate(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Submit and wait: 200 with the Result, or 202 with the Job when the wait (`Prefer: wait=N`) runs out."""
    accepted = await _accept(request, services, caller)
    row = await wait_for_answer(services, caller, accepted, preferred_wait_s(request, GENERATE_WAIT_S))
    refuse_deleted(row)
    headers = {"Location": job_url(accepted.id)}
    if row["state"] == "completed":
        return json_response(present_result(row), 200, headers)
    job = await load_job(services, caller, accepted.id)
    return problem_of_failure(job) if job["status"] in TERMINAL else json_response(job, 202, headers)


@router.post("/v1/jobs", status_code=202, openapi_extra=REQUEST_DOCS)
async def create_job(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Submit: 202 with the Job. `Prefer: wait=N` waits for its end first."""
    job_id = (await _accept(request, services, caller)).id
    job = await wait_for_job(services, caller, job_id, preferred_wait_s(request, 0))
    refuse_deleted(job)
    return json_response(job, 202, {"Location": job_url(job_id)})


@router.get("/v1/jobs/{job_id}")
async def get_job(
    services: ServicesOf, caller: CallerOf, job_id: str, wait: float = Query(0, ge=0, le=MAX_WAIT_S)
) -> Response:
    """The Job; `wait=N` answers when it is over, or after N seconds."""
    return json_response(await wait_for_job(services, caller, id_of(job_id), wait))


@router.delete("/v1/jobs/{job_id}", status_code=204)
async def delete(services: ServicesOf, caller: CallerOf, job_id: str) -> Response:
    """Delete what it was asked and what it answered, for good, recordings too. 409 while it is not over. Its state, its
    times and what it cost stay."""
    await delete_job(services, caller, id_of(job_id))
    return Response(status_code=204)


@router.post("/v1/jobs/{job_id}/cancel")
async def cancel(services: ServicesOf, caller: CallerOf, job_id: str) -> Response:
    """Stop a job: `cancelled` at once, or `cancelling` while its call is being aborted. 409 when it is over."""
    await stop_job(services, caller, id_of(job_id))
    return json_response(await load_job(services, caller, id_of(job_id)))


@router.post("/v1/jobs/{job_id}/retry", status_code=202)
async def retry(services: ServicesOf, caller: CallerOf, job_id: str) -> Response:
    """A new job that asks the same as this one, which must be over; also after a dead letter (`worker_lost`).
    410 when what it was asked, or an answer that it came after, is deleted."""
    earlier = await read_job(services.database, id_of(job_id), caller.project_id)
    if earlier is None:
        raise NotFound
    if earlier["state"] not in TERMINAL:
        raise Conflict(f"the job is {earlier['state']}: only a job that is over can be tried again")
    if earlier["content_deleted_at"] is not None:
        raise ContentDeleted("what this job was asked is deleted: there is nothing to try again")
    if await has_deleted(services.database, earlier["after"]):
        raise ContentDeleted("an answer that this job came after is deleted: there is nothing for it to build on")
    made = await services.submitter.retry(caller, earlier)
    return json_response(await load_job(services, caller, made), 202, {"Location": job_url(made)})


async def load_jobs(services: Services, caller: Caller, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of jobs with their calls, in one more statement."""
    calls: dict[Any, list[dict[str, Any]]] = {}
    for call in await select_calls(services.database, [row["id"] for row in rows]):
        calls.setdefault(call["job_id"], []).append(call)
    return [present_job(row, calls.get(row["id"], []), caller.project) for row in rows]
