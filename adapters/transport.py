"""The frame around every provider call: the total time limit, and what errors of the wire mean."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from email.utils import parsedate_to_datetime

import httpx
import httpx2
from pydantic import ValidationError

from adapters.wording import clean_message
from core.clock import utc_now
from core.provider import ErrorKind, ProviderCall, ProviderError
from core.result import Usage

CALL_ID_HEADER = "x-factory-call-id"
CONNECT_TIMEOUT_S = 5.0

_NEVER_CONNECTED = (
    httpx.ConnectError,
    httpx2.ConnectError,
    httpx.ConnectTimeout,
    httpx2.ConnectTimeout,
    httpx.PoolTimeout,
    httpx2.PoolTimeout,
)
_TOO_SLOW = (httpx.TimeoutException, httpx2.TimeoutException, TimeoutError)
_BROKEN = (httpx.TransportError, httpx2.TransportError, OSError)
_GARBLED = (json.JSONDecodeError, UnicodeDecodeError, httpx.DecodingError, httpx2.DecodingError, ValidationError)

Explain = Callable[[Exception, ProviderCall], ProviderError | None]


def call_headers(call: ProviderCall) -> dict[str, str]:
    """What every call carries, so that a provider's count can be held against the ledger."""
    return {CALL_ID_HEADER: str(call.call_id)}


@asynccontextmanager
async def calling(call: ProviderCall, explain: Explain) -> AsyncIterator[None]:
    """The body makes the call and reads the whole answer, within `call.timeout_s` all together.

    What the SDK raises leaves as ProviderError, by `explain` if it knows the error, else as an error of the wire.
    The cause is not chained: SDK errors quote prompts. Cancellation passes through.
    """
    try:
        async with asyncio.timeout(call.timeout_s):
            yield
    except ProviderError:
        raise
    except Exception as error:  # noqa: BLE001 nothing but ProviderError leaves an adapter
        raise explain(error, call) or wire_error(error, call) from None


@contextmanager
def preparing(call: ProviderCall, *paths: str) -> Iterator[None]:
    """The body puts the request into the provider's form. What fails there is the caller's: nothing was sent yet.

    `paths` are the ends of the address that the SDK will call; an endpoint whose `endpoint_pattern` names another one
    is refused as not available, because the SDK would not go there.
    """
    named = call.endpoint.endpoint_pattern
    if named and not named.rstrip("/").endswith(paths):
        message = f"endpoint_pattern {named[:100]!r} is not what {call.endpoint.handler_function} calls: …{paths[0]}"
        raise ProviderError(ErrorKind.not_available, message, usage=Usage())
    try:
        yield
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]
        raise ProviderError(ErrorKind.invalid_request, clean_message("; ".join(faults[:3]), call)) from None
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        message = f"The request has no form that {call.model.provider} takes ({type(error).__name__})"
        raise ProviderError(ErrorKind.invalid_request, message) from None


def wire_error(error: Exception, call: ProviderCall) -> ProviderError:
    """Errors that no provider sent: connections, time, bodies that cannot be read. Where nothing was sent, the
    usage says so: none."""
    causes = list(_causes(error))
    for cause in causes:
        name = type(cause).__name__
        if isinstance(cause, _GARBLED):
            return ProviderError(ErrorKind.invalid_response, f"The answer could not be read ({name})")
        if isinstance(cause, _NEVER_CONNECTED):
            message = f"No connection to the provider ({name})"
            return ProviderError(ErrorKind.connection, message, usage=Usage())
        if isinstance(cause, _TOO_SLOW):
            return ProviderError(ErrorKind.timeout, f"No answer within {call.timeout_s:g} s")
        if isinstance(cause, _BROKEN):
            return ProviderError(ErrorKind.connection, f"The connection broke ({name})")
    words = clean_message(str(error), call)
    return ProviderError(ErrorKind.invalid_response, f"The call failed with {type(error).__name__}: {words}")


def kind_of_status(status: int) -> ErrorKind:
    """What a status means where the body says nothing more."""
    match status:
        case 401:
            return ErrorKind.auth
        case 402:
            return ErrorKind.quota_exhausted
        case 403 | 404 | 405 | 410:
            return ErrorKind.not_available
        case 408 | 504 | 524:
            return ErrorKind.timeout
        case 409 | 425:
            return ErrorKind.server_error
        case 429:
            return ErrorKind.rate_limited
        case 499:
            return ErrorKind.connection
        case 503 | 529:
            return ErrorKind.overloaded
        case _ if 400 <= status < 500:
            return ErrorKind.invalid_request
        case _:
            return ErrorKind.server_error if status >= 500 else ErrorKind.not_available


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: `retry-after-ms`, else `retry-after` in seconds or as a date, which is read against the
    answer's own `date` where there is one. `headers` may be any mapping; names in any case."""
    named = {name.lower(): value for name, value in headers.items()}
    if (wait_ms := _number(named.get("retry-after-ms"))) is not None:
        return wait_ms / 1000
    said = named.get("retry-after")
    if (wait_s := _number(said)) is not None or said is None:
        return wait_s
    try:
        until = parsedate_to_datetime(said)
        now = parsedate_to_datetime(named["date"]) if "date" in named else utc_now()
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
