"""What a worker waits for when it starts, and what it ends for at once."""

import asyncio
import socket
import sys
import time
from functools import partial
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis.exceptions
from structlog.testing import capture_logs

from broker.connection import check_redis, redis_settings
from core.errors import ConfigurationError
from core.settings import Settings, child_environment
from tests.autoscaling.test_processes import forwarding
from workers.starting import may_pass, wait_for_server


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), False),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), True),
        (ConnectionRefusedError(), True),
        (asyncpg.TooManyConnectionsError(), True),
        (asyncpg.CannotConnectNowError(), True),
        (asyncpg.InvalidPasswordError(), False),
        (asyncpg.InvalidCatalogNameError(), False),
        (redis.exceptions.ConnectionError("max number of clients reached"), True),
        (redis.exceptions.BusyLoadingError(), True),
        (redis.exceptions.OutOfMemoryError(), True),
        (redis.exceptions.AuthenticationError("invalid username-password pair"), False),
        (redis.exceptions.InvalidResponse("Protocol Error: b'HTTP/1.1 400'"), False),
        (redis.exceptions.ResponseError("DB index is out of range"), False),
    ],
)
def test_a_server_that_is_away_is_waited_for_and_a_mistake_is_not(error: Exception, passes: bool) -> None:
    assert may_pass(error) is passes


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:secret@nowhere.invalid:6379/0", "Redis at nowhere.invalid:6379 cannot be used"),
        ("{redis}/9999", "DB index is out of range"),
        ("http://:secret@127.0.0.1", "one looks like redis://user:password@host:6379/0"),
    ],
)
async def test_a_mistake_in_redis_url_ends_a_worker_at_once_and_says_where(
    settings: Settings, url: str, said: str
) -> None:
    server = urlsplit(settings.redis_url or "")
    given = {
        "FACTORY_DATABASE_URL": settings.database_url or "",
        "FACTORY_REDIS_URL": url.format(redis=f"redis://{server.netloc}"),
        "FACTORY_HOME": str(settings.home),
    }
    began = time.monotonic()
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers", env=child_environment(**given), stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await worker.communicate()
    assert worker.returncode == 1
    assert time.monotonic() - began < 10, "0.6 s where nothing else runs"
    (line,) = stderr.decode().splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert "FACTORY_REDIS_URL" in line
    assert "secret" not in line


async def test_redis_that_comes_up_late_is_waited_for(settings: Settings) -> None:
    real = urlsplit(settings.redis_url or "")
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
    late = redis_settings(real._replace(netloc=real.netloc.replace(f":{real.port}", f":{port}")).geturl())
    with capture_logs() as lines:
        waiting = asyncio.create_task(wait_for_server(partial(check_redis, late)))
        async with asyncio.timeout(10):
            while not lines:
                await asyncio.sleep(0.01)
        assert lines[0]["event"] == "waiting for a server"
        assert f"Redis at 127.0.0.1:{port} cannot be used" in lines[0]["error"]
        async with forwarding(port, settings.redis_url or ""), asyncio.timeout(10):
            await waiting


async def test_who_stays_away_is_given_up_with_what_was_wrong(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.starting.PATIENCE_S", 0.0)
    monkeypatch.setattr("broker.connection.ANSWER_WITHIN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Redis at 127.0.0.1:{port} cannot be used .TimeoutError"):
            await wait_for_server(partial(check_redis, redis_settings(f"redis://127.0.0.1:{port}/0")))
