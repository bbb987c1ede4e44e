"""`/v1/budget`: what the project may spend; `/v1/admin/budgets`: all projects that have budgets."""

from fastapi import APIRouter
from fastapi.responses import Response

from core.budgets import budgets_of
from producer.api.access import CallerOf, OperatorOf, ServicesOf
from producer.api.jobs import json_response
from producer.budgeting import load_budget

router = APIRouter(tags=["usage"])


@router.get("/v1/budget")
async def show_budget(services: ServicesOf, caller: CallerOf) -> Response:
    """Spent, uncertain and reserved in this day and month, what the bounds are, and when they begin anew."""
    return json_response(await load_budget(services, caller.project_id))


@router.get("/v1/admin/budgets")
async def show_budgets(services: ServicesOf, _operator: OperatorOf) -> Response:
    """Every project that has budgets."""
    projects = [one for one in services.catalog.current.projects.values() if budgets_of(one) is not None]
    shown = [await load_budget(services, one.id) for one in sorted(projects, key=lambda one: one.name)]
    return json_response({"data": shown})
