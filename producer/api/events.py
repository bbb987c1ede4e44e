"""Server-sent events, derived from Postgres; Redis only wakes those who listen.

Streams of a job and of a batch end with it. Whoever comes again with the number of the last event is answered 204,
after which an `EventSource` stays away. The stream of a project ends with the connection alone.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Message, Send

from core.clock import utc_now
from core.cursors import StreamPlace, read_place
from core.errors import NotFound, Problem, RequestRefused
from core.jsonio import dump_json
from producer.api.access import BatchEventsCallerOf, EventsCallerOf, ProjectEventsCallerOf, ServicesOf
from producer.api.bodies import id_of
from producer.composition import Services
from producer.feeds import Feed, Subject
from producer.project_events import NIL, REPLAY, Name, ProjectFrame, Tail
from producer.submit import Caller
from sql.batches import read_batch
from sql.reading import read_job

READ_WITHIN_S = 60.0
HEARTBEAT = b": still here\n\n"
RETRY_MS = 1000
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
MOST_DIGITS = 18
STREAM_DOCS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Frames with `event`, `id` and `data`", "content": {"text/event-stream": {}}},
    204: {"description": "`Last-Event-ID` is that of the last event there will be"},
}
router = APIRouter()


class EventStream(StreamingResponse):
    """A stream that gives up a reader who takes nothing for a minute."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[bytes]) -> None:
        super().__init__(frames, headers=HEADERS)

    async def stream_response(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:  # one for all sends: it is told anew

                async def send_in_time(message: Message) -> None:
                    limit.reschedule(loop.time() + READ_WITHIN_S)
                    await send(message)
                    limit.reschedule(None)

                await super().stream_response(send_in_time)
        except TimeoutError:
            return


def last_seen(request: Request) -> int:
    """The number after which to go on: `Last-Event-ID`, 0 without."""
    text = request.headers.get("last-event-id") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS):
        raise RequestRefused.of([Problem("a number is needed, that of an event of this stream", "Last-Event-ID")])
    return int(text)


@router.get("/v1/jobs/{job_id}/events", tags=["jobs"], response_class=StreamingResponse, responses=STREAM_DOCS)
async def follow_job(request: Request, services: ServicesOf, caller: EventsCallerOf, job_id: str) -> Response:
    """Server-sent events until the job is over; `Last-Event-ID` continues after that number."""
    known, seen = id_of(job_id), last_seen(request)
    if await read_job(services.database, known, caller.project_id) is None:
        raise NotFound
    return await _follow(services, caller, services.job_feed, known, seen)


@router.get(
    "/v1/job-batches/{batch_id}/events", tags=["batches"], response_class=StreamingResponse, responses=STREAM_DOCS
)
async def follow_batch(request: Request, services: ServicesOf, caller: BatchEventsCallerOf, batch_id: str) -> Response:
    """Counts as server-sent events, one a second at most, until the batch is over."""
    known, seen = id_of(batch_id), last_seen(request)
    if await read_batch(services.database, known, caller.project_id) is None:
        raise NotFound
    return await _follow(services, caller, services.batch_feed, known, seen)


async def _follow(services: Services, caller: Caller, feed: Feed, known: UUID, seen: int) -> Response:
    with feed.following(Subject(known, caller.project_id, caller.project)) as (subject, changed):
        while not subject.read and not services.closing.begun:
            await _changes(changed, services.settings.heartbeat_s)
        if subject.over and subject.frames and subject.frames[-1].number <= seen:
            return Response(status_code=204)
    return EventStream(_frames(services, feed, subject, seen))


async def _frames(services: Services, feed: Feed, known: Subject, seen: int) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MS
    with feed.following(known) as (subject, changed):
        while True:
            news = [frame for frame in subject.frames if frame.number > seen]
            over = subject.over
            if news:
                seen = news[-1].number
                yield b"".join(frame.wire for frame in news)
            if over:
                await asyncio.sleep(0)  # everybody hears of it before the first stream is tidied up
                return
            if services.closing.begun:
                yield farewell()
                return
            if not await _changes(changed, services.settings.heartbeat_s):
                yield HEARTBEAT


@router.get("/v1/events", tags=["events"], response_class=StreamingResponse, responses={200: STREAM_DOCS[200]})
async def follow_project(request: Request, services: ServicesOf, caller: ProjectEventsCallerOf) -> Response:
    """`job.queued`, `job.started` and the end of every job of the project, from now on or after `Last-Event-ID`."""
    place = _place_of(request, caller)
    if place is not None:
        return EventStream(_project_frames(services, caller, place))
    async with services.project_feeds.following(caller.project_id) as (tail, _):
        here = StreamPlace(tail.reader.floor, tail.reader.reached, NIL, 0)
        joined = (tail, tail.end)
    return EventStream(_project_frames(services, caller, here, joined))


def _place_of(request: Request, caller: Caller) -> StreamPlace | None:
    text = request.headers.get("last-event-id")
    if not text:
        return None
    place = read_place(caller.project_id, text)
    if place is None:
        raise RequestRefused.of([Problem("this is no id of an event of this project's stream", "Last-Event-ID")])
    return place


async def _project_frames(
    services: Services, caller: Caller, here: StreamPlace, joined: tuple[Tail, int] | None = None
) -> AsyncIterator[bytes]:
    """`joined`: the tail as it was when the subscriber came; with it, nothing needs to be read for this one alone."""
    yield b"retry: %d\n\n" % RETRY_MS
    async with services.project_feeds.following(caller.project_id) as (tail, changed):
        behind = joined is None or joined[0] is not tail
        read, given = tail.end if joined is None else joined[1], set[Name]()
        while True:
            changed.clear()
            news = None if behind else tail.since(read)
            if news is None:  # come back after a while, or too slow for what is held in memory
                read, held_from, given = tail.end, tail.reader.floor, set()
                async for page in _replay(services, caller, here):
                    given |= {frame.name for frame in page if frame.at >= held_from}
                    here = page[-1].place
                    yield b"".join(frame.wire for frame in page)
                behind = False
                continue
            read += len(news)
            if fresh := [frame for frame in news if frame.name not in given]:
                here = fresh[-1].place
                yield b"".join(frame.wire for frame in fresh)
            if services.closing.begun:
                yield farewell()
                return
            if not await _changes(changed, services.settings.heartbeat_s):
                given = set()
                yield HEARTBEAT


async def _replay(services: Services, caller: Caller, place: StreamPlace) -> AsyncIterator[list[ProjectFrame]]:
    """What was missed, a day of it at most; a gap is said."""
    oldest = utc_now() - REPLAY
    if place.reached < oldest:
        gap = {"type": "events.gap", "at": utc_now(), "data": {"from": place.reached, "to": oldest}}
        wire = b"event: events.gap\ndata: %s\n\n" % dump_json(gap)
        yield [ProjectFrame((NIL, 0), place.reached, place, wire)]
    floor, reached = max(place.floor, oldest), max(place.reached, oldest)
    async for page in services.project_feeds.reader(caller.project_id, floor, reached).read():
        yield page
        if services.closing.begun:
            return


def farewell() -> bytes:
    """This process ends: come again, not all at once."""
    return b": this server is stopping\nretry: %d\n\n" % random.randint(200, 2000)  # noqa: S311  no secret


async def _changes(changed: asyncio.Event, seconds: float) -> bool:
    """False when the time passed, whatever else came. A bare timer costs a quarter of `asyncio.timeout`."""
    passed = False

    def beat() -> None:
        nonlocal passed
        passed = True
        changed.set()

    timer = asyncio.get_running_loop().call_later(seconds, beat)
    try:
        await changed.wait()
    finally:
        timer.cancel()
    changed.clear()
    return not passed
