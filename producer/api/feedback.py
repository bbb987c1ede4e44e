"""`/v1/jobs/{id}/feedback`: what the caller thinks of an answer."""

import re
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AfterValidator, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from core.errors import Conflict, NotFound, Problem, RequestRefused
from core.ids import new_id
from core.request import Shape
from core.request_checks import problems_of
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import JSON_TYPES, id_of, read_body
from producer.api.jobs import json_response
from sql.feedback import give_feedback

BODY_LIMIT_MB = 1
SCORE_DECIMALS = 6
router = APIRouter(tags=["jobs"])


def _printable(label: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", label):
        raise PydanticCustomError("unfit", "a label holds no control characters")
    return label


class FeedbackShape(Shape):
    """At least one of the two. Scores of all scales fit between 0 and 1: thumbs are 0 and 1, stars n/5."""

    score: Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)] = None
    label: (
        Annotated[
            str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(_printable)
        ]
        | None
    ) = None


FEEDBACK_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": FeedbackShape.model_json_schema(by_alias=False),
                "example": {"score": 1, "label": "funny"},
            }
        },
    }
}


@router.post("/v1/jobs/{job_id}/feedback", openapi_extra=FEEDBACK_DOCS)
async def feedback(request: Request, services: ServicesOf, caller: CallerOf, job_id: str) -> Response:
    """A score from 0 to 1, a label, or both, for the answer of a completed job; what was given before is replaced.
    409 while the job has no answer. `factory experiments` compares variants by it."""
    known = id_of(job_id)
    given = _read_feedback(await read_body(request, BODY_LIMIT_MB, JSON_TYPES))
    score = None if given.score is None else abs(round(Decimal(repr(given.score)), SCORE_DECIMALS))
    written = await give_feedback(services.database, new_id(), known, caller.project_id, score, given.label)
    if written is None:
        raise NotFound
    if written.id is None:
        raise Conflict(f"the job is {written.state}: feedback is for the answer of a job that is completed")
    return json_response(
        {
            "id": written.id,
            "object": "feedback",
            "job_id": known,
            "score": written.score,
            "label": written.label,
            "created_at": written.created_at,
        }
    )


def _read_feedback(body: bytes) -> FeedbackShape:
    try:
        given = FeedbackShape.model_validate_json(body)
    except ValidationError as error:
        raise RequestRefused.of(problems_of(error, body)) from None
    if given.score is None and given.label is None:
        raise RequestRefused.of([Problem("a score from 0 to 1 or a label is needed", "score")])
    return given
