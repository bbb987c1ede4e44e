"""Writes that must not be lost because Postgres restarts at the wrong moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

import asyncpg

from core.logging import get_logger
from sql.pool import Database

# InternalClientError: asyncpg resets a connection that broke in the middle of a statement.
GONE = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError,
        asyncpg.TooManyConnectionsError)  # fmt: skip
# Two transactions that wait for each other's rows: Postgres undoes one of them, which is as if it had not begun.
AGAIN = (*GONE, asyncpg.DeadlockDetectedError)
PAUSE_S = 0.5
PATIENCE_S = 240.0
TOGETHER_S = 0.05  # a write that takes longer is held up by something, such as a row that another transaction holds

P = ParamSpec("P")
R = TypeVar("R")


async def patiently(
    action: Callable[Concatenate[Database, P], Awaitable[R]], database: Database, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Do it, again and again for some minutes while Postgres is away. Only for writes that are safe to repeat."""
    waited_s = 0.0
    while True:
        try:
            return await action(database, *args, **kwargs)
        except AGAIN as error:
            if waited_s >= PATIENCE_S:
                raise
            if waited_s == 0.0:
                get_logger(__name__).warning("waiting for Postgres", error=type(error).__name__)
            await asyncio.sleep(PAUSE_S)
            waited_s += PAUSE_S


def is_about_one(error: Exception) -> bool:
    """Is some row of a group to blame for the group's error? Then it is found by splitting the group."""
    return isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError)
