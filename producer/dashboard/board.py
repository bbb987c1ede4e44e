"""What all who look at the dashboard share: its parts, read again while somebody looks, told when they change.

A part is read once a second; one whose reading takes long is read more seldom, so that looking never costs Postgres
more than a twentieth of its time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.jsonio import dump_json
from core.logging import get_logger
from producer.api.problems import AWAY

EVERY_S = 0.7
REST = 20.0

Reader = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class Part:
    """As it was last read, as JSON."""

    read: Reader
    version: int = 0
    said: bytes = b""

    async def look(self) -> bool:
        """Did it change?"""
        try:
            said = dump_json(await self.read())
        except AWAY as error:
            said = dump_json({"away": type(error).__name__})
        changed = said != self.said
        self.said, self.version = said, self.version + changed
        return changed


class LiveBoard:
    """Nothing is read while nobody looks."""

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._parts = {name: Part(read) for name, read in readers.items()}
        self._listeners: set[asyncio.Event] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def wake_all(self) -> None:
        for event in self._listeners:
            event.set()

    @contextmanager
    def following(self) -> Iterator[asyncio.Event]:
        """An event that is set when there is news."""
        event = asyncio.Event()
        self._listeners.add(event)
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._follow(name, part), name=f"dashboard {name}")
                for name, part in self._parts.items()
            ]
        try:
            yield event
        finally:
            self._listeners.discard(event)
            if not self._listeners:
                for task in self._tasks:
                    task.cancel()
                self._tasks = []

    def news(self, seen: dict[str, int]) -> bytes:
        """Frames of what changed since; notes in `seen` what was given."""
        frames = []
        for name, part in self._parts.items():
            if part.version > seen.get(name, 0):
                seen[name] = part.version
                frames.append(b"event: %s\ndata: %s\n\n" % (name.encode(), part.said))
        return b"".join(frames)

    async def _follow(self, name: str, part: Part) -> None:
        while True:
            began = time.monotonic()
            try:
                if await part.look():
                    self.wake_all()
            except Exception as error:  # noqa: BLE001  one part that fails must not end the others
                get_logger(__name__).warning("dashboard", part=name, error=f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(max(EVERY_S, REST * (time.monotonic() - began)))
