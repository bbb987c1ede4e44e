"""Wakes those who wait for a job or a batch. Redis carries only the hint; what happened is read in Postgres."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from uuid import UUID

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from broker.direct import Direct
from core.logging import get_logger
from core.looper import raise_if_cancelled

CHANGES = "factory:changes"
CANCELS = "factory:cancels"


class Wakeups:
    """One subscription per process; waiters are woken by id. A hint may be lost, so waiters also look by themselves."""

    def __init__(self, redis: ArqRedis, channel: str = CHANGES, on_wake: Callable[[str], None] | None = None) -> None:
        self._on_wake = on_wake
        self._redis = redis
        self._direct = Direct(redis)
        self._channel = channel
        self._waiters: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def publish(self, *ids: UUID | None) -> None:
        """Something changed about these jobs and batches. Never raises: it is a hint."""
        text = " ".join(str(one) for one in ids if one is not None)
        try:
            await self._direct.execute("PUBLISH", self._channel, text)
        except (RedisError, OSError) as error:
            get_logger(__name__).debug("wake-up not sent", error=type(error).__name__)

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen(), name="wake-ups")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextlib.contextmanager
    def waiting_for(self, one: UUID | str) -> Iterator[asyncio.Event]:
        """An event that is set when the id is named; clear it before looking."""
        event = asyncio.Event()
        self._waiters[str(one)].add(event)
        try:
            yield event
        finally:
            self._waiters[str(one)].discard(event)
            if not self._waiters[str(one)]:
                del self._waiters[str(one)]

    def wake_all(self) -> None:
        """Everybody looks once: something changed that concerns all, such as the end of this process."""
        for waiting in self._waiters.values():
            for event in waiting:
                event.set()

    async def _listen(self) -> None:
        while True:
            raise_if_cancelled()
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(self._channel)
                    async for message in subscription.listen():
                        if message["type"] == "message":
                            self._wake(message["data"].decode())
            except (RedisError, OSError) as error:
                get_logger(__name__).warning("wake-ups interrupted", error=type(error).__name__)
                await asyncio.sleep(0.5)

    def _wake(self, text: str) -> None:
        for one in text.split():
            if self._on_wake is not None:
                self._on_wake(one)
            for event in self._waiters.get(one, ()):
                event.set()
