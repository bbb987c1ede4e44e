"""Reading bodies with a limit, and the headers that go with them."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from fastapi import Request

from core.errors import BodyTooLarge, NotFound, Problem, RequestRefused, RequestTimeout, UnsupportedMedia
from producer.idempotency import Idempotency

MAX_WAIT_S = 300.0
MOST_DIGITS = 18
JSON_TYPES = ("application/json", "text/json")


async def read_body(request: Request, limit_mb: int, types: Sequence[str] = ()) -> bytes:
    """The whole body. Raises UnsupportedMedia where it says that it is none of `types`, BodyTooLarge before holding
    more than the limit, RequestTimeout when it does not come in time."""
    _check_type(request, types)
    limit, within_s = limit_mb * 1_000_000, request.app.state.services.settings.body_timeout_s
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < MOST_DIGITS and int(announced) > limit:
        raise BodyTooLarge(f"the body is larger than {limit_mb} MB")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge(f"the body is larger than {limit_mb} MB")
                chunks.append(chunk)
    except TimeoutError:
        raise RequestTimeout(f"the body did not come within {within_s:g} s; {size} bytes of it did") from None
    return b"".join(chunks)


async def stream_body(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces. Raises RequestTimeout when the next one does not come in time."""
    within_s = request.app.state.services.settings.body_timeout_s
    pieces, size = request.stream(), 0
    try:
        while True:
            async with asyncio.timeout(within_s):
                piece = await anext(pieces, None)
            if piece is None:
                return
            size += len(piece)
            yield piece
    except TimeoutError:
        raise RequestTimeout(f"no more of the body came within {within_s:g} s; {size} bytes of it did") from None


def _check_type(request: Request, types: Sequence[str]) -> None:
    said = request.headers.get("content-type")
    if not types or said is None:
        return
    if said.split(";", maxsplit=1)[0].strip().lower() not in types:
        raise UnsupportedMedia(f"Content-Type: {said[:100]!r} is not taken here; send {' or '.join(types[:2])}")


def idempotency_of(request: Request, body: bytes) -> Idempotency | None:
    """The Idempotency-Key header with what it was sent with."""
    key = idempotency_key_of(request)
    return None if key is None else Idempotency(key, request.url.path.encode() + b"\n" + body)


def idempotency_key_of(request: Request) -> str | None:
    """The Idempotency-Key header."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= 255:
        raise RequestRefused.of([Problem("1 to 255 characters are needed", "Idempotency-Key")])
    return key


def preferred_wait_s(request: Request, default_s: float) -> float:
    """`Prefer: wait=N` in seconds, bounded."""
    match = re.search(r"\bwait=(\d+)", request.headers.get("prefer", ""))
    return min(float(match[1]), MAX_WAIT_S) if match else default_s


def id_of(text: str) -> UUID:
    """An id out of a path; what is no id is not there."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None
