"""How arq and we connect to Redis: JSON instead of pickle, and patience when it restarts."""

import orjson
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from core.errors import ConfigurationError
from core.jsonio import dump_json

QUEUE = "factory:queue"
PAYLOAD_LIFE_MS = 30 * 86_400_000
serialize = dump_json
deserialize = orjson.loads


def redis_settings(url: str) -> RedisSettings:
    """arq's settings for a redis:// URL, with retries that outlast a restart of the server."""
    settings = RedisSettings.from_dsn(url)
    settings.conn_timeout = 5
    settings.conn_retries = 20
    settings.retry = Retry(ExponentialBackoff(cap=2, base=0.05), retries=30)
    settings.retry_on_error = [exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError]
    return settings


async def open_redis(url: str) -> ArqRedis:
    """Connect. Raises ConfigurationError when the server cannot be reached or refuses; no password in it."""
    settings = RedisSettings.from_dsn(url)
    settings.conn_timeout = 5
    settings.conn_retries = 3
    try:
        return await create_pool(
            settings,
            job_serializer=serialize,
            job_deserializer=deserialize,
            default_queue_name=QUEUE,
            expires_extra_ms=PAYLOAD_LIFE_MS,
        )
    except (RedisError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"Redis cannot be used ({type(error).__name__}). "
            "Check FACTORY_REDIS_URL, or unset it to use the embedded server."
        ) from error
