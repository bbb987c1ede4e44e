"""`/v1/admin/aliases`: an alias with its targets is one document."""

import re
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from core.errors import Problem, RequestRefused
from producer.admin.aliases import delete_alias, read_alias, read_aliases, replace_alias
from producer.admin.shapes import AliasDocument
from producer.api.access import OperatorOf, ServicesOf
from producer.api.admin.tables import BODY_MB, body_docs
from producer.api.bodies import JSON_TYPES, read_body
from producer.api.jobs import json_response

router = APIRouter(prefix="/aliases")


def _revision_of(request: Request) -> int | None:
    """`If-Match: "7"`; None without, and for `*`."""
    text = request.headers.get("if-match", "*").strip()
    match = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', text)
    if match is None and text != "*":
        raise RequestRefused.of([Problem('a revision such as "7" is needed', "If-Match")])
    return int(match[1]) if match else None


def _answer(alias: dict[str, Any], status: int = 200) -> Response:
    return json_response(alias, status, {"ETag": f'"{alias["revision"]}"'})


@router.get("")
async def list_aliases(
    services: ServicesOf, _operator: OperatorOf, alias: str | None = None, project: str | None = None
) -> Response:
    """What all share and what projects have of their own; with `project` that project's own alone."""
    return json_response({"data": await read_aliases(services.database, alias, project)})


@router.get("/{alias}")
async def read(services: ServicesOf, _operator: OperatorOf, alias: str, project: str | None = None) -> Response:
    """What all share under this name; with `project` that project's own meaning."""
    return _answer(await read_alias(services.database, alias, project))


@router.put("/{alias}", openapi_extra=body_docs(AliasDocument))
async def replace(
    request: Request, services: ServicesOf, operator: OperatorOf, alias: str, project: str | None = None
) -> Response:
    """Replace it whole, or make it: 201. With `If-Match` or `revision`, 409 when somebody else was faster."""
    body, revision = await read_body(request, BODY_MB, JSON_TYPES), _revision_of(request)
    made, new = await replace_alias(services.database, alias, project, body, revision, operator.name)
    return _answer(made, 201 if new else 200)


@router.delete("/{alias}", status_code=204)
async def delete(
    request: Request, services: ServicesOf, operator: OperatorOf, alias: str, project: str | None = None
) -> Response:
    """Delete it with its targets; a project without a meaning of its own has the shared one again."""
    await delete_alias(services.database, alias, project, _revision_of(request), operator.name)
    return Response(status_code=204)
