"""A conversation as Chat Completions wants it."""

from itertools import takewhile
from typing import Any

from adapters.answers import text_of
from adapters.images import read_image, to_data_url
from core.provider import ProviderCall
from core.request import ImagePart, Message, Part

_CALL_FIELDS = ("id", "type", "function", "custom")


def to_messages(call: ProviderCall, instruction: str | None) -> list[dict[str, Any]]:
    """One system message at the head, of `system`, the system turns that come first and the instruction; later ones
    stay where they are. Pictures go as data: URLs of the bytes that were fetched."""
    turns = call.request.turns
    leading = list(takewhile(lambda turn: turn.role == "system", turns))
    system = "\n\n".join(part for part in (call.request.system, *map(text_of, leading), instruction) if part)
    rest = [_to_message(turn, call) for turn in turns[len(leading) :]]
    return [*([{"role": "system", "content": system}] if system else []), *rest]


def _to_message(turn: Message, call: ProviderCall) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": _content(turn, call)}
    if turn.name:
        message["name"] = turn.name
    if turn.tool_call_id:
        message["tool_call_id"] = turn.tool_call_id
    if turn.tool_calls:
        message["tool_calls"] = [{name: one[name] for name in _CALL_FIELDS if name in one} for one in turn.tool_calls]
    return message


def _content(turn: Message, call: ProviderCall) -> str | list[dict[str, Any]] | None:
    if turn.content is None or isinstance(turn.content, str):
        return turn.content
    if turn.role != "user":
        return text_of(turn)
    return [_to_part(part, call) for part in turn.content]


def _to_part(part: Part, call: ProviderCall) -> dict[str, Any]:
    if not isinstance(part, ImagePart):
        return {"type": "text", "text": part.text}
    picture: dict[str, Any] = {"url": to_data_url(*read_image(part.image_url.url, call.images))}
    if part.image_url.detail != "auto":
        picture["detail"] = part.image_url.detail
    return {"type": "image_url", "image_url": picture}
