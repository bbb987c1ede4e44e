"""Who calls: an API key in `x-api-key` or `Authorization: Bearer`, and the project that it belongs to.

Scopes of a project's key: `jobs` may do everything with the project's jobs, `read` may only look (GET and HEAD).
A key with scope `admin` belongs to no project and opens `/v1/admin` alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from core.clock import utc_now
from core.errors import Forbidden, LinkRefused, NotFound, Unauthenticated
from core.settings import read_secret
from core.signing import check_link
from producer.api.bodies import id_of
from producer.composition import Services
from producer.submit import Caller
from sql.access import (
    FoundKey,
    FoundProject,
    find_project,
    hash_key,
    read_batch_owner,
    read_job_owner,
    read_project,
    touch_api_key,
)
from sql.pool import Database

LOOKING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Operator:
    """Who administers; `name` is what the audit trail calls them: `key fk_AbCdEfGh`, or `local`."""

    name: str


async def services_of(request: Request) -> Services:
    """What the application was made with. (FastAPI calls what is not async in a thread.)"""
    services: Services = request.app.state.services
    return services


async def caller_of(request: Request) -> Caller:
    """Raises Unauthenticated, or Forbidden when `x-project-id` names another project."""
    services = await services_of(request)
    caller = await (
        _local_caller(request, services) if request.app.state.local_project else _key_caller(request, services)
    )
    named = request.headers.get("x-project-id")
    if named is not None and named not in (caller.project, str(caller.project_id)):
        raise Forbidden(f"x-project-id: this key belongs to project {caller.project!r}")
    return caller


async def _local_caller(request: Request, services: Services) -> Caller:
    project = await find_project(services.database, request.app.state.local_project)
    if project is None:
        raise Forbidden(
            f"there is no project {request.app.state.local_project!r}; make it with `factory project create`"
        )
    return Caller(project.id, project.name, frozenset({"jobs"}))


async def _key_caller(request: Request, services: Services) -> Caller:
    found = await _key_of(request, services)
    if found.project_id is None or found.project_name is None:
        raise Forbidden("This is an operator's key; jobs need a key of a project")
    if not found.project_active:
        raise Forbidden(f"project {found.project_name!r} is switched off")
    scopes = frozenset(found.scopes)
    if "jobs" not in scopes and not (request.method in LOOKING and "read" in scopes):
        raise Forbidden(f"{request.method} needs a key with scope jobs; this one has {', '.join(sorted(scopes))}")
    return Caller(found.project_id, found.project_name, scopes)


def key_sent(request: Request) -> str:
    """The API key as it was sent; empty without one."""
    bearer = request.headers.get("authorization", "")
    return request.headers.get("x-api-key") or (bearer[7:].strip() if bearer[:7].lower() == "bearer " else "")


async def _key_of(request: Request, services: Services) -> FoundKey:
    """The key in force that was sent. Postgres is asked every time, so that a revocation holds at once."""
    key = key_sent(request)
    if not key:
        raise Unauthenticated
    found = await services.looks.find_key(hash_key(key))
    if found is None:
        raise Unauthenticated("This API key is not known, was revoked or has expired")
    if found.seems_unused:
        await touch_api_key(services.database, found.id)
    return found


async def operator_of(request: Request) -> Operator:
    """Raises Unauthenticated, or Forbidden for a project's key. The local, in-process API is the operator's own."""
    if request.app.state.local_project:
        return Operator("local")
    found = await _key_of(request, await services_of(request))
    if found.project_id is not None or "admin" not in found.scopes:
        raise Forbidden("this needs an operator's key; make one with `factory key create --scope admin`")
    return Operator(f"key {found.prefix}")


async def _caller_by_link(
    request: Request, what: str, of: Callable[[Database, UUID], Awaitable[FoundProject | None]], named: str
) -> Caller:
    """A signed link stands in for a key; without a signature in the query, a key is asked for."""
    query = request.query_params
    if "signature" not in query:
        return await caller_of(request)
    services, subject = await services_of(request), id_of(named)
    secret = await asyncio.to_thread(read_secret, services.settings)
    if fault := check_link(secret, subject, what, query.get("expires", ""), query["signature"], utc_now()):
        raise LinkRefused(fault)
    project = await of(services.database, subject)
    if project is None or not project.active:
        raise NotFound
    return Caller(project.id, project.name, frozenset())


async def audio_caller(request: Request) -> Caller:
    """By key, or by a link to the job's audio."""
    return await _caller_by_link(request, "audio", read_job_owner, request.path_params["job_id"])


async def events_caller(request: Request) -> Caller:
    """By key, or by a link to the job's events."""
    return await _caller_by_link(request, "events", read_job_owner, request.path_params["job_id"])


async def batch_events_caller(request: Request) -> Caller:
    """By key, or by a link to the batch's events."""
    return await _caller_by_link(request, "batch-events", read_batch_owner, request.path_params["batch_id"])


async def project_events_caller(request: Request) -> Caller:
    """By key, or by a link to the events of the project that it names."""
    return await _caller_by_link(request, "project-events", read_project, request.query_params.get("project_id", ""))


CallerOf = Annotated[Caller, Depends(caller_of)]
OperatorOf = Annotated[Operator, Depends(operator_of)]
ServicesOf = Annotated[Services, Depends(services_of)]
AudioCallerOf = Annotated[Caller, Depends(audio_caller)]
EventsCallerOf = Annotated[Caller, Depends(events_caller)]
BatchEventsCallerOf = Annotated[Caller, Depends(batch_events_caller)]
ProjectEventsCallerOf = Annotated[Caller, Depends(project_events_caller)]
