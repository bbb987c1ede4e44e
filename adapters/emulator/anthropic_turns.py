"""The conversation of a request to Claude: checked as Anthropic does, and read."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.emulator.anthropic_wire import invalid
from adapters.emulator.wire import looks_like_picture

_THOUGHTS = ("thinking", "redacted_thinking")
_BLOCKS = {
    "user": ("text", "image", "document", "tool_result"),
    "assistant": ("text", "tool_use", *_THOUGHTS),
}


@dataclass(slots=True)
class Asked:
    """What the model reads. `result` is what a tool said last, when that is what it is to answer to."""

    text: str = ""
    pictures: list[bytes] = field(default_factory=list)
    result: str | None = None
    last_role: str = "user"
    thoughtless_call: bool = False


def read_request(body: Mapping[str, Any]) -> Asked:
    """System words and turns. Raises Refused."""
    turns = body.get("messages")
    if not isinstance(turns, list) or not turns:
        raise invalid("messages: at least one message is required")
    asked = Asked()
    texts = [_read_system(body.get("system"))]
    open_calls: list[str] = []
    for place, turn in enumerate(turns):
        blocks = _blocks_of(turn, place)
        asked.last_role = turn["role"]
        _check_results(open_calls, blocks, place)
        open_calls = [str(block.get("id")) for block in blocks if block["type"] == "tool_use"]
        if open_calls:
            asked.thoughtless_call = blocks[0]["type"] not in _THOUGHTS
        for step, block in enumerate(blocks):
            texts.append(_read_block(block, f"messages.{place}.content.{step}", asked))
    if open_calls:
        raise invalid(f"messages: `tool_use` ids were found without `tool_result` blocks after them: {open_calls[0]}")
    if turns[0]["role"] != "user":
        raise invalid("messages: first message must use the user role")
    asked.text = "\n".join(text for text in texts if text)
    asked.result = _last_result(turns[-1])
    return asked


def _read_system(system: Any) -> str:
    if system is None or isinstance(system, str):
        return system or ""
    if not isinstance(system, list) or any(block.get("type") != "text" for block in system):
        raise invalid("system: Input should be a valid string or a list of text blocks")
    return "\n".join(str(block.get("text")) for block in system)


def _blocks_of(turn: Any, place: int) -> list[dict[str, Any]]:
    if not isinstance(turn, dict) or turn.get("role") not in _BLOCKS:
        raise invalid(f"messages.{place}.role: Input should be 'user' or 'assistant'")
    for name in turn.keys() - {"role", "content"}:
        raise invalid(f"messages.{place}.{name}: Extra inputs are not permitted")
    content = turn.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list) or not blocks:
        raise invalid(f"messages.{place}: all messages must have non-empty content")
    for step, block in enumerate(blocks):
        if not isinstance(block, dict) or block.get("type") not in _BLOCKS[turn["role"]]:
            known = ", ".join(_BLOCKS[turn["role"]])
            raise invalid(f"messages.{place}.content.{step}.type: Input should be one of {known}")
    return blocks


def _check_results(open_calls: list[str], blocks: list[dict[str, Any]], place: int) -> None:
    """The results of all calls come first in the next turn, and nothing else has results."""
    named = [str(block.get("tool_use_id")) for block in blocks if block["type"] == "tool_result"]
    heads = [str(block.get("tool_use_id")) for block in blocks[: len(open_calls)]]
    if set(open_calls) - set(heads):
        missing = min(set(open_calls) - set(heads))
        raise invalid(f"messages.{place}: `tool_use` ids were found without `tool_result` blocks after them: {missing}")
    if extra := set(named) - set(open_calls):
        raise invalid(f"messages.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {min(extra)}")


def _read_block(block: dict[str, Any], path: str, asked: Asked) -> str:
    match block["type"]:
        case "text":
            return _read_text(block, path)
        case "image":
            asked.pictures.append(_read_picture(block, path))
        case "tool_result":
            return _result_text(block)
        case "tool_use":
            if not isinstance(block.get("input"), dict) or not block.get("name") or not block.get("id"):
                raise invalid(f"{path}: `tool_use` needs an id, a name and an input, which is an object")
            if not re.fullmatch(r"[A-Za-z0-9_-]+", str(block["id"]), re.ASCII):
                raise invalid(f"{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            return json.dumps(block["input"])
        case "thinking" if not block.get("signature"):
            raise invalid(f"{path}.signature: Field required")
    return ""


def _read_text(block: Mapping[str, Any], path: str) -> str:
    text = block.get("text")
    if not isinstance(text, str):
        raise invalid(f"{path}.text: Input should be a valid string")
    if not text.strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")
    return text


def _read_picture(block: Mapping[str, Any], path: str) -> bytes:
    source = block.get("source") or {}
    try:
        data = base64.b64decode(str(source.get("data", "")), validate=True) if source.get("type") == "base64" else b""
    except binascii.Error:
        data = b""
    if not looks_like_picture(data) or not str(source.get("media_type")).startswith("image/"):
        raise invalid(f"{path}.source: Could not process image")
    return data


def _result_text(block: Mapping[str, Any]) -> str:
    content = block.get("content") or ""
    return content if isinstance(content, str) else "\n".join(str(one.get("text") or "") for one in content)


def _last_result(turn: Mapping[str, Any]) -> str | None:
    if isinstance(turn["content"], str):
        return None
    results = [_result_text(block) for block in turn["content"] if block["type"] == "tool_result"]
    return results[-1] if results else None
