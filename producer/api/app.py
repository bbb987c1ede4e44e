"""The HTTP application, put together."""

from fastapi import FastAPI
from fastapi.responses import Response

from core.errors import ServiceUnavailable
from producer.api import (
    audio,
    batches,
    budgets,
    cache,
    experiments,
    feedback,
    jobs,
    quotes,
    routes,
    usage,
    voices,
    webhooks,
)
from producer.api.access import ServicesOf
from producer.api.admin import router as admin
from producer.api.jobs import json_response
from producer.api.limits import LimitHeaders
from producer.api.openai import generating, models, responses
from producer.api.openai.paths import RequestIds
from producer.api.problems import install_problem_handlers
from producer.composition import Services
from sql.reading import probe


def create_app(services: Services, local_project: str | None = None) -> FastAPI:
    """`local_project`: no key is asked for and every caller is that project (the command line, in its own process)."""
    app = FastAPI(
        title="AI Provider Factory",
        version="0.1.0",
        description="Submit text, embedding and speech jobs under a semantic name; get them back done and priced.",
    )
    app.state.services = services
    app.state.local_project = local_project
    install_problem_handlers(app)
    app.add_middleware(LimitHeaders)
    app.add_middleware(RequestIds)
    for part in (
        jobs,
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
        admin,
    ):
        app.include_router(part.router)
    for compatible in (generating, responses, models):
        app.include_router(compatible.router)

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

    return app
