"""`/v1/jobs/{id}/feedback` and `/v1/experiments/{alias}`: what callers thought, and how variants compare."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field, ValidationError

from core.errors import Conflict, NotFound, Problem, RequestRefused
from core.experiments import compare_variants
from core.request import Shape
from core.request_checks import problems_of
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import id_of, read_body
from producer.api.jobs import json_response
from producer.api.usage import read_moment
from sql.experiments import put_feedback, select_experiment
from sql.reading import read_job

router = APIRouter(tags=["experiments"])


class Feedback(Shape):
    """`score` from 0, the worst, to 1, the best: thumbs are 0 and 1, stars n/5."""

    score: Annotated[Decimal, Field(ge=0, le=1, strict=False, allow_inf_nan=False)] | None = None
    label: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")] | None = None


@router.post(
    "/v1/jobs/{job_id}/feedback",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": Feedback.model_json_schema()}}}},
)
async def feedback(request: Request, services: ServicesOf, caller: CallerOf, job_id: str) -> Response:
    """What the caller thinks of a completed job's answer; given again, it replaces. 409 before there is an answer."""
    known, body = id_of(job_id), await read_body(request, 1)
    try:
        given = Feedback.model_validate_json(body)
    except ValidationError as error:
        raise RequestRefused.of(problems_of(error, body)) from None
    if given.score is None and given.label is None:
        raise RequestRefused.of([Problem("a score or a label is needed", "score")])
    job = await read_job(services.database, known, caller.project_id)
    if job is None:
        raise NotFound
    if job["state"] != "completed":
        raise Conflict(f"the job is {job['state']}: feedback is about an answer")
    kept = await put_feedback(services.database, caller.project_id, known, given.score, given.label)
    return json_response({"job_id": known, **kept})


@router.get("/v1/experiments/{alias}")
async def experiment(
    services: ServicesOf, caller: CallerOf, alias: str, since: str | None = None, until: str | None = None
) -> Response:
    """The project's jobs of a `weighted` alias by the variant that was drawn: cost, latency, failures, schema yield and
    feedback, each with its 95 % interval, and every variant against the one that was drawn most."""
    times = read_moment(since, "since"), read_moment(until, "until")
    jobs = await select_experiment(services.database, caller.project_id, alias, *times)
    return json_response({"alias": alias, "project": caller.project, **compare_variants(jobs)})
