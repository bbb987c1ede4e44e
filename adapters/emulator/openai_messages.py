"""What a request to OpenAI's chat completions says: its messages, checked as the API checks them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.emulator.openai_wire import invalid, read_picture
from adapters.emulator.wire import Refused

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_FIELDS = {
    "assistant": ("role", "content", "name", "tool_calls", "refusal", "audio", "function_call"),
    "tool": ("role", "content", "name", "tool_call_id"),
}
_CALL_FIELDS = ("id", "type", "function", "custom")
_DETAILS = ("auto", "low", "high", "original")


@dataclass(slots=True)
class ReadMessages:
    """`waiting` are the ids of the tool calls that have no result yet."""

    texts: list[str] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def read_messages(body: Mapping[str, Any]) -> ReadMessages:
    """Raises Refused for what the API would not take."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("Invalid 'messages': empty array.", param="messages")
    read = ReadMessages()
    for place, message in enumerate(messages):
        _read_message(message, f"messages[{place}]", read)
    if read.waiting:
        raise _unanswered(read)
    return read


def _read_message(message: Any, where: str, read: ReadMessages) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in ROLES:
        raise invalid(f"Invalid value: '{role}'.", code="invalid_value", param=f"{where}.role")
    for name in message.keys() - set(_FIELDS.get(role, ("role", "content", "name"))):
        raise invalid(f"Unknown parameter: '{where}.{name}'.", code="unknown_parameter", param=f"{where}.{name}")
    if role == "tool":
        _answer_call(message, where, read)
    elif read.waiting:
        raise _unanswered(read)
    calls = message.get("tool_calls")
    if message.get("content") is None and not calls:
        raise invalid(f"Invalid value for '{where}.content': expected a string, got null.", param=f"{where}.content")
    if calls is not None:
        _read_calls(calls, where, read)
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    for number, part in enumerate(parts):
        _read_part(part, role, f"{where}.content[{number}]", read)


def _answer_call(message: Mapping[str, Any], where: str, read: ReadMessages) -> None:
    named = message.get("tool_call_id")
    if named is None:
        message_text = f"Missing required parameter: '{where}.tool_call_id'."
        raise invalid(message_text, code="missing_required_parameter", param=f"{where}.tool_call_id")
    if named not in read.waiting:
        raise invalid(
            "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
            param=f"{where}.role",
        )
    read.waiting.remove(named)


def _unanswered(read: ReadMessages) -> Refused:
    return invalid(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(read.waiting)}",
        param="messages",
    )


def _read_calls(calls: Any, where: str, read: ReadMessages) -> None:
    if not isinstance(calls, list) or not calls:
        raise invalid(f"Invalid '{where}.tool_calls': empty array.", code="empty_array", param=f"{where}.tool_calls")
    for number, call in enumerate(calls):
        here = f"{where}.tool_calls[{number}]"
        for name in call.keys() - set(_CALL_FIELDS):
            raise invalid(f"Unknown parameter: '{here}.{name}'.", code="unknown_parameter", param=f"{here}.{name}")
        said = call.get("function") or call.get("custom") or {}
        if not call.get("id") or not said.get("name"):
            raise invalid(f"Missing required parameter: '{here}.id'.", code="missing_required_parameter", param=here)
        if "function" in call and not isinstance(said.get("arguments"), str):
            raise invalid(f"Invalid type for '{here}.function.arguments': expected a string.", param=here)
        read.waiting.append(str(call["id"]))


def _read_part(part: Any, role: str, where: str, read: ReadMessages) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        read.texts.append(part["text"])
    elif kind == "image_url" and role == "user":
        picture = part.get("image_url") or {}
        if picture.get("detail", "auto") not in _DETAILS:
            raise invalid(
                f"Invalid value: '{picture['detail']}'.", code="invalid_value", param=f"{where}.image_url.detail"
            )
        read.pictures.append(read_picture(picture.get("url", ""), where))
    else:
        raise invalid(f"Invalid content type '{kind}' in a message of '{role}'.", code="invalid_value", param=where)
