"""An instance of a JSON schema, the same for the same seed, with strings that read well."""

import random
import re
from collections.abc import Mapping
from typing import Any

from adapters.emulator.prose import write_phrase

DEEPEST = 12
FORMATS = {
    "date": "2026-11-23",
    "date-time": "2026-11-23T08:15:00Z",
    "time": "08:15:00Z",
    "duration": "PT15M",
    "email": "keeper@lighthouse.example",
    "uri": "https://lighthouse.example/log",
    "hostname": "lighthouse.example",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uuid": "5b1f3c3e-7a55-4c61-9a3e-0f4f6f0a7c11",
}

Schema = Mapping[str, Any]


class InstanceMaker:
    """Makes values for one schema."""

    def __init__(self, root: Schema, seed: str) -> None:
        self._root = root
        self._seed = seed
        self._rng = random.Random(seed)  # noqa: S311  the same prompt shall give the same answer

    def make(self) -> Any:
        """A value that satisfies the schema, as far as types, bounds, enums and references go."""
        return self._value(self._root, "answer", 0)

    def _value(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return write_phrase(name, self._seed, 6)
        if "$ref" in schema:
            return self._value(self._look_up(str(schema["$ref"])), name, depth + 1)
        for fixed in ("const", "default"):
            if fixed in schema and (fixed == "const" or depth > DEEPEST):
                return schema[fixed]
        if schema.get("enum"):
            return self._rng.choice(list(schema["enum"]))
        for union in ("anyOf", "oneOf"):
            if schema.get(union):
                return self._value(self._choose(schema[union], depth), name, depth + 1)
        if schema.get("allOf"):
            merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                merged = _merge(merged, self._look_up(part["$ref"]) if "$ref" in part else part)
            return self._value(merged, name, depth + 1)
        return self._typed(schema, name, depth)

    def _typed(self, schema: Schema, name: str, depth: int) -> Any:
        match self._type_of(schema, depth):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return self._rng.random() < 0.5
            case "null":
                return None
            case _:
                return self._text(schema, name)

    def _type_of(self, schema: Schema, depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            real = [one for one in kind if one != "null"]
            kind = "null" if "null" in kind and (depth > DEEPEST or not real) else real[0]
        if isinstance(kind, str):
            return kind.lower()
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema else "string"

    def _choose(self, options: list[Schema], depth: int) -> Schema:
        if depth > DEEPEST:
            nulls = [one for one in options if one.get("type") == "null"]
            return nulls[0] if nulls else options[-1]
        real = [one for one in options if one.get("type") != "null"]
        return self._rng.choice(real or list(options))

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        wanted = [key for key in properties if key in required or depth < DEEPEST]
        made = {key: self._value(properties[key], key, depth + 1) for key in wanted}
        for key in required:
            if key not in made:
                made[key] = self._value(schema.get("additionalProperties") or {}, key, depth + 1)
        return made

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        least = int(schema.get("minItems") or 0)
        most = int(schema["maxItems"]) if "maxItems" in schema else max(least, 3)
        said = re.search(r"\b(?:exactly\s+)?(\d{1,3})\b", str(schema.get("description") or ""))
        wanted = int(said[1]) if said else 0 if depth > DEEPEST else max(least, 2)
        count = min(max(wanted, least), most)
        made = [self._value(one, name, depth + 1) for one in (schema.get("prefixItems") or [])[:count]]
        items = schema.get("items", {})
        while len(made) < count:
            seed, self._seed = self._seed, f"{self._seed}/{len(made)}"
            made.append(self._value(items, name.removesuffix("s"), depth + 1))
            self._seed = seed
        return made

    def _number(self, schema: Schema, *, whole: bool) -> float:
        step = schema.get("multipleOf") or (1 if whole else 0.5)
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        start = low if low is not None else (min(1, high) if high is not None else 1)
        value = -(-start // step) * step
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            value += step
        room = 0 if high is None else int((high - value) // step) - ("exclusiveMaximum" in schema)
        more = self._rng.randint(0, min(max(room, 0), 20) if high is not None else 20)
        number: float = value + more * step
        return number

    def _text(self, schema: Schema, name: str) -> str:
        if (form := schema.get("format")) in FORMATS:
            return FORMATS[str(form)]
        if "pattern" in schema:
            return _match(str(schema["pattern"]), self._rng)
        least, most = int(schema.get("minLength") or 0), schema.get("maxLength")
        text = write_phrase(name, self._seed, 30 if "summar" in name or "text" in name or "content" in name else 12)
        while len(text) < least:
            text += " " + write_phrase(name, f"{self._seed}{len(text)}", 12)
        return text[: int(most)] if most is not None else text

    def _look_up(self, reference: str) -> Schema:
        node: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                node = node[step.replace("~1", "/").replace("~0", "~")]
        return node if isinstance(node, Mapping) else {}


def _merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**one, **other}
    if "properties" in one or "properties" in other:
        merged["properties"] = {**one.get("properties", {}), **other.get("properties", {})}
        merged["required"] = [*one.get("required", []), *other.get("required", [])]
    return merged


def _match(pattern: str, rng: random.Random) -> str:
    """A text for the plain patterns that people write: literals, classes, counts, groups of alternatives."""
    classes = {"\\d": "0123456789", "\\w": "abcdefghij", "\\s": " "}
    made, rest = "", pattern.strip("^$")
    while rest:
        token = re.match(r"\\[dws]|\[[^\]]+\]|\([^()]*\)|\\.|.", rest)
        if token is None:
            break
        rest = rest[token.end() :]
        count = re.match(r"\{(\d+)(?:,\d*)?\}|[+*?]", rest)
        times = int(count[1]) if count and count[1] else 1
        rest = rest[count.end() :] if count else rest
        for _ in range(times):
            made += _one_of(token[0], classes, rng)
    return made


def _one_of(token: str, classes: Mapping[str, str], rng: random.Random) -> str:
    if token in classes:
        return rng.choice(classes[token])
    if token.startswith("["):
        spread = re.sub(
            r"(.)-(.)", lambda ends: "".join(map(chr, range(ord(ends[1]), ord(ends[2]) + 1))), token[1:-1].lstrip("^")
        )
        return rng.choice(spread.replace("\\d", "0123456789").replace("\\", ""))
    if token.startswith("("):
        return rng.choice(token[1:-1].removeprefix("?:").split("|"))
    return token.removeprefix("\\") if token != "." else "a"  # noqa: S105  a piece of a pattern
