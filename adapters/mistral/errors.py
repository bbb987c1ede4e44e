"""What Mistral's refusals mean. Their bodies come in three shapes, and in gateways' own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.schemas import refuses_schema
from adapters.transport import kind_of_status, retry_after_s
from adapters.wording import clean_message
from core.provider import ErrorKind, ProviderCall, ProviderError
from core.schema_checks import SCHEMA_REFUSED

_CONTEXT_WORDS = (
    "too large for model",
    "maximum context length",
    "context length",
    "too many tokens",
    "body.input: string should have at most",
)
_POLICY_WORDS = ("guardrail", "moderation", "content policy", "flagged")
_KEY_WORDS = ("api key", "unauthorized")
_USED_UP_WORDS = ("usage", "quota", "credit", "spend", "invoice")
_NO_CAPACITY = "3505"
# An error inside a 200 is read as if it had come with its own status, which its `code` or `type` tells.
_STATUSES = {_NO_CAPACITY: 429, "1300": 429, "rate_limited": 429}
_BAD_GATEWAY = 502


@dataclass(frozen=True, slots=True)
class Words:
    """What a body says, whatever its shape. `status` is what an error inside a 200 should have come with."""

    message: str
    code: str | None = None
    family: str | None = None
    status: int = _BAD_GATEWAY


def classify(status: int, code: str | None, family: str | None, message: str) -> ErrorKind:
    """By status first, then `code` and `type` of the body, then its words."""
    words = message.lower()
    match status:
        case 401:
            used_up = any(word in words for word in _USED_UP_WORDS)
            return ErrorKind.quota_exhausted if used_up else ErrorKind.auth
        case 403:
            if any(word in words for word in _POLICY_WORDS):
                return ErrorKind.content_policy
            return ErrorKind.auth if any(word in words for word in _KEY_WORDS) else ErrorKind.not_available
        case 429:
            no_capacity = code == _NO_CAPACITY or "capacity exceeded" in words
            return ErrorKind.overloaded if no_capacity else ErrorKind.rate_limited
        case 404 if words.startswith("voice"):
            return ErrorKind.invalid_request
        case 400 | 413 | 422:
            return _refused(family, words)
        case _:
            return kind_of_status(status)


def _refused(family: str | None, words: str) -> ErrorKind:
    if any(phrase in words for phrase in _CONTEXT_WORDS):
        return ErrorKind.context_length
    if any(word in words for word in _POLICY_WORDS):
        return ErrorKind.content_policy
    if family == "invalid_model" or "invalid model" in words:
        return ErrorKind.not_available
    return ErrorKind.invalid_request


def describe_refusal(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str], call: ProviderCall, request_id: str | None
) -> ProviderError:
    words = read_words(body)
    kind, code = classify(status, words.code, words.family, words.message), words.code or words.family
    if refuses_schema(call, status, kind, words.message):
        kind, code = ErrorKind.invalid_request, SCHEMA_REFUSED
    return ProviderError(
        kind,
        clean_message(words.message, call),
        status=status,
        code=code,
        retry_after_s=retry_after_s(headers),
        request_id=request_id,
    )


def read_words(body: Mapping[str, Any]) -> Words:
    """`{"object": "error", "message", "type", "code"}`, `{"detail": …}`, `{"message": …}`, or those inside `error`."""
    inner = body.get("error") or body
    if not isinstance(inner, Mapping):
        return Words(str(inner))
    said = inner.get("message") or inner.get("detail") or "no message"
    if isinstance(said, Mapping):
        said = said.get("detail") or said.get("message") or said
    code, family = (str(one) if one not in (None, "") else None for one in (inner.get("code"), inner.get("type")))
    return Words(_faults(said) if isinstance(said, list) else str(said), code, family, _status_of(code, family))


def _status_of(code: str | None, family: str | None) -> int:
    if code is not None and len(code) == 3 and code[0] in "45" and code.isdecimal():
        return int(code)
    known = _STATUSES.get(code or "") or _STATUSES.get(family or "")
    return known or (400 if (family or "").startswith("invalid_") else _BAD_GATEWAY)


def _faults(detail: list[Any]) -> str:
    """A list of `{loc, msg}`, without the input that they quote."""
    named = [
        f"{'.'.join(map(str, one.get('loc') or ()))}: {one.get('msg')}" for one in detail if isinstance(one, Mapping)
    ]
    return "; ".join(named[:3]) or "no message"


def explain_error(_error: Exception, _call: ProviderCall) -> ProviderError | None:
    """There is no SDK: all other errors are the wire's."""
    return None
