"""The programs of a factory as `factory up` runs them, for a bench that speaks HTTP to them."""

import asyncio
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.settings import child_environment, python_program
from producer.embedded import EmbeddedServers
from producer.embedded.processes import free_port
from producer.keys import create_key
from sql.migrating import migrate
from sql.pool import open_pool
from sql.seeding import seed

READY_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Standing:
    """`key` is one of project `bench`, which has no limits."""

    url: str
    key: str
    emulator_url: str


@contextmanager
def standing(*, workers: int, latency_ms: int) -> Iterator[Standing]:
    """Embedded servers, an emulator, one API process and so many workers, each a process."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="factory-bench-")))
        running = stack.enter_context(
            EmbeddedServers(place, emulator=True, emulator_latency_ms=latency_ms, log=lambda _: None)
        )
        key = asyncio.run(_prepare(running.database_url))
        port = free_port()
        environment = child_environment(
            FACTORY_DATABASE_URL=running.database_url,
            FACTORY_REDIS_URL=running.redis_url,
            FACTORY_EMULATOR_URL=running.emulator_url or "",
            FACTORY_HOME=str(place / "home"),
            FACTORY_PORT=str(port),
            FACTORY_NOTICE_S="0",
        )
        for _ in range(workers):
            stack.enter_context(program("workers", environment=environment))
        url = f"http://127.0.0.1:{port}"
        stack.enter_context(program("producer", environment=environment))
        wait_until_ready(f"{url}/readyz")
        yield Standing(url, key, running.emulator_url or "")


@contextmanager
def program(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """One of our modules in a process of its own, until the end of the block; its process number."""
    command = python_program(module, *arguments)
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


def wait_until_ready(url: str) -> None:
    """Until it answers 200. Raises TimeoutError."""
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")


async def _prepare(database_url: str) -> str:
    pool = await open_pool(database_url, max_size=2)
    try:
        await migrate(pool)
        await seed(pool)
        return await create_key(pool, project="bench", make_project=True)
    finally:
        await pool.close()
