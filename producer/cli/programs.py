"""What commands need before they can work: servers, schema, catalog, a key."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import FactoryError
from core.settings import Settings, child_environment, has_provider_keys, read_settings
from producer.embedded import EmbeddedServers, read_running
from producer.embedded.permissions import write_private
from producer.keys import create_key
from sql.access import find_api_keys, hash_key
from sql.migrating import migrate
from sql.pool import open_pool
from sql.seeding import Seeded, seed


@contextmanager
def prepared(*, emulator: bool = False, latency_ms: int = 300) -> Iterator[Settings]:
    """Settings with URLs of servers that run, embedded ones where none is set, with schema and catalog in place."""
    own = Settings()
    wanted = emulator and not has_provider_keys() and own.emulator_url is None
    if own.database_url and own.redis_url and not wanted:
        asyncio.run(bring_up_to_date(own))
        yield own
        return
    servers = EmbeddedServers(
        own.home,
        postgres=own.database_url is None,
        valkey=own.redis_url is None,
        emulator=wanted,
        emulator_latency_ms=latency_ms,
        log=lambda _: None,
    )
    with servers as running:
        settings = own.model_copy(
            update={
                "database_url": own.database_url or running.database_url,
                "redis_url": own.redis_url or running.redis_url,
                "emulator_url": own.emulator_url or running.emulator_url,
            }
        )
        asyncio.run(bring_up_to_date(settings))
        yield settings


async def bring_up_to_date(settings: Settings) -> tuple[list[str], Seeded]:
    """Schema, then the catalog; quick when there is nothing to do."""
    pool = await open_pool(settings.database_url or "", max_size=2, statement_cache=settings.database_statement_cache)
    try:
        return await migrate(pool), await seed(pool)
    finally:
        await pool.close()


def environment_of(settings: Settings) -> dict[str, str]:
    """For a program to start: the same servers."""
    urls = {
        "FACTORY_DATABASE_URL": settings.database_url,
        "FACTORY_REDIS_URL": settings.redis_url,
        "FACTORY_EMULATOR_URL": settings.emulator_url,
        "FACTORY_HOME": str(settings.home.absolute()),
        "FACTORY_HOST": settings.host,
        "FACTORY_PORT": str(settings.port),
        "FACTORY_METRICS_PORT": str(settings.metrics_port) if settings.metrics_port is not None else None,
    }
    return child_environment(**{name: value for name, value in urls.items() if value})


async def default_key(settings: Settings) -> str:
    """The key of project `default` on this machine, kept in `.factory/api_key`, made when there is none in force."""
    return await _kept_key(settings, "api_key", "default")


async def operators_key(settings: Settings) -> str:
    """The operator's key on this machine, kept in `.factory/admin_key`: it opens the dashboard and the admin API."""
    return await _kept_key(settings, "admin_key", None)


async def _kept_key(settings: Settings, name: str, project: str | None) -> str:
    kept = settings.home / name
    pool = await open_pool(settings.database_url or "", max_size=2, statement_cache=settings.database_statement_cache)
    try:
        if kept.exists():
            key = kept.read_text(encoding="utf-8").strip()
            if await find_api_keys(pool, [hash_key(key)], None):
                return key
        key = await create_key(pool, project=project, make_project=True, name="this machine")
        settings.home.mkdir(parents=True, exist_ok=True)
        write_private(kept, key)
        return key
    finally:
        await pool.close()


def running_settings() -> Settings:
    """Settings of what runs here. Raises FactoryError when nothing does."""
    settings = read_settings()
    if not (settings.database_url and settings.redis_url):
        raise FactoryError(f"nothing runs under {settings.home}; start `factory up`")
    if Settings().database_url is None and read_running(settings.home) is None:
        raise FactoryError(f"nothing runs under {settings.home}; start `factory up`")
    return settings
