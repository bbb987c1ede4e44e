"""Lines of a body: cut out of the stream, bounded, hashed on the way; and where they are read from afterwards."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from core.errors import BodyTooLarge, Problem, RequestRefused
from sql.batches import select_lines, select_named_lines
from sql.pool import Database
from storage.store import NotStored, Store

MOST_LINES = 100_000
MOST_MB = 2_000
PAGE_LINES = 200
PAGE_BYTES = 4_000_000

Line = tuple[int, bytes]


class LineSource(Protocol):
    """Numbered lines, to be read more than once."""

    async def page(self, after_line: int) -> Sequence[Line]:
        """The next lines in order; none are the end."""
        ...

    async def named(self, numbers: Sequence[int]) -> Sequence[Line]: ...


@dataclass(frozen=True, slots=True)
class HeldLines:
    """A few, in memory."""

    lines: Mapping[int, bytes]

    async def page(self, after_line: int) -> Sequence[Line]:
        return [] if after_line else list(self.lines.items())

    async def named(self, numbers: Sequence[int]) -> Sequence[Line]:
        return [(number, self.lines[number]) for number in numbers]


@dataclass(frozen=True, slots=True)
class StoredLines:
    """Many, in Postgres."""

    database: Database
    batch_id: UUID

    async def page(self, after_line: int) -> Sequence[Line]:
        return await select_lines(self.database, self.batch_id, after_line, PAGE_LINES, PAGE_BYTES)

    async def named(self, numbers: Sequence[int]) -> Sequence[Line]:
        return await select_named_lines(self.database, self.batch_id, numbers)


class FileLines:
    """Many, in a stored file; read once, from its beginning. None of them comes after another."""

    def __init__(self, storage: Store, key: str | None, line_mb: int) -> None:
        self._lines = _cut_file(storage, key, line_mb)

    async def page(self, after_line: int) -> Sequence[Line]:
        """Raises RequestRefused where the file is no longer there, and what `LineCutter.cut` does."""
        page: list[Line] = []
        size = 0
        async for line in self._lines:
            if line[0] > after_line:
                page.append(line)
                size += len(line[1])
            if len(page) == PAGE_LINES or size > PAGE_BYTES:
                break
        return page

    async def named(self, numbers: Sequence[int]) -> Sequence[Line]:
        raise NotImplementedError


async def _cut_file(storage: Store, key: str | None, line_mb: int) -> AsyncGenerator[Line, None]:
    if key is None:
        raise RequestRefused("the input file was deleted before its lines were read")
    cutter = LineCutter(line_mb)
    try:
        async for line in cutter.cut(storage.read(key)):
            yield line
    except NotStored:
        raise RequestRefused("the input file is no longer stored") from None
    if not cutter.count:
        raise RequestRefused("the input file has no lines")


@dataclass(frozen=True, slots=True)
class WholeBody:
    """What a LineCutter says at its end, of lines that came otherwise."""

    count: int
    digest: bytes


@dataclass(slots=True)
class LineCutter:
    """Cuts a stream of bytes into its lines, which keep the numbers they have in the file; empty ones are left out.
    `line_mb` bounds a line."""

    line_mb: int
    first: bytes = b""
    count: int = 0
    size: int = 0
    _number: int = 0
    _open: list[bytes] = field(default_factory=list)
    _open_size: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        self._hash.update(self.first)

    @property
    def digest(self) -> bytes:
        """SHA-256 of `first` and the whole stream."""
        return self._hash.digest()

    async def cut(self, stream: AsyncIterator[bytes]) -> AsyncGenerator[Line, None]:
        """Raises BodyTooLarge, or RequestRefused for too many lines, before holding more than a line."""
        async for chunk in stream:
            self._hash.update(chunk)
            self.size += len(chunk)
            if self.size > MOST_MB * 1_000_000:
                raise BodyTooLarge(f"the file is larger than {MOST_MB} MB")
            head, *more = chunk.split(b"\n")
            self._hold(head)
            for piece in more:
                if line := self._close():
                    yield line
                self._hold(piece)
        if line := self._close():
            yield line

    def _hold(self, piece: bytes) -> None:
        self._open.append(piece)
        self._open_size += len(piece)
        if self._open_size > self.line_mb * 1_000_000:
            raise BodyTooLarge(f"line {self._number + 1} is larger than {self.line_mb} MB")

    def _close(self) -> Line | None:
        body = b"".join(self._open)
        self._open, self._open_size = [], 0
        self._number += 1
        if not body.strip():
            return None
        self.count += 1
        if self.count > MOST_LINES or self._number >= 1 << 20:
            raise RequestRefused.of([Problem(f"a batch has 1 to {MOST_LINES} jobs, this one has more", "jobs")])
        return self._number, body
