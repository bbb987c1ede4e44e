"""Connections to Postgres. Nothing here needs session state, so a transaction-mode pooler may stand between."""

from typing import TypeAlias

import asyncpg

from core.errors import ConfigurationError
from core.jsonio import dump_json, load_json
from sql.statements import Executor, statement

Database: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
CONNECT_WITHIN_S = 10


async def _teach_json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: dump_json(value).decode(),
            decoder=load_json,
            format="text",
        )


async def _reset_nothing(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """No statement of ours leaves anything in its session, and asyncpg's RESET ALL would be a round trip more for each.
    A transaction that was left open is rolled back all the same."""


async def read_backend_pid(db: Executor) -> int:
    """The number of the server's process that ran this."""
    pid: int = await db.fetchval(statement("read_backend_pid"))
    return pid


async def is_pooled(url: str) -> bool:
    """Does a pooler stand before the server? It has to make up the process number that it greets a client with."""
    connection = await asyncpg.connect(url, statement_cache_size=0, timeout=CONNECT_WITHIN_S)
    try:
        return connection.get_server_pid() != await read_backend_pid(connection)
    finally:
        await connection.close()


async def open_pool(url: str, *, max_size: int = 10, statement_cache: bool = True) -> Database:
    """Connect, jsonb as Python values. The cache is not used behind a pooler, nor with `statement_cache=False`.

    Raises ConfigurationError when the server cannot be reached or refuses the log-in; the message has no password.
    """
    try:
        own_session = statement_cache and not await is_pooled(url)
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=max_size,
            init=_teach_json,
            reset=_reset_nothing,
            statement_cache_size=200 if own_session else 0,
            server_settings={"application_name": "factory", "timezone": "UTC"} if own_session else None,
            command_timeout=60,
            timeout=CONNECT_WITHIN_S,
        )
    except (OSError, asyncpg.PostgresError, ValueError, TimeoutError) as error:
        raise ConfigurationError(
            f"Postgres cannot be used ({type(error).__name__}: {error}). "
            "Check FACTORY_DATABASE_URL, or unset it to use the embedded server."
        ) from error
