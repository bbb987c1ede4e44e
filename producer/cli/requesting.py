"""One request, said by options: of the commands `submit` and `quote`."""

import functools
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import click

from core.errors import Problem, RequestRefused
from core.jsonio import load_json

C = TypeVar("C", bound=Callable[..., Any])
KINDS = click.Choice(["text", "speech", "embedding"])
REQUEST_OPTIONS = (
    click.option("--model", default="fast", show_default=True, help="An alias or a model."),
    click.option("--kind", type=KINDS, default="text", show_default=True),
    click.option("--prompt", help="The prompt, or the text to speak or embed."),
    click.option("--file", type=click.File("rb"), help="Read it from a file; - is standard input."),
    click.option("--system", help="The system text."),
    click.option("--voice", help="A voice, for speech."),
    click.option("--format", help="An audio format, for speech."),
    click.option("--schema", type=click.File("rb"), help="A file with the JSON schema that the answer must satisfy."),
    click.option("--priority", type=click.Choice(["interactive", "standard", "batch"])),
)


def request_options(command: C) -> C:
    """One request, as `read_body` reads it."""
    return functools.reduce(lambda made, option: option(made), reversed(REQUEST_OPTIONS), command)


def read_body(given: dict[str, Any]) -> dict[str, Any]:
    """The request that the options say. Raises UsageError, or RequestRefused for what is no text or no JSON."""
    sources = [given["prompt"], given["file"], given["stdin"]]
    if sum(source is not None for source in sources) != 1:
        raise click.UsageError("the text is needed once: --prompt TEXT, --file FILE, or - for standard input")
    kind = given["kind"]
    body: dict[str, Any] = {"kind": kind, "model": given["model"]}
    source = given["file"] or sys.stdin.buffer
    text = given["prompt"] if given["prompt"] is not None else _decode(source.read())
    body["prompt" if kind == "text" else "input"] = text
    body |= {name: given[name] for name in ("system", "voice", "format", "priority") if given[name] is not None}
    if given["schema"] is not None:
        shape = {"name": "answer", "schema": _read_schema(given["schema"])}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    for name, text in body.items():
        if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise RequestRefused.of([Problem("this text holds bytes that are not UTF-8", name)])
    return body


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise RequestRefused.of([Problem(f"byte {error.start} is not UTF-8", "file")]) from None


def _read_schema(file: BinaryIO) -> Any:
    try:
        return load_json(file.read())
    except ValueError as error:
        raise RequestRefused.of([Problem(f"{file.name} is not JSON: {error}", "schema")]) from None
