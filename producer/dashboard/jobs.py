"""Jobs and batches of all projects, for the dashboard."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from core.errors import NotFound, Problem, RequestRefused
from core.presenting import present_batch, present_job
from core.request import Kind
from producer.api.access import ServicesOf
from producer.api.audio import serve_audio
from producer.api.bodies import id_of
from producer.api.listing import State
from producer.composition import Services
from producer.dashboard.assets import shown
from producer.dashboard.session import ViewerOf
from producer.reading import read_job_with_calls
from producer.submit import Caller
from sql.access import find_project, read_batch_owner, read_job_owner
from sql.batches import read_batch
from sql.dashboard import find_list_end, list_batch_nodes, list_batches, list_jobs
from sql.reading import read_job
from sql.usage import plan_report

PAGE = 50
LOOKS = 50_000
MOST_NODES = 300
router = APIRouter()
Before = Annotated[UUID | None, Query(description="`next` of the page before")]


async def _project_id(services: Services, name: str | None) -> UUID | None:
    if not name:
        return None
    found = await find_project(services.database, name)
    if found is None:
        raise RequestRefused.of([Problem(f"there is no project {name[:100]!r}", "project")])
    return found.id


async def _owner_of_job(services: Services, job_id: UUID) -> Caller:
    owner = await read_job_owner(services.database, job_id)
    if owner is None:
        raise NotFound("there is no job with this id")
    return Caller(owner.id, owner.name, frozenset())


@router.get("/jobs")
async def jobs(
    services: ServicesOf,
    _viewer: ViewerOf,
    project: str | None = None,
    state: Annotated[list[State] | None, Query()] = None,
    kind: Kind | None = None,
    batch: UUID | None = None,
    model: str | None = None,
    before: Before = None,
) -> Response:
    """A page of jobs, the newest first, without what they were asked and answered. One that is not full may have a
    `next` all the same: kind and model are looked for among so many jobs at a time."""
    owner = await _project_id(services, project)
    async with services.database.acquire() as connection, connection.transaction(readonly=True):
        await plan_report(connection)
        rows = await list_jobs(
            connection, before, owner, state, kind.value if kind else None, batch, model or None, PAGE + 1, LOOKS
        )
        end = None
        if len(rows) <= PAGE and (kind or model):
            end = await find_list_end(connection, before, owner, state, batch, LOOKS)
    return _page(rows, end)


def _page(rows: list[dict[str, Any]], end: UUID | None = None) -> Response:
    page = rows[:PAGE]
    return shown({"data": page, "next": page[-1]["id"] if len(rows) > PAGE else end})


@router.get("/jobs/{job_id}")
async def job(services: ServicesOf, _viewer: ViewerOf, job_id: str) -> Response:
    """A Job with its request, and what it comes after."""
    known = id_of(job_id)
    caller = await _owner_of_job(services, known)
    row, calls = await read_job_with_calls(services, caller, known)
    more = {"request": row["request"], "run_at": row["run_at"], "line": row["line"], "after": row["after"]}
    return shown(present_job(row, calls, caller.project) | more)


@router.get("/jobs/{job_id}/audio")
async def audio(request: Request, services: ServicesOf, _viewer: ViewerOf, job_id: str) -> Response:
    """The narration, with ranges."""
    known = id_of(job_id)
    caller = await _owner_of_job(services, known)
    return await serve_audio(request, services, await read_job(services.database, known, caller.project_id))


@router.get("/batches")
async def batches(
    services: ServicesOf,
    _viewer: ViewerOf,
    project: str | None = None,
    state: str | None = None,
    before: Before = None,
) -> Response:
    """A page of batches, the newest first."""
    owner = await _project_id(services, project)
    rows = await list_batches(services.database, before, owner, state or None, PAGE + 1)
    return _page([present_batch(row) | {"project": row["project"]} for row in rows])


@router.get("/batches/{batch_id}")
async def batch(services: ServicesOf, _viewer: ViewerOf, batch_id: str) -> Response:
    """A batch, and its first jobs with what each comes after."""
    known = id_of(batch_id)
    owner = await read_batch_owner(services.database, known)
    row = await read_batch(services.database, known, owner.id) if owner else None
    if owner is None or row is None:
        raise NotFound("there is no batch with this id")
    nodes = await list_batch_nodes(services.database, known, MOST_NODES)
    return shown(present_batch(row) | {"project": owner.name, "nodes": nodes})
