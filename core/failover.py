"""What to do when a provider says no, as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.health import Rest
from core.provider import ErrorKind, ProviderError
from core.result import JobError
from core.schema_checks import SCHEMA_REFUSED, SCHEMA_VIOLATION, SchemaViolated

CALLERS_FAULT = frozenset({ErrorKind.invalid_request, ErrorKind.content_policy, ErrorKind.context_length})


class Step(StrEnum):
    """The next move inside one attempt."""

    next_route = "next_route"
    ask_again = "ask_again"
    fail = "fail"


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Back to the queue until then; not `counted` as an attempt when the job got on and only its time was up."""

    run_at: datetime
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Fail:
    error: JobError


def next_step(error: ProviderError, *, asked_again: bool, on_content_policy: str) -> Step:
    """`context_length` goes on to routes with a larger window; the caller of this drops the smaller ones. An answer
    that broke the schema was asked for once more already."""
    match error.kind:
        case _ if error.code in (SCHEMA_VIOLATION, SCHEMA_REFUSED):
            return Step.next_route
        case ErrorKind.invalid_request:
            return Step.fail
        case ErrorKind.content_policy:
            return Step.next_route if on_content_policy == "next" else Step.fail
        case ErrorKind.invalid_response:
            return Step.next_route if asked_again else Step.ask_again
        case _:
            return Step.next_route


def after_all_routes(
    errors: Sequence[tuple[str, ProviderError]],
    resting: Sequence[tuple[str, Rest]],
    *,
    attempts: int,
    max_attempts: int,
    deadline: datetime | None,
    now: datetime,
    base_s: float,
    cap_s: float,
    jitter: float,
    out_of_patience: bool,
) -> RetryAt | Fail:
    """Exponential backoff with full jitter (`jitter` in 0..1), not before the earliest time a provider named or a rest
    is over; the end when attempts or the deadline run out, or when every answer was the caller's own fault or broke
    the schema: that gets no better by waiting. `errors` and `resting` by provider; at least one of both.

    To wait for rests alone is no attempt. It ends when `out_of_patience`, but never for a limit that a provider named.
    """
    failed = Fail(_last_word(errors, resting))
    waited_for = [rest for _, rest in resting if rest.scope != "credential"]
    if errors:
        hopeless = not waited_for and all(error.code == SCHEMA_VIOLATION for _, error in errors)
        over = hopeless or errors[-1][1].kind in CALLERS_FAULT or attempts >= max_attempts
    elif waited_for:
        over = out_of_patience and all(rest.kind != ErrorKind.rate_limited for rest in waited_for)
    else:
        over = attempts >= max_attempts
    if over:
        return failed
    wait_s = jitter * min(cap_s, base_s * 2**attempts)
    named = [error.retry_after_s for _, error in errors if error.retry_after_s is not None]
    named += [(rest.until - now).total_seconds() for rest in waited_for]
    if named:
        wait_s = max(wait_s, min(named))
    run_at = now + timedelta(seconds=wait_s)
    if deadline is not None and run_at >= deadline:
        return failed
    return RetryAt(run_at, counted=bool(errors) or not waited_for)


def _last_word(errors: Sequence[tuple[str, ProviderError]], resting: Sequence[tuple[str, Rest]]) -> JobError:
    if errors:
        provider, last = errors[-1]
        return describe(last, provider, routes=len(errors))
    provider, rest = min(resting, key=lambda one: one[1].until)
    return JobError(rest.kind, f"every route rests; the first after: {rest.reason}", provider, retryable=True)


def describe(error: ProviderError, provider: str, *, routes: int = 1) -> JobError:
    """The job's error out of the last provider's."""
    tried = f" (the last of {routes} calls)" if routes > 1 else ""
    return JobError(
        kind=SCHEMA_VIOLATION if error.code == SCHEMA_VIOLATION else error.kind.value,
        message=error.message + tried,
        provider=provider,
        status=error.status,
        retryable=error.kind not in CALLERS_FAULT,
        request_id=error.request_id,
        paths=error.paths if isinstance(error, SchemaViolated) else None,
    )
