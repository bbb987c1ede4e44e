"""Reading bodies with a limit, and the headers that go with them."""

import re
from uuid import UUID

from fastapi import Request

from core.errors import BodyTooLarge, NotFound, Problem, RequestRefused
from producer.submit import Idempotency

MAX_WAIT_S = 300.0


async def read_body(request: Request, limit_mb: int) -> bytes:
    """The whole body; raises BodyTooLarge before holding more than the limit."""
    limit = limit_mb * 1_000_000
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"the body is larger than {limit_mb} MB")
        chunks.append(chunk)
    return b"".join(chunks)


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
