"""A project's cap on jobs that run at once: exact, through lost leases and a lost memory, and gone with the queue."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from redis import Redis as PlainRedis
from redis.asyncio import Redis

from broker.leases import Lease, LeaseKeeper
from broker.queue import PREFIX, Held, JobQueue
from tests.broker.test_queue import MINE, POOLS, YOURS, claim, ticket


@pytest.fixture
def queue(redis: Redis) -> JobQueue:
    return JobQueue(redis)


async def capped(queue: JobQueue, most: int, cap: int, *, lease_s: float = 60) -> list[Held]:
    return (await queue.claim("w", most, lease_s, POOLS, caps={MINE: cap})).jobs


async def hears(redis: Redis, pools: Sequence[str], most_s: float) -> bool:
    bells: Any = [f"{PREFIX}bell:{pool}" for pool in pools]
    return await cast("Any", redis.blpop(bells, timeout=most_s)) is not None


async def test_a_project_at_its_cap_is_passed_over_until_one_of_its_jobs_ends(queue: JobQueue, redis: Redis) -> None:
    await queue.hand_over([ticket(place) for place in range(6)] + [ticket(9, YOURS) for _ in range(3)])
    held = await capped(queue, 100, 2)
    assert len(held) == 2 + 3
    assert await capped(queue, 100, 2) == []
    await hears(redis, POOLS, 0.01)
    assert not await hears(redis, POOLS, 0.01), "nothing to take: nobody is woken"
    await queue.release(held, 60.0)
    assert await hears(redis, POOLS, 0.5)
    assert len(await capped(queue, 100, 2)) == 2


async def test_both_pools_count_for_a_projects_cap_and_both_are_rung(queue: JobQueue, redis: Redis) -> None:
    await queue.hand_over([ticket(1), ticket(2, pool="speech")])
    (first,) = await capped(queue, 9, 1)
    while await hears(redis, POOLS, 0.01):
        pass
    await queue.acknowledge([first])
    assert await hears(redis, ("speech",), 0.5)
    assert len(await capped(queue, 9, 1)) == 1


async def test_a_lost_jobs_place_under_the_cap_goes_to_its_next_holder(queue: JobQueue) -> None:
    await queue.hand_over([ticket(1), ticket(2)])
    (lost,) = await capped(queue, 9, 1, lease_s=0.02)
    await asyncio.sleep(0.03)
    (again,) = await capped(queue, 9, 1)
    assert again.id == lost.id
    await queue.acknowledge([again])
    assert len(await capped(queue, 9, 1)) == 1


async def test_a_cap_counts_jobs_that_ran_before_it_was_set_and_after_a_flush(
    queue: JobQueue, redis: Redis, redis_url: str
) -> None:
    one, other = ticket(1), ticket(2)
    await queue.hand_over([one])
    (held,) = await claim(queue)
    assert await capped(queue, 9, 1) == []
    keeper = LeaseKeeper(PlainRedis.from_url(redis_url), "w", 0.3)
    keeper.hold(Lease(one.id, held.token, lambda: one))
    keeper.start()
    try:
        for flushed in (False, True):
            if flushed:
                await redis.flushdb()
                await capped(queue, 0, 1)
            keeper.tick()
            await asyncio.sleep(0.15)
            await queue.hand_over([other])
            assert await capped(queue, 9, 1) == []
    finally:
        await asyncio.to_thread(keeper.stop)
    await queue.acknowledge([held])
    assert [job.id for job in await capped(queue, 9, 1)] == [other.id]


async def test_nothing_of_a_cap_is_left_when_the_queue_is_empty(queue: JobQueue, redis: Redis) -> None:
    await queue.hand_over([ticket(place) for place in range(4)])
    for _ in range(4):
        await queue.acknowledge(await capped(queue, 9, 1))
    left = {key.decode().removeprefix(PREFIX).partition(":")[0] for key in await redis.keys(PREFIX + "*")}
    assert left <= {"bell", "caps", "mark", "filled", "projects"}
