"""`/v1/usage`: what was spent, what the cache saved, and what the same answers would have cost called directly."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse

from core.errors import Forbidden, Problem, RequestRefused
from core.request import Kind
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import id_of
from producer.composition import Services
from producer.usage import UsageQuery, read_dimensions, read_usage

router = APIRouter(tags=["usage"])
CSV_DOCS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}, "text/csv": {}}}}


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


def usage_filters(
    since: str | None = None,
    until: str | None = None,
    batch_id: str | None = None,
    alias: str | None = None,
    provider: str | None = None,
    model: str | None = None,
    kind: Kind | None = None,
) -> dict[str, Any]:
    """What of a query narrows a report. `alias` is the name that was asked for, `model` what answered, alone or as
    PROVIDER/MODEL."""
    for field, text in (("alias", alias), ("provider", provider), ("model", model)):
        if text is not None and "\0" in text:
            raise RequestRefused.of([Problem("there is a NUL character in it", field)])
    return {
        "since": read_moment(since, "since"),
        "until": read_moment(until, "until"),
        "batch_id": id_of(batch_id) if batch_id else None,
        "alias": alias,
        "provider": provider,
        "model": model,
        "kind": kind.value if kind else None,
    }


UsageFilters = Annotated[dict[str, Any], Depends(usage_filters)]
Format = Literal["json", "csv"] | None


async def usage_response(services: Services, asked: UsageQuery, request: Request, form: Format) -> Response:
    """CSV where `form` or the Accept header asks for it; read at one moment, sent piece by piece."""
    report = await read_usage(services.database, asked)
    if (form or ("csv" if "text/csv" in request.headers.get("accept", "") else "json")) == "csv":
        return StreamingResponse(report.as_csv(), media_type="text/csv", headers={"Vary": "Accept"})
    return StreamingResponse(report.as_json(), media_type="application/json", headers={"Vary": "Accept"})


@router.get("/v1/usage", responses=CSV_DOCS)
async def usage(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    filters: UsageFilters,
    by: str | None = None,
    project: str | None = None,
    format: Format = None,  # noqa: A002  the word in the query
) -> Response:
    """Calls, tokens, cost, and what the cache and the choice of models saved, by any of `project alias provider model
    kind variant day`, in their order: `by=model,day`. Days are UTC's. `cost`, `saved_usd` and `direct_cost` are null
    while a price of theirs is unknown. `project` can only be the key's own."""
    if project is not None and project not in (caller.project, str(caller.project_id)):
        raise Forbidden(f"project: this key belongs to project {caller.project!r}")
    asked = UsageQuery(read_dimensions(by), caller.project_id, caller.project, **filters)
    return await usage_response(services, asked, request, format)
