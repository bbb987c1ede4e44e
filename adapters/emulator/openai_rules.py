"""What OpenAI's models accept, and what its strict JSON schemas may say."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

LOW_TO_XHIGH = ("low", "medium", "high", "xhigh")
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
UNSUPPORTED = (
    "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "oneOf", "default", "minLength",
    "maxLength", "uniqueItems", "patternProperties", "propertyNames", "minProperties", "maxProperties", "contains",
    "unevaluatedProperties", "unevaluatedItems", "prefixItems",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """`sampling`: yes, no or effort_none. `tools` likewise, over chat completions; by responses everybody takes them.
    `max_effort`: takes effort max as well, but by responses alone. `structured`: takes JSON formats."""

    globs: tuple[str, ...]
    window: int
    output: int
    sampling: str = "no"
    efforts: tuple[str, ...] = ()
    tools: str = "yes"
    responses_only: bool = False
    max_effort: bool = False
    structured: bool = True

    @property
    def reasons(self) -> bool:
        return bool(self.efforts)

    @property
    def responses_efforts(self) -> tuple[str, ...]:
        return (*self.efforts, "max") if self.max_effort else self.efforts


FAMILIES = (
    Family(("gpt-5.4-pro", "gpt-5.5-pro"), 1_050_000, 128_000, efforts=LOW_TO_XHIGH[1:], responses_only=True, structured=False),
    Family(("gpt-5*-pro",), 400_000, 128_000, efforts=LOW_TO_XHIGH[1:], responses_only=True),
    Family(("gpt-5.3-codex",), 400_000, 128_000, efforts=LOW_TO_XHIGH, responses_only=True),
    Family(("gpt-4.1*",), 1_047_576, 32_768, sampling="yes"),
    Family(("gpt-4o-mini-tts", "tts-1*", "gpt-4o*transcribe", "whisper-1", "gpt-image*", "gpt-transcribe"), 0, 0),
    Family(("gpt-4o", "gpt-4o-mini"), 128_000, 16_384, sampling="yes"),
    Family(("gpt-5", "gpt-5-mini", "gpt-5-nano", "o3*"), 400_000, 128_000, efforts=("minimal", "low", "medium", "high")),
    Family(("gpt-6-astra", "gpt-6.1-sol"), 1_050_000, 128_000, efforts=LOW_TO_XHIGH, tools="no", max_effort=True),
    Family(("gpt-6.2-*",), 1_050_000, 128_000, efforts=LOW_TO_XHIGH, max_effort=True),
    Family(("gpt-6.1-terra",), 1_050_000, 128_000, efforts=("none", *LOW_TO_XHIGH, "max"), tools="effort_none"),
    Family(("gpt-6-*",), 1_050_000, 128_000, "effort_none", ("none", *LOW_TO_XHIGH, "max"), "effort_none"),
    Family(("gpt-5.6*",), 1_050_000, 128_000, "effort_none", ("none", *LOW_TO_XHIGH), "effort_none", max_effort=True),
    Family(("gpt-5.4*", "gpt-5.5*"), 1_050_000, 128_000, "effort_none", ("none", *LOW_TO_XHIGH), "effort_none"),
    Family(("gpt-5.*",), 400_000, 128_000, "effort_none", ("none", *LOW_TO_XHIGH)),
)  # fmt: skip


def find_family(model: str) -> Family | None:
    return next((one for one in FAMILIES if any(fnmatchcase(model, glob) for glob in one.globs)), None)


def find_schema_fault(schema: Any) -> str | None:
    """Why strict mode refuses a schema, in OpenAI's manner, or None."""
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        return "schema must be a JSON Schema of 'type: \"object\"', got something else at the root."
    counts = {"properties": 0, "characters": 0, "enums": 0}
    for fault in _faults(schema, (), 1, counts):
        return fault
    if counts["properties"] > 5000 or counts["characters"] > 120_000 or counts["enums"] > 1000:
        return "schema exceeds the limits of 5000 properties, 120000 characters or 1000 enum values."
    return None


def _faults(node: Any, path: tuple[str, ...], depth: int, counts: dict[str, int]) -> Iterator[str]:
    where = f"In context=({', '.join(map(repr, path))}), "
    if not isinstance(node, dict):
        yield where + "a schema must be an object."
        return
    if depth > 10:
        yield where + "the schema is nested more than 10 levels deep."
        return
    yield from (f"{where}'{name}' is not permitted." for name in UNSUPPORTED if name in node)
    if "format" in node and node["format"] not in FORMATS:
        yield f"{where}'{node['format']}' is not a supported format."
    if not {"type", "$ref", "anyOf", "enum", "const"} & node.keys():
        yield where + "schema must have a 'type' key."
    values = node.get("enum") or ()
    if len(values) > 250 and sum(len(one) for one in values if isinstance(one, str)) > 15_000:
        yield where + "an enum of more than 250 values may have 15000 characters."
    counts["enums"] += len(values)
    counts["characters"] += sum(len(str(one)) for one in values)
    said = node.get("type")
    kinds = said if isinstance(said, list) else [said]
    if "object" in kinds:
        yield from _object_faults(node, where, counts)
        for name, child in (node.get("properties") or {}).items():
            yield from _faults(child, (*path, "properties", name), depth + 1, counts)
    if "array" in kinds:
        if "items" not in node:
            yield where + "array schema missing items."
        else:
            yield from _faults(node["items"], (*path, "items"), depth + 1, counts)
    for place, option in enumerate(node.get("anyOf") or ()):
        yield from _faults(option, (*path, "anyOf", str(place)), depth + 1, counts)
    for name, child in (node.get("$defs") or {}).items():
        yield from _faults(child, ("$defs", name), 1, counts)


def _object_faults(node: dict[str, Any], where: str, counts: dict[str, int]) -> Iterator[str]:
    properties = node.get("properties") or {}
    counts["properties"] += len(properties)
    counts["characters"] += sum(map(len, properties))
    if node.get("additionalProperties") is not False:
        yield where + "'additionalProperties' is required to be supplied and to be false."
    missing = sorted(set(properties) ^ set(node.get("required") or ()))
    if missing:
        yield (
            f"{where}'required' is required to be supplied and to be an array including every key in properties. "
            f"Missing or extra: '{missing[0]}'."
        )


def is_name(name: Any) -> bool:
    """Names of schemas and functions."""
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) is not None
