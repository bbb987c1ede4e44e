"""The input items of `POST /v1/responses` as messages, and answers as output items."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from producer.openai.asking import only
from producer.openai.errors import Refusal
from producer.openai.ids import item_id

_TEXTS = ("input_text", "output_text", "text")


def read_items(items: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Messages, and for each the path of the item that it came from. Raises Refusal."""
    if isinstance(items, str):
        return [{"role": "user", "content": items}], {"messages.0": "input", "messages.0.content": "input"}
    if not isinstance(items, list):
        raise Refusal("'input' is a text or a list of items.", "input", "invalid_type")
    messages: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for place, item in enumerate(items):
        path = f"input[{place}]"
        if not isinstance(item, dict):
            raise Refusal(f"'{path}' is an object.", path, "invalid_type")
        message = _read_item(item, path)
        if "tool_calls" in message and messages and messages[-1]["role"] == "assistant":
            messages[-1].setdefault("tool_calls", []).extend(message["tool_calls"])
            continue
        names[f"messages.{len(messages)}"] = f"input.{place}"
        messages.append(message)
    return messages, names


def _read_item(item: Mapping[str, Any], path: str) -> dict[str, Any]:
    kind = item.get("type") or "message"
    match kind:
        case "message":
            only(item, path, "type", "role", "content", "id", "status", "phase")
            role = "system" if item.get("role") == "developer" else item.get("role")
            return {"role": role, "content": _read_content(item.get("content"), f"{path}.content")}
        case "function_call":
            only(item, path, "type", "call_id", "name", "arguments", "id", "status", "extra_content")
            return {"role": "assistant", "tool_calls": [_read_call(item, path)]}
        case "function_call_output":
            only(item, path, "type", "call_id", "output", "id", "status")
            content = _read_content(item.get("output"), f"{path}.output")
            return {"role": "tool", "tool_call_id": _text(item, "call_id", path), "content": content}
        case _:
            message = f"Unsupported value: items of type '{str(kind)[:100]}' mean nothing here."
            raise Refusal(message, f"{path}.type", "unsupported_value")


def _read_call(item: Mapping[str, Any], path: str) -> dict[str, Any]:
    function = {name: _text(item, name, path) for name in ("name", "arguments")}
    call: dict[str, Any] = {"id": _text(item, "call_id", path), "type": "function", "function": function}
    return call | {name: item[name] for name in ("extra_content",) if item.get(name) is not None}


def _text(item: Mapping[str, Any], name: str, path: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise Refusal(f"'{path}.{name}' is a text.", f"{path}.{name}", "invalid_type")
    return value


def _read_content(content: Any, path: str) -> Any:
    """A text stays; parts become those of a message."""
    if not isinstance(content, list):
        return content
    return [_read_part(part, f"{path}[{place}]") for place, part in enumerate(content)]


def _read_part(part: Any, path: str) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _TEXTS:
        only(part, path, "type", "text", *(("annotations", "logprobs") if kind == "output_text" else ()))
        return {"type": "text", "text": part.get("text")}
    if kind == "input_image":
        only(part, path, "type", "image_url", "detail")
        picture = {"url": part.get("image_url"), "detail": part.get("detail") or "auto"}
        return {"type": "image_url", "image_url": picture}
    message = f"Unsupported value: parts of type '{str(kind)[:100]}' mean nothing here."
    raise Refusal(message, f"{path}.type", "unsupported_value")


def output_items(job_id: UUID, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was said, then the functions to be called."""
    items: list[dict[str, Any]] = []
    calls: Sequence[Mapping[str, Any]] = result.get("tool_calls") or ()
    if result["content"] is not None:
        items.append(_message(job_id, result["content"], result.get("finish_reason")))
    for place, call in enumerate(calls, start=len(items)):
        item = {
            "id": item_id("fc", job_id, place),
            "type": "function_call",
            "status": "completed",
            "call_id": call["id"],
            **call["function"],
        }
        items.append(item | {name: call[name] for name in ("extra_content",) if name in call})
    return items


def _message(job_id: UUID, text: str, finish_reason: str | None) -> dict[str, Any]:
    return {
        "id": item_id("msg", job_id, 0),
        "type": "message",
        "role": "assistant",
        "status": "incomplete" if finish_reason == "length" else "completed",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }
