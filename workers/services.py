"""What a worker is made of, wired once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from arq.connections import ArqRedis

from adapters.outbound import Outbound
from adapters.pool import ProviderPool
from broker.handover import Handover
from broker.wakeups import CANCELS, Wakeups
from core.looper import Looper
from core.settings import Settings, has_provider_keys
from sql.following import CatalogFollower
from sql.pool import Database, open_pool
from storage.folder import Folder
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
    storage: Folder
    running: RunningJobs
    emulator_url: str | None


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
            storage=Folder(settings.storage_path),
            running=running,
            emulator_url=None if has_provider_keys() else settings.emulator_url,
        )
