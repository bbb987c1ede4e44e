"""The way of one call through the emulator, the same for every dialect."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from adapters.emulator.billing import read_bill
from adapters.emulator.ceilings import Ceilings
from adapters.emulator.faults import ERRORS, Fault, Faults
from adapters.emulator.journal import Journal, Seen
from adapters.emulator.settings import EmulatorSettings

FACTORS = {"text": 1.0, "speech": 1.33, "embedding": 0.2}


class Refused(Exception):
    """The provider would say no; carries its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that the provider would accept. `respond` makes the answer, bent by a fault if there is one."""

    model: str
    asked: Fault | None
    prompt: str
    kind: str
    respond: Callable[[Fault | None], Awaitable[Response]]


class Dialect(Protocol):
    """One provider's wire format."""

    provider: str

    def invalid(self, message: str, *, code: str | None = None, param: str | None = None) -> Refused:
        """The provider's 400."""

    def error(self, fault: Fault) -> Response:
        """The provider's answer for one of `faults.ERRORS`."""


Prepare = Callable[[Request, dict[str, Any]], Prepared]


@dataclass(slots=True)
class Emulator:
    """What all dialects share."""

    settings: EmulatorSettings
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    ceilings: Ceilings = field(default_factory=Ceilings)
    prefixes: set[str] = field(default_factory=set)

    async def call(self, request: Request, dialect: Dialect, prepare: Prepare) -> Response:
        """Journal, check, wait as long as a provider would, answer."""
        seen = self.journal.add(Seen(dialect.provider, "", request.url.path, request.headers.get("x-factory-call-id")))
        try:
            response = await self._answer(request, dialect, prepare, seen)
        except Refused as refused:
            response = refused.response
        except (asyncio.CancelledError, _Gone):
            seen.aborted, seen.finished_at = True, time.monotonic()
            return Response(status_code=499)
        seen.status, seen.finished_at = response.status_code, time.monotonic()
        return response

    async def _answer(self, request: Request, dialect: Dialect, prepare: Prepare, seen: Seen) -> Response:
        try:
            body = orjson.loads(await request.body())
        except orjson.JSONDecodeError as error:
            raise dialect.invalid(f"We could not parse the JSON body of your request: {error}") from None
        if not isinstance(body, dict):
            raise dialect.invalid("The body must be a JSON object.")
        prepared = prepare(request, body)
        seen.model = prepared.model
        ceiling = self.ceilings.find(dialect.provider, prepared.model)
        if ceiling is None:
            return await self._work(request, dialect, prepared, seen)
        now_s = time.monotonic()
        if (refusal := ceiling.refusal(now_s)) is not None:
            ceiling.refused += 1
            response = dialect.error(refusal)
        else:
            with ceiling.running_one(now_s):
                response = await self._work(request, dialect, prepared, seen)
                response.headers.update(ceiling.headers(time.monotonic()))
        return response

    async def _work(self, request: Request, dialect: Dialect, prepared: Prepared, seen: Seen) -> Response:
        header = request.headers.get("x-emulator-fault")
        try:
            fault = self.faults.choose(dialect.provider, prepared.model, prepared.asked, header, prepared.prompt)
        except ValueError as error:
            raise dialect.invalid(str(error)) from None
        if fault is not None and fault.name in ERRORS:
            return dialect.error(fault)
        await _pause(request, self._seconds(request, prepared, fault))
        response = await prepared.respond(fault)
        if not isinstance(response, StreamingResponse):
            seen.billed = read_bill(response, prepared.kind, prepared.prompt)
        return CutResponse(response) if fault is not None and fault.name == "cut" else response

    def _seconds(self, request: Request, prepared: Prepared, fault: Fault | None) -> float | None:
        if fault is not None and fault.name == "hang":
            return None
        named = request.headers.get("x-emulator-latency-ms")
        base_ms = float(named) if named else self.settings.latency_ms * FACTORS[prepared.kind] * _jitter(prepared)
        return base_ms / 1000 + (fault.value if fault is not None and fault.name == "slow" else 0.0)

    def cached_tokens(self, prompt: str, tokens: int) -> int:
        """A prompt whose first 1,024 tokens were seen before has them in the provider's cache."""
        if tokens < 1024:
            return 0
        prefix = hashlib.sha256(prompt[:4096].encode()).hexdigest()
        known = prefix in self.prefixes
        self.prefixes.add(prefix)
        return 1024 if known else 0


class CutResponse(Response):
    """Promises the whole body, sends half of it, and breaks the connection."""

    def __init__(self, whole: Response) -> None:
        super().__init__(whole.body, whole.status_code, media_type=whole.media_type)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body)[: len(self.body) // 2], "more_body": True})
        raise ConnectionAbortedError("cut on request")


class _Gone(Exception):
    """The client closed its connection."""


async def _pause(request: Request, seconds: float | None) -> None:
    if seconds is not None and seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                continue
    except TimeoutError:
        return
    raise _Gone


def _jitter(prepared: Prepared) -> float:
    digest = hashlib.sha256(f"{prepared.model}\n{prepared.prompt}".encode()).digest()
    return 0.8 + 0.4 * digest[0] / 255


def json_response(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, dict(headers or {}), media_type="application/json")


def request_id(provider: str, body: object) -> str:
    """An id as a provider gives one; the same for the same body."""
    return f"req_{provider[:2]}_{hashlib.sha256(repr(body).encode()).hexdigest()[:20]}"


def describe_pictures(pictures: list[bytes]) -> str:
    """What the answer says of the pictures that came, so that a caller sees that they arrived."""
    if not pictures:
        return ""
    sizes = ", ".join(f"{width} by {height} pixels" for width, height in map(_size_of, pictures))
    return f" I was shown {len(pictures)} picture{'s' if len(pictures) > 1 else ''} ({sizes})."


def _size_of(picture: bytes) -> tuple[int, int]:
    if picture.startswith(b"\x89PNG"):
        return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")
    if picture.startswith(b"GIF8"):
        return int.from_bytes(picture[6:8], "little"), int.from_bytes(picture[8:10], "little")
    place = 2
    while picture.startswith(b"\xff\xd8") and place + 9 < len(picture):
        marker, length = picture[place + 1], int.from_bytes(picture[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xC3:
            return int.from_bytes(picture[place + 7 : place + 9], "big"), int.from_bytes(
                picture[place + 5 : place + 7], "big"
            )
        place += 2 + length
    return 0, 0


def looks_like_picture(data: bytes) -> bool:
    return data.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8")) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
