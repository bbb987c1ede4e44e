"""A plain schema in the subset that Claude is bound to: closed objects, whose properties may be optional.

A tuple becomes an object with `item_1`, `item_2`, …, which `restore` undoes; bounds and patterns become notes in the
description.
"""

from typing import Any

from adapters.schemas.plain import Inexpressible, Node, Plain, add_note, branches_of, types_of, values_of
from adapters.schemas.strict import ANY_ITEM, item_name

_FORMATS = frozenset("date-time time date duration email hostname uri ipv4 ipv6 uuid".split())
_NOTED = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems", "uniqueItems"),
    "object": ("minProperties", "maxProperties"),
}
# A grammar that is too large is refused, and how large that is is not documented: each optional property and each
# union doubles its paths. These bounds are ours, and on the safe side.
_MAX_OPTIONAL = 24
_MAX_UNIONS = 16
_MAX_PROPERTIES = 200
_MAX_CHARACTERS = 40_000


def to_claude_subset(plain: Plain, root: Node) -> Node:
    """The whole schema; `root` must describe an object. Raises Inexpressible for a map, for a reference back into
    itself, and for one that is too large."""
    for name in plain.defs:
        _refuse_recursion(plain, name)
    schema = _convert(plain, root)
    if plain.defs:
        schema["$defs"] = {name: _convert(plain, node) for name, node in plain.defs.items()}
    _check_size(schema)
    return schema


def _convert(plain: Plain, node: Node) -> Node:
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    described: Node = {"description": node["description"]} if node.get("description") else {}
    if branches := branches_of(node):
        return described | {"anyOf": [_convert(plain, one) for one in branches]}
    if "const" in node or "enum" in node:
        return described | {"enum": _plain_values(values_of(plain, node))}
    types = types_of(node)
    if not types:
        return described | ANY_ITEM
    if len(types) == 1:
        return _typed(plain, node, types[0], described)
    return described | {"anyOf": [_typed(plain, node, one, {}) for one in types]}


def _plain_values(values: list[Any]) -> list[Any]:
    if any(isinstance(value, dict | list) for value in values):
        raise Inexpressible("an enum of it holds objects or arrays")
    return values


def _typed(plain: Plain, node: Node, name: str, described: Node) -> Node:
    schema: Node = {"type": name, **described}
    kind = "number" if name == "integer" else name
    if kind == "array":
        return _array(plain, node, schema)
    schema = _with_notes(schema, node, _NOTED.get(kind, ()))
    if kind == "object":
        return schema | _object(plain, node)
    if kind == "string" and (form := node.get("format")):
        return schema | {"format": form} if form in _FORMATS else add_note(schema, f"format: {form}")
    return schema


def _with_notes(schema: Node, node: Node, names: tuple[str, ...]) -> Node:
    for name in names:
        if name in node:
            schema = add_note(schema, f"{name}: {node[name]}")
    return schema


def _object(plain: Plain, node: Node) -> Node:
    properties: Node = dict(node.get("properties", {}))
    if node.get("patternProperties") or isinstance(node.get("additionalProperties"), dict):
        raise Inexpressible("an object of it is a map with any keys")
    required = list(node.get("required", ()))
    for name in required:
        properties.setdefault(name, {})
    if not properties and node.get("additionalProperties") is not False:
        raise Inexpressible("an object of it names no properties")
    closed: Node = {"properties": {name: _convert(plain, one) for name, one in properties.items()}}
    return closed | {"required": required, "additionalProperties": False}


def _array(plain: Plain, node: Node, schema: Node) -> Node:
    if "prefixItems" in node:
        return schema | _tuple(plain, node)
    least = node.get("minItems", 0)
    noted = [name for name in _NOTED["array"] if name in node and not (name == "minItems" and least <= 1)]
    schema = _with_notes(schema, node, tuple(noted))
    schema["items"] = _convert(plain, node["items"]) if "items" in node else ANY_ITEM
    return schema | ({"minItems": 1} if least else {})


def _tuple(plain: Plain, node: Node) -> Node:
    places = node["prefixItems"]
    if node.get("minItems", 0) > len(places) or node.get("maxItems", len(places)) < len(places):
        raise Inexpressible("a tuple of it has other items behind its named ones")
    names = [item_name(place) for place in range(len(places))]
    items = {name: _convert(plain, one) for name, one in zip(names, places, strict=True)}
    return {"type": "object", "properties": items, "required": names, "additionalProperties": False}


def _refuse_recursion(plain: Plain, name: str) -> None:
    seen: set[str] = set()
    waiting = _references(plain.defs[name])
    while waiting:
        one = waiting.pop()
        if one == name:
            raise Inexpressible("it refers back into itself")
        if one not in seen:
            seen.add(one)
            waiting |= _references(plain.defs[one])


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    if isinstance(node.get("$ref"), str):
        return {node["$ref"].rpartition("/")[2]}
    return set().union(*map(_references, node.values()))


def _check_size(schema: Node) -> None:
    count = {"optional": 0, "unions": 0, "properties": 0, "characters": 0}

    def walk(node: Node) -> None:
        properties: Node = node.get("properties", {})
        count["properties"] += len(properties)
        count["optional"] += len(properties.keys() - set(node.get("required", ())))
        count["unions"] += "anyOf" in node
        count["characters"] += sum(map(len, properties)) + sum(len(str(one)) for one in node.get("enum", ()))
        for one in (*properties.values(), *node.get("anyOf", ()), *node.get("$defs", {}).values()):
            walk(one)
        if "items" in node:
            walk(node["items"])

    walk(schema)
    bounds = {
        "optional": _MAX_OPTIONAL,
        "unions": _MAX_UNIONS,
        "properties": _MAX_PROPERTIES,
        "characters": _MAX_CHARACTERS,
    }
    for name, most in bounds.items():
        if count[name] > most:
            raise Inexpressible(f"it has more {name} than the {most} that fit a grammar")
