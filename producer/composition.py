"""What the API and the command line are made of, wired once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from adapters.registry import HANDLERS
from broker.connection import open_redis
from broker.fleet import FleetBoard
from broker.health import HealthBoard
from broker.limits import BEAT_S, Limiter
from broker.queue import JobQueue
from broker.wakeups import CANCELS, Wakeups
from core.health import BreakerRule
from core.looper import Looper
from core.settings import Settings, has_provider_keys, require_urls
from core.tracing import Tracing, open_tracing
from producer.closing import Closing
from producer.feeds import BatchFeed, JobFeed
from producer.intake.intake import EVERY_S as INTAKE_EVERY_S
from producer.intake.intake import Intake
from producer.limiting import ProjectLimits
from producer.looking import Looks
from producer.project_events import ProjectFeeds
from producer.reserving import Reserver
from producer.submit import Submitter
from sql.figures import FiguresFollower
from sql.following import CatalogFollower
from sql.pool import Database, open_pool
from storage.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    database: Database
    catalog: CatalogFollower
    health: HealthBoard
    wakeups: Wakeups
    cancels: Wakeups
    queue: JobQueue
    submitter: Submitter
    intake: Intake
    limiter: Limiter
    fleet: FleetBoard
    figures: FiguresFollower
    storage: Store
    looks: Looks
    job_feed: JobFeed
    batch_feed: BatchFeed
    project_feeds: ProjectFeeds
    closing: Closing
    tracing: Tracing


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Connect to Postgres and Redis. Raises ConfigurationError that says what to set."""
    database_url, redis_url = require_urls(settings)
    async with AsyncExitStack() as stack:
        tracing = open_tracing(settings, "api")
        stack.push_async_callback(asyncio.to_thread, tracing.close)
        database = await open_pool(
            database_url, max_size=settings.database_pool_size, statement_cache=settings.database_statement_cache
        )
        stack.push_async_callback(database.close)
        redis = await open_redis(redis_url)
        stack.push_async_callback(redis.aclose)
        catalog = CatalogFollower(database, HANDLERS)
        await catalog.start()
        stack.push_async_callback(catalog.stop)
        limiter, queue = Limiter(redis, "api"), JobQueue(redis)
        alive = Looper("limits", limiter.beat, BEAT_S)
        alive.start()
        stack.push_async_callback(alive.stop)
        closing = Closing()
        job_feed, batch_feed, project_feeds = JobFeed(database), BatchFeed(database), ProjectFeeds(database)

        def woken(named: str) -> None:
            for feed in (job_feed, batch_feed, project_feeds):
                feed.woken(named)

        wakeups = Wakeups(redis, on_wake=woken)
        for waiting in (wakeups, job_feed, batch_feed, project_feeds):
            closing.on_begin(waiting.wake_all)
            stack.push_async_callback(waiting.stop)
        for listening in (wakeups, job_feed, batch_feed):
            listening.start()
        storage = open_store(settings.storage_place)
        figures = FiguresFollower(database)
        await figures.start()
        stack.push_async_callback(figures.stop)
        limits = ProjectLimits(limiter, catalog)
        submitter = Submitter(
            database,
            queue,
            catalog,
            storage,
            limits,
            Reserver(database, catalog, figures),
            allowed=settings.webhooks_allowed,
            emulated=settings.emulator_url is not None and not has_provider_keys(),
            tracing=tracing,
        )
        intake = Intake(database, submitter, limits, wakeups, storage, settings.max_body_mb)
        stack.push_async_callback(intake.stop)
        left_over = Looper("batches", intake.step, INTAKE_EVERY_S)
        left_over.start()
        stack.push_async_callback(left_over.stop)
        yield Services(
            settings=settings,
            database=database,
            catalog=catalog,
            health=HealthBoard(redis, BreakerRule()),
            wakeups=wakeups,
            cancels=Wakeups(redis, CANCELS),
            queue=queue,
            submitter=submitter,
            intake=intake,
            limiter=limiter,
            fleet=FleetBoard(redis),
            figures=figures,
            storage=storage,
            looks=Looks(database),
            job_feed=job_feed,
            batch_feed=batch_feed,
            project_feeds=project_feeds,
            closing=closing,
            tracing=tracing,
        )
