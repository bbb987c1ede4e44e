"""What Gemini's refusals mean."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from adapters.schemas import refuses_schema
from adapters.transport import kind_of_status, retry_after_s
from adapters.wording import clean_message
from core.provider import ErrorKind, ProviderCall, ProviderError
from core.schema_checks import SCHEMA_REFUSED

_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_EXPIRED"})
_CONTEXT_WORDS = ("token count", "maximum number of tokens", "context length", "input is too long")


def classify(status: int, message: str, details: Iterable[Mapping[str, Any]]) -> ErrorKind:
    """By status first, then the details' reasons, then the words."""
    words = message.lower()
    reasons = {str(one.get("reason")) for one in details}
    match status:
        case 400:
            return _refused(words, reasons)
        case 403:
            speaks_of_key = reasons & _KEY_REASONS or "api key" in words
            return ErrorKind.auth if speaks_of_key else ErrorKind.not_available
        case 429:
            return ErrorKind.quota_exhausted if _used_up(words, details) else ErrorKind.rate_limited
        case 499:
            return ErrorKind.connection
        case 500 if any(phrase in words for phrase in _CONTEXT_WORDS):
            return ErrorKind.context_length
        case _:
            return kind_of_status(status)


def _refused(words: str, reasons: set[str]) -> ErrorKind:
    if reasons & _KEY_REASONS or "api key not valid" in words or "api key expired" in words:
        return ErrorKind.auth
    if any(phrase in words for phrase in _CONTEXT_WORDS):
        return ErrorKind.context_length
    if "prohibited_content" in words or ("block" in words and "safety" in words):
        return ErrorKind.content_policy
    if "location is not supported" in words or "billing" in words or "free tier" in words:
        return ErrorKind.not_available
    return ErrorKind.invalid_request


def _used_up(words: str, details: Iterable[Mapping[str, Any]]) -> bool:
    violations = [one for detail in details for one in detail.get("violations", ())]
    quotas = " ".join(str(one.get("quotaId", "")) for one in violations).lower()
    return "perday" in quotas or "spend" in quotas or "spend" in words or "prepaid" in words


def retry_delay_s(details: Iterable[Mapping[str, Any]]) -> float | None:
    """The wait that `google.rpc.RetryInfo` names, such as `36s` or `1.5s`."""
    for one in details:
        with suppress(ValueError, KeyError):
            return max(0.0, float(str(one["retryDelay"]).removesuffix("s")))
    return None


def explain_error(error: Exception, call: ProviderCall) -> ProviderError | None:
    """An SDK error with a status as ours; None for one that came from the wire alone."""
    from google.genai.errors import APIError

    if not isinstance(error, APIError):
        return None
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    details = _details(error.details)
    message = str(error.message or error.status or "no message")
    kind = classify(error.code, message, details)
    if error.status == "FAILED_PRECONDITION" and kind is ErrorKind.invalid_request:
        kind = ErrorKind.not_available
    refused = refuses_schema(call, error.code, kind, message)
    waits = [wait for wait in (retry_after_s(headers), retry_delay_s(details)) if wait is not None]
    return ProviderError(
        ErrorKind.invalid_request if refused else kind,
        clean_message(message, call),
        status=error.code,
        code=SCHEMA_REFUSED if refused else error.status,
        retry_after_s=max(waits) if waits else None,
        request_id=headers.get("x-request-id"),
    )


def _details(body: Any) -> list[Mapping[str, Any]]:
    inner = body.get("error", body) if isinstance(body, Mapping) else {}
    found = inner.get("details", ()) if isinstance(inner, Mapping) else ()
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
