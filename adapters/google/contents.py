"""A conversation and its tools as Gemini wants them."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from adapters.answers import text_of
from adapters.images import read_image
from adapters.schemas import to_google
from core.jsonio import load_json
from core.provider import ProviderCall
from core.request import ImagePart, Message

# Gemini refuses a function call of its history that has no signature of its own; this one it takes unchecked.
FOREIGN_SIGNATURE = b"skip_thought_signature_validator"
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def to_contents(call: ProviderCall) -> list[dict[str, Any]]:
    """The turns without system words; neighbours of one role are one content, as parallel tool results must be."""
    names = _function_names(call.request.turns)
    contents: list[dict[str, Any]] = []
    for turn in call.request.turns:
        if turn.role == "system":
            continue
        role = "model" if turn.role == "assistant" else "user"
        parts = _parts(turn, names, call)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    return contents


def to_tools(tools: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Function definitions in OpenAI's form; anything else is taken as one of Gemini's own tools."""
    declarations = []
    others = []
    for tool in tools:
        if tool.get("type") != "function":
            others.append(tool)
            continue
        function = tool["function"]
        declaration = {"name": function["name"], "description": function.get("description", "")}
        if parameters := function.get("parameters"):
            declaration["parameters_json_schema"] = to_google(parameters).schema or parameters
        declarations.append(declaration)
    return [*([{"function_declarations": declarations}] if declarations else []), *others]


def to_tool_config(choice: str | dict[str, Any]) -> dict[str, Any]:
    """`auto none required`, or the one function that must be called."""
    if isinstance(choice, str):
        return {"function_calling_config": {"mode": _MODES[choice]}}
    name = choice["function"]["name"]
    return {"function_calling_config": {"mode": "ANY", "allowed_function_names": [name]}}


def _function_names(turns: Iterable[Message]) -> dict[str, str]:
    """A tool's answer names the call, Gemini wants the function."""
    return {one["id"]: one["function"]["name"] for turn in turns for one in turn.tool_calls or () if "id" in one}


def _parts(turn: Message, names: dict[str, str], call: ProviderCall) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [_tool_result(turn, names)]
    parts: list[dict[str, Any]] = []
    if isinstance(turn.content, str):
        parts += [{"text": turn.content}] if turn.content else []
    else:
        for part in turn.content or ():
            if isinstance(part, ImagePart):
                media_type, data = read_image(part.image_url.url, call.images)
                parts.append({"inline_data": {"mime_type": media_type, "data": data}})
            elif part.text:
                parts.append({"text": part.text})
    return [*parts, *_function_calls(turn.tool_calls or [], call)] or [{"text": " "}]


def _function_calls(calls: list[dict[str, Any]], call: ProviderCall) -> list[dict[str, Any]]:
    """Gemini signs the first of parallel calls. Calls that another model made get the signature that is not checked;
    models with a thinking budget are older and ask for none."""
    parts = [_function_call(one) for one in calls]
    unsigned = not any("thought_signature" in part for part in parts)
    if parts and unsigned and call.model.parameters.get("thinking") != "budget":
        parts[0]["thought_signature"] = FOREIGN_SIGNATURE
    return parts


def _function_call(one: dict[str, Any]) -> dict[str, Any]:
    function = one["function"]
    arguments = load_json(function.get("arguments") or "{}")
    named = {"name": function["name"], "args": arguments}
    if one.get("id"):
        named["id"] = one["id"]
    signature = _signature(one)
    return {"function_call": named} | ({"thought_signature": signature} if signature else {})


def _signature(one: dict[str, Any]) -> bytes | None:
    """As `to_tool_call` put it beside the call; the place is that of Google's own OpenAI-compatible server."""
    kept = ((one.get("extra_content") or {}).get("google") or {}).get("thought_signature")
    try:
        return base64.b64decode(kept, validate=True) if kept else None
    except binascii.Error:
        return None


def _tool_result(turn: Message, names: dict[str, str]) -> dict[str, Any]:
    text = text_of(turn)
    try:
        said = load_json(text)
    except ValueError:
        said = text
    response = said if isinstance(said, dict) else {"result": said}
    call_id = turn.tool_call_id or ""
    return {
        "function_response": {"id": call_id, "name": turn.name or names.get(call_id, call_id), "response": response}
    }
