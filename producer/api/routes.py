"""`/v1/admin/routes/explain` and `/v1/admin/alerts`: where a request would go, and what needs an operator."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from core.clock import utc_now
from core.errors import Problem, RequestRefused
from core.estimates import prompt_tokens
from core.explaining import explain_plan
from core.request_checks import read_request
from producer.api.access import OperatorOf, ServicesOf
from producer.api.bodies import JSON_TYPES, read_body
from producer.api.jobs import REQUEST_DOCS, json_response
from producer.composition import Services
from producer.quoting import read_health
from sql.alerts import select_alerts

router = APIRouter(tags=["admin"], prefix="/v1/admin")


@router.post("/routes/explain", openapi_extra=REQUEST_DOCS)
async def explain(request: Request, services: ServicesOf, _operator: OperatorOf) -> Response:
    """A Request in; its routes in the order in which workers would try them now, those that rest, and what is none,
    each with its reason. `project` names whose aliases and settings count. Nothing is called or stored."""
    return json_response(
        await explain_body(services, await read_body(request, services.settings.max_body_mb, JSON_TYPES))
    )


async def explain_body(services: Services, body: bytes) -> dict[str, Any]:
    """The plan for a Request, with its reasons. Raises RequestRefused."""
    parsed = read_request(body)
    if isinstance(parsed, list):
        raise RequestRefused.of(parsed)
    catalog, now = services.catalog.current, utc_now()
    named = {one.name: one.id for one in catalog.projects.values()}
    if parsed.project is not None and parsed.project not in named:
        raise RequestRefused.of([Problem(f"there is no project {parsed.project!r}", "project")])
    health = await read_health(services)
    plan = services.catalog.router.plan(parsed, named.get(parsed.project or ""), health, now)
    return explain_plan(plan, health) | {"project": parsed.project, "prompt_tokens": prompt_tokens(parsed)}


@router.get("/alerts")
async def alerts(services: ServicesOf, _operator: OperatorOf, resolved: bool = False) -> Response:
    """What needs an operator: dead credentials, budgets, late jobs, models that retire. `resolved=true` shows what is
    over, too."""
    return json_response({"data": await select_alerts(services.database, resolved=resolved)})
