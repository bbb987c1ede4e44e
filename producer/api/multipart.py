"""`multipart/form-data` as it comes: fields and one file, of which no more is held than a piece. Pure, but for the
stream."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from core.errors import BodyTooLarge, Problem, RequestRefused, UnsupportedMedia

MOST_HEAD = 8_192
MOST_FIELD = 4_096
MOST_PARTS = 32


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of a part; its bytes follow."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent beside the bytes of the file; `size` is None where there was no file."""

    fields: dict[str, str]
    filename: str
    size: int | None


class MultipartParser:
    """Pieces of a body in; parts and their bytes out."""

    def __init__(self, content_type: str) -> None:
        """Raises UnsupportedMedia for another type, or one without a boundary."""
        said = _header("content-type", content_type)
        boundary = said.get_param("boundary", header="content-type")
        if (
            said.get_content_type() != "multipart/form-data"
            or not isinstance(boundary, str)
            or not 1 <= len(boundary) <= 70
        ):
            raise UnsupportedMedia("send multipart/form-data with its boundary")
        self._mark = b"\r\n--" + boundary.encode()
        self._held = b"\r\n"  # so that the first boundary looks like the others
        self._in = "preamble"
        self.ended = False

    def feed(self, piece: bytes) -> Iterator[Part | bytes]:
        """Raises RequestRefused for what is no such body."""
        self._held += piece
        while not self.ended:
            if self._in in ("preamble", "data"):
                place = self._held.find(self._mark)
                ready = place if place >= 0 else max(0, len(self._held) - len(self._mark) + 1)
                if ready and self._in == "data":
                    yield self._held[:ready]
                self._held = self._held[ready:]
                if place < 0:
                    return
                self._held, self._in = self._held[len(self._mark) :], "boundary"
            elif self._in == "boundary":
                if len(self._held) < 2:
                    return
                if self._held[:2] == b"--":
                    self.ended = True
                elif self._held[:2] != b"\r\n":
                    raise _broken("a boundary is followed by something else than a line's end")
                self._in = "head"
            else:
                head, found, rest = self._held.partition(b"\r\n\r\n")
                if len(head) > MOST_HEAD:
                    raise _broken("the headers of a part are too long")
                if not found:
                    return
                self._held, self._in = rest, "data"
                yield _part_of(head)
        self._held = b""


async def read_form(
    stream: AsyncIterator[bytes], content_type: str, write: Callable[[bytes], Awaitable[object]], most_mb: int
) -> Form:
    """The fields; the bytes of the part `file` go to `write`. Raises RequestRefused, UnsupportedMedia, BodyTooLarge."""
    parser = MultipartParser(content_type)
    fields: dict[str, bytes] = {}
    part, filename, size = Part("", None), "", None
    async for piece in stream:
        for found in parser.feed(piece):
            if isinstance(found, Part):
                part = found
                if part.name in fields or (part.name == "file" and size is not None) or len(fields) == MOST_PARTS:
                    raise RequestRefused.of(
                        [Problem("this part is there twice, or there are too many", part.name[:100])]
                    )
                if part.name == "file":
                    filename, size = part.filename or "file", 0
                else:
                    fields[part.name] = b""
            elif part.name == "file":
                size = (size or 0) + len(found)
                if size > most_mb * 1_000_000:
                    raise BodyTooLarge(f"the file is larger than {most_mb} MB")
                await write(found)
            else:
                fields[part.name] += found
                if len(fields[part.name]) > MOST_FIELD:
                    raise RequestRefused.of([Problem(f"a field has at most {MOST_FIELD} bytes", part.name[:100])])
    if not parser.ended:
        raise _broken("it ends before its last boundary")
    return Form({name: _text(name, value) for name, value in fields.items()}, filename, size)


def _part_of(head: bytes) -> Part:
    try:
        said = HeaderParser().parsestr(head.strip(b"\r\n").decode() + "\r\n\r\n")
    except UnicodeDecodeError:
        raise _broken("the headers of a part are not UTF-8") from None
    name = said.get_param("name", header="content-disposition")
    if said.get_content_disposition() != "form-data" or not isinstance(name, str) or not name:
        raise _broken("a part has no Content-Disposition: form-data with a name")
    return Part(name, said.get_filename())


def _header(name: str, value: str) -> Message:
    made = Message()
    made[name] = value
    return made


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise RequestRefused.of([Problem("this is not UTF-8", name[:100])]) from None
    return text


def _broken(why: str) -> RequestRefused:
    return RequestRefused(f"this is no multipart/form-data: {why}")
