"""Where requests go, and the switches for it: targets of aliases and endpoints, on or off and in which order.

Changes go through the admin API's own functions: checked, audited, refused when somebody else was faster.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from core.errors import NotFound
from core.jsonio import dump_json
from core.request import Shape
from producer.admin.aliases import read_alias, read_aliases, replace_alias
from producer.admin.shapes import read_shape
from producer.admin.tables import TABLES, change_row, list_rows
from producer.api.access import Operator, ServicesOf
from producer.api.bodies import JSON_TYPES, read_body
from producer.api.routes import explain_body
from producer.composition import Services
from producer.dashboard.assets import shown
from producer.dashboard.session import ChangerOf, ViewerOf

BODY_MB = 1
Place = Annotated[int, Field(ge=0, le=1_000_000)]
router = APIRouter()


class TargetChange(Shape):
    """Which target of which alias, and what of it changes. `revision`: the one that the page showed."""

    project: str | None = None
    provider: str
    model_id: str
    revision: int
    active: bool | None = None
    position: Place | None = None
    weight: Place | None = None


class StrategyChange(Shape):
    """`weighted` draws by weight: an experiment; `priority` ends it."""

    project: str | None = None
    revision: int
    strategy: Literal["priority", "weighted"]


class EndpointChange(Shape):
    active: bool | None = None
    priority: Place | None = None


@router.get("/routing")
async def routing(services: ServicesOf, _viewer: ViewerOf) -> Response:
    """Aliases with their targets, and endpoints. Credentials are references, never keys."""
    aliases = await read_aliases(services.database, None, None)
    endpoints = await list_rows(services.database, TABLES["endpoints"], {})
    return shown({"aliases": aliases, "endpoints": endpoints})


@router.post("/aliases/{alias}/target")
async def change_target(request: Request, services: ServicesOf, changer: ChangerOf, alias: str) -> Response:
    """Switch a target on or off, or move it."""
    change = read_shape(TargetChange, await read_body(request, BODY_MB, JSON_TYPES))
    document = await read_alias(services.database, alias, change.project)
    found = [one for one in document["targets"] if _names(one) == (change.provider, change.model_id)]
    if not found:
        raise NotFound(f"alias {alias[:100]!r} has no target {change.provider}/{change.model_id}")
    found[0].update(change.model_dump(include={"active", "position", "weight"}, exclude_none=True))
    return await _replace(services, document, change.revision, changer)


@router.post("/aliases/{alias}/strategy")
async def change_strategy(request: Request, services: ServicesOf, changer: ChangerOf, alias: str) -> Response:
    """Begin or end an experiment."""
    change = read_shape(StrategyChange, await read_body(request, BODY_MB, JSON_TYPES))
    document = await read_alias(services.database, alias, change.project)
    return await _replace(services, document | {"strategy": change.strategy}, change.revision, changer)


async def _replace(services: Services, document: dict[str, Any], revision: int, changer: Operator) -> Response:
    alias, project = document.pop("alias"), document.pop("project")
    made, _ = await replace_alias(services.database, alias, project, dump_json(document), revision, changer.name)
    return shown(made)


def _names(target: dict[str, Any]) -> tuple[str, str]:
    return target["provider"], target["model_id"]


@router.post("/endpoints/{endpoint_id}")
async def change_endpoint(request: Request, services: ServicesOf, changer: ChangerOf, endpoint_id: str) -> Response:
    """Switch an endpoint on or off, or move it."""
    change = read_shape(EndpointChange, await read_body(request, BODY_MB, JSON_TYPES))
    body = dump_json(change.model_dump(exclude_none=True))
    row = await change_row(services.database, TABLES["endpoints"], {"id": endpoint_id}, body, changer.name)
    return shown(row)


@router.post("/explain")
async def explain(request: Request, services: ServicesOf, _changer: ChangerOf) -> Response:
    """Where a request would go now, and why. Nothing is called or stored."""
    return shown(await explain_body(services, await read_body(request, BODY_MB, JSON_TYPES)))
