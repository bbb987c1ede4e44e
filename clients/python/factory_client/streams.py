"""Answers that come piece by piece and go on where they broke: events, lines, files."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BufferedRandom, BytesIO
from typing import Any, Protocol

from factory_client.calls import Answer, Call, Flow, Give, Lost, Open, Read, get
from factory_client.errors import Corrupted, FactoryError, Unreachable
from factory_client.shapes import Event, read_shape
from factory_client.trying import Patience, Tries, fault_of, is_passing

Sink = BytesIO | BufferedRandom
EVENTS_PATIENCE_S = 60.0  # four of the server's heartbeats


class Reader(Protocol):
    """Takes a body; `call` asks for what is still missing, `rest_s` is the least pause before it is asked again. `mark`
    grows when it comes further than ever."""

    done: bool
    mark: int
    rest_s: float

    def call(self) -> Call: ...
    def begin(self, answer: Answer, /) -> None: ...
    def take(self, chunk: bytes) -> Iterable[Any]: ...
    def end(self) -> Iterable[Any]: ...


def stream(reader: Reader, patience: Patience) -> Flow[None]:
    """Gives what the reader makes of the body, until it is done. Raises as `ask` does."""
    tries = Tries(patience)
    while True:
        fault: FactoryError | None = None
        try:
            answer: Answer = yield Open(reader.call())
            if answer.status >= 300:
                fault = fault_of(answer)
            else:
                reader.begin(answer)
                yield from _read(reader, tries)
        except Lost as lost:
            fault = Unreachable(str(lost))
        if reader.done:
            return
        if fault is not None and not is_passing(fault):
            raise fault
        yield tries.pause(fault, reader.rest_s)


def _read(reader: Reader, tries: Tries) -> Flow[None]:
    while not reader.done:
        chunk: bytes | None = yield Read()
        before = reader.mark
        for item in reader.take(chunk) if chunk is not None else reader.end():
            yield Give(item)
        if reader.mark > before:
            tries.progressed()
        if chunk is None:
            return


class EventReader:
    """Server-sent events of a job or a batch, each once, until the last."""

    def __init__(self, path: str, after: int = 0) -> None:
        self._path = path
        self._seen = after
        self.mark = 0
        self.done = False
        self.rest_s = 1.0

    def call(self) -> Call:
        headers = {"accept": "text/event-stream"} | ({"last-event-id": str(self._seen)} if self._seen else {})
        return replace(get(self._path), headers=headers, patience_s=EVENTS_PATIENCE_S)

    def begin(self, _answer: Answer) -> None:
        self._buffer = b""
        self._data: list[bytes] = []

    def take(self, chunk: bytes) -> Iterator[Event]:
        self.mark += 1  # a heartbeat tells, too, that there is nothing to tell
        self._buffer += chunk
        held = self._buffer.endswith(b"\r")  # half of a line's end, perhaps
        *lines, self._buffer = re.split(rb"\r\n|\n|\r", self._buffer[:-1] if held else self._buffer)
        self._buffer += b"\r" if held else b""
        for line in lines:
            if line:
                self._note(line)
            elif self._data:
                event = read_shape(Event, b"\n".join(self._data))
                self._data = []
                if event.sequence > self._seen or event.is_last:
                    self._seen, self.done = event.sequence, event.is_last
                    yield event
                if self.done:
                    return

    def end(self) -> Iterable[Event]:
        return ()

    def _note(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"retry" and value.isdigit():
            self.rest_s = int(value[:6]) / 1000


class LineReader:
    """The lines of a body, each once, as `read` makes them. A second time, what was given is passed over: by the number
    that a line begins with, or by counting."""

    def __init__(self, call: Call, read: Callable[[bytes], Any] = bytes) -> None:
        self._call = call
        self._line = read
        self.mark = 0
        self.done = False
        self.rest_s = 0.0

    def call(self) -> Call:
        return self._call

    def begin(self, _answer: Answer) -> None:
        self._buffer = b""
        self._passed = 0

    def take(self, chunk: bytes) -> Iterator[Any]:
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        for line in filter(None, lines):
            numbered = re.match(rb'\{"line":(\d+)', line)
            self._passed = int(numbered[1]) if numbered else self._passed + 1
            if self._passed > self.mark:
                self.mark = self._passed
                yield self._line(line)

    def end(self) -> Iterator[Any]:
        yield from self.take(b"\n")
        self.done = True


class FileReader:
    """A file into a sink that can seek. What is there already is not fetched twice, unless it has changed."""

    def __init__(self, path: str, sink: Sink, sha256: str | None = None) -> None:
        self._path = path
        self._sink = sink
        self._wanted = sha256
        self._tag: str | None = None
        self.mark = 0
        self.done = False
        self.rest_s = 0.0

    def call(self) -> Call:
        there = self._sink.tell()
        # A digest is of the bytes that are stored, so nothing may be compressed on the way.
        headers = {"accept-encoding": "identity"}
        if there and self._tag:
            headers |= {"range": f"bytes={there}-", "if-range": self._tag}
        return replace(get(self._path), headers=headers, patience_s=60)

    def begin(self, answer: Answer) -> None:
        self._tag = answer.headers.get("etag")
        begins = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
        self._sink.seek(int(begins[1]) if answer.status == 206 and begins else 0)
        self._sink.truncate()

    def take(self, chunk: bytes) -> Iterable[Any]:
        self._sink.write(chunk)
        self.mark = max(self.mark, self._sink.tell())
        return ()

    def end(self) -> Iterable[Any]:
        if self._wanted is not None:
            self._sink.seek(0)
            if hashlib.file_digest(self._sink, "sha256").hexdigest() != self._wanted:
                raise Corrupted(f"{self._path} came with other bytes than its job names: fetch it again")
        self.done = True
        return ()
