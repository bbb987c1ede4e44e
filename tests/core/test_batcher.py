"""Many small writes as a few large ones."""

import asyncio
from collections.abc import Sequence

import pytest

from core.batcher import Batcher


class Refused(Exception):
    """About one item."""


def make(
    written: list[list[int]], *, most: int = 10, at_once: int = 1, pause: asyncio.Event | None = None
) -> Batcher[int, int]:
    async def write(items: Sequence[int]) -> list[int]:
        if pause is not None:
            await pause.wait()
        if any(one < 0 for one in items):
            raise Refused
        if any(one == 99 for one in items):
            raise ConnectionError
        written.append(list(items))
        return [one * 10 for one in items]

    return Batcher(write, most=most, at_once=at_once, is_about_one=lambda error: isinstance(error, Refused))


async def test_a_lone_item_is_written_at_once() -> None:
    written: list[list[int]] = []
    assert await make(written).add(7) == 70
    assert written == [[7]]


async def test_draining_waits_for_writes_whose_callers_are_gone() -> None:
    written: list[list[int]] = []
    gate = asyncio.Event()
    batcher = make(written, most=1, pause=gate)
    callers = [asyncio.create_task(batcher.add(one)) for one in (1, 2, 3)]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    asyncio.get_running_loop().call_soon(gate.set)
    await batcher.drain()
    assert written == [[1], [2], [3]]
    await batcher.drain()


async def test_who_comes_meanwhile_goes_with_the_next_and_none_is_too_large() -> None:
    written: list[list[int]] = []
    gate = asyncio.Event()
    batcher = make(written, most=4, pause=gate)
    waiting = [asyncio.create_task(batcher.add(one)) for one in range(11)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [one * 10 for one in range(11)]
    assert max(map(len, written)) <= 4
    assert len(written) <= 4
    assert sorted(one for group in written for one in group) == list(range(11))


async def test_one_bad_item_fails_alone() -> None:
    written: list[list[int]] = []
    gate = asyncio.Event()
    batcher = make(written, pause=gate)
    waiting = [asyncio.create_task(batcher.add(one)) for one in (0, 1, -1, 3, 4)]
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [one if isinstance(one, int) else type(one) for one in results] == [0, 10, Refused, 30, 40]


async def test_an_error_of_the_server_is_everybodys() -> None:
    gate = asyncio.Event()
    batcher = make([], pause=gate)
    waiting = [asyncio.create_task(batcher.add(one)) for one in (1, 99, 2)]
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert ConnectionError in {type(one) for one in results}
    assert await batcher.add(5) == 50, "and the next is written all the same"


async def test_who_leaves_does_not_take_the_write_back() -> None:
    written: list[list[int]] = []
    gate = asyncio.Event()
    batcher = make(written, pause=gate)
    leaving, staying = asyncio.create_task(batcher.add(1)), asyncio.create_task(batcher.add(2))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    assert await staying == 20
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert sorted(one for group in written for one in group) == [1, 2]


async def test_beside_a_write_that_is_held_up_another_begins() -> None:
    begun: list[list[int]] = []
    gate = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[int]:
        begun.append(list(items))
        if 1 in items:
            await gate.wait()
        return items

    batcher = Batcher(write, is_about_one=lambda _: False, patience_s=0.05)
    held_up = batcher.put(1)
    await asyncio.sleep(0)
    others = [batcher.put(2), batcher.put(3)]
    await asyncio.sleep(0)
    assert begun == [[1]], "they wait for it at first"
    async with asyncio.timeout(5):
        assert await asyncio.gather(*others) == [2, 3]
    assert begun == [[1], [2, 3]]
    gate.set()
    assert await held_up == 1


async def test_an_answer_that_nobody_waits_for_is_handed_back() -> None:
    unwanted: list[int] = []

    async def write(items: Sequence[int]) -> Sequence[int]:
        return items

    batcher = Batcher(write, is_about_one=lambda _: False, unwanted=unwanted.append)
    batcher.put(1).cancel()
    assert await batcher.add(2) == 2
    assert unwanted == [1]


async def test_where_answers_are_certain_a_cancellation_comes_after_the_answer() -> None:
    gate = asyncio.Event()

    async def write(items: Sequence[int]) -> list[int]:
        await gate.wait()
        return [one * 10 for one in items]

    batcher = Batcher(write, is_about_one=lambda _error: False, certain=True)
    answer = batcher.put(1)

    async def wait() -> int:
        return await answer

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await answer == 10


async def test_where_answers_are_certain_a_writer_that_is_stopped_leaves_nobody_waiting() -> None:
    async def write(items: Sequence[int]) -> list[int]:
        raise asyncio.CancelledError

    batcher = Batcher(write, is_about_one=lambda _error: False, certain=True)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(batcher.put(1), 5)
