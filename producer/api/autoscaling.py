"""`GET /v1/autoscaling`: how many slots and workers the work asks for now."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from core.clock import utc_now
from core.neighbours import is_neighbour
from producer.api.access import ServicesOf, operator_of
from producer.api.jobs import json_response
from producer.demand import present_demand, read_demand

router = APIRouter(tags=["operations"])


async def neighbour_or_operator(request: Request) -> None:
    """Who asks from this very machine, and not through a proxy on it, needs no key; others need an operator's."""
    host = request.client.host if request.client else None
    if not is_neighbour(host, request.headers):
        await operator_of(request)


@router.get("/v1/autoscaling", dependencies=[Depends(neighbour_or_operator)])
async def autoscaling(
    services: ServicesOf,
    slots_per_worker: Annotated[
        int | None, Query(ge=1, le=10_000, description="of workers still to be started; else as those that run have")
    ] = None,
) -> Response:
    """Slots and workers by pool, and for workers that take all pools, with every figure behind the numbers. Running
    jobs always count; 0 is said once a pool has been idle for the cool-down. On the server's own machine it needs no
    key, from elsewhere an operator's."""
    return json_response(present_demand(await read_demand(services, utc_now(), slots_per_worker)))
