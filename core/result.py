"""What comes back: usage, audio, errors, the Result of a job. One shape whatever the provider."""

from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from operator import attrgetter
from typing import Any

_OTHERS = (
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "audio_tokens",
    "characters",
    "service_tier",
)
_others_of = attrgetter(*_OTHERS)


@dataclass(slots=True)
class Usage:
    """Token buckets are inclusive: cached, cache-write and audio-in are part of `prompt_tokens`,
    reasoning and spoken audio part of `completion_tokens`; `cache_write_1h_tokens`, for entries that live an hour,
    are part of `cache_write_tokens`. `characters` is what speech is billed by. `service_tier` is the tier that served
    the call where it was not the standard one."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    characters: int = 0
    service_tier: str | None = None

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def as_dict(self) -> dict[str, Any]:
        """The three totals always, the rest where there is something to say."""
        shown: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }
        for name, amount in zip(_OTHERS, _others_of(self), strict=True):
            if amount:
                shown[name] = amount
        return shown

    def __add__(self, other: "Usage") -> "Usage":
        """Several calls taken together name no tier."""
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in BUCKETS})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Usage":
        return cls(**{name: value for name, value in values.items() if name != "total_tokens"})


BUCKETS = tuple(one.name for one in fields(Usage) if one.name != "service_tier")


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word and when it is heard, in seconds from the start."""

    word: str
    start_s: float
    end_s: float

    def moved(self, by_s: float) -> "Word":
        """The same word in a recording that has `by_s` in front."""
        return Word(self.word, round(self.start_s + by_s, 3), round(self.end_s + by_s, 3))


@dataclass(slots=True)
class Audio:
    """Where the bytes of a narration are and what they are. `timestamps` where they were asked for and given."""

    storage_key: str
    format: str
    bytes: int
    duration_s: float
    sha256: str
    parts: int = 1
    timestamps: list[Word] | None = None

    def as_dict(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "storage_key": self.storage_key,
            "format": self.format,
            "bytes": self.bytes,
            "duration_s": self.duration_s,
            "sha256": self.sha256,
            "parts": self.parts,
        }
        if self.timestamps is not None:
            shown["timestamps"] = [asdict(word) for word in self.timestamps]
        return shown


@dataclass(frozen=True, slots=True)
class SchemaMet:
    """How an answer came to satisfy the caller's JSON schema. `step`: `native` (by the provider's own means), `prompt`
    (asked for in words), `mended` (without a call), `repaired` (asked once more with what was wrong) or `next_route`
    (an earlier route could not). `calls` counts those that it took, `cost_usd` is what all but the first of them cost;
    None: not known."""

    step: str
    calls: int
    cost_usd: Decimal | None

    def as_dict(self) -> dict[str, Any]:
        return {"step": self.step, "calls": self.calls, "cost": self.cost_usd}


@dataclass(slots=True)
class JobError:
    """Why a job did not complete. `kind` is a kind of `core.provider.ErrorKind` or one of the factory's own:
    `schema_violation budget deadline dependency_failed worker_lost cancelled no_route internal`. `paths`: where an
    answer broke its schema; the whole answer is ``."""

    kind: str
    message: str
    provider: str | None = None
    status: int | None = None
    retryable: bool = False
    request_id: str | None = None
    paths: list[str] | None = None

    def as_dict(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "kind": self.kind,
            "message": self.message,
            "provider": self.provider,
            "status": self.status,
            "retryable": self.retryable,
            "request_id": self.request_id,
        }
        return shown if self.paths is None else {**shown, "paths": self.paths}


@dataclass(slots=True)
class Result:
    """The answer to a request. `cost_usd` counts all calls of the job; None means that a price is unknown. `schema` is
    there exactly where a JSON schema was asked for and met; then `parsed` is too, even if it is null."""

    content: str | None
    model: str
    provider: str
    usage: Usage
    cost_usd: Decimal | None
    cached: bool = False
    finish_reason: str | None = None
    parsed: Any = None
    tool_calls: list[dict[str, Any]] | None = None
    embeddings: list[list[float]] | None = None
    audio: Audio | None = None
    warnings: list[str] = field(default_factory=list)
    variant: str | None = None
    schema: SchemaMet | None = None

    def as_dict(self) -> dict[str, Any]:
        """As it is stored and as it leaves: the six fields always, the rest where they apply."""
        shown: dict[str, Any] = {
            "content": self.content,
            "model": self.model,
            "provider": self.provider,
            "usage": self.usage.as_dict(),
            "cost": self.cost_usd,
            "cached": self.cached,
        }
        for name in ("finish_reason", "parsed", "tool_calls", "embeddings", "variant"):
            if (value := getattr(self, name)) is not None:
                shown[name] = value
        if self.schema is not None:
            shown["parsed"] = self.parsed
            shown["schema"] = self.schema.as_dict()
        if self.audio is not None:
            shown["audio"] = self.audio.as_dict()
        if self.warnings:
            shown["warnings"] = self.warnings
        return shown
