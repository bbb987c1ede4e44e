"""A Response as the events of a stream. The same job always has the same events with the same numbers, so that a
stream can be taken up again behind any of them."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from producer.openai.pieces import pieces


def opening_events(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What is said before there is an answer: numbers 0 and 1. `response` may be in any state."""
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "error": None}
    begun |= {"incomplete_details": None, "completed_at": None, "factory": {"job_id": response["factory"]["job_id"]}}
    yield {"type": "response.created", "sequence_number": 0, "response": begun}
    yield {"type": "response.in_progress", "sequence_number": 1, "response": begun}


def closing_events(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """From number 2 on: the output, then how it ended. `response` is over."""
    numbers = count(2)
    for event in _output_events(response):
        yield {**event, "sequence_number": next(numbers)}
    ended = response["status"] if response["status"] in ("completed", "incomplete") else "failed"
    yield {"type": f"response.{ended}", "sequence_number": next(numbers), "response": response}


def _output_events(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for place, item in enumerate(response["output"]):
        empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
        yield {
            "type": "response.output_item.added",
            "output_index": place,
            "item": {**item, "status": "in_progress", **empty},
        }
        where = {"item_id": item["id"], "output_index": place}
        yield from _text_events(item, where) if item["type"] == "message" else _call_events(item, where)
        yield {"type": "response.output_item.done", "output_index": place, "item": item}


def _text_events(item: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    part = item["content"][0]
    where = {**where, "content_index": 0}
    yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
    for text in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **where, "delta": text, "logprobs": []}
    yield {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": part}


def _call_events(item: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for text in pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **where, "delta": text}
    done = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": "response.function_call_arguments.done", **where, **done}
