"""What Claude answers, in our words."""

from collections.abc import Mapping
from typing import Any

from adapters.answers import (
    USAGE_ESTIMATED,
    JsonPlan,
    estimate_tokens,
    find_tier,
    require_text,
    restore_json,
    system_text,
    text_of,
)
from adapters.anthropic.errors import describe_refusal
from adapters.wording import clean_message, mend_text
from core.jsonio import dump_json
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage
from core.tiers import served_tier

_THOUGHTS = ("thinking", "redacted_thinking")


def read_message(message: Any, call: ProviderCall, plan: JsonPlan, request_id: str | None) -> ProviderAnswer:
    """`message` is the body of an answer, or what `stream.gather_message` made of its events."""
    if isinstance(message, dict) and isinstance(message.get("error"), dict):
        raise describe_refusal(200, message, {"request-id": request_id or ""}, call)
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        raise _bad(ErrorKind.invalid_response, "The answer is not a message", request_id)
    blocks = [block for block in message["content"] if isinstance(block, dict)]
    text = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")
    usage, warnings = _usage(message, call, text)
    stop = str(message.get("stop_reason") or "end_turn")
    _check_stop(stop, message, call, request_id, usage)
    tool_calls = to_tool_calls(blocks) or None
    finish = "length" if stop == "max_tokens" else "tool_calls" if tool_calls else "stop"
    content: str | None
    if tool_calls:
        content = mend_text(text) or None
    else:
        content = require_text(text, finish, usage, request_id)
        content = restore_json(_bare(content), plan) if call.request.wants_json else content
    return ProviderAnswer(
        usage=usage,
        model=str(message.get("model") or call.model.model_id),
        content=content,
        finish_reason=finish,
        tool_calls=tool_calls,
        request_id=request_id,
        warnings=warnings,
    )


def to_tool_calls(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In OpenAI's form. The thoughts before them, which Claude wants back, stay beside the first."""
    calls = [_to_tool_call(block) for block in blocks if block.get("type") == "tool_use"]
    thoughts = [block for block in blocks if block.get("type") in _THOUGHTS]
    if calls and thoughts:
        calls[0]["extra_content"] = {"anthropic": {"thinking": thoughts}}
    return calls


def _to_tool_call(block: Mapping[str, Any]) -> dict[str, Any]:
    arguments = mend_text(dump_json(block.get("input") or {}).decode())
    named = {"name": str(block.get("name") or ""), "arguments": arguments}
    return {"id": str(block.get("id") or ""), "type": "function", "function": named}


def _check_stop(stop: str, message: Any, call: ProviderCall, request_id: str | None, usage: Usage) -> None:
    """Raises ProviderError for an end that leaves no whole answer; all of them are billed.

    `pause_turn` comes only of Anthropic's own tools, which a caller can name in `provider_options` alone. Going on from
    it would be a second call to the provider under one call id, and one line of the ledger stands for one call.
    """
    match stop:
        case "refusal":
            details = message.get("stop_details") or {}
            words = details.get("explanation") or f"Claude refused to answer: {details.get('category') or 'no reason'}"
            raise _bad(ErrorKind.content_policy, clean_message(str(words), call), request_id, usage)
        case "model_context_window_exceeded":
            words = "The prompt and the answer are longer than the model's context window"
            raise _bad(ErrorKind.context_length, words, request_id, usage)
        case "pause_turn":
            words = "Claude paused in the middle of its turn (pause_turn), and a call is not continued"
            raise _bad(ErrorKind.invalid_response, words, request_id, usage)


def _usage(message: Mapping[str, Any], call: ProviderCall, text: str) -> tuple[Usage, list[str]]:
    """Anthropic counts what it read from the cache and wrote to it beside the input; for us both are part of it."""
    told = message.get("usage")
    if not isinstance(told, dict) or told.get("input_tokens") is None:
        texts = [system_text(call) or "", *(text_of(turn) for turn in call.request.turns if turn.role != "system")]
        estimated = Usage(estimate_tokens(*texts), estimate_tokens(text), service_tier=find_tier(call, None))
        return estimated, [USAGE_ESTIMATED]
    cached, written = (told.get(f"cache_{name}_input_tokens") or 0 for name in ("read", "creation"))
    by_life = told.get("cache_creation") or {}
    usage = Usage(
        prompt_tokens=told["input_tokens"] + cached + written,
        completion_tokens=told.get("output_tokens") or 0,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(by_life.get("ephemeral_1h_input_tokens") or 0, written),
        reasoning_tokens=(told.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
        service_tier=_tier(told, call),
    )
    return usage, []


def _tier(told: Mapping[str, Any], call: ProviderCall) -> str | None:
    """Fast mode is told apart from the tier, and so is where the model ran: elsewhere than the endpoint's region says,
    as a workspace may decide, it has another price."""
    place = told.get("inference_geo")
    if place not in (None, "global", "not_available", call.endpoint.region):
        return f"in_{place}"
    return find_tier(call, told.get("speed")) or served_tier(None, told.get("service_tier"))


def _bare(content: str) -> str:
    """Without the fence that Claude likes to put around JSON which no format binds."""
    lines = content.strip().splitlines()
    fenced = len(lines) > 2 and lines[0] in ("```json", "```") and lines[-1] == "```"
    return "\n".join(lines[1:-1]) if fenced else content


def _bad(kind: ErrorKind, message: str, request_id: str | None, usage: Usage | None = None) -> ProviderError:
    return ProviderError(kind, message, status=200, request_id=request_id, usage=usage)
