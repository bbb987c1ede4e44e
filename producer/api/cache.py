"""`/v1/cache`: what the project's cache holds and has saved, and forgetting it."""

from fastapi import APIRouter
from fastapi.responses import Response

from core.fingerprint import policy_of
from producer.api.access import CallerOf, ServicesOf
from producer.api.jobs import json_response
from producer.api.usage import read_moment
from sql.cache import clear_cache, read_cache

router = APIRouter(tags=["usage"])


@router.get("/v1/cache")
async def show_cache(services: ServicesOf, caller: CallerOf, since: str | None = None) -> Response:
    """Entries now; hits, found parts of narrations and `saved_usd` since then. `saved_usd` leaves out what nobody
    knows the price of: `unpriced` counts that."""
    figures = await read_cache(services.database, caller.project_id, read_moment(since, "since"))
    policy = policy_of(services.catalog.current.projects.get(caller.project_id))
    return json_response(
        {
            "mode": "use" if policy.on else "off",
            "ttl_s": policy.ttl_s,
            "max_entries": policy.max_entries,
            "entries": figures.entries,
            "hits": figures.hits,
            "parts_found": figures.parts_found,
            "saved_usd": figures.saved_usd,
            "unpriced": figures.unpriced,
        }
    )


@router.delete("/v1/cache")
async def forget_cache(services: ServicesOf, caller: CallerOf) -> Response:
    """Forget every answer of the project. Jobs and recordings stay; what is in flight is still shared."""
    return json_response({"forgotten": await clear_cache(services.database, caller.project_id)})
