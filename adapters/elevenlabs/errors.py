"""What ElevenLabs' refusals mean."""

from collections.abc import Mapping
from typing import Any

from adapters.transport import kind_of_status, retry_after_s
from adapters.wording import clean_message
from core.provider import ErrorKind, ProviderCall, ProviderError

_BY_CODE = {
    "quota_exceeded": ErrorKind.quota_exhausted,
    "max_character_limit_exceeded": ErrorKind.context_length,
    "text_too_long": ErrorKind.context_length,
    "voice_not_found": ErrorKind.invalid_request,
    "voice_does_not_exist": ErrorKind.invalid_request,
    "model_not_found": ErrorKind.not_available,
    "invalid_model": ErrorKind.not_available,
    "model_can_not_do_text_to_speech": ErrorKind.not_available,
    "invalid_api_key": ErrorKind.auth,
    "missing_permissions": ErrorKind.auth,
    "needs_authorization": ErrorKind.auth,
    "system_busy": ErrorKind.overloaded,
    "content_against_policy": ErrorKind.content_policy,
    "content_policy_violation": ErrorKind.content_policy,
    "text_blocked": ErrorKind.content_policy,
    "detected_unusual_activity": ErrorKind.not_available,
}
_POLICY_WORDS = ("terms of service", "content policy", "usage policy", "prohibited content")


def classify(status: int, code: str | None, message: str) -> ErrorKind:
    """By status first, then the code, then the words. A used-up quota comes under several: the code says it."""
    if status >= 500:
        return kind_of_status(status)
    if status == 429 and code not in ("system_busy", "quota_exceeded"):
        return ErrorKind.rate_limited
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status in (400, 403) and any(phrase in message.lower() for phrase in _POLICY_WORDS):
        return ErrorKind.content_policy
    return kind_of_status(status)


def explain_error(error: Exception, call: ProviderCall) -> ProviderError | None:
    """An SDK error with a status as ours; None for one that came from the wire alone."""
    from elevenlabs.core.api_error import ApiError

    if not isinstance(error, ApiError) or error.status_code is None:
        return None
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    code, message, request_id = _detail(error.body)
    return ProviderError(
        classify(error.status_code, code, message),
        clean_message(message, call),
        status=error.status_code,
        code=code,
        retry_after_s=retry_after_s(headers),
        request_id=headers.get("request-id") or request_id,
    )


def _detail(body: Any) -> tuple[str | None, str, str | None]:
    """Code, message and request id out of the three shapes that `detail` has."""
    detail = body.get("detail", body) if isinstance(body, Mapping) else body
    if isinstance(detail, Mapping):
        code = detail.get("code") or detail.get("status")
        return code, str(detail.get("message") or code or "no message"), detail.get("request_id")
    if isinstance(detail, list):
        faults = [
            f"{'.'.join(map(str, one.get('loc', ())))}: {one.get('msg')}" for one in detail if isinstance(one, Mapping)
        ]
        return None, "; ".join(faults) or "no message", None
    return None, str(detail or "no message"), None
