"""What Gemini answers, in our words."""

import base64
from typing import Any

from adapters.answers import find_tier
from adapters.wording import mend_text
from core.jsonio import dump_json
from core.provider import ErrorKind, ProviderCall, ProviderError
from core.result import Usage

_POLICY = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
_TIER = "x-gemini-service-tier"
_CUT = frozenset({"MAX_TOKENS", "CONTINUATION"})
_WHOLE = frozenset({"STOP", "FINISH_REASON_UNSPECIFIED", ""})


def read_usage(reply: Any, call: ProviderCall) -> Usage:
    """Thoughts count as completion; what a tool fed back counts as prompt. The tier is told in a header."""
    told = reply.usage_metadata
    headers = getattr(reply.sdk_http_response, "headers", None) or {}
    tier = find_tier(call, next((headers[name] for name in headers if name.lower() == _TIER), None))
    if told is None:
        return Usage(service_tier=tier)
    thoughts = told.thoughts_token_count or 0
    return Usage(
        prompt_tokens=(told.prompt_token_count or 0) + (told.tool_use_prompt_token_count or 0),
        completion_tokens=(told.candidates_token_count or 0) + thoughts,
        cached_tokens=told.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
        audio_tokens=_audio(told.prompt_tokens_details) + _audio(told.candidates_tokens_details),
        service_tier=tier,
    )


def read_candidate(reply: Any, usage: Usage) -> tuple[list[Any], str]:
    """The parts of the first candidate and its finish in our words. Raises ProviderError for one that was blocked
    or garbled; the usage goes with it."""
    if not reply.candidates:
        blocked = getattr(reply.prompt_feedback, "block_reason", None)
        if blocked:
            raise _bad(ErrorKind.content_policy, f"The prompt was blocked: {_name(blocked)}", reply, usage)
        raise _bad(ErrorKind.invalid_response, "The answer has no candidate", reply, usage)
    candidate = reply.candidates[0]
    finish = _name(candidate.finish_reason)
    if finish in _POLICY:
        raise _bad(ErrorKind.content_policy, f"The answer was blocked: {finish}", reply, usage)
    if finish not in _CUT and finish not in _WHOLE:
        raise _bad(ErrorKind.invalid_response, f"The answer ended with {finish}", reply, usage)
    parts = list((candidate.content and candidate.content.parts) or ())
    return parts, "length" if finish in _CUT else "stop"


def read_text(parts: list[Any]) -> str:
    """The text without the model's thoughts."""
    return "".join(part.text for part in parts if part.text and not part.thought)


def to_tool_call(part: Any, response_id: str | None, place: int) -> dict[str, Any]:
    """In OpenAI's form. The thought signature, which Gemini wants back, stays beside the function."""
    called = part.function_call
    arguments = mend_text(dump_json(called.args or {}).decode())
    shown: dict[str, Any] = {
        "id": called.id or f"call_{response_id or 'gemini'}_{place}",
        "type": "function",
        "function": {"name": called.name or "", "arguments": arguments},
    }
    if part.thought_signature:
        signature = base64.b64encode(part.thought_signature).decode("ascii")
        shown["extra_content"] = {"google": {"thought_signature": signature}}
    return shown


def request_id_of(reply: Any) -> str | None:
    """Gemini names the answer in its body, and seldom in a header."""
    headers = getattr(reply.sdk_http_response, "headers", None) or {}
    return getattr(reply, "response_id", None) or headers.get("x-request-id")


def _bad(kind: ErrorKind, message: str, reply: Any, usage: Usage) -> ProviderError:
    return ProviderError(kind, message, status=200, request_id=request_id_of(reply), usage=usage)


def _audio(details: Any) -> int:
    return sum(one.token_count or 0 for one in details or () if _name(one.modality) == "AUDIO")


def _name(value: Any) -> str:
    return str(getattr(value, "value", value) or "")
