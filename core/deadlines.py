"""Timeouts that are looked at now and then: what stands behind every call and is hardly ever needed must cost little.
One of asyncio's, with a timer of the event loop, takes 4 us, one of these 1."""

import asyncio
import time
from types import TracebackType

EVERY_S = 0.25


class Within:
    """As `asyncio.timeout_at`: raises TimeoutError when its task was stopped because the time was over. `ends` is
    monotonic."""

    __slots__ = ("_before", "_expired", "_open", "_task", "ends")

    def __init__(self, ends: float, running: "set[Within]") -> None:
        self.ends = ends
        self._open = running
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._before = task, task.cancelling()
        self._open.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.discard(self)
        if self._expired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        self._open.discard(self)
        self._expired = True
        self._task.cancel()


class Deadlines:
    """Who goes on too long is stopped at the next `step`."""

    def __init__(self) -> None:
        self._running: set[Within] = set()

    def within(self, timeout_s: float) -> Within:
        """A context manager for the current task."""
        return Within(time.monotonic() + timeout_s, self._running)

    async def step(self) -> None:
        now = time.monotonic()
        for one in [one for one in self._running if one.ends <= now]:
            one.expire()
