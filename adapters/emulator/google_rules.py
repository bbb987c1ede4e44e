"""What Gemini's models accept, and what the schemas that bind them may say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

VOICES = frozenset(
    "Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus Umbriel Algieba Despina Erinome "
    "Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar Gacrux Pulcherrima Achird Zubenelgenubi Vindemiatrix "
    "Sadachbia Sadaltager Sulafat".split()
)
DIMENSIONS = {"gemini-embedding-001": 3072, "gemini-embedding-2": 3072}
MOST_OUTPUT = 65_536
_MOST_OBJECTS = 200


@dataclass(frozen=True, slots=True)
class Family:
    """`levels`: thinking levels that are accepted. `budget`: thinking_budget is. `signs`: a function call of the
    history must carry the signature that came with it. `unstreamed`: the most tokens of an answer in one piece."""

    globs: tuple[str, ...]
    window: int = 1_048_576
    levels: tuple[str, ...] = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
    budget: bool = False
    prefill: bool = False
    speech: bool = False
    signs: bool = True
    unstreamed: int = MOST_OUTPUT


FAMILIES = (
    Family(("gemini-*-tts",), 8192, speech=True),
    Family(("gemini-4-*",), levels=("LOW", "MEDIUM", "HIGH"), unstreamed=32_768),
    Family(("gemini-3.7-flash", "gemini-3.8-flash", "gemini-3.6-flash"), levels=("LOW", "MEDIUM", "HIGH")),
    Family(("gemini-3.5-flash-lite",)),
    Family(("gemini-2.5-*",), budget=True, prefill=True, signs=False),
    Family(("gemini-3*", "gemini-flash*", "gemini-pro*"), prefill=True),
    Family(("gemma-4-*",), 262_144, prefill=True, signs=False),
)


def find_family(model: str) -> Family | None:
    return next((one for one in FAMILIES if any(fnmatchcase(model, glob) for glob in one.globs)), None)


def find_schema_fault(schema: Any) -> str | None:
    """Why a JSON Schema cannot bind a model, or None. Keywords that Gemini does not know it passes over."""
    if not isinstance(schema, dict):
        return "a schema must be an object."
    if str(schema).count("'properties':") > _MOST_OBJECTS:
        return "The specified schema produces a constraint that has too many states for serving."
    defs: Mapping[str, Any] = schema.get("$defs") or {}
    return next(_faults(schema, defs), None) or next(_circles(defs), None)


def _faults(node: Any, defs: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(node, dict):
        yield "a schema must be an object."
        return
    if "$ref" in node:
        if beside := sorted(name for name in node if not name.startswith("$")):
            yield f"$ref may only stand beside fields that start with $, and there is '{beside[0]}'."
        if str(node["$ref"]).removeprefix("#/$defs/") not in defs and node["$ref"] != "#":
            yield f"reference '{node['$ref']}' leads nowhere."
    for one in _parts(node):
        yield from _faults(one, defs)


def _parts(node: Mapping[str, Any]) -> list[Any]:
    """All schemas inside one."""
    single = [node[name] for name in ("items", "additionalProperties") if isinstance(node.get(name), dict)]
    lists = [one for name in ("anyOf", "oneOf", "prefixItems") for one in node.get(name) or ()]
    named = [one for name in ("properties", "$defs") for one in (node.get(name) or {}).values()]
    return [*single, *lists, *named]


def _circles(defs: Mapping[str, Any]) -> Iterator[str]:
    """A circle of references is unrolled, which comes to an end only where a property of it may be left out."""
    needed = {name: _needed(node) for name, node in defs.items()}
    for start in defs:
        reached, waiting = set[str](), set(needed[start])
        while waiting:
            one = waiting.pop()
            if one == start:
                yield f"the circular reference '#/$defs/{start}' is in a required property."
                return
            if one not in reached:
                reached.add(one)
                waiting |= needed.get(one, set())


def _needed(node: Any) -> set[str]:
    """The definitions that no value of this schema can do without."""
    if not isinstance(node, dict):
        return set()
    if "$ref" in node:
        return {str(node["$ref"]).removeprefix("#/$defs/")}
    required = set(node.get("required") or ())
    named = [one for name, one in (node.get("properties") or {}).items() if name in required]
    items = [node["items"]] if node.get("minItems") and "items" in node else []
    return set().union(*(_needed(one) for one in (*named, *items)))
