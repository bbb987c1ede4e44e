"""What Anthropic's refusals mean."""

from collections.abc import Mapping
from typing import Any

from adapters.schemas import refuses_schema
from adapters.transport import kind_of_status, retry_after_s
from adapters.wording import clean_message
from core.provider import ErrorKind, ProviderCall, ProviderError
from core.schema_checks import SCHEMA_REFUSED

# An `error` event in the middle of a stream comes under status 200, and is read as if it had its own.
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_CONTEXT_WORDS = ("prompt is too long", "exceed context limit", "exceeds the context", "context window")
_SPEND_WORDS = ("credit balance", "spend limit", "spending limit", "usage limit", "billing")
_POLICY_WORDS = ("content filtering policy", "content policy", "usage policy")
_GRAMMAR_WORDS = ("grammar is too large", "schema is too complex", "grammar compilation")


def classify(status: int, family: str | None, code: str | None, message: str) -> ErrorKind:
    """By status first, then `type` and `details.error_code` of the body, then its words."""
    words = message.lower()
    if status == 200:
        status = _STATUSES.get(family or "", 500)
    match status:
        case 400:
            return _refused(code, words)
        case 429:
            spent = "spend_limit" in (code or "") or "spend limit" in words
            return ErrorKind.quota_exhausted if spent else ErrorKind.rate_limited
        case _:
            return kind_of_status(status)


def _refused(code: str | None, words: str) -> ErrorKind:
    """A grammar that is too large is no fault of the caller's: another model may take the schema."""
    if any(phrase in words for phrase in _CONTEXT_WORDS):
        return ErrorKind.context_length
    if "spend_limit" in (code or "") or any(phrase in words for phrase in _SPEND_WORDS):
        return ErrorKind.quota_exhausted
    if any(phrase in words for phrase in _POLICY_WORDS):
        return ErrorKind.content_policy
    if any(phrase in words for phrase in _GRAMMAR_WORDS):
        return ErrorKind.not_available
    return ErrorKind.invalid_request


def explain_error(error: Exception, call: ProviderCall) -> ProviderError | None:
    """An SDK error with a status as ours; None for one that came from the wire alone."""
    from anthropic import APIStatusError

    if not isinstance(error, APIStatusError):
        return None
    body = error.body if isinstance(error.body, Mapping) else {}
    return describe_refusal(error.status_code, body, error.response.headers, call, error.message)


def describe_refusal(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str], call: ProviderCall, otherwise: str = ""
) -> ProviderError:
    """`body` is `{"type": "error", "error": {"type", "message", "details"}, "request_id"}`, or what a gateway sent
    in its place."""
    inner = body.get("error", body)
    inner = inner if isinstance(inner, Mapping) else {"message": inner}
    details = inner.get("details")
    found = details.get("error_code") if isinstance(details, Mapping) else None
    family, code = (str(one) if one else None for one in (inner.get("type"), found))
    said = str(inner.get("message") or otherwise or "no message")
    kind = classify(status, family, code, said)
    if refuses_schema(call, 400 if status == 200 else status, kind, said):
        kind, code = ErrorKind.invalid_request, SCHEMA_REFUSED
    return ProviderError(
        kind,
        clean_message(said, call),
        status=status,
        code=code or family,
        retry_after_s=retry_after_s(headers),
        request_id=headers.get("request-id") or body.get("request_id"),
    )
