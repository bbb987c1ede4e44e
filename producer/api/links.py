"""Signed links, for `<audio>` and `EventSource` in a browser, which cannot send a key."""

import asyncio
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field, ValidationError

from core.clock import utc_now
from core.errors import NotFound, RequestRefused
from core.presenting import job_url
from core.request import Shape
from core.request_checks import problems_of
from core.settings import read_secret
from core.signing import sign_link
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import JSON_TYPES, id_of, read_body
from producer.api.jobs import json_response
from producer.composition import Services
from sql.batches import read_batch
from sql.reading import read_job

router = APIRouter()


class EventsLinkOrder(Shape):
    """Opened until `expires_in_s` from now."""

    expires_in_s: int = Field(default=3600, ge=1, le=7 * 86_400)


class LinkOrder(EventsLinkOrder):
    """`what` is opened until `expires_in_s` from now."""

    what: str = Field(default="audio", pattern="^(audio|events)$")


Order = TypeVar("Order", bound=EventsLinkOrder)


def _docs(order: type[EventsLinkOrder], **example: Any) -> dict[str, Any]:
    shape = {"schema": order.model_json_schema(by_alias=False), "example": {**example, "expires_in_s": 600}}
    return {"requestBody": {"content": {"application/json": shape}}}


@router.post("/v1/jobs/{job_id}/links", tags=["jobs"], status_code=201, openapi_extra=_docs(LinkOrder, what="audio"))
async def link_job(request: Request, services: ServicesOf, caller: CallerOf, job_id: str) -> Response:
    """A link that needs no key, to a job's audio or events."""
    order, known = await _read_order(request, LinkOrder), id_of(job_id)
    if await read_job(services.database, known, caller.project_id) is None:
        raise NotFound
    return await _link(services, f"{job_url(known)}/{order.what}?", known, order.what, order)


@router.post(
    "/v1/job-batches/{batch_id}/links", tags=["batches"], status_code=201, openapi_extra=_docs(EventsLinkOrder)
)
async def link_batch(request: Request, services: ServicesOf, caller: CallerOf, batch_id: str) -> Response:
    """A link that needs no key, to a batch's events."""
    order, known = await _read_order(request, EventsLinkOrder), id_of(batch_id)
    if await read_batch(services.database, known, caller.project_id) is None:
        raise NotFound
    return await _link(services, f"/v1/job-batches/{known}/events?", known, "batch-events", order)


@router.post("/v1/events/links", tags=["events"], status_code=201, openapi_extra=_docs(EventsLinkOrder))
async def link_project(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """A link that needs no key, to the events of all jobs of the project."""
    order, project = await _read_order(request, EventsLinkOrder), caller.project_id
    return await _link(services, f"/v1/events?project_id={project}&", project, "project-events", order)


async def _read_order(request: Request, shape: type[Order]) -> Order:
    body = await read_body(request, 1, JSON_TYPES) or b"{}"
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise RequestRefused.of(problems_of(error, body)) from None


async def _link(services: Services, place: str, subject: UUID, what: str, order: EventsLinkOrder) -> Response:
    expires_at = utc_now() + timedelta(seconds=order.expires_in_s)
    secret = await asyncio.to_thread(read_secret, services.settings)
    return json_response({"url": place + sign_link(secret, subject, what, expires_at), "expires_at": expires_at}, 201)
