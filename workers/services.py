"""What a worker is made of, wired once."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from adapters.outbound import Outbound
from adapters.pool import ProviderPool
from adapters.registry import HANDLERS
from broker.connection import open_keeper, open_listener
from broker.fleet import FleetBoard
from broker.health import HealthBoard
from broker.leases import LeaseKeeper
from broker.limits import BEAT_S, Limiter
from broker.queue import Bell, Held, JobQueue
from broker.wakeups import CANCELS, Wakeups
from core.batcher import Batcher
from core.clock import utc_now
from core.deadlines import EVERY_S as DEADLINES_EVERY_S
from core.deadlines import Deadlines
from core.errors import ConfigurationError
from core.health import BreakerRule
from core.logging import get_logger
from core.looper import Looper
from core.provider import ErrorKind, ProviderError
from core.result import Usage
from core.settings import Settings, has_provider_keys, read_secret
from core.signing import is_webhook_secret
from core.tracing import Tracing, open_tracing
from sql.figures import FiguresFollower
from sql.following import CatalogFollower
from sql.pool import Database, open_pool
from storage.store import Store, open_store
from workers.alarming import EVERY_S as ALERTS_EVERY_S
from workers.alarming import AlertWatch
from workers.arrivals import EVERY_S as ARRIVALS_EVERY_S
from workers.arrivals import ArrivalCounting
from workers.cancelling import LostCancels
from workers.delivering import EVERY_S as WEBHOOKS_EVERY_S
from workers.delivering import PRUNE_EVERY_S, DeliveryPruning, WebhookDelivery
from workers.expiring import EVERY_S as AUDIO_EVERY_S
from workers.expiring import AudioExpiry, ContentExpiry, FileExpiry
from workers.finishing import Finisher
from workers.flights import EVICT_EVERY_S, SWEEP_EVERY_S, CacheEviction, Flights, FlightSweep
from workers.health import RouteHealth
from workers.ledger import Ledger
from workers.limiting import ProviderLimits
from workers.measuring import EVERY_S as MEASURE_EVERY_S
from workers.measuring import CallMeasuring
from workers.metering import MetricsServer
from workers.recovering import EVERY_S, Recovery
from workers.running import RunningJobs
from workers.spending import Purse
from workers.telling import EVERY_S as TELL_EVERY_S
from workers.telling import AlertDeliveryPruning, AlertTelling
from workers.watching import EVERY_S as WATCH_EVERY_S
from workers.watching import BudgetWatch


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """`emulator_url` is set when shipped endpoints are served by the emulator."""

    settings: Settings
    database: Database
    catalog: CatalogFollower
    health: RouteHealth
    owner: str
    queue: JobQueue
    bell: Bell
    fleet: FleetBoard
    pools: Sequence[str]
    leases: LeaseKeeper
    limits: ProviderLimits
    acknowledged: Batcher[Held, None]
    ledger: Ledger
    finisher: Finisher
    flights: Flights
    purse: Purse
    wakeups: Wakeups
    providers: ProviderPool
    outbound: Outbound
    storage: Store
    running: RunningJobs
    deadlines: Deadlines
    tracing: Tracing
    emulator_url: str | None

    def time_for_call(self, until: datetime) -> float:
        """Seconds that a call may take. Raises ProviderError when the time is over."""
        left_s = (until - utc_now()).total_seconds()
        if left_s <= 0:
            raise ProviderError(ErrorKind.timeout, "the time for this attempt ran out", usage=Usage())
        return min(self.settings.call_timeout_s, left_s)


@asynccontextmanager
async def open_worker_services(settings: Settings, redis: ArqRedis) -> AsyncIterator[WorkerServices]:
    """Connect and start the duties; everything is stopped and closed on the way out."""
    async with AsyncExitStack() as stack:
        tracing = open_tracing(settings, "worker")
        stack.push_async_callback(asyncio.to_thread, tracing.close)
        database = await open_pool(
            settings.database_url or "",
            max_size=settings.database_pool_size,
            statement_cache=settings.database_statement_cache,
        )
        stack.push_async_callback(database.close)
        catalog = CatalogFollower(database, HANDLERS)
        await catalog.start()
        stack.push_async_callback(catalog.stop)
        emulator_url = None if has_provider_keys() else settings.emulator_url
        health = RouteHealth(redis, database, catalog, emulator_url)
        await health.start()
        stack.push_async_callback(health.stop)
        running, deadlines = RunningJobs(), Deadlines()
        cancels = Wakeups(redis, CANCELS, on_wake=lambda job_id: running.cancel(UUID(job_id)))
        cancels.start()
        stack.push_async_callback(cancels.stop)
        providers = ProviderPool()
        stack.push_async_callback(providers.aclose)
        outbound = Outbound()
        stack.push_async_callback(outbound.aclose)
        queue, wakeups = JobQueue(redis), Wakeups(redis)
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        listening = open_listener(settings.redis_url or "")
        stack.push_async_callback(listening.aclose)
        leases = LeaseKeeper(open_keeper(settings.redis_url or "", settings.lease_s), owner, settings.lease_s)
        leases.start()
        stack.push_async_callback(asyncio.to_thread, leases.stop)
        limiter = Limiter(redis, "worker", lease_s=settings.lease_s)
        limits = ProviderLimits(redis, limiter, leases, catalog)
        await limits.start()
        stack.push_async_callback(limits.stop)
        storage = open_store(settings.storage_place)
        figures = FiguresFollower(database)
        await figures.start()
        stack.push_async_callback(figures.stop)
        recovery = Recovery(database, queue, catalog, owner, settings.lease_s)
        for duty in (
            Looper("recovery", recovery.step, EVERY_S),
            Looper("cancels", LostCancels(database, running).step, 2.0),
            Looper("deadlines", deadlines.step, DEADLINES_EVERY_S),
            Looper("limits", limiter.beat, BEAT_S),
            Looper("audio expiry", AudioExpiry(database, storage).step, AUDIO_EVERY_S),
            Looper("file expiry", FileExpiry(database, storage).step, AUDIO_EVERY_S),
            Looper("content expiry", ContentExpiry(database, storage).step, AUDIO_EVERY_S),
            Looper("flights", FlightSweep(database, queue, catalog, owner).step, SWEEP_EVERY_S),
            Looper("call figures", CallMeasuring(database, queue, owner).step, MEASURE_EVERY_S),
            Looper("arrivals", ArrivalCounting(database, queue, owner).step, ARRIVALS_EVERY_S),
            Looper("budgets", BudgetWatch(database, queue, catalog, owner).step, WATCH_EVERY_S),
            Looper(
                "alerts",
                AlertWatch(database, queue, HealthBoard(redis, BreakerRule()), catalog, figures, settings, owner).step,
                ALERTS_EVERY_S,
            ),
            Looper("cache", CacheEviction(database, catalog).step, EVICT_EVERY_S),
        ):
            duty.start()
            stack.push_async_callback(duty.stop)
        await _start_alerts(stack, settings, database)
        await _start_webhooks(stack, settings, database, tracing)
        meter = MetricsServer(settings, database, running)
        await meter.start()
        stack.push_async_callback(meter.stop)
        ledger, finisher = Ledger(database), Finisher(database, queue, wakeups, catalog)
        acknowledged: Batcher[Held, None] = Batcher(
            _acknowledger(queue), is_about_one=lambda _error: False, name="acknowledge", at_once=1
        )
        for unfinished in (acknowledged.drain, finisher.drain, ledger.drain):
            stack.push_async_callback(unfinished)
        yield WorkerServices(
            settings=settings,
            database=database,
            catalog=catalog,
            health=health,
            owner=owner,
            queue=queue,
            bell=Bell(listening, settings.pools),
            fleet=FleetBoard(redis),
            pools=settings.pools,
            leases=leases,
            limits=limits,
            acknowledged=acknowledged,
            ledger=ledger,
            finisher=finisher,
            flights=Flights(database),
            purse=Purse(database, catalog, figures),
            wakeups=wakeups,
            providers=providers,
            outbound=outbound,
            storage=storage,
            running=running,
            deadlines=deadlines,
            tracing=tracing,
            emulator_url=emulator_url,
        )


async def _start_alerts(stack: AsyncExitStack, settings: Settings, database: Database) -> None:
    """The operator's webhook, where there is one. Raises ConfigurationError where it cannot be signed as asked."""
    secret = settings.alert_webhook_secret
    if secret is not None and not is_webhook_secret(secret):
        raise ConfigurationError("FACTORY_ALERT_WEBHOOK_SECRET must be whsec_ and at least 16 bytes in base64")
    duties = [Looper("old alerts", AlertDeliveryPruning(database).step, PRUNE_EVERY_S)]
    if (url := settings.alert_webhook_url) is not None:
        allowed = settings.webhooks_allowed
        outbound = Outbound(allowed=allowed)
        stack.push_async_callback(outbound.aclose)
        telling = AlertTelling(database, outbound, allowed, url, secret)
        duties.append(Looper("alert webhook", telling.step, TELL_EVERY_S))
    for duty in duties:
        duty.start()
        stack.push_async_callback(duty.stop)


async def _start_webhooks(stack: AsyncExitStack, settings: Settings, database: Database, tracing: Tracing) -> None:
    """No webhooks from a worker that cannot sign. What the operator allows to them stays closed to pictures."""
    try:
        secret = await asyncio.to_thread(read_secret, settings)
    except ConfigurationError as error:
        get_logger(__name__).warning("this worker delivers no webhooks", reason=error.message)
        return
    outbound = Outbound(allowed=settings.webhooks_allowed)
    stack.push_async_callback(outbound.aclose)
    webhooks = WebhookDelivery(database, outbound, settings.webhooks_allowed, secret, tracing=tracing)
    stack.push_async_callback(webhooks.stop)
    for duty in (
        Looper("webhooks", webhooks.step, WEBHOOKS_EVERY_S),
        Looper("old webhooks", DeliveryPruning(database).step, PRUNE_EVERY_S),
    ):
        duty.start()
        stack.push_async_callback(duty.stop)


def _acknowledger(queue: JobQueue) -> Callable[[Sequence[Held]], Awaitable[list[None]]]:
    """Nobody waits for it."""

    async def acknowledge(group: Sequence[Held]) -> list[None]:
        try:
            await queue.acknowledge(group)
        except (RedisError, OSError) as error:
            get_logger(__name__).info("the queue learns of it later", jobs=len(group), error=type(error).__name__)
        return [None] * len(group)

    return acknowledge
