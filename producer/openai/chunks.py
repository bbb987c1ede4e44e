"""A ChatCompletion as the chunks of a stream."""

from collections.abc import Iterator, Mapping
from typing import Any

from producer.openai.pieces import pieces

_SHARED = ("id", "created", "model", "system_fingerprint")


def completion_chunks(completion: Mapping[str, Any], *, usage: bool) -> Iterator[dict[str, Any]]:
    """The role first, then content and tool calls in pieces, then the finish reason; with `usage`, a chunk of it last.
    `factory` is in the last of all."""
    frame = {name: completion[name] for name in _SHARED} | {"object": "chat.completion.chunk"}
    about = {"factory": completion["factory"]}
    quiet: dict[str, Any] = {"usage": None} if usage else {}
    choice = completion["choices"][0]
    for delta in _deltas(choice["message"]):
        yield {**frame, **quiet, "choices": [_choice(delta)]}
    last = {**frame, **quiet, "choices": [_choice({}, choice["finish_reason"])]}
    if not usage:
        yield last | about
        return
    yield last
    yield {**frame, "choices": [], "usage": completion["usage"], **about}


def _choice(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if message["content"] is None else "", "refusal": None}
    for text in pieces(message["content"] or ""):
        yield {"content": text}
    for place, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        begun = {**call, "index": place, "function": {"name": function["name"], "arguments": ""}}
        yield {"tool_calls": [begun]}
        for text in pieces(function["arguments"]):
            yield {"tool_calls": [{"index": place, "function": {"arguments": text}}]}
