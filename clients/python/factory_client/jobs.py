"""Flows about one job: submit, wait, speak, fetch."""

from collections.abc import Mapping
from typing import Any, TypeVar

from factory_client.calls import Flow, Give, Pause, delete, dump_request, get, key_of, place, post
from factory_client.errors import ApiError, Timeout
from factory_client.shapes import Batch, Job, JobPage, Result, Shape, read_shape
from factory_client.streams import FileReader, Sink, stream
from factory_client.trying import Deadline, Patience, ask

WAIT_S = 30.0
PAGE = 500
S = TypeVar("S", bound=Shape)
W = TypeVar("W", Job, Batch)


def generate(
    request: Mapping[str, Any] | None,
    fields: Mapping[str, Any],
    key: str | None,
    timeout_s: float | None,
    patience: Patience,
) -> Flow[Result]:
    deadline = Deadline(patience, timeout_s)
    body = dump_request(request, fields)
    call = post("/v1/generate", body, key=key_of(key), wait_s=deadline.share_s(WAIT_S))
    answer = yield from ask(call, patience.within(timeout_s))
    if answer.status != 202:
        return read_shape(Result, answer.body)
    job = read_shape(Job, answer.body)
    return (yield from wait_for(job, place("jobs", job), deadline, patience)).answer()


def submit(
    request: Mapping[str, Any] | None, fields: Mapping[str, Any], key: str | None, patience: Patience
) -> Flow[Job]:
    call = post("/v1/jobs", dump_request(request, fields), key=key_of(key))
    return read_shape(Job, (yield from ask(call, patience)).body)


def wait(kind: type[W], path: str, timeout_s: float | None, patience: Patience) -> Flow[W]:
    deadline = Deadline(patience, timeout_s)
    found = yield from fetch(kind, path, patience.within(timeout_s))
    return (yield from wait_for(found, path, deadline, patience))


def wait_for(found: W, path: str, deadline: Deadline, patience: Patience) -> Flow[W]:
    """Long polls until it is over. Raises Timeout, with how it stood at last."""
    while not found.is_over:
        left_s = deadline.left_s
        if left_s == 0:
            raise Timeout(f"{found.id} is still {found.status}: it goes on; wait for it again, or cancel it", found)
        wait_s, begun = deadline.share_s(WAIT_S), patience.clock()
        answer = yield from ask(get(path, wait_s), patience.within(left_s))
        found = read_shape(type(found), answer.body)
        if not found.is_over and patience.clock() - begun < wait_s / 2:
            yield Pause(min(0.5, wait_s))  # something on the way does not let us wait
    return found


def fetch(kind: type[S], path: str, patience: Patience, **query: Any) -> Flow[S]:
    return read_shape(kind, (yield from ask(get(path, **query), patience)).body)


def change(kind: type[S], path: str, patience: Patience, key: str | None = None) -> Flow[S]:
    return read_shape(kind, (yield from ask(post(path, key=key), patience)).body)


def remove(path: str, patience: Patience) -> Flow[None]:
    yield from ask(delete(path), patience)


def each_job(most: int | None, filters: Mapping[str, Any], patience: Patience) -> Flow[None]:
    cursor, left = None, most
    while left is None or left > 0:
        size = PAGE if left is None else min(left, PAGE)
        page = yield from fetch(JobPage, "/v1/jobs", patience, cursor=cursor, limit=size, **filters)
        for job in page.data:
            yield Give(job)
        left = None if left is None else left - len(page.data)
        cursor = page.next_cursor
        if cursor is None:
            return


def speak(
    text: str, fields: Mapping[str, Any], key: str | None, timeout_s: float | None, sink: Sink, patience: Patience
) -> Flow[Job]:
    """The narration in the sink, and its Job."""
    deadline = Deadline(patience, timeout_s)
    made = yield from submit({"kind": "speech", "input": text}, fields, key, patience.within(timeout_s))
    job = yield from wait_for(made, place("jobs", made), deadline, patience)
    yield from download(job, sink, patience)
    return job


def download(job: Job, sink: Sink, patience: Patience) -> Flow[None]:
    audio = job.answer().audio
    if audio is None or audio.url is None:
        raise ApiError(f"job {job.id} has no audio (any more)", status=404, code="not_found")
    yield from stream(FileReader(place("jobs", job, "/audio"), sink, audio.sha256), patience)
