"""Flows about batches, whose jobs are sent as JSONL from a file and never held in memory."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from factory_client.calls import Body, Call, Flow, Give, dump, get, key_of, place, post
from factory_client.shapes import Batch, BatchResult, ErrorPage, Job, Quote, read_shape
from factory_client.streams import LineReader, stream
from factory_client.trying import Patience, ask

LINES_TYPE = "application/jsonl"
PAGE = 1000
IN_MEMORY = 1_000_000
UPLOAD_PATIENCE_S = 300.0  # a hundred thousand lines are stored before the answer
Line = Mapping[str, Any] | str | bytes


class Order:
    """A batch to be sent: the lines in a file, so that they can be sent again, and what goes beside them.

    JSONL has no place for metadata: with it, the same lines travel as one JSON object.
    """

    def __init__(self, file: BinaryIO, metadata: Mapping[str, Any] | None = None) -> None:
        self._file = file
        self._count = 0
        self._metadata = metadata

    def add(self, line: Line) -> None:
        """A Request, or a line of JSON that is one."""
        text = line.encode() if isinstance(line, str) else line if isinstance(line, bytes) else dump(line)
        if not text.strip():
            self._file.write(b"\n" if self._metadata is None else b"")  # errors count the lines
            return
        if self._metadata is not None:
            self._file.write(b"," if self._count else b'{"metadata":%b,"jobs":[' % dump(self._metadata))
        self._file.write(text.strip() + (b"\n" if self._metadata is None else b""))
        self._count += 1

    def call(self, path: str, key: str | None, **query: Any) -> Call:
        if self._metadata is not None:
            self._file.write(b"]}" if self._count else b'{"jobs":[]}')
        kind = LINES_TYPE if self._metadata is None else "application/json"
        return replace(post(path, Body(self._file), kind, key=key, **query), patience_s=UPLOAD_PATIENCE_S)


@contextmanager
def ordering(jobs: Any, metadata: Mapping[str, Any] | None = None) -> Iterator[tuple[Order, Any]]:
    """An Order, and the lines that are still to be added to it: none of a file of JSONL, which is sent as it is."""
    if isinstance(jobs, str | os.PathLike):
        with Path(jobs).open("rb") as file:
            if metadata is None:
                yield Order(file), ()
                return
            with _spool() as spool:
                yield Order(spool, metadata), file
        return
    with _spool() as spool:
        yield Order(spool, metadata), jobs.splitlines() if isinstance(jobs, bytes) else jobs


def _spool() -> Any:
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)


def submit_batch(order: Order, key: str | None, query: Mapping[str, Any], patience: Patience) -> Flow[Batch]:
    call = order.call("/v1/job-batches", key_of(key), **query)
    return read_shape(Batch, (yield from ask(call, patience)).body)


def quote(order: Order, query: Mapping[str, Any], patience: Patience) -> Flow[Quote]:
    call = replace(order.call("/v1/job-batches/quote", None, **query), repeatable=True)
    return read_shape(Quote, (yield from ask(call, patience)).body)


def errors(batch: Batch | str, patience: Patience) -> Flow[None]:
    """Gives what was wrong with lines."""
    cursor: int | None = 0
    while cursor is not None:
        call = get(place("job-batches", batch, "/errors"), cursor=cursor, limit=PAGE)
        page = read_shape(ErrorPage, (yield from ask(call, patience)).body)
        for one in page.data:
            yield Give(one)
        cursor = page.next_cursor


def results(
    batch: Batch | str, kind: type[Job] | type[BatchResult], query: Mapping[str, Any], patience: Patience
) -> Flow[None]:
    """Gives what became of each line."""
    call = get(place("job-batches", batch, "/results"), **query)
    yield from stream(LineReader(call, lambda line: read_shape(kind, line)), patience)
