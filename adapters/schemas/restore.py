"""The way back: from what a converted schema made a provider answer to what the caller's schema describes."""

from collections.abc import Mapping
from typing import Any

from adapters.schemas.plain import Node, Plain, branches_of
from adapters.schemas.strict import item_name
from core.schema_checks import find_violation


class Restorer:
    """Call it with a parsed answer. Nothing is changed in place; what does not fit the schema comes back as it is.

    Nulls that stand for an absent property go, tuples are lists again, a wrapped answer is unwrapped, and an
    array that had to be made optional (`loosened`: object node, property) is there, empty.
    """

    def __init__(
        self, plain: Plain, *, wrapped: bool = False, loosened: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        self._plain = plain
        self._wrapped = wrapped
        self._loosened = loosened

    def __call__(self, answer: Any) -> Any:
        if self._wrapped:
            if not (isinstance(answer, dict) and answer.keys() == {"value"}):
                return answer
            answer = answer["value"]
        return self._restore(self._plain.root, answer)

    def _restore(self, node: Node, value: Any) -> Any:
        if not isinstance(value, dict | list):
            return value
        node = self._plain.follow(node)
        if branches := branches_of(node):
            return self._through_union(branches, value)
        if "prefixItems" in node:
            return self._tuple(node["prefixItems"], value)
        if isinstance(value, list):
            items = node.get("items")
            return [self._restore(items, one) for one in value] if isinstance(items, dict) else value
        return self._object(node, value)

    def _through_union(self, branches: list[Node], value: Any) -> Any:
        for branch in branches:
            candidate = self._restore(branch, value)
            if find_violation(candidate, {**branch, "$defs": self._plain.defs}) is None:
                return candidate
        return value

    def _tuple(self, places: list[Node], value: Any) -> Any:
        names = [item_name(place) for place in range(len(places))]
        if isinstance(value, dict):
            if value.keys() != set(names):
                return value
            value = [value[name] for name in names]
        restored = [self._restore(node, one) for node, one in zip(places, value, strict=False)]
        return restored + value[len(places) :]

    def _object(self, node: Node, value: Mapping[str, Any]) -> Node:
        properties: Node = node.get("properties", {})
        others = node.get("additionalProperties")
        required = node.get("required", ())
        restored: Node = {}
        for name, one in value.items():
            schema = properties.get(name, others if isinstance(others, dict) else {})
            if one is None and name in properties and name not in required and not self._plain.admits_null(schema):
                continue
            restored[name] = self._restore(schema, one)
        for name in required:
            if name not in restored and (id(node), name) in self._loosened:
                restored[name] = []
        return restored
