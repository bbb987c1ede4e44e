"""A plain schema in the subset of OpenAI's strict mode: every property required, every object closed.

An optional property becomes one that may be null; a tuple becomes an object with `item_1`, `item_2`, …;
what the subset has no keyword for becomes a note in the description. `restore` undoes the first two.
"""

from typing import Any

from adapters.schemas.plain import Inexpressible, Node, Plain, add_note, branches_of, types_of, values_of

ANY_ITEM: Node = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}

_FORMATS = frozenset(["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"])
_KEPT = {
    "string": (),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems"),
}
_NOTED = {
    "string": ("minLength", "maxLength"),
    "array": ("uniqueItems",),
    "object": ("minProperties", "maxProperties"),
}
_MAX_PROPERTIES = 5000
_MAX_LEVELS = 10
_MAX_CHARACTERS = 120_000
_MAX_ENUM_VALUES = 1000
_MAX_LONG_ENUM = 250
_MAX_LONG_ENUM_CHARACTERS = 15_000


class Loose(Exception):
    """The schema says something that strict mode cannot bind the model to; the message says what."""


def to_strict(plain: Plain, root: Node) -> Node:
    """The whole schema in the strict subset; `root` must describe an object.

    Raises Loose for what the subset lacks, Inexpressible when it is larger than strict mode allows.
    """
    strict = _strict(plain, root)
    if plain.defs:
        strict["$defs"] = {name: _strict(plain, node) for name, node in plain.defs.items()}
    _check_size(strict)
    return strict


def item_name(place: int) -> str:
    """The property that stands for a tuple's item; counted from 0."""
    return f"item_{place + 1}"


def _strict(plain: Plain, node: Node) -> Node:
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    described: Node = {"description": node["description"]} if node.get("description") else {}
    if branches := branches_of(node):
        return described | {"anyOf": [_strict(plain, one) for one in branches]}
    if "const" in node or "enum" in node:
        return described | _enumerated(values_of(plain, node))
    types = types_of(node)
    if not types:
        return described | ANY_ITEM
    if len(types) == 1:
        return _typed(plain, node, types[0], described)
    if {"object", "array"} & set(types):
        return described | {"anyOf": [_typed(plain, node, one, {}) for one in types]}
    shapes = [_typed(plain, node, one, {}) for one in types]
    if all(len(shape) == 1 for shape in shapes):
        return described | {"type": types}
    return described | {"anyOf": shapes}


def _enumerated(values: list[Any]) -> Node:
    if any(isinstance(value, dict | list) for value in values):
        raise Loose("an enum of it holds objects or arrays")
    types = list(dict.fromkeys(_type_name(value) for value in values))
    if "number" in types and "integer" in types:
        types.remove("integer")
    return {"type": types[0] if len(types) == 1 else types, "enum": values}


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "integer" if isinstance(value, int) else "number"


def _typed(plain: Plain, node: Node, name: str, described: Node) -> Node:
    strict: Node = {"type": name, **described}
    kind = "number" if name == "integer" else name
    for keyword in _NOTED.get(kind, ()):
        if keyword in node:
            strict = add_note(strict, f"{keyword}: {node[keyword]}")
    if kind == "object":
        return strict | _object(plain, node)
    if kind == "array":
        return _array(plain, node, strict)
    if kind == "string":
        strict = _string(node, strict)
    return strict | {keyword: node[keyword] for keyword in _KEPT.get(kind, ()) if keyword in node}


def _string(node: Node, strict: Node) -> Node:
    pattern, form = node.get("pattern"), node.get("format")
    if pattern is not None:
        plain_enough = not any(sign in pattern for sign in ("(?", "\\b", "\\B", "\\1", "\\2", "\\p", "\\k"))
        strict = strict | {"pattern": pattern} if plain_enough else add_note(strict, f"pattern: {pattern}")
    if form is not None:
        strict = strict | {"format": form} if form in _FORMATS else add_note(strict, f"format: {form}")
    return strict


def _object(plain: Plain, node: Node) -> Node:
    properties: Node = dict(node.get("properties", {}))
    if node.get("patternProperties") or isinstance(node.get("additionalProperties"), dict):
        raise Loose("an object of it is a map with any keys")
    for name in node.get("required", ()):
        properties.setdefault(name, {})
    if not properties and node.get("additionalProperties") is not False:
        raise Loose("an object of it names no properties")
    required = set(node.get("required", ()))
    return {
        "properties": {
            name: _strict(plain, one) if name in required else _or_null(plain, one) for name, one in properties.items()
        },
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(plain: Plain, node: Node) -> Node:
    """Null stands for "left out"."""
    strict = _strict(plain, node)
    if "$ref" in strict:
        return strict if plain.admits_null(node) else {"anyOf": [strict, {"type": "null"}]}
    if "anyOf" in strict:
        null_there = any("null" in types_of(one) for one in strict["anyOf"])
        return strict if null_there else strict | {"anyOf": [*strict["anyOf"], {"type": "null"}]}
    types = types_of(strict)
    if "null" in types:
        return strict
    if "object" in types or "array" in types:
        description = {"description": strict.pop("description")} if "description" in strict else {}
        return description | {"anyOf": [strict, {"type": "null"}]}
    with_null = {"enum": [*strict["enum"], None]} if "enum" in strict else {}
    return strict | {"type": [*types, "null"]} | with_null


def _array(plain: Plain, node: Node, strict: Node) -> Node:
    if "prefixItems" not in node:
        items = _strict(plain, node["items"]) if "items" in node else ANY_ITEM
        return strict | {"items": items} | {name: node[name] for name in _KEPT["array"] if name in node}
    places = node["prefixItems"]
    if node.get("minItems", 0) > len(places) or node.get("maxItems", len(places)) < len(places):
        raise Loose("a tuple of it has other items behind its named ones")
    names = [item_name(place) for place in range(len(places))]
    return strict | {
        "type": "object",
        "properties": {name: _strict(plain, one) for name, one in zip(names, places, strict=True)},
        "required": names,
        "additionalProperties": False,
    }


def _check_size(strict: Node) -> None:
    count = {"properties": 0, "characters": 0, "values": 0}

    def walk(node: Node, level: int) -> None:
        if level > _MAX_LEVELS:
            raise Loose(f"it is nested more than {_MAX_LEVELS} levels deep")
        values = node.get("enum", ())
        length = sum(len(value) for value in values if isinstance(value, str))
        if len(values) > _MAX_LONG_ENUM and length > _MAX_LONG_ENUM_CHARACTERS:
            raise Inexpressible("an enum of it is too long")
        count["values"] += len(values)
        count["characters"] += length
        for inner, places in ((level + 1, node.get("properties", {})), (1, node.get("$defs", {}))):
            for name, one in places.items():
                count["characters"] += len(name)
                count["properties"] += 1
                walk(one, inner)
        for one in node.get("anyOf", ()):
            walk(one, level)
        if "items" in node:
            walk(node["items"], level + 1)

    walk(strict, 1)
    if (
        count["properties"] > _MAX_PROPERTIES
        or count["characters"] > _MAX_CHARACTERS
        or count["values"] > _MAX_ENUM_VALUES
    ):
        raise Inexpressible("it is larger than strict mode allows")
