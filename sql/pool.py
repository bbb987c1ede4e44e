"""Connections to Postgres. Nothing here needs session state, so a transaction-mode pooler may stand between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from core.errors import ConfigurationError
from core.jsonio import dump_json, load_json
from sql.statements import Executor, statement

CONNECT_WITHIN_S = 10
KEPT_MOST = 4
KEPT_FOR = 1000
Taken: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"


class Database:
    """asyncpg's pool. A connection that ran one statement is kept at hand for the next: giving it back and taking it
    again is a task and two turns of the loop, a third of what a small statement takes on an idle machine.

    After `KEPT_FOR` statements the pool has one back, which renews connections that grew old.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._kept: list[Taken] = []
        self._waiting = 0
        self._ran = 0

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        """All rows."""
        connection = await self._take()
        try:
            rows = await connection.fetch(query, *args)
        except BaseException:
            await self._pool.release(connection)
            raise
        await self._keep(connection)
        return rows

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:
        """The first row."""
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first value of the first row."""
        row = await self.fetchrow(query, *args)
        return None if row is None else row[0]

    async def execute(self, query: str, *args: Any) -> str:
        """The server's word for what was done. Without arguments it may be several commands."""
        async with self.acquire() as connection:
            return await connection.execute(query, *args)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Taken]:
        """A connection for a transaction."""
        connection = await self._take()
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def close(self) -> None:
        """Waits for those that are in use."""
        self._waiting += 1
        while self._kept:
            await self._pool.release(self._kept.pop())
        await self._pool.close()

    async def _take(self) -> Taken:
        while self._kept:
            connection = self._kept.pop()
            if _is_open(connection):
                return connection
        self._waiting += 1
        try:
            return await self._pool.acquire()
        finally:
            self._waiting -= 1

    async def _keep(self, connection: Taken) -> None:
        """Unless somebody waits for one."""
        self._ran += 1
        if self._waiting or len(self._kept) >= KEPT_MOST or self._ran % KEPT_FOR == 0:
            await self._pool.release(connection)
        else:
            self._kept.append(connection)


def _is_open(connection: Taken) -> bool:
    """One that broke was taken back by the pool."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False


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
        pool = await asyncpg.create_pool(
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
        return Database(pool)
    except (OSError, asyncpg.PostgresError, ValueError, TimeoutError) as error:
        raise ConfigurationError(
            f"Postgres cannot be used ({type(error).__name__}: {error}). "
            "Check FACTORY_DATABASE_URL, or unset it to use the embedded server."
        ) from error
