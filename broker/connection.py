"""How arq and we connect to Redis: JSON instead of pickle, and patience when it restarts."""

import asyncio
from dataclasses import replace

import orjson
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis import Redis, exceptions
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from core.errors import ConfigurationError
from core.jsonio import dump_json

QUEUE = "factory:queue"
PAYLOAD_LIFE_MS = 30 * 86_400_000
ANSWER_WITHIN_S = 5.0
serialize = dump_json
deserialize = orjson.loads


def redis_settings(url: str) -> RedisSettings:
    """arq's settings for a redis:// URL, with retries that outlast a restart of the server. Raises
    ConfigurationError."""
    settings = _read(url)
    settings.conn_timeout = 5
    settings.conn_retries = 20
    settings.retry = Retry(ExponentialBackoff(cap=2, base=0.05), retries=30)
    settings.retry_on_error = [exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError]
    return settings


async def open_redis(url: str) -> ArqRedis:
    """Connect. Raises ConfigurationError when the server cannot be reached or refuses; no password in it."""
    settings = _read(url)
    settings.conn_timeout = 5
    settings.conn_retries = 3
    return await _connect(settings)


async def check_redis(settings: RedisSettings) -> None:
    """One try. Raises ConfigurationError as `open_redis`."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            redis = await _connect(replace(settings, conn_retries=0, retry=None, retry_on_error=None))
    except TimeoutError as error:
        raise _refusal(settings, error) from error
    await redis.aclose()


def _read(url: str) -> RedisSettings:
    try:
        return RedisSettings.from_dsn(url)
    except (RuntimeError, ValueError):
        raise ConfigurationError(
            "FACTORY_REDIS_URL is not a Redis URL; one looks like redis://user:password@host:6379/0"
        ) from None


async def _connect(settings: RedisSettings) -> ArqRedis:
    try:
        return await create_pool(
            settings,
            job_serializer=serialize,
            job_deserializer=deserialize,
            default_queue_name=QUEUE,
            expires_extra_ms=PAYLOAD_LIFE_MS,
        )
    except (RedisError, OSError) as error:
        raise _refusal(settings, error) from error


def _refusal(settings: RedisSettings, error: Exception) -> ConfigurationError:
    where = settings.unix_socket_path or f"{settings.host}:{settings.port}"
    return ConfigurationError(
        f"Redis at {where} cannot be used ({type(error).__name__}: {error}). "
        "Check FACTORY_REDIS_URL, or unset it to use the embedded server."
    )


def open_listener(url: str) -> AsyncRedis:
    """One connection for waiting on the bell: it is held up for seconds, so nothing else may use it."""
    found: AsyncRedis = AsyncRedis.from_url(url, max_connections=1, socket_connect_timeout=5, socket_timeout=30)
    return found


def open_keeper(url: str, lease_s: float) -> Redis:
    """For the thread that renews leases: an answer that takes too long is of no use."""
    found: Redis = Redis.from_url(url, socket_connect_timeout=lease_s / 4, socket_timeout=lease_s / 4)
    return found
