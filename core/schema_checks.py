"""JSON Schema: is this one, and does an answer satisfy it. Draft 2020-12; references stay inside the schema."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

MAX_DEPTH = 64


def find_schema_fault(schema: dict[str, Any]) -> str | None:
    """Why this cannot be used as a schema, or None."""
    try:
        for reference in _references(schema, 0):
            if not reference.startswith("#"):
                return (
                    f"$ref {reference[:100]!r} points outside the schema; only references starting with # are followed"
                )
        jsonschema_rs.meta.validate(schema)
        _validator(orjson.dumps(schema))
    except RecursionError:
        return f"the schema is nested more than {MAX_DEPTH} levels deep"
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as fault:
        where = "/".join(str(step) for step in getattr(fault, "instance_path", ())) or "the root"
        return f"this is not a JSON Schema: at {where}: {str(getattr(fault, 'message', fault)).splitlines()[0][:300]}"
    except (ValueError, TypeError) as fault:
        return f"this is not a JSON Schema: {str(fault).splitlines()[0][:300]}"
    return None


def find_violation(answer: Any, schema: dict[str, Any]) -> str | None:
    """The first place where the answer breaks the schema, as `path: what`, or None."""
    for fault in _validator(orjson.dumps(schema)).iter_errors(answer):
        path = ".".join(str(step) for step in fault.instance_path) or "the answer"
        return f"{path}: {fault.message[:300]}"
    return None


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(orjson.loads(schema), retriever=_refuse)


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is outside the schema")


def _references(node: Any, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        for value in node.values():
            yield from _references(value, depth + 1)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value, depth + 1)


def parse_answer(text: str) -> tuple[Any, bool]:
    """The JSON of an answer, also out of a code fence or with words around it; False when it had to be dug out.
    Raises ValueError."""
    try:
        return orjson.loads(text), True
    except orjson.JSONDecodeError:
        starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
        end = max(text.rfind("}"), text.rfind("]"))
        if not starts or end < min(starts):
            raise ValueError("the answer holds no JSON") from None
        return orjson.loads(text[min(starts) : end + 1]), False
