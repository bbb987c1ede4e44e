"""Connections that are kept at hand between statements."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from sql.pool import KEPT_FOR, Database, open_pool, read_backend_pid


@pytest.fixture
async def database(shared_database_url: str) -> AsyncIterator[Database]:
    opened = await open_pool(shared_database_url, max_size=2)
    yield opened
    async with asyncio.timeout(5):
        await opened.close()


async def test_statements_in_a_row_are_run_on_one_connection_until_it_is_renewed(database: Database) -> None:
    pids = [await read_backend_pid(database) for _ in range(KEPT_FOR + 10)]
    assert len(set(pids)) == 1
    assert [await database.fetchrow("SELECT 1 AS a WHERE $1", there) for there in (True, False)] == [(1,), None]
    assert [await database.fetchval("SELECT 1 WHERE $1", there) for there in (True, False)] == [1, None]
    assert await database.execute("SELECT 1; SELECT 2") == "SELECT 1"


async def test_a_crowd_beyond_the_pool_and_its_transactions_all_come_to_their_turn(database: Database) -> None:
    async def in_transaction(n: int) -> int:
        async with database.acquire() as connection, connection.transaction():
            found: int = await connection.fetchval("SELECT $1::int FROM pg_sleep(0.001)", n)
            return found

    await database.fetchval("SELECT 1")
    async with asyncio.timeout(10):
        plain = [database.fetchval("SELECT $1::int FROM pg_sleep(0.001)", n) for n in range(50)]
        assert await asyncio.gather(*plain, *map(in_transaction, range(50))) == [*range(50), *range(50)]


async def test_what_failed_or_was_given_up_leaves_nothing_behind(database: Database) -> None:
    for _ in range(3):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await database.fetchval("SELECT 1 / 0")
        given_up = asyncio.create_task(database.fetchval("SELECT 'late' FROM pg_sleep(5)"))
        await asyncio.sleep(0.05)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert await database.fetchval("SELECT 'mine'") == "mine"


async def test_a_connection_that_the_server_ended_meanwhile_is_not_used(database: Database) -> None:
    pid = await read_backend_pid(database)
    async with database.acquire() as connection:
        assert pid == await read_backend_pid(connection)
        other = await read_backend_pid(database)
        await connection.execute("SELECT pg_terminate_backend($1, 5000)", other)
    async with asyncio.timeout(5):
        while await read_backend_pid(database) == other:
            await asyncio.sleep(0.01)
    assert await database.fetchval("SELECT 1") == 1
