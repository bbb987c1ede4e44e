"""`/v1/experiments/{alias}`: the variants of a weighted alias beside each other."""

import re

from fastapi import APIRouter
from fastapi.responses import Response

from core.errors import NotFound
from producer.api.access import CallerOf, ServicesOf
from producer.api.jobs import json_response
from producer.api.usage import read_moment
from producer.experiments import read_experiment

router = APIRouter(tags=["usage"])


@router.get("/v1/experiments/{alias}")
async def experiment(
    services: ServicesOf, caller: CallerOf, alias: str, since: str | None = None, until: str | None = None
) -> Response:
    """The project's jobs of a `weighted` alias by the variant that was drawn: failures, cost, latency, schema yield and
    feedback with 95 % intervals, and every variant against the one that was drawn most. A job belongs to the time at
    which it was submitted."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", alias) is None:
        raise NotFound(f"{alias[:100]!r} is no name of an alias")
    found = await read_experiment(services, caller, alias, read_moment(since, "since"), read_moment(until, "until"))
    return json_response(found)
