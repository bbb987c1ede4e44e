"""A plain schema in the subset that Gemini reads; keywords that it would ignore become notes in the description.

A reference back into itself is allowed only in properties that are not required, so those are made optional.
"""

from typing import Any

from adapters.schemas.plain import Node, Plain, add_note, branches_of, values_of

_KEPT = "type format description items prefixItems minItems maxItems minimum maximum required".split()
_NOTED = (
    "pattern minLength maxLength exclusiveMinimum exclusiveMaximum multipleOf uniqueItems "
    "minProperties maxProperties".split()
)

Loosened = frozenset[tuple[int, str]]


def to_google_subset(plain: Plain) -> tuple[Node, Loosened]:
    """The schema, and which properties had to become optional, as (object node of the plain schema, name)."""
    converter = _Converter(plain)
    schema = converter.convert(plain.root)
    defs = {name: converter.convert_definition(name, node) for name, node in plain.defs.items()}
    return ({**schema, "$defs": defs} if defs else schema), frozenset(converter.loosened)


class _Converter:
    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._reached: dict[str, set[str]] = {name: _references(node) for name, node in plain.defs.items()}
        self._cycle: set[str] = set()
        self.loosened: set[tuple[int, str]] = set()

    def convert_definition(self, name: str, node: Node) -> Node:
        self._cycle = {other for other in self._reached if name in self._reachable(other)}
        return self.convert(node)

    def convert(self, node: Node) -> Node:
        if "$ref" in node:
            return {"$ref": node["$ref"]}
        described: Node = {"description": node["description"]} if node.get("description") else {}
        if branches := branches_of(node):
            return described | {"anyOf": [self.convert(one) for one in branches]}
        if "const" in node or "enum" in node:
            return described | _enumerated(values_of(self._plain, node))
        schema = {name: self._keyword(name, node[name]) for name in _KEPT if name in node}
        for name in _NOTED:
            if name in node:
                schema = add_note(schema, f"{name}: {node[name]}")
        if "patternProperties" in node:
            return schema
        if isinstance(others := node.get("additionalProperties"), dict):
            schema["additionalProperties"] = self.convert(others)
        elif others is False:
            schema["additionalProperties"] = False
        if "properties" in node:
            schema["properties"] = {name: self.convert(one) for name, one in node["properties"].items()}
            self._loosen(node, schema)
        return schema

    def _keyword(self, name: str, value: Any) -> Any:
        if name == "items" and isinstance(value, dict):
            return self.convert(value)
        return [self.convert(one) for one in value] if name == "prefixItems" else value

    def _loosen(self, node: Node, schema: Node) -> None:
        for name in node.get("required", ()):
            if name in node["properties"] and _direct_references(node["properties"][name]) & self._cycle:
                schema["required"] = [one for one in schema["required"] if one != name]
                if _may_be_empty(self._plain.follow(node["properties"][name])):
                    self.loosened.add((id(node), name))
        if not schema.get("required", True):
            del schema["required"]

    def _reachable(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = list(self._reached[name])
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self._reached[one]
        return found


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*(_references(one) for one in node)) if node else set()
    if not isinstance(node, dict):
        return set()
    if isinstance(node.get("$ref"), str):
        return {node["$ref"].rpartition("/")[2]}
    return set().union(*(_references(one) for one in node.values())) if node else set()


def _direct_references(node: Node) -> set[str]:
    """Not those inside the properties of an object: there, the object's own properties are made optional."""
    if "$ref" in node:
        return _references(node)
    inner = [*branches_of(node), *node.get("prefixItems", ())] + ([node["items"]] if "items" in node else [])
    return set().union(*(_direct_references(one) for one in inner))


def _may_be_empty(node: Node) -> bool:
    return node.get("type") == "array" and not node.get("minItems") and "prefixItems" not in node


def _enumerated(values: list[Any]) -> Node:
    """Gemini enumerates strings and numbers; null and truth values are types there."""
    plain = [value for value in values if isinstance(value, str | int | float) and not isinstance(value, bool)]
    shapes: list[Node] = []
    if texts := [value for value in plain if isinstance(value, str)]:
        shapes.append({"type": "string", "enum": texts})
    if numbers := [value for value in plain if not isinstance(value, str)]:
        whole = all(isinstance(value, int) for value in numbers)
        shapes.append({"type": "integer" if whole else "number", "enum": numbers})
    shapes += [{"type": "boolean"}] if any(isinstance(value, bool) for value in values) else []
    shapes += [{"type": "null"}] if None in values else []
    if not shapes or any(isinstance(value, dict | list) for value in values):
        return {}
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
