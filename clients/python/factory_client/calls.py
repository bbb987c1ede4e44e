"""What is sent and what comes back, without a socket; and the few effects that a flow asks its transport for.

A flow is a generator: it yields effects, is sent their outcomes, and returns what its caller wanted. The two transports
(`aio`, `sync`) do nothing but carry out effects, so that everything else is written once.
"""

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

CHUNK = 65_536
T = TypeVar("T")


class Body:
    """Bytes that can be sent more than once without being held in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def chunks(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(CHUNK):
            yield chunk


@dataclass(frozen=True, slots=True)
class Call:
    """`repeatable`: to send it twice does what to send it once does. `patience_s`: how long an answer may take."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Body = b""
    repeatable: bool = False
    patience_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` have lower-case names. The body of an opened answer comes by `Read`, unless it is a refusal."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Send:
    """The whole Answer, or `Lost` is thrown."""

    call: Call


@dataclass(frozen=True, slots=True)
class Open:
    """The Answer without its body, instead of what was open before."""

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """The next bytes of what is open, None at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Give:
    """An item for the caller, who iterates."""

    item: Any


class Lost(Exception):
    """No whole answer; the message says why."""


Effect = Send | Open | Read | Pause | Give
Flow = Generator[Effect, Any, T]


def giving_its_end(flow: "Flow[Any]") -> "Flow[None]":
    """The same flow, whose last gift is what it returns."""
    yield Give((yield from flow))


def get(path: str, wait_s: float = 0, **query: Any) -> Call:
    """Reads something, waiting so long for it to change."""
    if wait_s:
        query["wait"] = round(wait_s, 3)
    return Call("GET", path, said(query), repeatable=True, patience_s=30 + wait_s)


def post(
    path: str,
    body: bytes | Body = b"",
    content_type: str = "application/json",
    *,
    key: str | None = None,
    wait_s: float | None = None,
    **query: Any,
) -> Call:
    """With an idempotency key it can be repeated."""
    headers = {"content-type": content_type}
    if key is not None:
        headers["idempotency-key"] = key
    if wait_s is not None:
        headers["prefer"] = f"wait={int(wait_s)}"
    return Call("POST", path, said(query), headers, body, key is not None, 60 + (wait_s or 0))


def delete(path: str) -> Call:
    """To delete twice does what to delete once does. Of a large batch it takes its time."""
    return Call("DELETE", path, repeatable=True, patience_s=600)


def place(kind: str, named: object, part: str = "") -> str:
    """The path of a Job or Batch, given itself or its id."""
    return f"/v1/{kind}/{quote(str(getattr(named, 'id', named)), safe='')}{part}"


def said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is not None, as a query has it."""
    plain = {name: value for name, value in fields.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else _plain(value) for name, value in plain.items()}


def key_of(given: str | None) -> str:
    """An idempotency key: the caller's, or a new one."""
    return str(uuid4()) if given is None else given


def dump_request(request: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> bytes:
    """A Request as JSON; keywords that are None are left out."""
    return dump({**(request or {}), **{name: value for name, value in fields.items() if value is not None}})


def dump(value: Any) -> bytes:
    return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    match value:
        case Decimal():  # as a number where that keeps its digits; the API takes them as text, too
            return float(value) if Decimal(repr(float(value))) == value else str(value)
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case str() | int() | float():
            return value
    raise TypeError(f"{type(value).__name__} has no JSON form; give a request plain values")
