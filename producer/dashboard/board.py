"""What all who look at the dashboard share: its parts, read again while somebody looks, told when they change.

A part is read about once a second; one whose reading takes long is read more seldom, so that looking never costs
Postgres more than a twentieth of its time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from core.jsonio import dump_json
from core.looper import Looper

EVERY_S = 0.7
REST = 20.0

Reader = Callable[[], Awaitable[Any]]


class Part:
    """As it was last read, as JSON; `told` is called when it changed."""

    def __init__(self, read: Reader, told: Callable[[], None]) -> None:
        self._read = read
        self._told = told
        self.version = 0
        self.said = b""

    async def step(self) -> None:
        began = time.monotonic()
        said = dump_json(await self._read())
        if said != self.said:
            self.said, self.version = said, self.version + 1
            self._told()
        await asyncio.sleep(max(0.0, REST * (time.monotonic() - began) - EVERY_S))


class LiveBoard:
    """Nothing is read while nobody looks."""

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._parts = {name: Part(read, self.wake_all) for name, read in readers.items()}
        self._loopers = [Looper(f"dashboard {name}", part.step, EVERY_S) for name, part in self._parts.items()]
        self._listeners: set[asyncio.Event] = set()

    def wake_all(self) -> None:
        for event in self._listeners:
            event.set()

    @contextmanager
    def following(self) -> Iterator[asyncio.Event]:
        """An event that is set when there is news. Nothing is awaited on the way out: who leaves a stream is cancelled
        at every wait."""
        event = asyncio.Event()
        if not self._listeners:
            for looper in self._loopers:
                looper.start()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)
            if not self._listeners:
                for looper in self._loopers:
                    looper.cancel()

    def news(self, seen: dict[str, int]) -> bytes:
        """Frames of what changed since; notes in `seen` what was given."""
        frames = []
        for name, part in self._parts.items():
            if part.version > seen.get(name, 0):
                seen[name] = part.version
                frames.append(b"event: %s\ndata: %s\n\n" % (name.encode(), part.said))
        return b"".join(frames)
