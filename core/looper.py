"""A background duty: one small step, again and again, that outlives its failures."""

import asyncio
from collections.abc import Awaitable, Callable

from core.logging import get_logger


def raise_if_cancelled() -> None:
    """For loops that must end: before Python 3.12 a library's `wait_for` may swallow a cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Looper:
    """Runs `step` every `every_s`; a step that raises is logged and tried again at the next turn."""

    def __init__(self, name: str, step: Callable[[], Awaitable[object]], every_s: float) -> None:
        self.name = name
        self.step = step
        self.every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    def cancel(self) -> None:
        """Ends at its next wait."""
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        self.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        failing = False
        while True:
            raise_if_cancelled()
            try:
                await self.step()
                failing = False
            except Exception as error:  # noqa: BLE001  a duty must survive whatever its step meets
                if not failing:
                    get_logger(__name__).warning(
                        "duty failed", duty=self.name, error=f"{type(error).__name__}: {error}"
                    )
                failing = True
            await asyncio.sleep(self.every_s)
