"""Reads a caller's bytes into a JobRequest, or says what is wrong, field by field. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from core.errors import Problem
from core.outbound import check_public_url
from core.request import JobRequest, Kind
from core.schema_checks import find_schema_fault
from core.templates import find_references

TEXT_FIELDS = frozenset(
    {
        "messages", "system", "tools", "tool_choice", "reasoning_effort", "temperature", "top_p",
        "max_output_tokens", "stop", "seed", "response_format",
    }
)  # fmt: skip
SPEECH_FIELDS = frozenset(
    ("voice", "voice_settings", "instructions", "timestamps", "format", "speed", "language", "voice_policy")
)
FIELDS_OF = {
    Kind.text: TEXT_FIELDS | {"prompt"},
    Kind.speech: SPEECH_FIELDS | {"input", "seed"},
    Kind.embedding: frozenset({"input", "dimensions"}),
}
KIND_FIELDS = frozenset().union(*FIELDS_OF.values())
UNKNOWN_FIELD = "this field is not known here"
MISSING_FIELD = "this field is needed"
MOST_SPOKEN_CHARACTERS = 1_000_000
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONG_NUMBER = re.compile(rb"\d{19,}")
UNION_STEPS = re.compile(r"^(str|TextPart|ImagePart|text|image_url|constrained-str|dict\[.*|list\[.*|literal\[.*)$")


def read_request(body: bytes, line: int | None = None, *, literal: bool = False) -> JobRequest | list[Problem]:
    """One JSON object into a request; or every problem with it, with `line` for batch files. `literal`: the caller
    knows of no templates, so that `{{name}}` is text like any other."""
    try:
        request = JobRequest.model_validate_json(body)
    except ValidationError as error:
        return problems_of(error, body, line)
    problems = [Problem(message, field, line) for field, message in _check(request, body)]
    if not literal:
        problems += [Problem(message, field, line) for field, message in _check_references(request)]
    return problems or request


def problems_of(error: ValidationError, body: bytes, line: int | None = None) -> list[Problem]:
    """pydantic's findings in our words."""
    found: dict[str | None, Problem] = {}
    for item in error.errors(include_url=False, include_input=False, include_context=True):
        if item["type"] == "json_invalid":
            return [_unreadable(body, item["msg"], line)]
        steps = [str(step) for step in item["loc"] if not UNION_STEPS.match(str(step))]
        if item["type"] == "missing" and steps[-1:] == []:
            continue
        if item["type"] == "missing":
            steps[-1] = to_snake(steps[-1])
        field = ".".join(steps) or None
        found.setdefault(field, Problem(_say(item["type"], item["msg"]), field, line))
    return list(found.values())


def _say(kind: str, message: str) -> str:
    match kind:
        case "extra_forbidden":
            return UNKNOWN_FIELD
        case "missing":
            return MISSING_FIELD
        case _:
            return message[:1].lower() + message[1:]


def _unreadable(body: bytes, message: str, line: int | None) -> Problem:
    """Broken JSON; or JSON with half a surrogate pair, which no text can hold: then the field is named."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return Problem(message.replace("Invalid JSON: ", "this is not JSON: "), None, line)
    for field, text in strings_in(parsed, ""):
        if any("\ud800" <= character <= "\udfff" for character in text):
            return Problem("the text holds a lone surrogate (half of a \\ud83d\\ude00 pair)", field, line)
    return Problem(message.replace("Invalid JSON: ", "this is not JSON: "), None, line)


def strings_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, names included, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield f"{path}.{name}".lstrip("."), str(name)
            yield from strings_in(one, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from strings_in(one, f"{path}.{place}".lstrip("."))


def find_unstorable(value: Any, body: bytes | None = None) -> Iterator[tuple[str, str]]:
    """What Postgres or JSON libraries cannot hold: NUL in texts, integers beyond 64 bits. `body`: the JSON that it was
    read from, where that is at hand, saves most of the looking."""
    if body is None or b"\\u0000" in body:
        for field, text in strings_in(value):
            if "\x00" in text:
                yield field, "the text holds a NUL character"
    if body is None or LONG_NUMBER.search(body):
        for field, number in _integers(value):
            if not -(1 << 63) <= number < 1 << 63:
                yield field, "the number does not fit into 64 bits"


def _integers(value: Any, path: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(value, int):
        yield path, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _integers(one, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _integers(one, f"{path}.{place}".lstrip("."))


def _check(request: JobRequest, body: bytes) -> Iterator[tuple[str, str]]:
    if unstorable := list(find_unstorable(request.stored(), body)):
        yield from unstorable
        return
    yield from _check_kind(request)
    yield from _check_tools(request)
    yield from _check_images(request)
    if request.output_schema is not None and (fault := find_schema_fault(request.output_schema)):
        yield "response_format.json_schema.schema", fault
    if request.run_at is not None and request.run_at.tzinfo is None:
        yield "run_at", "the time needs a zone, such as 2026-12-24T18:00:00Z"


def _check_references(request: JobRequest) -> Iterator[tuple[str, str]]:
    for key, field in find_references(request).items():
        if key not in request.after:
            yield field, f"refers to {{{{{key}…}}}}, which is not named in after"


def _check_kind(request: JobRequest) -> Iterator[tuple[str, str]]:
    for field in sorted((request.model_fields_set & KIND_FIELDS) - FIELDS_OF[request.kind]):
        kinds = " or ".join(kind.value for kind, fields in FIELDS_OF.items() if field in fields)
        yield field, f"goes with kind {kinds}, this job is {request.kind.value}"
    match request.kind:
        case Kind.text:
            if (request.prompt is None) == (request.messages is None):
                yield "prompt", "exactly one of prompt and messages is needed"
        case Kind.speech:
            if not isinstance(request.input, str) or not request.input.strip():
                yield "input", "the text to speak is needed"
            elif len(request.input) > MOST_SPOKEN_CHARACTERS:
                yield (
                    "input",
                    f"a narration has at most {MOST_SPOKEN_CHARACTERS:,} characters, this has {len(request.input):,}",
                )
        case Kind.embedding:
            if request.input is None:
                yield "input", "a text, or a list of texts, is needed"
            elif not all(request.texts):
                yield "input", "a text to embed must not be empty"


def _check_tools(request: JobRequest) -> Iterator[tuple[str, str]]:
    names = set()
    for place, tool in enumerate(request.tools or ()):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict):
            yield f"tools.{place}", 'a tool is {"type": "function", "function": {"name", "description", "parameters"}}'
            continue
        name = function.get("name")
        if not isinstance(name, str) or not TOOL_NAME.fullmatch(name) or name in names:
            yield f"tools.{place}.function.name", "a name of its own is needed: up to 64 of A-Z a-z 0-9 _ -"
            continue
        names.add(name)
        parameters = function.get("parameters", {})
        if not isinstance(parameters, dict) or (fault := find_schema_fault(parameters)):
            yield (
                f"tools.{place}.function.parameters",
                fault if isinstance(parameters, dict) and fault else "a JSON Schema is needed",
            )
    choice = request.tool_choice
    if choice is not None and not request.tools:
        yield "tool_choice", "goes with tools, and there are none"
    if isinstance(choice, dict) and request.tools:
        wanted = choice.get("function", {}).get("name") if isinstance(choice.get("function"), dict) else None
        if wanted not in names:
            yield "tool_choice", 'names a tool as {"type": "function", "function": {"name": …}} that is in tools'


def _check_images(request: JobRequest) -> Iterator[tuple[str, str]]:
    for field, url in request.image_urls():
        if not url.startswith("data:"):
            if fault := check_public_url(url):
                yield field, fault
            continue
        head, comma, data = url.partition(",")
        if not comma or not head.endswith(";base64") or not head.startswith("data:image/"):
            yield field, "a data URL of a picture looks like data:image/png;base64,…"
            continue
        try:
            base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            yield field, "the base64 of this picture is broken"
