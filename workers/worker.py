"""The arq worker, out of our settings."""

import contextlib
from typing import Any

import structlog
from arq.worker import func

from adapters.registry import HANDLERS
from broker.connection import PAYLOAD_LIFE_MS, QUEUE, deserialize, redis_settings, serialize
from core.clock import utc_now
from core.configuration_faults import find_faults
from core.logging import get_logger, set_up_logging
from core.open_files import allow_many_files
from core.request import Kind
from core.settings import Settings, has_provider_keys, require_urls
from workers.services import open_worker_services
from workers.starting import wait_for_server
from workers.story import run_job

MARGIN_S = 5  # arq's own timeout stands behind ours, which puts the job back in good order
log = get_logger(__name__)


def worker_options(settings: Settings) -> dict[str, Any]:
    """What `arq.Worker` is made with. Raises ConfigurationError when a URL is missing."""
    _, redis_url = require_urls(settings)

    async def start(ctx: dict[str, Any]) -> None:
        """Wire the worker once; arq's `ctx` carries it to every job."""
        if not structlog.is_configured():
            set_up_logging(settings.log_level, settings.log_format, program="worker")
        allow_many_files()
        stack = contextlib.AsyncExitStack()
        services = await wait_for_server(
            lambda: stack.enter_async_context(open_worker_services(settings, ctx["redis"]))
        )
        ctx.update(services=services, stack=stack)
        log.info("worker ready", slots=settings.worker_slots, catalog_version=services.catalog.current.version)
        if services.emulator_url is not None:
            log.info("no provider key is set: shipped endpoints are emulated", url=services.emulator_url)
        elif not has_provider_keys():
            log.warning("no provider key is set and no emulator runs: only endpoints of your own can be called")
        for fault in find_faults(services.catalog.current, HANDLERS, utc_now()):
            log.warning("configuration", subject=fault.subject, fault=fault.code, message=fault.message)

    async def stop(ctx: dict[str, Any]) -> None:
        """Close what `start` opened."""
        if (stack := ctx.get("stack")) is not None:
            await stack.aclose()

    return {
        "functions": [func(run_job, name=kind.value, keep_result=0) for kind in Kind],
        "redis_settings": redis_settings(redis_url),
        "queue_name": QUEUE,
        "on_startup": start,
        "on_shutdown": stop,
        "max_jobs": settings.worker_slots,
        "job_timeout": settings.job_timeout_s + MARGIN_S,
        "job_completion_wait": settings.drain_s,
        "keep_result": 0,
        "expires_extra_ms": PAYLOAD_LIFE_MS,
        "retry_jobs": True,
        "health_check_interval": 5,
        "job_serializer": serialize,
        "job_deserializer": deserialize,
        "log_results": False,
    }
