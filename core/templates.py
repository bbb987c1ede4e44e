"""`{{outline.parsed.title}}` in a prompt takes a finished job's answer. Templates read; they never run anything."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from core.jsonio import dump_json
from core.request import JobRequest, TextPart

REFERENCE = re.compile(r"\{\{\s*([A-Za-z0-9_-]+)((?:\.[A-Za-z0-9_-]+)*)\s*\}\}")


class TemplateFault(Exception):
    """A reference that leads nowhere; the message names it."""


def find_references(request: JobRequest) -> dict[str, str]:
    """Keys of jobs that the request's texts refer to → the field where."""
    found: dict[str, str] = {}
    for field, text in _texts(request):
        for match in REFERENCE.finditer(text):
            found.setdefault(match[1], field)
    return found


def count_references(request: JobRequest) -> Counter[str]:
    """How often the request's texts refer to each job, by key."""
    return Counter(match[1] for _, text in _texts(request) for match in REFERENCE.finditer(text))


def fill_templates(request: JobRequest, results: Mapping[str, Mapping[str, Any]]) -> JobRequest:
    """A copy with every reference replaced: text as it is, everything else as JSON. Raises TemplateFault."""

    def fill(text: str) -> str:
        return REFERENCE.sub(lambda match: _look_up(match[1], match[2], results), text)

    return _map_texts(request, fill)


def _look_up(key: str, path: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    value: Any = results.get(key)
    if value is None:
        raise TemplateFault(f"{{{{{key}{path}}}}}: no job {key!r} is named in after")
    for step in path.split(".")[1:]:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise TemplateFault(f"{{{{{key}{path}}}}}: the answer of {key!r} has no {step!r} there")
    return value if isinstance(value, str) else dump_json(value).decode()


def _texts(request: JobRequest) -> Iterator[tuple[str, str]]:
    for field in ("prompt", "system", "instructions"):
        if text := getattr(request, field):
            yield field, text
    for number, text in enumerate(request.texts if request.input is not None else ()):
        yield f"input.{number}" if isinstance(request.input, list) else "input", text
    for number, message in enumerate(request.messages or ()):
        if isinstance(message.content, str):
            yield f"messages.{number}.content", message.content
        for place, part in enumerate(message.content if isinstance(message.content, list) else ()):
            if isinstance(part, TextPart):
                yield f"messages.{number}.content.{place}.text", part.text


def _map_texts(request: JobRequest, change: Callable[[str], str]) -> JobRequest:
    changes: dict[str, Any] = {
        field: change(text) for field in ("prompt", "system", "instructions") if (text := getattr(request, field))
    }
    if request.input is not None:
        changes["input"] = (
            change(request.input) if isinstance(request.input, str) else [change(text) for text in request.input]
        )
    if request.messages is not None:
        changes["messages"] = [
            message.model_copy(
                update={
                    "content": change(message.content)
                    if isinstance(message.content, str)
                    else [
                        part.model_copy(update={"text": change(part.text)}) if isinstance(part, TextPart) else part
                        for part in message.content
                    ]
                }
            )
            if message.content is not None
            else message
            for message in request.messages
        ]
    return request.model_copy(update=changes)
