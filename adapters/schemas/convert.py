"""From a caller's schema to a provider's, with the way back. Conversions are remembered: batches repeat them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from adapters.schemas.anthropic import to_claude_subset
from adapters.schemas.google import to_google_subset
from adapters.schemas.plain import Inexpressible, Node, Plain, flatten, types_of
from adapters.schemas.restore import Restorer
from adapters.schemas.strict import ANY_ITEM, Loose, to_strict
from core.jsonio import dump_json, load_json

_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Converted:
    """`schema` None: the provider takes no form of it, so it goes into the prompt beside JSON mode.

    `strict`: the provider binds the model to it. `restore` turns a parsed answer into what the caller's schema
    describes; it is harmless on any other JSON.
    """

    schema: Node | None
    strict: bool
    warnings: tuple[str, ...]
    restore: Callable[[Any], Any]


def to_openai_strict(schema: Node) -> Converted:
    """For `response_format` of OpenAI: strict where the subset allows it, else as a guide, else for the prompt."""
    return _to_openai(dump_json(schema), "OpenAI")


def to_mistral(schema: Node) -> Converted:
    """For `response_format` of Mistral, whose strict mode is documented nowhere: within OpenAI's limits."""
    return _to_openai(dump_json(schema), "Mistral")


def to_google(schema: Node) -> Converted:
    """For `response_json_schema` of Gemini."""
    return _to_google(dump_json(schema))


def to_anthropic(schema: Node) -> Converted:
    """For `output_config.format` of Claude."""
    return _to_anthropic(dump_json(schema))


@lru_cache(maxsize=_REMEMBERED)
def _to_openai(text: bytes, provider: str) -> Converted:
    try:
        plain = flatten(load_json(text))
        whole, wrapped = _object_root(plain)
        restore = Restorer(plain, wrapped=wrapped)
        try:
            return Converted(to_strict(plain, whole), True, (), restore)
        except Loose as reason:
            if "properties" not in whole:
                raise Inexpressible(str(reason)) from None
            warning = f"response_format: {reason}; {provider} takes the schema as a guide only"
            return Converted(_as_guide(plain, whole), False, (warning,), restore)
    except (Inexpressible, RecursionError) as reason:
        return _for_prompt(provider, reason)


@lru_cache(maxsize=_REMEMBERED)
def _to_google(text: bytes) -> Converted:
    try:
        plain = flatten(load_json(text))
        schema, loosened = to_google_subset(plain)
    except (Inexpressible, RecursionError) as reason:
        return _for_prompt("Google", reason)
    return Converted(schema, True, (), Restorer(plain, loosened=loosened))


@lru_cache(maxsize=_REMEMBERED)
def _to_anthropic(text: bytes) -> Converted:
    try:
        plain = flatten(load_json(text))
        whole, wrapped = _object_root(plain)
        return Converted(to_claude_subset(plain, whole), True, (), Restorer(plain, wrapped=wrapped))
    except (Inexpressible, RecursionError) as reason:
        return _for_prompt("Anthropic", reason)


def _object_root(plain: Plain) -> tuple[Node, bool]:
    """A root that describes an object, and whether that had to be put around the caller's."""
    root = plain.follow(plain.root)
    if not root.keys() - {"description"}:
        raise Inexpressible("it describes any value")
    wrapped = types_of(root) != ["object"] or "enum" in root or "const" in root
    return (_wrap(plain.root), True) if wrapped else (root, False)


def _for_prompt(provider: str, reason: Exception) -> Converted:
    warning = f"response_format: {reason or 'it is nested too deep'}; {provider} is given the schema in the prompt"
    return Converted(None, False, (warning,), _unchanged)


def _unchanged(answer: Any) -> Any:
    return answer


def _wrap(root: Node) -> Node:
    return {"type": "object", "properties": {"value": root}, "required": ["value"], "additionalProperties": False}


def _as_guide(plain: Plain, root: Node) -> Node:
    """The plain schema as it stands; arrays get items, which OpenAI demands in every mode."""
    guide: Node = _with_items(root)
    if plain.defs:
        guide["$defs"] = {name: _with_items(node) for name, node in plain.defs.items()}
    return guide


def _with_items(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_items(one) for one in node]
    if not isinstance(node, dict):
        return node
    copy = {name: _with_items(value) for name, value in node.items()}
    if copy.get("type") == "array" and "items" not in copy:
        copy["items"] = ANY_ITEM
    return copy
