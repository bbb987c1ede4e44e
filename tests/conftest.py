"""Real servers for every test: embedded PostgreSQL and Valkey, a database cloned for each test."""

import asyncio
import os
import shutil
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from core.settings import PROVIDER_KEY_NAMES, Settings
from producer.api.app import create_app
from producer.composition import Services, open_services
from producer.embedded import EmbeddedServers, Running, read_running
from producer.keys import create_key
from sql.migrating import migrate
from sql.pool import open_pool
from sql.seeding import seed
from tests.house import Factory
from tests.warm import WarmCommands
from workers.engine import LeasedWorker
from workers.worker import worker_options

MEMORY = Path("/dev/shm")
ROOM_NEEDED = 6_000_000_000


def pytest_configure() -> None:
    """Servers that live for minutes have their files in memory, where there is enough of it: to clone a database takes
    a twelfth of the time. Nothing here speaks TLS: no client spends 25 ms on the certificates of all authorities."""
    ssl.SSLContext.load_verify_locations = lambda *_, **__: None  # type: ignore[method-assign]
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_NEEDED:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_is_not_ignored() -> None:
    """A shell starts what runs in its background deaf to SIGINT, and so would be every program that a test starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    for name in list(os.environ):
        if name.startswith("FACTORY_") or name in PROVIDER_KEY_NAMES:
            del os.environ[name]


@pytest.fixture(scope="session")
def servers(testrun_uid: str) -> Iterator[Running]:
    """One PostgreSQL, one Valkey and one emulator for all test processes: they share by the root folder.

    Not under pytest's own folder, which another pytest may close to the server's user at any moment.
    """
    root = Path(tempfile.gettempdir()) / f"factory-tests-{testrun_uid}"
    with EmbeddedServers(root, emulator=True, emulator_latency_ms=5, log=lambda text: None) as running:
        yield running
    if read_running(root) is None:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
async def template(servers: Running, worker_id: str) -> str:
    """A migrated and seeded database to clone."""
    name = f"template_{worker_id}"
    await _hurry(servers.database_url)
    url = servers.database_url.rsplit("/", 1)[0] + "/" + name
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    pool = await open_pool(url)
    await migrate(pool)
    await seed(pool)
    await pool.close()
    return name


async def _hurry(url: str) -> None:
    """Test databases need not survive a power cut, nor live for long."""
    connection = await asyncpg.connect(url)
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
        await connection.execute(f"ALTER SYSTEM SET {setting} = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@pytest.fixture
async def empty_database_url(servers: Running) -> AsyncIterator[str]:
    """A database with nothing in it."""
    async with _database(servers, "template1") as url:
        yield url


@pytest.fixture
async def database_url(servers: Running, template: str) -> AsyncIterator[str]:
    """A database with the schema and the catalog."""
    async with _database(servers, template) as url:
        yield url


@pytest.fixture(scope="module")
async def shared_database_url(servers: Running, template: str) -> AsyncIterator[str]:
    """One for all tests of a module that leave nothing in it."""
    async with _database(servers, template) as url:
        yield url


@asynccontextmanager
async def _database(servers: Running, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")  # half of the work
    try:
        yield servers.database_url.rsplit("/", 1)[0] + "/" + name
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


@pytest.fixture
async def redis_url(servers: Running, worker_id: str) -> str:
    """A Redis database of this test process, emptied."""
    return await _redis(servers, 1 + _number(worker_id))


async def _redis(servers: Running, number: int) -> str:
    url = servers.redis_url.rsplit("/", 1)[0] + f"/{number}"
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
    return url


def _number(worker_id: str) -> int:
    return 0 if worker_id == "master" else int(worker_id.removeprefix("gw"))


@pytest.fixture
def settings(database_url: str, redis_url: str, servers: Running, tmp_path: Path) -> Settings:
    """Settings of one test's factory: quick retries, storage of its own."""
    return _settings(database_url, redis_url, servers, tmp_path)


def _settings(database_url: str, redis_url: str, servers: Running, home: Path) -> Settings:
    given = {"database_url": database_url, "redis_url": redis_url, "emulator_url": servers.emulator_url, "home": home}
    return _usual_settings().model_copy(update=given)


@cache
def _usual_settings() -> Settings:
    """To read the environment takes longer than to clone a database."""
    return Settings(
        database_pool_size=4,
        retry_base_s=0.02,
        retry_cap_s=0.05,
        worker_slots=10,
        call_timeout_s=20,
        drain_s=1,
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as opened:
        yield opened


@pytest.fixture
async def factory(settings: Settings, services: Services) -> AsyncIterator[Factory]:
    """The API and a worker in this process, and a client with the key of project `nicestory`."""
    async with _factory(settings, services) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared(
    shared_database_url: str, servers: Running, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Factory]:
    """One factory for all tests of a module that ask it for what it refuses, and change nothing that others see."""
    redis_url = await _redis(servers, 8 + _number(worker_id))
    settings = _settings(shared_database_url, redis_url, servers, tmp_path_factory.mktemp("shared"))
    async with open_services(settings) as services, _factory(settings, services) as opened:
        yield opened


@asynccontextmanager
async def _factory(settings: Settings, services: Services) -> AsyncIterator[Factory]:
    key = await create_key(services.database, project="nicestory", make_project=True)
    worker = LeasedWorker(**{**worker_options(settings), "handle_signals": False})
    running = asyncio.create_task(worker.async_run())
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://factory", headers={"x-api-key": key}, timeout=60
    ) as client:
        while "services" not in worker.ctx:
            await asyncio.sleep(0.01)
        catalog = worker.ctx["services"].catalog
        yield Factory(settings, services, client, key, settings.emulator_url or "", catalog)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await worker.close()


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmCommands]:
    """Commands of `factory` that need no second to begin."""
    commands = WarmCommands()
    yield commands
    commands.end()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """moto's S3 on 127.0.0.1."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of this test's own; the environment as S3's own tools want it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "factory",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"audio-{uuid4().hex[:12]}"
    httpx.put(f"{s3_server}/{bucket}").raise_for_status()
    return f"s3://{bucket}/narrations"
