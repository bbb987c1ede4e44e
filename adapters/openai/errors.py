"""What OpenAI's refusals mean, and those of servers that speak its wire format."""

from collections.abc import Mapping
from typing import Any

from adapters.schemas import refuses_schema
from adapters.transport import kind_of_status, retry_after_s
from adapters.wording import clean_message
from core.provider import ErrorKind, ProviderCall, ProviderError
from core.schema_checks import SCHEMA_REFUSED

_QUOTA = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)
_POLICY = frozenset(
    {
        "content_policy_violation",
        "invalid_prompt",
        "content_filter",
        "bio_policy",
        "misalignment_policy_violation",
        "image_content_policy_violation",
        "cyber_policy",
    }
)
_CONTEXT_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length", "string_too_long"}
)
_CONTEXT_WORDS = (
    "maximum context length",
    "context window",
    "context length",
    "available context size",
    "maximum input length",
    "exceeds the context",
    "string_too_long",
)
_MODEL_CODES = frozenset({"model_not_found", "model_not_available", "unsupported_model"})
_KEY_CODES = frozenset({"invalid_api_key", "account_deactivated", "ip_not_authorized"})


def classify(status: int, code: str | None, family: str | None, message: str) -> ErrorKind:
    """By status first, then `code` and `type` of the body, then its words."""
    words = message.lower()
    named = {code, family}
    if status == 429:
        return _limited(named, words)
    if status in (401, 403):
        return _forbidden(status, named, words)
    if status == 503 and "slow_down" in named:
        return ErrorKind.rate_limited
    if status in (400, 413, 422):
        return _refused(status, named, words)
    return kind_of_status(status)


def _limited(named: set[str | None], words: str) -> ErrorKind:
    if named & _QUOTA or "exceeded your current quota" in words:
        return ErrorKind.quota_exhausted
    return ErrorKind.overloaded if "resource unavailable" in words else ErrorKind.rate_limited


def _forbidden(status: int, named: set[str | None], words: str) -> ErrorKind:
    if status == 401 or named & _KEY_CODES or "api key" in words:
        return ErrorKind.auth
    return ErrorKind.not_available


def _refused(status: int, named: set[str | None], words: str) -> ErrorKind:
    if named & _CONTEXT_CODES or any(phrase in words for phrase in _CONTEXT_WORDS):
        return ErrorKind.context_length
    if named & _POLICY:
        return ErrorKind.content_policy
    if named & _MODEL_CODES or ("model" in words and "does not exist" in words):
        return ErrorKind.not_available
    if named & _QUOTA:
        return ErrorKind.quota_exhausted
    if named & _KEY_CODES:
        return ErrorKind.auth
    return ErrorKind.context_length if status == 413 and "token" in words else ErrorKind.invalid_request


def error_inside(body: Any, call: ProviderCall, request_id: str | None) -> ProviderError | None:
    """The error that a gateway put into a 200, read as if it had come with its own status; None where there is none."""
    inner = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(inner, Mapping):
        return None
    code = inner.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    return describe_refusal(status, inner, {}, call, request_id)


def explain_error(error: Exception, call: ProviderCall) -> ProviderError | None:
    """An SDK error with a status as ours; None for one that came from the wire alone."""
    from openai import APIStatusError

    if not isinstance(error, APIStatusError):
        return None
    body = error.body if isinstance(error.body, Mapping) else {}
    return describe_refusal(error.status_code, body, error.response.headers, call, error.request_id, str(error))


def describe_refusal(
    status: int,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    call: ProviderCall,
    request_id: str | None,
    otherwise: str = "",
) -> ProviderError:
    """`body` is what is inside `error`, or the whole of a body that has no such part."""
    inner = body.get("error", body)
    inner = inner if isinstance(inner, Mapping) else {"message": inner}
    said = inner.get("message") or inner.get("detail") or otherwise or "no message"
    code, family = (_word(inner.get(name)) for name in ("code", "type"))
    kind = classify(status, code, family, str(said))
    if refuses_schema(call, status, kind, f"{code} {inner.get('param')} {said}"):
        kind, code = ErrorKind.invalid_request, SCHEMA_REFUSED
    return ProviderError(
        kind,
        clean_message(str(said), call),
        status=status,
        code=code or family,
        retry_after_s=retry_after_s(headers),
        request_id=request_id,
    )


def _word(value: Any) -> str | None:
    return str(value) if value not in (None, "") else None
