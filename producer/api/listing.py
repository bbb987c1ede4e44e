"""`GET /v1/jobs`: pages of jobs, narrowed."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from core.cursors import seal, unseal
from core.errors import Problem, RequestRefused
from core.jsonio import load_json
from core.presenting import present_job
from core.request import Kind
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import id_of
from producer.api.jobs import json_response
from producer.api.usage import read_moment
from producer.submit import Caller
from sql.reading import select_jobs

State = Literal["waiting", "queued", "in_progress", "cancelling", "completed", "failed", "cancelled", "expired"]
router = APIRouter(tags=["jobs"])


@router.get("/v1/jobs")
async def list_jobs(
    services: ServicesOf,
    caller: CallerOf,
    status: State | None = None,
    kind: Kind | None = None,
    batch_id: str | None = None,
    key: Annotated[str | None, Query(description="the key that the job has in its batch")] = None,
    model: Annotated[str | None, Query(description="as asked for")] = None,
    since: Annotated[str | None, Query(description="made then or later, RFC 3339")] = None,
    until: Annotated[str | None, Query(description="made before then, RFC 3339")] = None,
    metadata: Annotated[str | None, Query(description="a JSON object that the job's metadata contains")] = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    limit: int = Query(50, ge=1, le=500),
) -> Response:
    """A page of jobs, the newest first, without their answers; `next_cursor` leads to the older ones."""
    rows = await select_jobs(
        services.database,
        caller.project_id,
        _place_of(cursor, caller),
        status,
        kind.value if kind else None,
        id_of(batch_id) if batch_id is not None else None,
        key,
        model,
        read_moment(since, "since"),
        read_moment(until, "until"),
        _contained(metadata),
        limit,
    )
    jobs = [present_job(row, [], caller.project, content=False) for row in rows]
    following = seal("jobs", caller.project_id, rows[-1]["id"].bytes) if len(rows) == limit else None
    return json_response({"data": jobs, "next_cursor": following})


def _place_of(cursor: str | None, caller: Caller) -> UUID | None:
    if cursor is None:
        return None
    said = unseal("jobs", caller.project_id, cursor)
    if said is None or len(said) != len(UUID(int=0).bytes):
        raise RequestRefused.of([Problem("this is no next_cursor of a page of this project's jobs", "cursor")])
    return UUID(bytes=said)


def _contained(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = load_json(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "\\u0000" in text:
        raise RequestRefused.of([Problem('a JSON object is needed, such as {"chapter": 3}', "metadata")])
    return found
