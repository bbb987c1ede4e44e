"""What comes back, as frozen models that keep the fields they do not know: a newer server does not break them.

Money is Decimal with the server's digits, None where a price is unknown. Times are aware. Words that a newer server may
have more of (statuses, kinds) are plain strings."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from factory_client.errors import FactoryError, JobFailed

OVER = frozenset({"completed", "failed", "cancelled", "expired"})
THE_CALLERS = frozenset({"parsed", "embeddings", "metadata", "tool_calls", "settings"})


class Shape(BaseModel):
    """What all of them have in common."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), defer_build=True)


M = TypeVar("M", bound=Shape)


class Usage(Shape):
    """Of one answer. Buckets are inclusive: cached and reasoning tokens are part of the totals."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    characters: int | None = None
    audio_tokens: int | None = None


class Audio(Shape):
    """A narration; `url` is a path of the API, None once it has expired."""

    url: str | None = None
    format: str | None = None
    bytes: int | None = None
    duration_s: float | None = None
    sha256: str | None = None
    parts: int | None = None
    timestamps: Any = None


class Result(Shape):
    """An answer, the same for every provider. `cost` is in USD and counts all calls of the job."""

    content: str | None = None
    model: str
    provider: str
    usage: Usage | None = None
    cost: Decimal | None = None
    cached: bool = False
    finish_reason: str | None = None
    parsed: Any = None
    tool_calls: list[Any] | None = None
    embeddings: list[list[float]] | None = None
    audio: Audio | None = None
    warnings: list[str] = []
    variant: str | None = None


class JobError(Shape):
    """Why a job has no answer."""

    kind: str
    message: str = ""
    provider: str | None = None
    status: int | None = None
    retryable: bool = False
    request_id: str | None = None


class ProviderCall(Shape):
    """A line of the ledger: one call of a provider."""

    id: str
    attempt: int | None = None
    part: int | None = None
    provider: str | None = None
    model: str | None = None
    endpoint: str | None = None
    outcome: str | None = None
    status: int | None = None
    started_at: datetime | None = None
    duration_ms: float | None = None
    usage: Usage | None = None
    cost: Decimal | None = None


class Job(Shape):
    """One request and what became of it."""

    id: str
    status: str
    kind: str | None = None
    model: str | None = None
    project: str | None = None
    batch_id: str | None = None
    key: str | None = None
    priority: str | None = None
    position: int | None = None
    eta_s: float | None = None
    attempts: int = 0
    calls: list[ProviderCall] = []
    result: Result | None = None
    error: JobError | None = None
    cost: Decimal | None = None
    uncertain_cost: Decimal | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    metadata: dict[str, Any] = {}
    urls: dict[str, str] = {}

    @property
    def is_over(self) -> bool:
        """Nothing will change any more."""
        return self.status in OVER

    def answer(self) -> Result:
        """The Result. Raises JobFailed where there is none."""
        if self.status != "completed" or self.result is None:
            raise JobFailed(self)
        return self.result


class Batch(Shape):
    """Many jobs, counted by status."""

    id: str
    status: str
    name: str | None = None
    total: int = 0
    refused: int = 0
    counts: dict[str, int] = {}
    error: Any = None
    cost: Decimal | None = None
    max_cost_usd: Decimal | None = None
    sequence: int = 0
    created_at: datetime | None = None
    finished_at: datetime | None = None
    content_deleted_at: datetime | None = None
    metadata: dict[str, Any] = {}
    urls: dict[str, str] = {}

    @property
    def is_over(self) -> bool:
        """Nothing will change any more."""
        return self.finished_at is not None or self.status in OVER


class BatchResult(Shape):
    """What became of one line of a batch."""

    job_id: str = Field(validation_alias=AliasChoices("job_id", "id"))
    status: str
    line: int | None = None
    key: str | None = None
    result: Result | None = None
    error: JobError | None = None
    cost: Decimal | None = None


class LineErrors(Shape):
    """What was wrong with a line of a batch that made no job of it: `problems` as `{"field", "message"}`."""

    line: int
    key: str | None = None
    problems: list[dict[str, Any]] = []


class ErrorPage(Shape):
    data: list[LineErrors] = []
    next_cursor: int | None = None


class Event(Shape):
    """Something that happened to a job or a batch; `data` is what it is about, as the server wrote it."""

    type: str
    sequence: int
    job_id: str | None = None
    batch_id: str | None = None
    at: datetime | None = None
    data: dict[str, Any] = {}

    @property
    def is_last(self) -> bool:
        """No other event follows."""
        return self.type.rpartition(".")[2] in OVER or (
            self.batch_id is not None and bool(self.data.get("finished_at"))
        )


class JobPage(Shape):
    """Jobs without their answers, the newest first; `next_cursor` leads to the older ones."""

    data: list[Job] = []
    next_cursor: str | None = None


class UsageReport(Shape):
    """What was spent: a row for each combination of the dimensions in `by`."""

    by: list[str] = []
    data: list[dict[str, Any]] = []
    totals: dict[str, Any] = {}
    total_cost: Decimal | None = None


class Quote(Shape):
    """What jobs would cost: `totals` and `groups` hold `expected_usd` and `most_usd`; `fits` the project's budgets.
    `limit_minutes`: in how many minutes the project's limits admit them; None without limits."""

    totals: dict[str, Any] = {}
    groups: list[dict[str, Any]] = []
    fits: bool = True
    reason: str | None = None
    limit_minutes: int | None = None
    lines: list[dict[str, Any]] | None = None


class Voice(Shape):
    """A voice at one provider, with the models that speak it, the best match first."""

    voice: str
    provider: str
    provider_voice_id: str | None = None
    models: list[str] = []


class Voices(Shape):
    """All of them."""

    data: list[Voice] = []


def read_json(text: bytes) -> Any:
    """Money (`cost`, `…_cost`, `…_usd`) as Decimal with every digit, other numbers as they are in Python."""
    try:
        return _loosen(json.loads(text, parse_float=Decimal))
    except ValueError:
        raise FactoryError("the answer is not a factory's: is FACTORY_URL the address of its API?") from None


def read_shape(kind: type[M], text: bytes) -> M:
    """JSON as one of the shapes of this module. Raises FactoryError for what is none."""
    return make_shape(kind, read_json(text))


def make_shape(kind: type[M], value: Any) -> M:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, one["loc"])) or "all of it" for one in error.errors())
        raise FactoryError(f"the answer is no {kind.__name__} ({where}): update this client, or the factory") from None


def _loosen(value: Any, *, money: bool = True) -> Any:
    """`money`: whether names of money mean something here; not in what callers and models wrote."""
    match value:
        case Decimal():
            return float(value)
        case list():
            return [_loosen(one, money=money) for one in value]
        case dict():
            return {
                name: Decimal(one)
                if money and type(one) in (Decimal, int) and name.endswith(("cost", "_usd"))
                else _loosen(one, money=money and name not in THE_CALLERS)
                for name, one in value.items()
            }
        case _:
            return value
