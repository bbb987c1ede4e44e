"""What Claude's models accept, and what the schemas that bind them may say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

NEWEST = "2026-10-21"
VERSIONS = ("2023-06-01", NEWEST)
EFFORTS = ("low", "medium", "high", "xhigh", "max")
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
MOST_PROPERTIES = 400
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_ANYWHERE = frozenset("type description title enum const anyOf allOf $ref $defs".split())
_BY_TYPE = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems"}),
    "string": frozenset({"format"}),
}


@dataclass(frozen=True, slots=True)
class Family:
    """`thinking`: the values of its `type` that are taken; one that lacks `disabled` always thinks.
    `sampling` goes for the old version alone, `effort` and `prefill` for any."""

    globs: tuple[str, ...]
    window: int = 1_000_000
    output: int = 128_000
    thinking: tuple[str, ...] = ("adaptive", "disabled", "between_tools")
    forced_tools: bool = True
    effort: bool = True
    prefill: bool = False
    sampling: bool = False

    @property
    def always_thinks(self) -> bool:
        return "disabled" not in self.thinking


FAMILIES = (
    Family(("claude-fable-5", "claude-mythos-5"), thinking=("adaptive",)),
    Family(
        ("claude-fable-5-*", "claude-mythos-5-*", "claude-opus-5-5", "claude-sonnet-5-5"),
        thinking=("adaptive",), forced_tools=False,
    ),
    Family(("claude-haiku-5-5", "claude-opus-5", "claude-sonnet-5", "claude-opus-4-8", "claude-opus-4-7")),
    Family(("claude-opus-4-6", "claude-sonnet-4-6"), thinking=("adaptive", "enabled", "disabled"), sampling=True),
    Family(
        ("claude-*-4-5", "claude-*-4-5-2025*"),
        200_000, 64_000, ("enabled", "disabled"), effort=False, prefill=True, sampling=True,
    ),
)  # fmt: skip
LISTED = ("claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-4-6")


def find_family(model: str) -> Family | None:
    return next((one for one in FAMILIES if any(fnmatchcase(model, glob) for glob in one.globs)), None)


def find_schema_fault(schema: Any) -> str | None:
    """Why a schema cannot bind a model, in Anthropic's manner, or None."""
    if not isinstance(schema, dict):
        return "Input should be an object"
    defs: Mapping[str, Any] = schema.get("$defs") or {}
    fault = next(_faults(schema, defs, ()), None)
    if fault is None and _count_properties(schema) > MOST_PROPERTIES:
        return "The compiled grammar is too large, which would cause performance issues. Simplify your schema."
    return fault


def _faults(node: Any, defs: Mapping[str, Any], behind: tuple[str, ...]) -> Iterator[str]:
    """`behind`: the references that led here."""
    if not isinstance(node, dict):
        yield "A schema must be an object"
        return
    kind = node.get("type")
    if kind is not None and kind not in _TYPES:
        yield f"type: Input should be one of {', '.join(_TYPES)}"
    elif kind is None and not {"$ref", "anyOf", "allOf", "enum", "const"} & node.keys():
        yield "A schema needs a type, a reference, a union or values"
    for name in sorted(node.keys() - _ANYWHERE - _BY_TYPE.get(str(kind), frozenset())):
        yield f"For '{kind}' type, property '{name}' is not supported"
    yield from _own_faults(node)
    if "$ref" in node:
        yield from _reference_faults(str(node["$ref"]), defs, behind)
    for one in _parts(node):
        yield from _faults(one, defs, behind)


def _own_faults(node: Mapping[str, Any]) -> Iterator[str]:
    values = [*(node.get("enum") or ()), node.get("const")]
    if any(isinstance(value, dict | list) for value in values):
        yield "enum: only strings, numbers, booleans and null are supported"
    if node.get("type") == "object" and node.get("additionalProperties") is not False:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if node.get("minItems", 0) not in (0, 1):
        yield "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    if node.get("format", FORMATS[0]) not in FORMATS:
        yield f"String format '{node['format']}' is not supported"


def _reference_faults(reference: str, defs: Mapping[str, Any], behind: tuple[str, ...]) -> Iterator[str]:
    name = reference.removeprefix("#/$defs/")
    if name not in defs:
        yield f"Reference '{reference}' leads nowhere"
    elif name in behind:
        yield f"Circular reference to '{reference}' is not supported"
    else:
        yield from _faults(defs[name], defs, (*behind, name))


def _parts(node: Mapping[str, Any]) -> list[Any]:
    items = [node["items"]] if "items" in node else []
    named = (node.get("properties") or {}).values()
    return [*named, *items, *(node.get("anyOf") or ()), *(node.get("allOf") or ()), *(node.get("$defs") or {}).values()]


def _count_properties(node: Any) -> int:
    if not isinstance(node, dict):
        return 0
    return len(node.get("properties") or ()) + sum(map(_count_properties, _parts(node)))
