"""A request whose schema is asked for in words: in the prompt, or once more with what was wrong. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from core.json_text import write_json
from core.request import JobRequest, Message, ResponseFormat
from core.schema_checks import Violation

MOST_NAMED = 12
_MOST_REFERENCES = 20

_JSON_ONLY = (
    "Answer with JSON that satisfies this JSON Schema, and with nothing else: no words around it, no code fence, and "
    "not the schema itself.\n"
)


def ask_in_prompt(request: JobRequest) -> JobRequest:
    """The same request with its schema at the end of the system words, and JSON mode where the answer is an object:
    in JSON mode some providers give nothing else. A request without a schema comes back as it is."""
    schema = request.output_schema
    if schema is None:
        return request
    words = _JSON_ONLY + write_json(schema)
    shape = ResponseFormat(type="json_object") if _is_object(schema) else None
    system = f"{request.system}\n\n{words}" if request.system else words
    return request.model_copy(update={"system": system, "response_format": shape})


def ask_once_more(request: JobRequest, answered: str, violations: Sequence[Violation]) -> JobRequest:
    """The same conversation with the answer that did not do, and what is wrong with it."""
    turns = [
        *request.turns,
        Message(role="assistant", content=answered),
        Message(role="user", content="\n".join(_complaint(violations))),
    ]
    return request.model_copy(update={"prompt": None, "messages": turns})


def _complaint(violations: Sequence[Violation]) -> Iterator[str]:
    yield "Your answer cannot be accepted:"
    for violation in violations[:MOST_NAMED]:
        yield f"- {violation}"
    if len(violations) > MOST_NAMED:
        yield "- and more of this kind"
    yield (
        "Answer once more with the whole JSON, put right at these places and otherwise the same: nothing but JSON, no "
        "words around it, no code fence."
    )


def _is_object(schema: dict[str, Any]) -> bool:
    """Whether the schema plainly describes an object and nothing else."""
    node: Any = schema
    for _ in range(_MOST_REFERENCES):
        if not isinstance(node, dict):
            return False
        if "type" in node:
            return bool(node["type"] == "object")
        reference = node.get("$ref")
        if not isinstance(reference, str) or not reference.startswith(("#/$defs/", "#/definitions/")):
            return "properties" in node and not node.keys() & {"anyOf", "oneOf", "enum", "const"}
        _, where, name = reference.split("/", 2)
        node = schema.get(where, {}).get(name)
    return False
