"""GET, POST, PATCH and DELETE for the tables that are edited row by row."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from core.jsonio import dump_json, load_json
from core.request import Shape
from producer.admin.tables import Table, Values, change_row, create_row, list_rows, read_row, remove_row
from producer.api.access import OperatorOf, ServicesOf
from producer.api.bodies import JSON_TYPES, read_body
from producer.api.jobs import json_response

BODY_MB = 1


def body_docs(shape: type[Shape]) -> dict[str, Any]:
    """A request body, for the OpenAPI document."""
    schema = shape.model_json_schema(by_alias=False)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _parameters(names: list[str], place: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}} for name in names]


def _path_of(table: Table) -> str:
    """A model's id or a voice may hold slashes."""
    loose = {"model_id", "voice"}
    return f"/{table.path}/" + "/".join(f"{{{key}:path}}" if key in loose else f"{{{key}}}" for key in table.keys)


def _location(table: Table, row: dict[str, Any]) -> str:
    """Values as JSON writes them, so that a time in a path is the one in the document."""
    shown = load_json(dump_json({key: row[key] for key in table.keys}))
    return f"/v1/admin/{table.path}/" + "/".join(quote(shown[key], safe="") for key in table.keys)


def _key(request: Request, table: Table) -> Values:
    return {name: request.path_params[name] for name in table.keys}


def add_table(router: APIRouter, table: Table) -> None:
    """Its routes."""
    place = _path_of(table)
    keyed = {"parameters": _parameters(list(table.keys), "path")}

    async def list_all(request: Request, services: ServicesOf, _operator: OperatorOf) -> Response:
        return json_response({"data": await list_rows(services.database, table, dict(request.query_params))})

    async def read(request: Request, services: ServicesOf, _operator: OperatorOf) -> Response:
        return json_response(await read_row(services.database, table, _key(request, table)))

    async def create(request: Request, services: ServicesOf, operator: OperatorOf) -> Response:
        row = await create_row(services.database, table, await read_body(request, BODY_MB, JSON_TYPES), operator.name)
        return json_response(row, 201, {"Location": _location(table, row)})

    async def change(request: Request, services: ServicesOf, operator: OperatorOf) -> Response:
        body = await read_body(request, BODY_MB, JSON_TYPES)
        return json_response(await change_row(services.database, table, _key(request, table), body, operator.name))

    async def remove(request: Request, services: ServicesOf, operator: OperatorOf) -> Response:
        key = _key(request, table)
        if table.remove is None:
            off = dump_json({"active": False})
            return json_response(await change_row(services.database, table, key, off, operator.name))
        await remove_row(services.database, table, key, operator.name)
        return Response(status_code=204)

    end = "Switch off; jobs keep their history" if table.remove is None else "Delete"
    for method, path, endpoint, status, summary, extra in (
        ("GET", f"/{table.path}", list_all, 200, "List", {"parameters": _parameters(list(table.filters), "query")}),
        ("POST", f"/{table.path}", create, 201, "Create", body_docs(table.shape)),
        ("GET", place, read, 200, "Read", keyed),
        ("PATCH", place, change, 200, "Change what the body names in", keyed | body_docs(table.changes)),
        ("DELETE", place, remove, 200 if table.remove is None else 204, end, keyed),
    ):
        router.add_api_route(
            path, endpoint, methods=[method], status_code=status, openapi_extra=extra,
            name=f"{method.lower()}_{table.path}",
            summary=f"{summary} {table.path if endpoint is list_all else table.one}",
        )  # fmt: skip
