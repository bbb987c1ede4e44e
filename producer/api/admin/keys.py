"""`/v1/admin/keys`: a key is shown once, when it is made."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from core.clock import utc_now
from core.errors import Problem, RequestRefused
from producer.admin.changing import changing, refusing
from producer.admin.shapes import KeyOrder, RotationOrder, read_shape
from producer.api.access import OperatorOf, ServicesOf
from producer.api.admin.tables import BODY_MB, body_docs
from producer.api.bodies import JSON_TYPES, read_body
from producer.api.jobs import json_response
from producer.keys import NewKey, end_key, find_key, make_key, project_id_of, rotate_key
from sql.access import select_api_keys
from sql.statements import Executor

router = APIRouter(prefix="/keys")


async def _shown_once(db: Executor, made: NewKey) -> dict[str, Any]:
    return {**await find_key(db, str(made.id)), "api_key": made.api_key}


def _check_end(order: KeyOrder | RotationOrder) -> None:
    if order.expires_at is not None and not utc_now() < order.expires_at < utc_now().replace(year=9000):
        raise RequestRefused.of([Problem("a time to come is needed", "expires_at")])


@router.get("")
async def list_keys(services: ServicesOf, _operator: OperatorOf) -> Response:
    """Every key by what it begins with, also revoked and expired ones."""
    return json_response({"data": await select_api_keys(services.database)})


@router.post("", status_code=201, openapi_extra=body_docs(KeyOrder))
async def create_key(request: Request, services: ServicesOf, operator: OperatorOf) -> Response:
    """Make a key; `api_key` is in this answer and nowhere else."""
    order = read_shape(KeyOrder, await read_body(request, BODY_MB, JSON_TYPES))
    _check_order(order)
    _check_end(order)
    async with changing(services.database, operator.name) as db:
        owner = await project_id_of(db, order.project) if order.project else None
        scopes: list[str] | None = sorted(set(order.scopes)) if order.scopes else None
        made = await make_key(db, project_id=owner, scopes=scopes, name=order.name, expires_at=order.expires_at)
        shown = await _shown_once(db, made)
    return json_response(shown, 201, {"Location": f"/v1/admin/keys/{made.id}"})


@router.get("/{key}")
async def read_key(services: ServicesOf, _operator: OperatorOf, key: str) -> Response:
    """By id or prefix."""
    async with refusing():
        return json_response(await find_key(services.database, key))


@router.delete("/{key}")
async def revoke_key(services: ServicesOf, operator: OperatorOf, key: str) -> Response:
    """Revoke, by id or prefix: the very next request with it is refused."""
    async with changing(services.database, operator.name) as db:
        return json_response(await end_key(db, key))


@router.post("/{key}/rotate", status_code=201, openapi_extra=body_docs(RotationOrder))
async def rotate(request: Request, services: ServicesOf, operator: OperatorOf, key: str) -> Response:
    """A second key of the same project and scopes. Both are in force; with `old_expires_in_s` the old one ends then."""
    order = read_shape(RotationOrder, await read_body(request, BODY_MB, JSON_TYPES) or b"{}")
    _check_end(order)
    async with changing(services.database, operator.name) as db:
        made = await rotate_key(
            db,
            key,
            utc_now(),
            old_expires_in_s=order.old_expires_in_s,
            name=order.name,
            expires_at=order.expires_at,
        )
        shown = await _shown_once(db, made)
        shown["replaces"] = await find_key(db, key)
    return json_response(shown, 201, {"Location": f"/v1/admin/keys/{made.id}"})


def _check_order(order: KeyOrder) -> None:
    admin = "admin" in (order.scopes or ())
    if admin and len(set(order.scopes or ())) > 1:
        raise RequestRefused.of([Problem("admin goes alone: an operator's key has no project's scopes", "scopes")])
    if admin and order.project is not None:
        raise RequestRefused.of([Problem("an operator's key, with scope admin, belongs to no project", "project")])
    if not admin and order.project is None:
        raise RequestRefused.of([Problem("a project is needed, or scopes [admin] for an operator's key", "project")])
