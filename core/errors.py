"""What can go wrong, as a tree with stable codes.

FactoryError
├── RequestRefused            invalid_request        400   one or more problems, each with its field
│   └── UnknownModel          unknown_model          400
├── Unauthenticated           unauthenticated        401
├── Forbidden                 forbidden              403
│   └── LinkRefused           link_refused           403   a signed link that opens nothing
├── NotFound                  not_found              404
├── Conflict                  conflict               409
│   └── IdempotencyConflict   idempotency_key_reused 422
├── ContentDeleted            content_deleted        410   what an Idempotency-Key made is there no longer
├── RateLimited               rate_limited           429   a project's own limit; says when to come again
├── RequestTimeout            request_timeout        408   the body did not come in time
├── BodyTooLarge              body_too_large         413
├── UnsupportedMedia          unsupported_media_type 415
├── ServiceUnavailable        unavailable            503
│   └── StorageUnavailable    storage_unavailable    503   in `storage.store`
└── ConfigurationError        configuration          500   a setting is missing or wrong

What a provider does wrong is a `core.provider.ProviderError`; how a job failed is a `core.result.JobError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was sent. `field` is a path such as `messages.0.content`; `code` is there where it
    says more than that: a stable code, or OpenAI's word for it on OpenAI's paths."""

    message: str
    field: str | None = None
    line: int | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        if self.field is not None and "\x00" in self.field:  # a name of the caller's, which Postgres is to hold
            object.__setattr__(self, "field", self.field.replace("\x00", "\N{REPLACEMENT CHARACTER}"))

    def as_dict(self) -> dict[str, Any]:
        pairs = {"line": self.line, "field": self.field, "message": self.message, "code": self.code}
        return {name: value for name, value in pairs.items() if value is not None}


class FactoryError(Exception):
    """Something that the factory tells its caller about."""

    code: ClassVar[str] = "error"
    status: int = 500
    title: ClassVar[str] = "The factory could not do this"

    def __init__(self, message: str | None = None, *, problems: Sequence[Problem] = ()) -> None:
        self.message = message or self.title
        self.problems = tuple(problems)
        super().__init__(self.message)


class RequestRefused(FactoryError):
    code = "invalid_request"
    status = 400
    title = "The request cannot be accepted"

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "RequestRefused":
        """One refusal out of its problems; the message names the first."""
        first = problems[0]
        where = f"{first.field}: " if first.field else ""
        line = f"line {first.line}: " if first.line is not None else ""
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return cls(f"{line}{where}{first.message}{more}", problems=problems)


class UnknownModel(RequestRefused):
    code = "unknown_model"
    title = "No alias or model has this name"


class Unauthenticated(FactoryError):
    code = "unauthenticated"
    status = 401
    title = "A valid API key is needed, in x-api-key or Authorization: Bearer"


class Forbidden(FactoryError):
    code = "forbidden"
    status = 403
    title = "This key may not do that"


class LinkRefused(Forbidden):
    code = "link_refused"
    title = "This link opens nothing"


class NotFound(FactoryError):
    code = "not_found"
    status = 404
    title = "There is nothing with this id in your project"


class Conflict(FactoryError):
    code = "conflict"
    status = 409
    title = "This cannot be done in the present state"


class IdempotencyConflict(FactoryError):
    code = "idempotency_key_reused"
    status = 422
    title = "This Idempotency-Key was used with another body"


class ContentDeleted(FactoryError):
    code = "content_deleted"
    status = 410
    title = "What was asked and answered here is deleted"


class RateLimited(FactoryError):
    code = "rate_limited"
    status = 429
    title = "The project's limit is reached"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BudgetReached(FactoryError):
    """Kind `budget` where a running job meets it."""

    code = "budget"
    status = 402
    title = "What may be spent is used up"


class RequestTimeout(FactoryError):
    code = "request_timeout"
    status = 408
    title = "The request did not come in time"


class UnsupportedMedia(FactoryError):
    code = "unsupported_media_type"
    status = 415
    title = "This path does not take such a body"


class BodyTooLarge(FactoryError):
    code = "body_too_large"
    status = 413
    title = "The body is larger than this server accepts"


class ServiceUnavailable(FactoryError):
    code = "unavailable"
    status = 503
    title = "A part of the factory cannot be reached; try again shortly"
    retry_after_s = 2.0


class ConfigurationError(FactoryError):
    code = "configuration"
    title = "A setting is missing or wrong"
