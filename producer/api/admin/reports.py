"""`/v1/admin/audit`, `/faults` and `/limits`: what was changed, what is wrong, and how near the limits are."""

from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from adapters.registry import HANDLERS
from core.clock import utc_now
from core.configuration_faults import find_faults
from producer.admin.changing import refusing
from producer.api.access import OperatorOf, ServicesOf
from producer.api.jobs import json_response
from producer.limits_in_use import read_limits_in_use
from sql.admin_audit import list_changes
from sql.configuration import load_configuration

router = APIRouter()


@router.get("/audit")
async def audit(
    services: ServicesOf,
    _operator: OperatorOf,
    subject: str | None = None,
    actor: str | None = None,
    action: Literal["insert", "update", "delete", "truncate"] | None = None,
    cursor: int | None = Query(None, ge=0, lt=2**63),
    limit: int = Query(50, ge=1, le=500),
) -> Response:
    """Every change of the configuration, the newest first. `subject` is one (`models openai/gpt-6-luna`) or a table
    (`models`); `next_cursor` leads to the older ones."""
    async with refusing():
        rows = await list_changes(services.database, subject, actor, action, cursor, limit)
    return json_response({"data": rows, "next_cursor": rows[-1]["id"] if len(rows) == limit else None})


@router.get("/faults")
async def faults(services: ServicesOf, _operator: OperatorOf) -> Response:
    """What is wrong with the configuration as it stands in Postgres now."""
    found = find_faults(await load_configuration(services.database), HANDLERS, utc_now())
    return json_response({"data": [asdict(fault) for fault in found]})


@router.get("/limits")
async def limits(services: ServicesOf, _operator: OperatorOf) -> Response:
    """Every limit that is set or that a provider named, with what is in use of it: requests and tokens of the last
    minute, and what runs now."""
    return json_response({"data": await read_limits_in_use(services)})
