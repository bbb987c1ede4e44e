"""`POST /v1/chat/completions`: a request in, a ChatCompletion out."""

from collections.abc import Mapping
from typing import Any

from core.presenting import present_result
from producer.openai.asking import Asked, about_job, flag, object_of, only, priority_of, said
from producer.openai.errors import Refusal
from producer.openai.ids import completion_id

_SAME = (
    "model", "metadata", "temperature", "top_p", "seed", "stop", "reasoning_effort", "tools", "tool_choice",
    "response_format",
)  # fmt: skip
# What answers carry and clients send back, empty.
_EMPTY = ("refusal", "audio", "function_call", "annotations", "tool_calls")


def read_chat(body: Mapping[str, Any]) -> Asked:
    """The body of a chat completion, whose parameters are known. Raises Refusal."""
    count = body.get("n")
    if count is not None and (isinstance(count, bool) or count != 1):
        raise Refusal(
            "Unsupported value: 'n' is 1 here; for more answers send more requests.", "n", "unsupported_value"
        )
    names = {}
    fields = {"kind": "text", **said(body, *_SAME), **priority_of(body)}
    caps = said(body, "max_completion_tokens", "max_tokens")
    if len(caps) == 2:
        raise Refusal("'max_tokens' and 'max_completion_tokens' say the same: send one of them.", "max_tokens")
    for name, value in caps.items():
        fields["max_output_tokens"] = value
        names["max_output_tokens"] = name
    messages = body["messages"]
    fields["messages"] = [_read_message(one) for one in messages] if isinstance(messages, list) else messages
    return Asked(fields, names)


def includes_usage(body: Mapping[str, Any]) -> bool:
    """Whether a stream ends with a chunk of usage."""
    options = object_of(body, "stream_options")
    if options and not flag(body, "stream"):
        raise Refusal("'stream_options' goes with 'stream': true.", "stream_options")
    only(options, "stream_options", "include_usage", "include_obfuscation")
    return flag(options, "include_usage", "stream_options.")


def _read_message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    read = {name: value for name, value in message.items() if value or name not in _EMPTY}
    if read.get("role") == "developer":
        read["role"] = "system"
    return read


def present_completion(row: Mapping[str, Any]) -> dict[str, Any]:
    """A completed job's row (of `read_job`) as a ChatCompletion."""
    result = present_result(row)
    assert result is not None
    message: dict[str, Any] = {"role": "assistant", "content": result["content"], "refusal": None, "annotations": []}
    if result.get("tool_calls"):
        message["tool_calls"] = result["tool_calls"]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": result.get("finish_reason") or "stop",
    }
    return {
        "id": completion_id(row["id"]),
        "object": "chat.completion",
        "created": int(row["created_at"].timestamp()),
        "model": result["model"],
        "choices": [choice],
        "usage": present_chat_usage(result["usage"]),
        "system_fingerprint": None,
        "factory": about_job(row["id"], result),
    }


def present_chat_usage(usage: Mapping[str, int]) -> dict[str, Any]:
    return {
        "prompt_tokens": usage["prompt_tokens"],
        "completion_tokens": usage["completion_tokens"],
        "total_tokens": usage["total_tokens"],
        "prompt_tokens_details": {
            "cached_tokens": usage.get("cached_tokens", 0),
            "cache_write_tokens": usage.get("cache_write_tokens", 0),
        },
        "completion_tokens_details": {"reasoning_tokens": usage.get("reasoning_tokens", 0)},
    }
