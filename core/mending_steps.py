"""What belongs in one place of an answer that the validator complains about, where there is no doubt. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from core.json_text import NotJson, read_exactly, write_json

KEEP: Final = object()
"""Nobody can say."""
LEAVE: Final = object()
"""Nothing belongs there."""

_MOST_REFERENCES = 20
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def convert(value: Any, wanted: Sequence[str]) -> Any:
    """The same in one of the wanted types: a text that is a number's, a number's text, the one thing of a list, a list
    of the one thing. A null goes, for it says nothing."""
    if _is_any(value, wanted):
        return KEEP
    match value:
        case None:
            return LEAVE
        case str() if (read := _read(value, wanted)) is not KEEP:
            return read
        case [one] if _is_any(one, wanted):
            return one
        case int() | float() if "string" in wanted and not isinstance(value, bool):
            return write_json(value)
        case list():
            return KEEP
        case _:
            return [value] if "array" in wanted else KEEP


def match_option(value: Any, options: Iterable[Any]) -> Any:
    """The one option that differs in case, white space or quotes alone."""
    plain = [option for option in options if not isinstance(option, list | dict)]
    if isinstance(value, list | dict) or any(_same(value, option) for option in plain):
        return KEEP
    close = [option for option in plain if _folded(option) == _folded(value)]
    return close[0] if len(close) == 1 else KEEP


def rename_or_drop(value: dict[str, Any], unexpected: Iterable[str], node: Any) -> Any:
    """Without properties that may not be there; one whose name is only written otherwise gets the right one. What
    would lose all that was said is kept."""
    declared = node.get("properties", {}) if isinstance(node, dict) else {}
    gone = {name for name in unexpected if name in value}
    left: dict[str, Any] = {}
    for name, one in value.items():
        right = _right_name(name, declared, value) if name in gone else name
        if right is not None:
            left[right] = one
    return left if left and gone else KEEP


def fill_in(value: dict[str, Any], name: str, node: Any, root: dict[str, Any]) -> Any:
    """With a property that was missing: there under a name written otherwise, or the schema says what it is."""
    if name in value or not isinstance(node, dict):
        return KEEP
    declared = node.get("properties", {})
    others = [other for other in value if other not in declared and _right_name(other, {name: None}, value)]
    if len(others) == 1:
        return {(name if other == others[0] else other): one for other, one in value.items()}
    said = _said_value(declared.get(name), root)
    return {**value, name: said} if value and said is not KEEP else KEEP


def find_node(root: Any, path: Sequence[str | int], otherwise: Any = None) -> Any:
    """What stands at a path of a schema or of an answer."""
    node = root
    for step in path:
        within = isinstance(node, list) and isinstance(step, int) and step < len(node)
        if not within and not (isinstance(node, dict) and step in node):
            return otherwise
        node = node[step]
    return node


def names_values(schema: dict[str, Any]) -> bool:
    """Whether it says one by one what an answer may be."""
    return any("const" in node or "enum" in node for node in _followed(schema, schema))


def _is_any(value: Any, wanted: Sequence[str]) -> bool:
    return any(_is(value, name) for name in wanted)


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    fits = isinstance(value, _TYPES[name])
    return fits and (name != "integer" or float(value).is_integer())


def _read(text: str, wanted: Sequence[str]) -> Any:
    """The value that a text writes out in full, when that is wanted and every digit of it is kept."""
    text = text.strip()
    folded = text.casefold()
    try:
        value = read_exactly(folded if folded in ("true", "false") else text)
    except NotJson:
        return KEEP
    if isinstance(value, float) and Decimal(text) != Decimal(repr(value)):
        return KEEP
    return value if _is_any(value, wanted) else KEEP


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _folded(value: Any) -> str:
    text = value if isinstance(value, str) else write_json(value)
    return " ".join(text.strip().strip("\"'").casefold().split())


def _right_name(name: str, declared: Mapping[str, Any], present: Mapping[str, Any]) -> str | None:
    """The one declared name, not yet there, that this one is when case and separators do not count."""
    close = [one for one in declared if one not in present and _bare(one) == _bare(name)]
    return close[0] if len(close) == 1 else None


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _said_value(node: Any, root: dict[str, Any]) -> Any:
    """What the schema itself says a property is: its const, its default, its only option."""
    for one in _followed(node, root):
        for name in ("const", "default"):
            if name in one:
                return one[name]
        if isinstance(options := one.get("enum"), list) and len(options) == 1:
            return options[0]
    return KEEP


def _followed(node: Any, root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a schema, then what it refers to, and so on."""
    for _ in range(_MOST_REFERENCES):
        if not isinstance(node, dict):
            return
        yield node
        reference = node.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return
        node = find_node(root, [step.replace("~1", "/").replace("~0", "~") for step in reference[2:].split("/")])
