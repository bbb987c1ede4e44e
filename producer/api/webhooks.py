"""`/v1/webhook-endpoints`, `…-deliveries`, `…-secret`: who hears of the ends of jobs and batches."""

from typing import Annotated, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from core.clock import utc_now
from core.errors import Forbidden, Problem, RequestRefused
from core.request import Shape
from core.request_checks import problems_of
from core.webhooks import EVENTS
from producer.api.access import CallerOf, ServicesOf
from producer.api.admin.tables import body_docs
from producer.api.bodies import JSON_TYPES, id_of, read_body
from producer.api.jobs import json_response
from producer.composition import Services
from producer.submit import Caller
from producer.webhooks import (
    add_endpoint,
    change_endpoint,
    deliver_again,
    end_old_secret,
    list_endpoints,
    present_delivery,
    project_secret,
    remove_endpoint,
    rotate_project_secret,
    rotate_secret,
    show_endpoint,
)
from sql.webhooks import select_deliveries

BODY_LIMIT_MB = 1
OLD_SECRET_S = 86_400
S = TypeVar("S", bound=Shape)
State = Literal["pending", "delivered", "failed"]
router = APIRouter(tags=["webhooks"])


def _known(events: list[str]) -> list[str]:
    if unknown := sorted(set(events) - set(EVENTS)):
        said = {"event": unknown[0][:100], "all": ", ".join(EVENTS)}
        raise PydanticCustomError("unfit", "{event} is no event; there are {all}", said)
    return sorted(set(events))


Url = Annotated[str, Field(min_length=1, max_length=2000)]
Events = Annotated[list[str], Field(min_length=1, max_length=20), AfterValidator(_known)]


class EndpointOrder(Shape):
    """A new endpoint. Without `include_content` bodies name the job, its cost and its fate, but no answer."""

    url: Url
    events: Events | None = None
    include_content: bool = False
    active: bool = True


class EndpointChanges(Shape):
    """What is left out stays."""

    url: Url | None = None
    events: Events | None = None
    include_content: bool | None = None
    active: bool | None = None


class RotationOrder(Shape):
    """How long the secret before goes on signing beside the new one: a day, a month at most."""

    old_expires_in_s: Annotated[int, Field(ge=0, le=30 * 86_400)] = OLD_SECRET_S


async def _read_shape(shape: type[S], request: Request) -> S:
    body = await read_body(request, BODY_LIMIT_MB, JSON_TYPES) or b"{}"
    try:
        given = shape.model_validate_json(body)
    except ValidationError as error:
        raise RequestRefused.of(problems_of(error, body)) from None
    if b"\\u0000" in body:
        raise RequestRefused.of([Problem("the text holds a NUL character")])
    return given


@router.post("/v1/webhook-endpoints", status_code=201, openapi_extra=body_docs(EndpointOrder))
async def create(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Make an endpoint; `secret` is in this answer and in no other."""
    order = await _read_shape(EndpointOrder, request)
    made = await add_endpoint(
        services, caller, order.url, order.events, include_content=order.include_content, active=order.active
    )
    return json_response(made, 201, {"Location": f"/v1/webhook-endpoints/{made['id']}"})


@router.get("/v1/webhook-endpoints")
async def list_all(services: ServicesOf, caller: CallerOf) -> Response:
    """The project's endpoints."""
    return json_response({"data": await list_endpoints(services, caller)})


@router.get("/v1/webhook-endpoints/{endpoint_id}")
async def show(services: ServicesOf, caller: CallerOf, endpoint_id: str) -> Response:
    """One endpoint; `disabled_reason` says why the factory switched it off."""
    return json_response(await show_endpoint(services, caller, id_of(endpoint_id)))


@router.patch("/v1/webhook-endpoints/{endpoint_id}", openapi_extra=body_docs(EndpointChanges))
async def change(request: Request, services: ServicesOf, caller: CallerOf, endpoint_id: str) -> Response:
    """Change what the body names. `active` true switches an endpoint on again."""
    given = await _read_shape(EndpointChanges, request)
    return json_response(await change_endpoint(services, caller, id_of(endpoint_id), given.model_dump()))


@router.delete("/v1/webhook-endpoints/{endpoint_id}", status_code=204)
async def remove(services: ServicesOf, caller: CallerOf, endpoint_id: str) -> Response:
    """Remove it with its deliveries."""
    await remove_endpoint(services, caller, id_of(endpoint_id))
    return Response(status_code=204)


@router.post("/v1/webhook-endpoints/{endpoint_id}/rotate-secret", openapi_extra=body_docs(RotationOrder))
async def rotate(request: Request, services: ServicesOf, caller: CallerOf, endpoint_id: str) -> Response:
    """A new secret, shown in this answer alone. The one before signs too, for `old_expires_in_s`."""
    order = await _read_shape(RotationOrder, request)
    return json_response(await rotate_secret(services, caller, id_of(endpoint_id), order.old_expires_in_s, utc_now()))


@router.delete("/v1/webhook-endpoints/{endpoint_id}/old-secret")
async def end_old(services: ServicesOf, caller: CallerOf, endpoint_id: str) -> Response:
    """The secret before the last rotation signs no more."""
    return json_response(await end_old_secret(services, caller, id_of(endpoint_id)))


@router.get("/v1/webhook-endpoints/{endpoint_id}/deliveries")
async def endpoint_deliveries(
    services: ServicesOf,
    caller: CallerOf,
    endpoint_id: str,
    state: State | None = None,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=500),
) -> Response:
    """A page of what was or will be delivered there, the newest first, each with its tries."""
    await show_endpoint(services, caller, id_of(endpoint_id))
    return await _page(services, caller, id_of(endpoint_id), None, state, cursor, limit)


@router.get("/v1/webhook-deliveries")
async def deliveries(
    services: ServicesOf,
    caller: CallerOf,
    job_id: str | None = None,
    state: State | None = None,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=500),
) -> Response:
    """Those of all endpoints, and those to the `webhook_url` of jobs."""
    return await _page(services, caller, None, id_of(job_id) if job_id else None, state, cursor, limit)


async def _page(
    services: Services,
    caller: Caller,
    endpoint_id: UUID | None,
    job_id: UUID | None,
    state: State | None,
    cursor: str | None,
    limit: int,
) -> Response:
    before = id_of(cursor) if cursor else None
    rows = await select_deliveries(services.database, caller.project_id, endpoint_id, job_id, state, before, limit)
    shown = [present_delivery(row) for row in rows]
    return json_response({"data": shown, "next_cursor": rows[-1]["id"] if len(rows) == limit else None})


@router.post("/v1/webhook-deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(services: ServicesOf, caller: CallerOf, delivery_id: str) -> Response:
    """Deliver it again, with the same `webhook-id`. 409 while that cannot be."""
    return json_response(await deliver_again(services, caller, id_of(delivery_id)), 202)


@router.get("/v1/webhook-secret")
async def secret(services: ServicesOf, caller: CallerOf) -> Response:
    """What deliveries to a request's own `webhook_url` are signed with."""
    if "jobs" not in caller.scopes:
        raise Forbidden("a secret is not shown to a key that may only look")
    return json_response(await project_secret(services, caller))


@router.post("/v1/webhook-secret/rotate", openapi_extra=body_docs(RotationOrder))
async def rotate_own(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """A new one; the one before signs too, for `old_expires_in_s`."""
    order = await _read_shape(RotationOrder, request)
    return json_response(await rotate_project_secret(services, caller, order.old_expires_in_s, utc_now()))
