"""A conversation as Mistral wants it."""

import hashlib
import re
from typing import Any

from adapters.answers import system_text, text_of
from adapters.images import read_image, to_data_url
from core.provider import ProviderCall
from core.request import ImagePart, Message, Part

_OWN_ID = re.compile(r"[A-Za-z0-9]{9}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BRIDGE = "Understood."


def to_messages(call: ProviderCall, instruction: str | None) -> tuple[list[dict[str, Any]], list[str]]:
    """The messages, and warnings.

    All system words come first; alone they are the user's, because Mistral wants somebody to answer. A conversation
    that ends with the assistant's words is continued from there. Between a tool's result and the user's next words
    Mistral wants the assistant's (400, code 3230).
    """
    system = system_text(call, instruction)
    if all(turn.role == "system" for turn in call.request.turns):
        return [{"role": "user", "content": system or ""}], []
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    bridged = False
    for turn in call.request.turns:
        if turn.role == "user" and messages and messages[-1]["role"] == "tool":
            messages.append({"role": "assistant", "content": _BRIDGE})
            bridged = True
        if turn.role != "system":
            messages.append(_to_message(turn, call))
    if messages[-1]["role"] == "assistant" and "tool_calls" not in messages[-1]:
        messages[-1]["prefix"] = True
    said = f'messages: Mistral takes no user after a tool, "{_BRIDGE}" was put between'
    return messages, [said] if bridged else []


def own_id(tool_call_id: str) -> str:
    """Mistral takes ids of nine letters and digits; another provider's becomes one, always the same."""
    if _OWN_ID.fullmatch(tool_call_id):
        return tool_call_id
    return hashlib.sha256(tool_call_id.encode()).hexdigest()[:9]


def _to_message(turn: Message, call: ProviderCall) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": _content(turn, call)}
    if turn.role == "tool":
        message["tool_call_id"] = own_id(turn.tool_call_id or "")
        if turn.name and _NAME.fullmatch(turn.name):
            message["name"] = turn.name
    if turn.tool_calls:
        message["tool_calls"] = [
            {"id": own_id(str(one.get("id"))), "type": "function", "function": one.get("function")}
            for one in turn.tool_calls
        ]
    return message


def _content(turn: Message, call: ProviderCall) -> str | list[dict[str, Any]]:
    if turn.content is None or isinstance(turn.content, str):
        return turn.content or ""
    if turn.role != "user":
        return text_of(turn)
    return [_to_part(part, call) for part in turn.content]


def _to_part(part: Part, call: ProviderCall) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": to_data_url(*read_image(part.image_url.url, call.images))}
    return {"type": "text", "text": part.text}
