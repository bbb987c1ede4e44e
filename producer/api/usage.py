"""`/v1/usage`: what was spent."""

from datetime import datetime
from decimal import Decimal

from fastapi import APIRouter
from fastapi.responses import Response

from core.errors import Problem, RequestRefused
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import id_of
from producer.api.jobs import json_response
from sql.calls import select_usage

router = APIRouter(tags=["usage"])


def read_moment(text: str | None, field: str) -> datetime | None:
    """A time out of a query. Raises RequestRefused."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RequestRefused.of([Problem("a time such as 2026-12-24T18:00:00Z is needed", field)]) from None
    if moment.tzinfo is None:
        raise RequestRefused.of([Problem("the time needs a zone, such as 2026-12-24T18:00:00Z", field)])
    return moment


@router.get("/v1/usage")
async def usage(
    services: ServicesOf,
    caller: CallerOf,
    batch_id: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Response:
    """Calls, tokens and cost by provider, model, drawn variant, kind and UTC day. `total_cost` is null while a price is
    unknown."""
    rows = await select_usage(
        services.database,
        caller.project_id,
        id_of(batch_id) if batch_id else None,
        read_moment(since, "since"),
        read_moment(until, "until"),
    )
    for row in rows:
        if row.pop("unpriced"):
            row["cost"] = None
        elif row["cost"] is None:
            row["cost"] = Decimal(0)
    unknown = any(row["cost"] is None for row in rows)
    return json_response(
        {"data": rows, "total_cost": None if unknown else sum((row["cost"] for row in rows), Decimal(0))}
    )
