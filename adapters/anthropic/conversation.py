"""A conversation and its tools as Claude wants them."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.answers import text_of
from adapters.images import read_image
from core.jsonio import load_json
from core.provider import ProviderCall
from core.request import ImagePart, Message

_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def to_turns(call: ProviderCall, *, thoughts: bool) -> list[dict[str, Any]]:
    """The turns without system words; neighbours of one role are one turn, as parallel tool results must be.

    `thoughts`: the thoughts that came with a tool call go back with it, which Claude wants while it thinks.
    """
    turns: list[dict[str, Any]] = []
    for turn in call.request.turns:
        if turn.role == "system":
            continue
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = _blocks(turn, call, thoughts=thoughts)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if turns and turns[-1]["role"] == "assistant":
        _trim_end(turns[-1]["content"])
    return turns


def lacks_thoughts(call: ProviderCall) -> bool:
    """Whether the tool calls that are being answered came without Claude's thoughts: then it may not think now."""
    for turn in reversed(call.request.turns):
        if turn.role == "user":
            return False
        if turn.role == "assistant" and turn.tool_calls:
            return not _thoughts(turn.tool_calls)
    return False


def to_tools(tools: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Function definitions in OpenAI's form; anything else is taken as one of Anthropic's own tools."""
    return [_to_tool(tool["function"]) if tool.get("type") == "function" else tool for tool in tools]


def to_tool_choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    """`auto none required`, or the one function that must be called."""
    if isinstance(choice, str):
        return {"type": _CHOICES[choice]}
    return {"type": "tool", "name": choice["function"]["name"]}


def _to_tool(function: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", **(function.get("parameters") or {})}
    described = {"description": function["description"]} if function.get("description") else {}
    return {"name": function["name"], **described, "input_schema": schema}


def _blocks(turn: Message, call: ProviderCall, *, thoughts: bool) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [{"type": "tool_result", "tool_use_id": _legal_id(turn.tool_call_id), "content": text_of(turn)}]
    calls = turn.tool_calls or []
    kept = _thoughts(calls) if thoughts else []
    return [*kept, *_content(turn, call), *map(_tool_use, calls)]


def _content(turn: Message, call: ProviderCall) -> list[dict[str, Any]]:
    """Text and pictures; a text without a letter in it is left out, as Claude refuses it."""
    if turn.content is None or isinstance(turn.content, str):
        return _text(turn.content or "")
    blocks: list[dict[str, Any]] = []
    for part in turn.content:
        if not isinstance(part, ImagePart):
            blocks += _text(part.text)
        elif turn.role == "user":
            media_type, data = read_image(part.image_url.url, call.images)
            source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode("ascii")}
            blocks.append({"type": "image", "source": source})
    return blocks


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _tool_use(one: Mapping[str, Any]) -> dict[str, Any]:
    function = one["function"]
    arguments = load_json(function.get("arguments") or "{}")
    return {"type": "tool_use", "id": _legal_id(one["id"]), "name": function["name"], "input": arguments}


def _legal_id(call_id: str | None) -> str:
    """Some models name their calls with letters that Claude refuses, such as `functions.look:0`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", call_id or "")


def _thoughts(calls: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As `answers.to_tool_calls` put them beside the first call."""
    for one in calls:
        kept = (one.get("extra_content") or {}).get("anthropic") or {}
        if isinstance(found := kept.get("thinking"), list):
            return found
    return []


def _trim_end(blocks: list[dict[str, Any]]) -> None:
    """Claude goes on from an assistant's turn only when that does not end with a space."""
    if blocks and blocks[-1]["type"] == "text":
        blocks[-1] = {"type": "text", "text": blocks[-1]["text"].rstrip()}
