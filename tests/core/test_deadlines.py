"""Timeouts that are looked at now and then, beside what asyncio's own do."""

import asyncio
import time

import pytest

from core.deadlines import EVERY_S, Deadlines
from core.looper import Looper


async def test_who_goes_on_too_long_is_stopped_and_the_task_goes_on() -> None:
    deadlines = Deadlines()
    looper = Looper("deadlines", deadlines.step, EVERY_S)
    looper.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError), deadlines.within(0.1):
        await asyncio.sleep(30)
    assert 0.1 <= time.monotonic() - began < 5
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)
    await looper.stop()


async def test_who_is_done_in_time_is_left_alone() -> None:
    deadlines = Deadlines()
    with deadlines.within(0):
        await asyncio.sleep(0)
    await deadlines.step()
    await asyncio.sleep(0)


async def test_a_time_that_is_not_over_stops_nobody() -> None:
    deadlines = Deadlines()
    with deadlines.within(60):
        await deadlines.step()
        await asyncio.sleep(0)


async def test_a_cancellation_from_elsewhere_stays_one_also_together_with_the_deadline() -> None:
    deadlines = Deadlines()

    async def work() -> None:
        with deadlines.within(0):
            await asyncio.sleep(30)

    for both in (False, True):
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        if both:
            await deadlines.step()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_outer_one_stops_what_the_inner_one_leaves() -> None:
    deadlines = Deadlines()

    async def work() -> str:
        try:
            with deadlines.within(0):
                try:
                    with deadlines.within(60):
                        await asyncio.sleep(30)
                except TimeoutError:
                    return "inner"
        except TimeoutError:
            return "outer"
        return "none"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await deadlines.step()
    assert await task == "outer"
