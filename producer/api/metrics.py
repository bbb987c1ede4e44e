"""`GET /metrics`: what Prometheus reads."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from core.exposition import CONTENT_TYPE, write_metrics
from core.metrics import REGISTRY
from producer.api.autoscaling import neighbour_or_operator
from producer.metering import FleetMeter

router = APIRouter(tags=["operations"])


@router.get("/metrics", dependencies=[Depends(neighbour_or_operator)], response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """What this process did, and what Postgres and Redis say of the fleet, in Prometheus' text format. On the server's
    own machine it needs no key, from elsewhere an operator's."""
    meter: FleetMeter = request.app.state.meter
    await meter.refresh()
    return Response(write_metrics(REGISTRY), media_type=CONTENT_TYPE)
