"""What a worker waits for when it starts, and what it ends for at once."""

import socket

import asyncpg
import pytest

from workers.worker import may_pass


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
    ],
)
def test_a_server_that_is_away_is_waited_for_and_a_mistake_is_not(error: Exception, passes: bool) -> None:
    assert may_pass(error) is passes
