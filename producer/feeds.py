"""What many subscribers of the same job or batch share: one look at Postgres a change, one copy of the events.

A subscriber holds no queue. It holds a place in the latest frames, so a slow one costs nothing but its connection.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from core.jsonio import dump_json
from core.looper import Looper
from core.presenting import TERMINAL, derive_events, present_batch
from sql.batches import read_batch
from sql.calls import select_calls
from sql.pool import Database
from sql.streams import Mark, mark_followed_jobs, select_followed_jobs

LOOK_AGAIN_S = 1.0
TICK_S = 0.02
BATCH_EVERY_S = 1.0
AT_ONCE = 200
ASKED_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it goes over the wire."""

    number: int
    wire: bytes


@dataclass(slots=True)
class Subject:
    """What is known of a job or a batch. `over`: the last frame is the last there will be. `read` once it was looked
    at."""

    id: UUID
    project_id: UUID
    project: str
    frames: Sequence[Frame] = ()
    over: bool = False
    read: bool = False
    read_at: float = 0.0
    mark: Mark | None = None
    listeners: set[asyncio.Event] = field(default_factory=set)

    def tell(self, frames: Sequence[Frame], *, over: bool) -> None:
        self.frames, self.over, self.read = frames, over, True
        for event in self.listeners:
            event.set()


def frame_of(event: dict[str, Any]) -> bytes:
    """The event on the wire."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (
        event["type"].encode(),
        str(event["sequence"]).encode(),
        dump_json(event),
    )


class Feed:
    """Follows every subject that somebody listens to. What changed is read in groups, once a tick."""

    def __init__(self, name: str) -> None:
        self._subjects: dict[str, Subject] = {}
        self._dirty: dict[str, None] = {}
        self._news = asyncio.Event()
        self._looked_at = 0.0
        self._looper = Looper(name, self.step, TICK_S)

    def start(self) -> None:
        self._looper.start()

    async def stop(self) -> None:
        await self._looper.stop()

    def woken(self, named: str) -> None:
        """A hint that something changed about this id."""
        if named in self._subjects:
            self._dirty[named] = None
            self._news.set()

    def wake_all(self) -> None:
        """Every subscriber looks up."""
        for subject in self._subjects.values():
            for event in subject.listeners:
                event.set()

    @contextlib.contextmanager
    def following(self, known: Subject) -> Iterator[tuple[Subject, asyncio.Event]]:
        """The subject that all its subscribers share, `known` if there are none; and an event that is set when it has
        news."""
        named = str(known.id)
        subject = self._subjects.setdefault(named, known)
        event = asyncio.Event()
        subject.listeners.add(event)
        if subject.read:
            event.set()
        else:
            self.woken(named)
        try:
            yield subject, event
        finally:
            subject.listeners.discard(event)
            if not subject.listeners and self._subjects.get(named) is subject:
                del self._subjects[named]

    async def step(self) -> None:
        """Wait for a hint, a second at most, and read what changed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._news.wait()
        if time.monotonic() - self._looked_at >= LOOK_AGAIN_S:
            self._looked_at = time.monotonic()
            for subject in await self._look([one for one in self._subjects.values() if one.read and not one.over]):
                self._dirty[str(subject.id)] = None
        self._news.clear()
        names = list(islice(self._dirty, AT_ONCE))
        for name in names:
            del self._dirty[name]
        try:
            await self._read([self._subjects[name] for name in names if name in self._subjects])
        except Exception:
            self._dirty.update(dict.fromkeys(names))
            raise
        if self._dirty:
            self._news.set()

    async def _look(self, subjects: list[Subject]) -> list[Subject]:
        """Those that may have changed without a hint."""
        raise NotImplementedError

    async def _read(self, subjects: list[Subject]) -> None:
        """Tell these what Postgres says."""
        raise NotImplementedError


class JobFeed(Feed):
    """Jobs with their calls."""

    def __init__(self, database: Database) -> None:
        super().__init__("job feed")
        self._database = database

    async def _look(self, subjects: list[Subject]) -> list[Subject]:
        changed: list[Subject] = []
        for begin in range(0, len(subjects), ASKED_AT_ONCE):
            some = {one.id: one for one in subjects[begin : begin + ASKED_AT_ONCE]}
            marks = await mark_followed_jobs(self._database, list(some))
            changed += [some[mark.id] for mark in marks if some[mark.id].mark != mark]
        return changed

    async def _read(self, subjects: list[Subject]) -> None:
        if not subjects:
            return
        ids = [one.id for one in subjects]
        async with (
            self._database.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            rows = {row["id"]: row for row in await select_followed_jobs(connection, ids)}
            calls: dict[UUID, list[dict[str, Any]]] = {}
            for call in await select_calls(connection, ids):
                calls.setdefault(call["job_id"], []).append(call)
        for subject in subjects:
            row, lines = rows.get(subject.id), calls.get(subject.id, [])
            if row is None:
                subject.tell(subject.frames, over=True)
                continue
            ended = sum(line["outcome"] is not None for line in lines)
            subject.mark = Mark(row["id"], row["seq"], ended)
            events = derive_events(row, lines, subject.project)
            known = len(subject.frames)  # an event is never changed by a later one
            frames = [*subject.frames, *(Frame(one["sequence"], frame_of(one)) for one in events[known:])]
            subject.tell(frames, over=row["state"] in TERMINAL)


class BatchFeed(Feed):
    """The counts of batches; one look a second at each, however many jobs end."""

    def __init__(self, database: Database) -> None:
        super().__init__("batch feed")
        self._database = database

    async def _look(self, subjects: list[Subject]) -> list[Subject]:
        return subjects

    async def _read(self, subjects: list[Subject]) -> None:
        for subject in subjects:
            if time.monotonic() - subject.read_at < BATCH_EVERY_S:
                self._dirty[str(subject.id)] = None  # in its turn
                continue
            subject.read_at = time.monotonic()
            row = await read_batch(self._database, subject.id, subject.project_id)
            if row is None:
                subject.tell(subject.frames, over=True)
                continue
            batch = present_batch(row)
            over = batch["finished_at"] is not None
            number = batch["sequence"]
            if subject.frames and subject.frames[-1].number == number:
                continue
            at = row["finished_at"] or row["created_at"]
            kind = "batch.completed" if over else "batch.progress"
            event = {"type": kind, "batch_id": subject.id, "sequence": number, "at": at, "data": batch}
            subject.tell([Frame(number, frame_of(event))], over=over)
