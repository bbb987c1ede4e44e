"""200 callers in four processes: never 101 in a window, never 21 at once, and nothing kept by the dead."""

import asyncio
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter

import pytest
from redis.asyncio import Redis

from broker.limits import Limiter
from core.limits import SLOTS, Taken
from core.settings import python_program
from tests.broker.limit_callers import LEASE_S, MINUTE

CALLERS = "tests.broker.limit_callers"


async def start(url: str, window_s: float, seconds: float) -> list[Process]:
    program = python_program(CALLERS, url, str(seconds), "50", str(window_s))
    return [await asyncio.create_subprocess_exec(*program, stdout=PIPE) for _ in range(4)]


async def calls_of(processes: list[Process]) -> list[tuple[int, float, float]]:
    """What all of them had, also those that were killed."""
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    lines = [line.split() for output, _ in outputs for line in output.decode().splitlines()]
    assert all(local == "0" for *_, local in (line for line in lines if len(line) == 4))
    return [(int(line[0]), float(line[1]), float(line[2])) for line in lines if len(line) == 4]


def most_in_a_window(calls: list[tuple[int, float, float]]) -> int:
    counts = Counter(slot for slot, _, _ in calls)
    return max(sum(counts[slot] for slot in range(first, first + SLOTS + 1)) for first in counts)


def most_at_once(calls: list[tuple[int, float, float]]) -> int:
    changes = sorted([(begun, 1) for _, begun, _ in calls] + [(ended, -1) for _, _, ended in calls])
    running = peak = 0
    for _, change in changes:
        running += change
        peak = max(peak, running)
    return peak


async def test_four_processes_keep_100_a_minute_and_20_at_once(redis_url: str) -> None:
    calls = await calls_of(await start(redis_url, 60, 4))
    assert len(calls) == 100
    assert 15 <= most_at_once(calls) <= 20


async def test_four_processes_keep_the_limit_in_every_window_that_passes(redis_url: str) -> None:
    calls = await calls_of(await start(redis_url, 1.0, 6))
    assert len(calls) > 300
    assert most_in_a_window(calls) == 100
    assert most_at_once(calls) <= 20


@pytest.mark.parametrize("_time", range(2))
async def test_what_killed_processes_held_is_free_after_a_lease(redis_url: str, _time: int) -> None:
    processes = await start(redis_url, 60, 30)
    async with Redis.from_url(redis_url) as redis:
        limiter = Limiter(redis, "api", lease_s=LEASE_S)
        async with asyncio.timeout(15):
            while (await limiter.look([MINUTE]))[0]["places"] < 20:
                await asyncio.sleep(0.005)
        for process in processes:
            process.kill()
        killed_at = time.monotonic()
        await calls_of(processes)
        async with asyncio.timeout(10):
            while (await limiter.look([MINUTE]))[0]["places"]:
                await asyncio.sleep(0.01)
        assert time.monotonic() - killed_at <= LEASE_S + 1
        assert (await limiter.look([MINUTE]))[0]["requests"] <= 100
        await redis.flushdb()
        taken = [await limiter.take(f"after-{n}", [MINUTE]) for n in range(21)]
        assert [isinstance(one, Taken) for one in taken] == [True] * 20 + [False]
