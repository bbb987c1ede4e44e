"""What Mistral's refusals mean. Their bodies come in three shapes, and in gateways' own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.transport import kind_of_status, retry_after_s
from adapters.wording import clean_message
from core.provider import ErrorKind, ProviderCall, ProviderError

_CONTEXT_WORDS = (
    "too large for model",
    "maximum context length",
    "context length",
    "too many tokens",
    "string should have at most",
)
_POLICY_WORDS = ("guardrail", "moderation", "content policy", "flagged")
_KEY_WORDS = ("api key", "unauthorized")
_USED_UP_WORDS = ("usage", "quota", "credit", "spend", "invoice")
_NO_CAPACITY = "3505"


@dataclass(frozen=True, slots=True)
class Words:
    """What a body says, whatever its shape. `status`: of an error inside a 200."""

    message: str
    code: str | None = None
    family: str | None = None
    status: int | None = None


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
    return ProviderError(
        classify(status, words.code, words.family, words.message),
        clean_message(words.message, call),
        status=status,
        code=words.code or words.family,
        retry_after_s=retry_after_s(headers),
        request_id=request_id,
    )


def read_words(body: Mapping[str, Any]) -> Words:
    """`{"object": "error", "message", "type", "code"}`, `{"detail": …}`, `{"message": …}`, or those inside `error`."""
    inner = body.get("error", body)
    if not isinstance(inner, Mapping):
        return Words(str(inner))
    said = inner.get("message") or inner.get("detail") or "no message"
    if isinstance(said, Mapping):
        said = said.get("detail") or said.get("message") or said
    code, family = inner.get("code"), inner.get("type")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    return Words(
        message=_faults(said) if isinstance(said, list) else str(said),
        code=str(code) if code not in (None, "") else None,
        family=str(family) if family else None,
        status=status,
    )


def _faults(detail: list[Any]) -> str:
    """A list of `{loc, msg}`, without the input that they quote."""
    named = [
        f"{'.'.join(map(str, one.get('loc') or ()))}: {one.get('msg')}" for one in detail if isinstance(one, Mapping)
    ]
    return "; ".join(named[:3]) or "no message"


def explain_error(_error: Exception, _call: ProviderCall) -> ProviderError | None:
    """There is no SDK: all other errors are the wire's."""
    return None
