"""What a worker is made of, wired once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from arq.connections import ArqRedis

from adapters.outbound import Outbound
from adapters.pool import ProviderPool
from broker.handover import Handover
from broker.wakeups import CANCELS, Wakeups
from core.clock import utc_now
from core.looper import Looper
from core.provider import ErrorKind, ProviderError
from core.result import Usage
from core.settings import Settings, has_provider_keys
from sql.following import CatalogFollower
from sql.pool import Database, open_pool
from storage.store import Store
from workers.running import RunningJobs
from workers.sweeping import Sweeper


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """`emulator_url` is set when shipped endpoints are served by the emulator."""

    settings: Settings
    database: Database
    catalog: CatalogFollower
    handover: Handover
    wakeups: Wakeups
    providers: ProviderPool
    outbound: Outbound
    storage: Store
    running: RunningJobs
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
        database = await open_pool(
            settings.database_url or "",
            max_size=settings.database_pool_size,
            statement_cache=settings.database_statement_cache,
        )
        stack.push_async_callback(database.close)
        catalog = CatalogFollower(database)
        await catalog.start()
        stack.push_async_callback(catalog.stop)
        running = RunningJobs()
        cancels = Wakeups(redis, CANCELS, on_wake=running.cancel)
        cancels.start()
        stack.push_async_callback(cancels.stop)
        providers = ProviderPool()
        stack.push_async_callback(providers.aclose)
        outbound = Outbound()
        stack.push_async_callback(outbound.aclose)
        handover = Handover(redis)
        sweeper = Looper("hand-over sweeper", Sweeper(database, handover, settings.job_timeout_s).step, 3.0)
        sweeper.start()
        stack.push_async_callback(sweeper.stop)
        yield WorkerServices(
            settings=settings,
            database=database,
            catalog=catalog,
            handover=handover,
            wakeups=Wakeups(redis),
            providers=providers,
            outbound=outbound,
            storage=Store(settings.storage_path),
            running=running,
            emulator_url=None if has_provider_keys() else settings.emulator_url,
        )
