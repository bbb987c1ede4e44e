"""Everything that happens to the jobs of a project, in one stream, out of Postgres alone.

Nothing hands out numbers: an event is known by its job and its rank in the job's life (queued, started, over). Times
are those of transactions, so an event may become visible after one with a later time. Therefore a reader goes again
over what is younger than the oldest transaction under way, leaves out what it has sent, and writes where it is into
every event's `id:`. Whoever goes on elsewhere may get again what was sent within that short span (the same type and
job), and misses nothing that is committed within `LOOK_BACK` of its time.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.cursors import StreamPlace, write_place
from core.looper import Looper
from core.presenting import TERMINAL, job_url
from producer.feeds import frame_of
from sql.pool import Database
from sql.streams import read_event_horizon, select_changed_jobs

LOOK_BACK = timedelta(seconds=60)
REPLAY = timedelta(hours=24)
PAGE = 500
KEPT = 2000
LOOK_AGAIN_S = 0.5
TICK_S = 0.05
NIL = UUID(int=0)
Name = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class ProjectFrame:
    name: Name
    at: datetime
    place: StreamPlace
    wire: bytes


class EventReader:
    """Reads on from a place. `sent` holds what it has given out of the span that it goes over again."""

    def __init__(self, database: Database, project_id: UUID, floor: datetime, reached: datetime) -> None:
        self._database = database
        self._project_id = project_id
        self.floor = floor
        self.reached = reached
        self.sent: dict[Name, datetime] = {}

    async def read(self) -> AsyncIterator[list[ProjectFrame]]:
        """Pages of news, until there is none for now."""
        horizon = await read_event_horizon(self._database, LOOK_BACK)
        after, after_id = self.reached, NIL
        while True:
            rows = await select_changed_jobs(self._database, self._project_id, after, after_id, PAGE)
            if page := [frame for row in rows for frame in self._frames(row, min(row["changed_at"], horizon))]:
                yield page
            if len(rows) < PAGE:
                break
            after, after_id = rows[-1]["changed_at"], rows[-1]["id"]
        self.floor = self.reached = max(self.reached, horizon)
        self.sent = {name: at for name, at in self.sent.items() if at >= self.floor}

    def _frames(self, row: dict[str, Any], reached: datetime) -> Iterator[ProjectFrame]:
        job_id = UUID(str(row["id"]))
        for rank, kind, at in _steps(row):
            if at < self.floor or (job_id, rank) in self.sent:
                continue
            self.sent[job_id, rank] = at
            place = StreamPlace(self.floor, max(self.reached, reached), job_id, rank)
            event = {
                "type": kind,
                "job_id": job_id,
                "sequence": write_place(self._project_id, place),
                "at": at,
                "data": _brief(row, over=rank == _OVER),
            }
            yield ProjectFrame((job_id, rank), at, place, frame_of(event))


_OVER = 3


def _steps(row: dict[str, Any]) -> Iterator[tuple[int, str, datetime]]:
    yield 1, "job.queued", row["created_at"]
    if row["started_at"] is not None:
        yield 2, "job.started", row["started_at"]
    if row["state"] in TERMINAL:
        yield _OVER, f"job.{row['state']}", row["finished_at"]


def _brief(row: dict[str, Any], *, over: bool) -> dict[str, Any]:
    """The job without request and answer; what it cost once it is over."""
    brief = {
        "id": row["id"],
        "kind": row["kind"],
        "model": row["model"],
        "batch_id": row["batch_id"],
        "key": row["key"],
        "metadata": row["metadata"],
        "urls": {"self": job_url(row["id"])},
    }
    if over:
        brief |= {
            "status": row["state"],
            "error": row["error"],
            "provider": row["provider"],
            "answered_by": row["answered_by"],
            "cost": row["cost"],
        }
    return brief


@dataclass(slots=True)
class Tail:
    """The youngest events of a project, shared by all who listen. `end` counts every event that ever was in it."""

    reader: EventReader
    project_id: UUID
    frames: deque[ProjectFrame] = field(default_factory=lambda: deque(maxlen=KEPT))
    end: int = 0
    listeners: set[asyncio.Event] = field(default_factory=set)
    looper: Looper | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def step(self) -> None:
        """Read on, half a second after the last time or at a hint."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self.news.wait()
        self.news.clear()
        async for page in self.reader.read():
            self.frames.extend(page)
            self.end += len(page)
            for event in self.listeners:
                event.set()

    def since(self, place: int) -> list[ProjectFrame] | None:
        """What came after that many; None where it is no longer held."""
        missing = self.end - place
        if missing > len(self.frames):
            return None
        return [self.frames[place] for place in range(-missing, 0)]


class ProjectFeeds:
    """One tail per project that somebody listens to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tails: dict[UUID, Tail] = {}

    def woken(self, named: str) -> None:
        """A hint about a project."""
        if self._tails and (tail := self._tails.get(_uuid_or_nil(named))) is not None:
            tail.news.set()

    def wake_all(self) -> None:
        for tail in self._tails.values():
            for event in tail.listeners:
                event.set()

    def reader(self, project_id: UUID, floor: datetime, reached: datetime) -> EventReader:
        """For one subscriber alone, to catch up."""
        return EventReader(self._database, project_id, floor, reached)

    async def horizon(self) -> datetime:
        return await read_event_horizon(self._database, LOOK_BACK)

    @contextlib.asynccontextmanager
    async def following(self, project_id: UUID) -> AsyncIterator[tuple[Tail, asyncio.Event]]:
        """The project's tail; it is read while somebody listens."""
        tail = self._tails.get(project_id)
        if tail is None:
            now = await self.horizon()
            tail = self._tails.setdefault(project_id, Tail(self.reader(project_id, now, now), project_id))
        event = asyncio.Event()
        tail.listeners.add(event)
        if tail.looper is None:
            tail.looper = Looper("project events", tail.step, TICK_S)
            tail.looper.start()
        try:
            yield tail, event
        finally:
            tail.listeners.discard(event)
            if not tail.listeners and self._tails.get(project_id) is tail:
                del self._tails[project_id]
                await tail.looper.stop()

    async def stop(self) -> None:
        for tail in list(self._tails.values()):
            if tail.looper is not None:
                await tail.looper.stop()


def _uuid_or_nil(named: str) -> UUID:
    try:
        return UUID(named)
    except ValueError:
        return NIL
