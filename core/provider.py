"""What passes between a worker and a provider's adapter: one call, one answer or one error."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from core.catalog import Endpoint, Model, Voice
from core.limits import ProviderWord
from core.records import record
from core.request import JobRequest
from core.result import Usage, Word


class ErrorKind(StrEnum):
    """How a provider said no. What is done about each kind is decided in `core.failover`."""

    rate_limited = "rate_limited"
    overloaded = "overloaded"
    server_error = "server_error"
    timeout = "timeout"
    connection = "connection"
    quota_exhausted = "quota_exhausted"
    auth = "auth"
    not_available = "not_available"
    context_length = "context_length"
    content_policy = "content_policy"
    invalid_request = "invalid_request"
    invalid_response = "invalid_response"


class ProviderError(Exception):
    """A call that brought no usable answer. `usage` is set when the provider bills for it all the same.

    The message holds the provider's own words, cut to a line; never a key, never a prompt.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
        usage: Usage | None = None,
        limits: ProviderWord | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.usage = usage
        self.limits = limits


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """A row of the adapter registry, as data for routing.

    `loader` is `module:function` of the coroutine that makes the call, imported on first use.
    `formats` are the audio formats it can deliver, encoding on our side included. `sdk` is the package it needs.
    `by_pool`: it sends by the pool's client alone, which holds the first byte back until the call `may_go`; any other
    is not begun before.
    """

    name: str
    kind: str
    loader: str
    formats: frozenset[str] = frozenset()
    sdk: str = ""
    by_pool: bool = False

    @property
    def module(self) -> str:
        return self.loader.partition(":")[0]


async def _goes_at_once() -> None: ...


@record
class ProviderCall:
    """One call to make. `base_url` is where it goes: the endpoint's, or the emulator's for a seeded one.

    `parameters` are the alias target's defaults; what the request says goes before them.
    `images` are the pictures of the messages that were fetched: URL → (media type, bytes).
    `previous_text` and `next_text` surround a part of a long narration.
    `may_go` waits until the first byte may leave; while it waits, the request is made ready. Whatever it raises, the
    caller of the handler knows.
    """

    call_id: UUID
    request: JobRequest
    model: Model
    endpoint: Endpoint
    base_url: str
    api_key: str | None
    timeout_s: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    voice: Voice | None = None
    images: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    previous_text: str = ""
    next_text: str = ""
    may_go: Callable[[], Awaitable[None]] = _goes_at_once


@dataclass(slots=True)
class ProviderAnswer:
    """A provider's answer in our words. `finish_reason`: `stop length tool_calls content_filter`.

    `model` is what the provider says it ran. Audio is whole bytes in `audio_format`, `words` when each is heard.
    """

    usage: Usage
    model: str
    content: str | None = None
    finish_reason: str = "stop"
    tool_calls: list[dict[str, Any]] | None = None
    embeddings: list[list[float]] | None = None
    audio: bytes | None = None
    audio_format: str | None = None
    words: list[Word] | None = None
    status: int = 200
    request_id: str | None = None
    warnings: list[str] = field(default_factory=list)
    limits: ProviderWord | None = None


class Adapter(Protocol):
    """A handler: makes the call and answers, or raises ProviderError. Nothing else leaves it."""

    async def __call__(self, call: ProviderCall) -> ProviderAnswer: ...
