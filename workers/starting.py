"""Servers that are full, slow or away when a worker starts are waited for; mistakes in its settings end it at once."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    InvalidResponse,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from core.errors import ConfigurationError
from core.logging import get_logger
from sql.patience import GONE

PATIENCE_S = 60.0
PAUSE_S = 0.5
_PASSING = (*GONE, RedisError)
_REFUSED = (AuthenticationError, AuthorizationError, InvalidResponse, NoPermissionError)
log = get_logger(__name__)
R = TypeVar("R")


async def wait_for_server(open_it: Callable[[], Awaitable[R]]) -> R:
    """To end and be started again would take more of what there is too little of. Raises ConfigurationError at once
    for a mistake, and after a minute for a server that is still away."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await open_it()
        except (ConfigurationError, *_PASSING) as error:
            cause = error.__cause__ if isinstance(error, ConfigurationError) else error
            if cause is None or not may_pass(cause) or time.monotonic() > until:
                raise
            log.warning("waiting for a server", error=f"{type(error).__name__}: {error}"[:300])
        await asyncio.sleep(PAUSE_S)


def may_pass(error: BaseException) -> bool:
    """Is it a server that is full or away? A host that nobody knows is a mistake, unless it could not be asked for;
    so are a refused log-in, a database that is not there and a server that speaks something else."""
    if isinstance(error, RedisError) and isinstance(error.__context__, OSError):
        error = error.__context__
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    return isinstance(error, _PASSING) and not isinstance(error, _REFUSED) and type(error) is not ResponseError
