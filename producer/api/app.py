"""The HTTP application, put together."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.middleware.cors import CORSMiddleware

from core.errors import ServiceUnavailable
from producer.api import (
    audio,
    autoscaling,
    batches,
    budgets,
    cache,
    events,
    experiments,
    feedback,
    jobs,
    links,
    listing,
    metrics,
    quotes,
    routes,
    usage,
    voices,
    webhooks,
)
from producer.api.access import ServicesOf
from producer.api.admin import router as admin
from producer.api.document import install_document
from producer.api.guards import ClosingGate, Methods, Plausible
from producer.api.jobs import json_response
from producer.api.limits import LimitHeaders
from producer.api.openai import batches as openai_batches
from producer.api.openai import files, generating, models, responses
from producer.api.problems import install_problem_handlers
from producer.api.request_ids import RequestIds
from producer.api.tracing import Traced
from producer.composition import Services
from producer.dashboard.router import install_dashboard
from producer.metering import FleetMeter
from sql.reading import probe

CORS: dict[str, Any] = {
    "allow_methods": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "allow_headers": (
        "authorization", "content-type", "idempotency-key", "last-event-id", "prefer", "x-api-key", "x-project-id",
        "x-request-id",
    ),
    "expose_headers": ("location", "retry-after", "x-request-id"),
    "max_age": 600,
}  # fmt: skip


def create_app(services: Services, local_project: str | None = None) -> FastAPI:
    """`local_project`: no key is asked for and every caller is that project (the command line, in its own process)."""
    app = FastAPI(
        title="AI Provider Factory",
        version="0.1.0",
        description="Submit text, embedding and speech jobs under a semantic name; get them back done and priced.",
        generate_unique_id_function=lambda route: f"{route.name} {route.path}",
    )
    app.state.services = services
    app.state.local_project = local_project
    app.state.meter = FleetMeter(services)
    install_problem_handlers(app)
    app.add_middleware(LimitHeaders)
    app.add_middleware(Methods, api=app)
    app.add_middleware(Plausible)
    app.add_middleware(ClosingGate, closing=services.closing)
    if services.settings.allowed_origins:
        app.add_middleware(CORSMiddleware, allow_origins=services.settings.allowed_origins, **CORS)
    if services.tracing.on:
        app.add_middleware(Traced, tracing=services.tracing)
    app.add_middleware(RequestIds)
    for part in (
        jobs,
        listing,
        events,
        links,
        metrics,
        feedback,
        audio,
        batches,
        quotes,
        usage,
        budgets,
        cache,
        experiments,
        voices,
        routes,
        webhooks,
        autoscaling,
        admin,
    ):
        app.include_router(part.router)
    for compatible in (generating, responses, models, files, openai_batches):
        app.include_router(compatible.router)
    install_dashboard(app, services)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> Response:
        """This process is alive."""
        return json_response({"status": "ok"})

    @app.get("/readyz", tags=["health"])
    async def readyz(services: ServicesOf) -> Response:
        """Postgres answers, so jobs can be accepted."""
        if not await probe(services.database):
            raise ServiceUnavailable
        return json_response({"status": "ready", "catalog_version": services.catalog.current.version})

    install_document(app)
    return app
