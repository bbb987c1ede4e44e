"""A whole response of OpenAI's as the events that would have brought it."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

Event = dict[str, Any]


async def stream_events(whole: dict[str, Any]) -> AsyncIterator[bytes]:
    """Server-sent events, numbered, with their names."""
    for number, event in enumerate(_events(whole)):
        numbered = {**event, "sequence_number": number}
        yield f"event: {event['type']}\ndata: {json.dumps(numbered)}\n\n".encode()


def _events(whole: dict[str, Any]) -> Iterator[Event]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for place, item in enumerate(whole["output"]):
        blank: Event = {name: type(item[name])() for name in ("content", "arguments") if name in item}
        unfinished: Event = {"status": "in_progress"} if "status" in item else {}
        yield {"type": "response.output_item.added", "output_index": place, "item": item | blank | unfinished}
        yield from _pieces(item, {"item_id": item["id"], "output_index": place})
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _pieces(item: dict[str, Any], where: Event) -> Iterator[Event]:
    if item["type"] == "function_call":
        arguments = item["arguments"]
        yield from (
            {"type": "response.function_call_arguments.delta", **where, "delta": one} for one in _cut(arguments)
        )
        yield {"type": "response.function_call_arguments.done", **where, "arguments": arguments, "name": item["name"]}
    for number, part in enumerate(item.get("content", ())):
        name = "refusal" if part["type"] == "refusal" else "text"
        said, kind = part[name], "refusal" if name == "refusal" else "output_text"
        logged: Event = {} if name == "refusal" else {"logprobs": []}
        here = {**where, "content_index": number}
        yield {"type": "response.content_part.added", **here, "part": {**part, name: ""}}
        yield from ({"type": f"response.{kind}.delta", **here, "delta": one, **logged} for one in _cut(said))
        yield {"type": f"response.{kind}.done", **here, name: said, **logged}
        yield {"type": "response.content_part.done", **here, "part": part}


def _cut(said: str) -> list[str]:
    return [said[start : start + 40] for start in range(0, len(said), 40)]
