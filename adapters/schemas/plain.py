"""A schema made plain: references in one place, `allOf` merged, keywords beside a union moved into its branches.

A plain node has none of `allOf`, boolean subschemas or references other than `#/$defs/name`; a node with
`anyOf` or `oneOf` has nothing beside it but a description. It admits nothing that the caller's schema refuses,
keywords apart that describe a condition (`if`, `not`, …): those become a note in the description.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Any
from urllib.parse import unquote

from core.jsonio import dump_json
from core.schema_checks import find_violation

Node = dict[str, Any]

UNION_KEYS = ("anyOf", "oneOf")
_REFERENCE = "#/$defs/"
_LOST = frozenset(
    "title default examples deprecated readOnly writeOnly $comment $schema $id $anchor $vocabulary $defs definitions "
    "contentEncoding contentMediaType contentSchema nullable example xml externalDocs discriminator".split()
)
_CONDITIONS = (
    "not if then else dependentRequired dependentSchemas dependencies propertyNames contains minContains maxContains "
    "unevaluatedItems".split()
)
_COMBINED = ("$ref", "allOf", "anyOf", "oneOf", "unevaluatedProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_NOTE_LENGTH = 200


class Inexpressible(Exception):
    """This schema has no form that a provider would take; the message says why."""


class _Nothing(Inexpressible):
    """A subschema that admits no value at all."""


@dataclass(frozen=True, slots=True)
class Plain:
    root: Node
    defs: Mapping[str, Node]

    def follow(self, node: Node) -> Node:
        """The node behind a reference, or the node itself."""
        for _ in range(100):
            if "$ref" not in node:
                return node
            node = self.defs[node["$ref"].removeprefix(_REFERENCE)]
        raise Inexpressible("a $ref leads only to itself")

    def admits_null(self, node: Node, _depth: int = 0) -> bool:
        """Whether null is a valid value here."""
        node = self.follow(node)
        if branches := branches_of(node):
            return _depth < 100 and any(self.admits_null(one, _depth + 1) for one in branches)
        if "enum" in node and None not in node["enum"]:
            return False
        if "const" in node and node["const"] is not None:
            return False
        return "type" not in node or "null" in types_of(node)


def branches_of(node: Node) -> list[Node]:
    """The branches of a union, or nothing."""
    found: list[Node] = node.get("anyOf") or node.get("oneOf") or []
    return found


def values_of(plain: Plain, node: Node) -> list[Any]:
    """The values of an enum or a const that the node's other keywords admit too. Raises Inexpressible for none."""
    values = [node["const"]] if "const" in node else node["enum"]
    kept = [value for value in values if find_violation(value, {**node, "$defs": plain.defs}) is None]
    if not kept:
        raise Inexpressible("an enum of it has no value that fits")
    return kept


def types_of(node: Node) -> list[str]:
    """The types of a node as a list; guessed from its other keywords when it names none, [] for anything."""
    said = node.get("type")
    if said is not None:
        return list(said) if isinstance(said, list) else [said]
    for name, keywords in (
        ("object", ("properties", "required", "additionalProperties", "patternProperties", "minProperties")),
        ("array", ("items", "prefixItems", "minItems", "maxItems", "uniqueItems")),
        ("string", ("pattern", "minLength", "maxLength", "format")),
        ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    ):
        if any(keyword in node for keyword in keywords):
            return [name]
    return []


def add_note(node: Node, note: str) -> Node:
    """The node with a remark at the end of its description."""
    before = node.get("description")
    return {**node, "description": f"{before} ({note})" if before else note}


def flatten(schema: Node) -> Plain:
    """Raises Inexpressible for what cannot be made plain."""
    flattener = _Flattener(schema)
    root = flattener.flatten(schema)
    return Plain(root, flattener.defs)


class _Flattener:
    def __init__(self, whole: Node) -> None:
        self.whole = whole
        self.defs: dict[str, Node] = {}
        self._names: dict[str, str] = {}

    def flatten(self, node: Any) -> Node:
        if node is True:
            return {}
        if node is False:
            raise _Nothing("a part of it admits no value")
        if not isinstance(node, dict):
            raise Inexpressible("a part of it is not a schema")
        if "$dynamicRef" in node or "$recursiveRef" in node or ("$id" in node and node is not self.whole):
            raise Inexpressible("it uses dynamic references or an inner $id")
        parts = [self._own(node)]
        if "$ref" in node:
            parts.append(self._reference(node["$ref"]))
        parts += [self.flatten(one) for one in node.get("allOf", ())]
        merged = reduce(self.merge, parts)
        for key in UNION_KEYS:
            if key in node:
                merged = self._distribute(merged, key, node[key])
        if node.get("unevaluatedProperties") is False:
            merged = _close(merged)
        return merged

    def _own(self, node: Node) -> Node:
        """The node's own keywords, with plain subschemas."""
        own: Node = {}
        for name, value in node.items():
            if name in _LOST or name in _COMBINED or name in _CONDITIONS:
                continue
            own[name] = self._keyword(name, value)
        if own.get("additionalProperties") in (True, {}):
            del own["additionalProperties"]
        if own.get("items") == {}:
            del own["items"]
        if own.get("items") is False:
            del own["items"]
            own["maxItems"] = min(own.get("maxItems", len(own.get("prefixItems", ()))), len(own.get("prefixItems", ())))
        gone = [name for name in own.get("required", ()) if node.get("properties", {}).get(name) is False]
        if gone:
            raise _Nothing(f"the property {gone[0]!r} is required and forbidden")
        for name in _CONDITIONS:
            if name in node:
                text = dump_json(node[name]).decode()
                own = add_note(own, f"{name}: {text}") if len(text) <= _NOTE_LENGTH else own
        return own

    def _keyword(self, name: str, value: Any) -> Any:
        match name:
            case "properties" | "patternProperties":
                return {one: self.flatten(schema) for one, schema in value.items() if schema is not False}
            case "items" | "additionalProperties":
                return False if value is False else self.flatten(value)
            case "prefixItems":
                return [self.flatten(one) for one in value]
            case "type" if isinstance(value, list) and len(value) == 1:
                return value[0]
            case _:
                return value

    def _reference(self, pointer: str) -> Node:
        name = self._names.get(pointer)
        if name is None:
            target = self._resolve(pointer)
            name = self._name(pointer)
            self.defs[name] = {"$ref": _REFERENCE + name}
            self.defs[name] = self.flatten(target)
        return {"$ref": _REFERENCE + name}

    def _name(self, pointer: str) -> str:
        last = unquote(pointer).rpartition("/")[2]
        stem = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "_" for sign in last)
        name, number = stem.strip("_") or "root", 2
        while name in self.defs:
            name, number = f"{stem}_{number}", number + 1
        self._names[pointer] = name
        return name

    def _resolve(self, pointer: str) -> Any:
        if pointer not in ("#", "#/") and not pointer.startswith("#/"):
            raise Inexpressible(f"the reference {pointer[:80]!r} is not a path inside it")
        found: Any = self.whole
        for step in [one for one in pointer[1:].split("/")[1:] if pointer != "#/"]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(key)] if isinstance(found, list) else found[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Inexpressible(f"the reference {pointer[:80]!r} leads nowhere") from None
        return found

    def _distribute(self, beside: Node, key: str, branches: list[Any]) -> Node:
        """The keywords beside a union belong into each of its branches."""
        description = beside.get("description")
        rest = {name: value for name, value in beside.items() if name != "description"}
        union = self._union(key, rest, [self._or_nothing(one) for one in branches])
        return {**union, "description": description} if description and "$ref" not in union else union

    def _or_nothing(self, branch: Any) -> Node | None:
        try:
            return self.flatten(branch)
        except _Nothing:
            return None

    def _union(self, key: str, beside: Node, branches: Sequence[Node | None]) -> Node:
        kept: list[Node] = []
        for branch in branches:
            with suppress(_Nothing):
                kept += [] if branch is None else [self.merge(beside, branch)]
        if not kept:
            raise _Nothing("a union of it has no branch that admits a value")
        return kept[0] if len(kept) == 1 else {key: kept}

    def merge(self, left: Node, right: Node) -> Node:
        """A node that admits what both admit. Raises Inexpressible where that has no simple form."""
        if not left.keys() - {"description"}:
            return right if "$ref" in right else {**left, **right}
        if not right.keys() - {"description"}:
            return left if "$ref" in left else {**right, **left}
        left, right = self._inlined(left), self._inlined(right)
        if branches_of(left) and branches_of(right):
            raise Inexpressible("an allOf combines two unions")
        for key in UNION_KEYS:
            if key in left:
                return self._union(key, right, left[key])
            if key in right:
                return self._union(key, left, right[key])
        left, right = _within(left, right), _within(right, left)
        merged = dict(left)
        for name, value in right.items():
            merged[name] = self._both(name, left[name], value) if name in left else value
        return merged

    def _inlined(self, node: Node) -> Node:
        plain = Plain(node, self.defs)
        return plain.follow(node)

    def _both(self, name: str, left: Any, right: Any) -> Any:
        rules: dict[str, Callable[[Any, Any], Any]] = {
            "type": _common_types,
            "required": lambda one, other: one + [item for item in other if item not in one],
            "properties": self._both_properties,
            "enum": lambda one, other: [item for item in one if item in other],
            "description": lambda one, _: one,
        }
        if name in rules:
            return rules[name](left, right)
        if name in _LOWER:
            return max(left, right)
        if name in _UPPER:
            return min(left, right)
        if left == right:
            return left
        if name == "items" and isinstance(left, dict) and isinstance(right, dict):
            return self.merge(left, right)
        raise Inexpressible(f"parts of an allOf differ in {name}")

    def _both_properties(self, left: Node, right: Node) -> Node:
        return {
            name: self.merge(left[name], right[name])
            if name in left and name in right
            else left.get(name, right.get(name))
            for name in [*left, *(name for name in right if name not in left)]
        }


def _common_types(left: Any, right: Any) -> Any:
    one, other = types_of({"type": left}), types_of({"type": right})
    both = [name for name in one if name in other]
    if "integer" not in both and (("integer" in one and "number" in other) or ("number" in one and "integer" in other)):
        both.append("integer")
    if not both:
        raise _Nothing("parts of an allOf have no type in common")
    return both[0] if len(both) == 1 else both


def _within(node: Node, other: Node) -> Node:
    """The node without the properties that the other, being closed, forbids."""
    if "patternProperties" in other or isinstance(other.get("additionalProperties"), dict):
        if node.get("properties", {}).keys() != other.get("properties", {}).keys():
            raise Inexpressible("an allOf combines a map with other properties")
        return node
    if other.get("additionalProperties") is not False:
        return node
    extra = node.get("properties", {}).keys() - other.get("properties", {}).keys()
    if extra & set(node.get("required", ())):
        raise _Nothing("parts of an allOf forbid each other's properties")
    if not extra:
        return node
    return {**node, "properties": {name: one for name, one in node["properties"].items() if name not in extra}}


def _close(node: Node) -> Node:
    for key in UNION_KEYS:
        if key in node:
            return {**node, key: [_close(one) for one in node[key]]}
    return node if "$ref" in node else {"additionalProperties": False, **node}
