"""`/v1/job-batches/quote`: what jobs would cost, before they are submitted."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from core.errors import Problem, RequestRefused
from producer.api.access import CallerOf, ServicesOf
from producer.api.batches import BATCH_DOCS, MaxCost
from producer.api.bodies import JSON_TYPES, read_body
from producer.api.jobs import json_response
from producer.intake.order import LINES_TYPES, read_order
from producer.quoting import make_quote, present_quote

router = APIRouter(tags=["batches"])


@router.post("/v1/job-batches/quote", openapi_extra=BATCH_DOCS)
async def quote_batch(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    max_cost_usd: MaxCost = None,
    lines: bool = False,
    single: bool = False,
) -> Response:
    """The body of `POST /v1/job-batches`, priced and not submitted: sums, and groups by the name asked for, the kind
    and the model that would be called first. `lines=true` shows every line too. `single=true` quotes its one line as
    `POST /v1/jobs` would take it. What a submit refuses is refused in the same words; no limit is charged."""
    body = await read_body(request, services.settings.max_body_mb, (*JSON_TYPES, *LINES_TYPES))
    order = read_order(body, request.headers.get("content-type", ""), max_cost_usd)
    if single and len(order.requests) != 1:
        raise RequestRefused.of([Problem(f"goes with one job, and these are {len(order.requests)}", "single")])
    quote = await make_quote(services, caller, order, in_batch=not single)
    return json_response(present_quote(services, caller, quote, order.max_cost_usd, with_lines=lines))
