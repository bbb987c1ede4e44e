"""JSON Schema: is this one, and does an answer satisfy it. Draft 2020-12; references stay inside the schema."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import orjson

from core.provider import ErrorKind, ProviderAnswer, ProviderError

MAX_DEPTH = 64
MOST_VIOLATIONS = 20
SCHEMA_VIOLATION = "schema_violation"
SCHEMA_REFUSED = "schema_refused"
"""The code of a ProviderError that says no to the schema, not to the request: it may be asked in the prompt."""

_MESSAGE_LENGTH = 300
_WHOLE = "factory:schema"


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an answer breaks a schema; the path of the whole answer is empty."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'the answer'}: {self.message}"


class SchemaViolated(ProviderError):
    """An answer that is not what was asked for, and cannot be made so without a call. `text` is what was answered,
    `cut_off` that it ended at the token limit: then asking again under the same limit brings no more. `cost` is known
    once its line of the ledger is complete."""

    def __init__(self, message: str, answer: ProviderAnswer, violations: Sequence[Violation], *, cut_off: bool) -> None:
        super().__init__(
            ErrorKind.invalid_response,
            message,
            status=answer.status,
            code=SCHEMA_VIOLATION,
            request_id=answer.request_id,
            usage=answer.usage,
        )
        self.text = answer.content or ""
        self.violations = tuple(violations)
        self.cut_off = cut_off
        self.cost: Decimal | None = None

    @property
    def paths(self) -> list[str]:
        """The places, each once, in the order they were found; the whole answer is ``."""
        return list(dict.fromkeys(violation.path for violation in self.violations))


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
    found = find_violations(answer, schema, most=1)
    return str(found[0]) if found else None


def find_violations(answer: Any, schema: dict[str, Any], *, most: int = MOST_VIOLATIONS) -> list[Violation]:
    """The first places where the answer breaks the schema."""
    try:
        faults = list(islice(find_faults(answer, schema), most))
    except (ValueError, RecursionError) as unreadable:
        return [Violation("", f"it cannot be checked ({str(unreadable)[:100]})")]
    return [
        Violation(".".join(str(step) for step in fault.instance_path), fault.message[:_MESSAGE_LENGTH])
        for fault in faults
    ]


def find_faults(
    answer: Any, schema: dict[str, Any], at: Sequence[str | int] = ()
) -> Iterator[jsonschema_rs.ValidationError]:
    """The validator's own errors, whose paths of the schema begin at its root, also where the answer is held against a
    part of it (`at`). Raises ValueError for an answer that it cannot read: too deep, no JSON."""
    pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in at)
    return _validator(orjson.dumps(schema), pointer).iter_errors(answer)


@lru_cache(maxsize=512)
def _validator(schema: bytes, pointer: str = "") -> jsonschema_rs.Validator:
    if not pointer:
        return jsonschema_rs.validator_for(orjson.loads(schema), retriever=_refuse)
    whole = jsonschema_rs.Registry([(_WHOLE, orjson.loads(schema))], retriever=_refuse)
    return jsonschema_rs.validator_for({"$ref": f"{_WHOLE}#{quote(pointer)}"}, registry=whole)


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
