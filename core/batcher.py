"""Many small writes as a few large ones: who comes while a write is under way goes with the next."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from core.metrics import BATCHES, observe

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Certain(asyncio.Future[Answer]):
    """Who waits for it and is cancelled learns of that when the answer is there: the future itself is not given up.
    `asyncio.shield` around each would cost 2 us."""

    def cancel(self, msg: Any = None) -> bool:  # noqa: ARG002
        return False


class Batcher(Generic[Item, Answer]):
    """`write` takes some items and gives an answer for each, or raises for all of them.

    Nobody waits for others to come: a lone item is written at once. The bound on delay is the duration of the
    writes under way, the bound on size is `most`. When `is_about_one` says that an error is some item's own fault, the
    group is split until that item stands alone with its error and the others are written. `name`: in the metrics.
    `unwanted`: is given the answer of an item whose asker was cancelled before it came. `patience_s`: for so long those
    who come wait for a write under way to end, to go together; then it counts as held up, and one begins beside it.
    `certain`: the cancellation of who waits for an answer comes after it, and the answer can be asked for still.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        is_about_one: Callable[[Exception], bool],
        most: int = 500,
        at_once: int = 2,
        name: str = "other",
        unwanted: Callable[[Answer], object] | None = None,
        patience_s: float = 0.0,
        certain: bool = False,
    ) -> None:
        self._write = write
        self._unwanted = unwanted
        self._future: type[asyncio.Future[Answer]] = _Certain if certain else asyncio.Future
        self._patience_s = patience_s
        self._began = 0.0
        self._look: asyncio.TimerHandle | None = None
        self._most = most
        self._name = name
        self._at_once = at_once
        self._is_about_one = is_about_one
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._writing: set[asyncio.Task[None]] = set()

    async def add(self, item: Item) -> Answer:
        """The item's own answer. Who is cancelled here does not take the write back."""
        return await self.put(item)

    def put(self, item: Item) -> "asyncio.Future[Answer]":
        """The item's own answer, to come."""
        future = self._future()
        self._waiting.append((item, future))
        self._begin()
        return future

    async def drain(self, most_s: float = 10.0) -> None:
        """Wait until everything that was added is written, before what it is written to is closed; not forever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while self._writing:
                    await asyncio.wait(self._writing)

    def _begin(self) -> None:
        if not self._waiting or len(self._writing) >= self._at_once:
            return
        loop = asyncio.get_running_loop()
        if self._writing and (left_s := self._began + self._patience_s - loop.time()) > 0:
            self._look = self._look or loop.call_later(left_s, self._look_again)
            return
        self._began = loop.time()
        task = loop.create_task(self._write_some())
        self._writing.add(task)
        task.add_done_callback(self._end)

    def _look_again(self) -> None:
        self._look = None
        self._begin()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        self._begin()

    async def _write_some(self) -> None:
        while group := [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]:
            self._began = asyncio.get_running_loop().time()
            observe(BATCHES, len(group), self._name)
            await self._settle(group)

    async def _settle(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._write([item for item, _ in group])
        except Exception as error:  # noqa: BLE001  it belongs to those who wait
            if len(group) > 1 and self._is_about_one(error):
                middle = len(group) // 2
                await self._settle(group[:middle])
                await self._settle(group[middle:])
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        except BaseException:
            for _, future in group:
                asyncio.Future.cancel(future)
            raise
        else:
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
                elif self._unwanted is not None:
                    self._unwanted(answer)
