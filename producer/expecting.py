"""Where a queued job stands, and when it may be over."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from redis.exceptions import RedisError

from broker.queue import pool_of
from core.clock import utc_now
from core.errors import FactoryError
from core.health import Health
from core.jsonio import dump_json
from core.request import JobRequest
from core.waiting import expect_end_s
from producer.composition import Services
from producer.submit import Caller
from sql.reading import count_running_jobs


async def expect(services: Services, caller: Caller, row: Mapping[str, Any]) -> tuple[int | None, float | None]:
    """`position` and `eta_s` of a queued job. No position while it is in no line: its time has not come, another job is
    getting its answer, Redis is away. No eta where calls of the model that would be asked first were not measured."""
    try:
        place = await services.queue.place_of(row["id"], pool_of(row["kind"]), caller.project_id)
    except (RedisError, OSError):
        place = None
    service_s = _service_s(services, caller, row)
    if service_s is None:
        return place, None
    running = await count_running_jobs(services.database, caller.project_id, row["kind"])
    delay_s = max(0.0, (row["run_at"] - utc_now()).total_seconds())
    return place, round(expect_end_s(place or 1, running, service_s, delay_s), 3)


def _service_s(services: Services, caller: Caller, row: Mapping[str, Any]) -> float | None:
    """The mean of what calls of the first route took lately."""
    try:
        request = JobRequest.model_validate_json(dump_json(row["request"]))
        routes = services.catalog.router.plan(request, caller.project_id, Health(), utc_now()).routes
    except (ValidationError, FactoryError):  # its text is filled in later, or its alias is gone
        return None
    if not routes:
        return None
    model = routes[0].model
    measured = services.figures.current.get((model.provider, model.model_id, row["kind"]))
    mean_ms = measured.duration_ms_mean if measured is not None else None
    return mean_ms / 1000 if mean_ms is not None else None
