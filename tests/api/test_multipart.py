"""Uploads as browsers and clients send them, cut anywhere, and what is no upload."""

from collections.abc import AsyncIterator

import pytest

from core.errors import BodyTooLarge, RequestRefused, UnsupportedMedia
from producer.api import multipart
from producer.api.multipart import Form, read_form

TYPE = 'multipart/form-data; boundary="b-1"'
DATA = b"one\r\n--b-\r\n\r\n--b-2\r\n--b"
BODY = (
    b'a preamble of no use\r\n--b-1\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--b-1\r\ncontent-disposition: form-data; name="file"; filename="l\xc3\xa4nge \\"x\\".jsonl"\r\n'
    b"Content-Type: application/jsonl\r\n\r\n" + DATA + b"\r\n"
    b'--b-1\r\nContent-Disposition: form-data; name="empty"\r\n\r\n\r\n--b-1--\r\nand what follows'
)


async def read(body: bytes, *, step: int = 1 << 20, most_mb: int = 1, kind: str = TYPE) -> tuple[Form, bytes]:
    written: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    async def write(piece: bytes) -> None:
        written.append(piece)

    form = await read_form(pieces(), kind, write, most_mb)
    return form, b"".join(written)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 1000])
async def test_parts_are_found_wherever_the_body_is_cut(step: int) -> None:
    form, written = await read(BODY, step=step)
    assert form == Form({"purpose": "batch", "empty": ""}, 'länge "x".jsonl', len(DATA))
    assert written == DATA


async def test_no_more_is_held_than_a_piece() -> None:
    parser = multipart.MultipartParser(TYPE)
    head = b'--b-1\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    assert list(parser.feed(head)) == [multipart.Part("file", None)]
    passed = sum(len(one) for _ in range(100) for one in parser.feed(b"\r\n--b-" * 1000) if isinstance(one, bytes))
    assert 0 <= 600_000 - passed < 20


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", RequestRefused),
        (BODY[: BODY.index(b"--b-1--")], RequestRefused),
        (BODY.replace(b"--b-1\r\nc", b"--b-1 x\r\nc"), RequestRefused),
        (BODY.replace(b'name="purpose"', b""), RequestRefused),
        (BODY.replace(b'name="purpose"', b'name="file"'), RequestRefused),
        (BODY.replace(b'name="empty"', b'name="purpose"'), RequestRefused),
        (BODY.replace(b"\r\nbatch", b"\r\n\xff"), RequestRefused),
        (BODY.replace(b"l\xc3\xa4nge", b"l\xc3nge"), RequestRefused),
        (BODY.replace(b"\r\nbatch", b"\r\n" + b"b" * 5000), RequestRefused),
        (BODY.replace(b"Content-Type:", b"x: " + b"y" * 9000 + b"\r\nContent-Type:"), RequestRefused),
        (BODY.replace(b"\r\none", b"\r\n" + b"o" * 1_000_001), BodyTooLarge),
    ],
)
async def test_what_is_no_upload_is_refused(body: bytes, error: type[Exception]) -> None:
    assert body != BODY
    for step in (11, 1 << 20) if len(body) < 100_000 else (1 << 16,):
        with pytest.raises(error):
            await read(body, step=step)


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", f"multipart/form-data; boundary={'b' * 71}"]
)
async def test_other_types_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedMedia):
        await read(BODY, kind=kind)
