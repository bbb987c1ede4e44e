"""What the dashboard asks for beside the live feed: the queue over time, names to choose from, experiments."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from core.clock import utc_now
from core.errors import NotFound
from producer.api.access import ServicesOf
from producer.dashboard.assets import shown
from producer.dashboard.session import ViewerOf
from producer.experiments import read_experiment
from producer.submit import Caller
from sql.dashboard import select_queue_samples

POINTS = 180
router = APIRouter()


@router.get("/samples")
async def samples(
    services: ServicesOf, _viewer: ViewerOf, minutes: Annotated[int, Query(ge=5, le=2880)] = 60
) -> Response:
    """How long the lines were, the highest of every step."""
    now, step = utc_now(), timedelta(seconds=max(10, minutes * 60 // POINTS))
    since = now - timedelta(minutes=minutes)
    rows = await select_queue_samples(services.database, since, step)
    return shown({"since": since, "until": now, "step_s": step.total_seconds(), "data": rows})


@router.get("/names")
async def names(services: ServicesOf, _viewer: ViewerOf) -> Response:
    """Projects and aliases, to choose from."""
    catalog = services.catalog.current
    projects = sorted(one.name for one in catalog.projects.values())
    return shown({"projects": projects, "aliases": sorted({alias for alias, _ in catalog.aliases})})


@router.get("/experiments/{alias}")
async def experiment(
    services: ServicesOf,
    _viewer: ViewerOf,
    alias: str,
    project: str,
    days: Annotated[int, Query(ge=1, le=366)] = 30,
) -> Response:
    """How the variants of an alias did for a project in the last days."""
    found: dict[str, UUID] = {one.name: one.id for one in services.catalog.current.projects.values()}
    if project not in found:
        raise NotFound(f"there is no project {project[:100]!r}")
    caller = Caller(found[project], project, frozenset())
    return shown(await read_experiment(services, caller, alias, utc_now() - timedelta(days=days), None))
