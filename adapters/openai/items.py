"""A conversation, tools and formats as Responses wants them."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from adapters.answers import JsonPlan, text_of
from adapters.images import read_image, to_data_url
from core.provider import ProviderCall
from core.request import ImagePart, Message, Part

Item = dict[str, Any]

_REASONING = ("type", "id", "summary", "encrypted_content")
_NOTHING: Item = {"type": "object", "properties": {}, "additionalProperties": False}


def to_input(call: ProviderCall, plan: JsonPlan) -> tuple[str | None, list[Item]]:
    """`instructions` and `input`. Instructions are `system`, the system turns that come first, and what is asked of
    JSON; later system turns stay where they are. For JSON mode OpenAI looks for the word in the input alone, so what
    is asked goes to its head when no turn has the word."""
    turns = call.request.turns
    leading = list(takewhile(lambda turn: turn.role == "system", turns))
    words = [call.request.system, *map(text_of, leading)]
    items = [item for turn in turns[len(leading) :] for item in _to_items(turn, call)]
    if plan.mode == "json" and not _mention_json(items):
        items.insert(0, {"role": "system", "content": plan.instruction or "Answer in JSON."})
    else:
        words.append(plan.instruction)
    instructions = "\n\n".join(filter(None, words))
    if not items:
        return None, [{"role": "system", "content": instructions}]
    return instructions or None, items


def to_tools(tools: list[Item]) -> list[Item]:
    """Flat functions. Strict only where the caller says so: Responses would make every function strict, and every
    optional parameter of it required."""
    return [
        {
            "type": "function",
            "name": function["name"],
            "parameters": function.get("parameters") or _NOTHING,
            "strict": bool(function.get("strict")),
            **({"description": function["description"]} if function.get("description") else {}),
        }
        for function in (tool["function"] for tool in tools)
    ]


def to_tool_choice(choice: str | Mapping[str, Any]) -> str | Item:
    return choice if isinstance(choice, str) else {"type": "function", "name": choice["function"]["name"]}


def to_format(call: ProviderCall, plan: JsonPlan) -> Item | None:
    """`text.format`; None for plain text."""
    if plan.mode != "schema":
        return {"type": "json_object"} if plan.mode == "json" else None
    shape, converted = call.request.response_format, plan.converted
    assert shape is not None
    assert shape.json_schema is not None
    assert converted is not None
    named: Item = {"type": "json_schema", "name": shape.json_schema.name, "strict": converted.strict}
    if shape.json_schema.description:
        named["description"] = shape.json_schema.description
    return named | {"schema": converted.schema}


def keep_reasoning(items: list[Item], call: ProviderCall) -> Item:
    """What stays beside a tool call of the reasoning that led to it. Only the model that thought it reads it."""
    kept = [{name: item[name] for name in _REASONING if item.get(name) is not None} for item in items]
    return {"openai": {"model": call.model.model_id, "reasoning": kept}}


def _to_items(turn: Message, call: ProviderCall) -> Iterator[Item]:
    """Reasoning goes back before what came of it: the words of its turn and the call."""
    if turn.role == "tool":
        yield {"type": "function_call_output", "call_id": turn.tool_call_id, "output": text_of(turn)}
        return
    calls = turn.tool_calls or []
    said = [{"role": turn.role, "content": _content(turn, call)}] if turn.content or not calls else []
    yield from _reasoning(calls[0], call) if calls else ()
    yield from said
    for place, one in enumerate(calls):
        yield from _reasoning(one, call) if place else ()
        function = one["function"]
        arguments = function.get("arguments") or "{}"
        yield {"type": "function_call", "call_id": one["id"], "name": function["name"], "arguments": arguments}


def _reasoning(one: Mapping[str, Any], call: ProviderCall) -> list[Item]:
    """As `keep_reasoning` put it beside the call. What is not encrypted OpenAI would look for where nothing is kept."""
    kept = (one.get("extra_content") or {}).get("openai") or {}
    found = kept.get("reasoning")
    if not isinstance(found, list) or kept.get("model", call.model.model_id) != call.model.model_id:
        return []
    return [item for item in found if isinstance(item, dict) and item.get("encrypted_content")]


def _content(turn: Message, call: ProviderCall) -> str | list[Item]:
    if isinstance(turn.content, str) or turn.role != "user":
        return text_of(turn)
    return [_to_part(part, call) for part in turn.content or ()]


def _to_part(part: Part, call: ProviderCall) -> Item:
    if not isinstance(part, ImagePart):
        return {"type": "input_text", "text": part.text}
    picture = to_data_url(*read_image(part.image_url.url, call.images))
    return {"type": "input_image", "image_url": picture, "detail": part.image_url.detail}


def _mention_json(items: list[Item]) -> bool:
    contents = [item.get("content") for item in items]
    texts = [one if isinstance(one, str) else " ".join(part.get("text", "") for part in one or ()) for one in contents]
    return any("json" in text.lower() for text in texts)
