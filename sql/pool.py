"""Connections to Postgres. Nothing here needs session state, so a transaction-mode pooler may stand between."""

from typing import TypeAlias

import asyncpg

from core.errors import ConfigurationError
from core.jsonio import dump_json, load_json

Database: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


async def _teach_json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: dump_json(value).decode(),
            decoder=load_json,
            format="text",
        )


async def open_pool(url: str, *, max_size: int = 10, statement_cache: bool = True) -> Database:
    """Connect, jsonb as Python values. `statement_cache=False` for PgBouncer in transaction mode.

    Raises ConfigurationError when the server cannot be reached or refuses the log-in; the message has no password.
    """
    try:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=max_size,
            init=_teach_json,
            statement_cache_size=200 if statement_cache else 0,
            server_settings={"application_name": "factory", "timezone": "UTC"} if statement_cache else None,
            command_timeout=60,
            timeout=10,
        )
    except (OSError, asyncpg.PostgresError, ValueError, TimeoutError) as error:
        raise ConfigurationError(
            f"Postgres cannot be used ({type(error).__name__}: {error}). "
            "Check FACTORY_DATABASE_URL, or unset it to use the embedded server."
        ) from error
