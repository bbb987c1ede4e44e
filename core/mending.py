"""An answer that breaks its schema in ways that leave no doubt about what was meant, made to satisfy it.

Only form is mended: what a value says stays as it was, nothing is made up, and what is cut off is not completed. The
validator's own errors say where to look; what comes of it is believed only when the whole schema admits it.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema_rs import ValidationError as Fault
from jsonschema_rs import ValidationErrorKind as Kind

from core.json_text import NotJson, find_values, make_storable, read_exactly
from core.mending_steps import KEEP, LEAVE, convert, fill_in, find_node, match_option, names_values, rename_or_drop
from core.schema_checks import find_faults

Schema = dict[str, Any]
Path = Sequence[str | int]

MOST_ROUNDS = 6
MOST_FAULTS = 1000
MOST_DEPTH = 4
_SPARE = (Kind.AdditionalProperties, Kind.UnevaluatedProperties)
_SCHEMA_WORDS = frozenset({"properties", "$defs", "definitions", "items", "$schema", "schema"})


@dataclass(frozen=True, slots=True)
class Mended:
    """A value that satisfies the schema; `as_it_came` when the text was this JSON and nothing else."""

    value: Any
    as_it_came: bool


def mend_answer(text: str, schema: Schema | None, *, cut_off: bool = False) -> Mended | None:
    """The answer that the text holds; without a schema, any JSON will do. Never raises. None where there is none, or
    more than one that could be meant, or where an answer that is `cut_off` ends in something that may have gone on."""
    try:
        whole = read_exactly(text)
    except NotJson:
        return _dig_out(text, schema, cut_off=cut_off)
    if cut_off and not isinstance(whole, str | list | dict):
        return None
    value = make_storable(whole)
    if schema is None or is_valid(value, schema):
        return Mended(value, as_it_came=value is whole)
    return _believe(mend_value(value, schema))


def mend_value(value: Any, schema: Schema) -> Mended | None:
    """The value itself where it is valid; never raises, and changes nothing in place."""
    if is_valid(value, schema):
        return Mended(value, as_it_came=True)
    for candidate in _unwrapped(value):
        if is_valid(candidate, schema):
            return Mended(candidate, as_it_came=False)
    for candidate in (value, *_unwrapped(value)):
        mended = _follow_faults(candidate, schema)
        if mended is not None and is_valid(mended.value, schema):
            return mended
    return None


def is_valid(value: Any, schema: Schema) -> bool:
    """False also for what the validator cannot read."""
    try:
        return next(iter(find_faults(value, schema)), None) is None
    except (ValueError, RecursionError):
        return False


def _believe(mended: Mended | None) -> Mended | None:
    return Mended(mended.value, as_it_came=False) if mended else None


def _dig_out(text: str, schema: Schema | None, *, cut_off: bool) -> Mended | None:
    try:
        values = [make_storable(value) for value in find_values(text)]
    except NotJson:
        return None if schema is None or cut_off else _bare_word(text, schema)
    if cut_off and not isinstance(values[-1], list | dict):
        return None
    if schema is None:
        return Mended(values[0], as_it_came=False) if len(values) == 1 else None
    valid = _distinct(value for value in values if is_valid(value, schema))
    if valid or len(values) > 1:
        return Mended(valid[0], as_it_came=False) if len(valid) == 1 else None
    return _believe(mend_value(values[0], schema))


def _bare_word(text: str, schema: Schema) -> Mended | None:
    """A value without its quotes, where the schema names those that may be: a sentence is not taken for one."""
    mended = mend_value(make_storable(text.strip()), schema)
    if mended is None or isinstance(mended.value, list | dict):
        return None
    named = not isinstance(mended.value, str) or names_values(schema)
    return _believe(mended) if named else None


def _unwrapped(value: Any) -> list[Any]:
    """What stands in an object of one property or a list of one, unless that is a schema's own."""
    match value:
        case {**inside} if len(inside) == 1:
            name, one = next(iter(inside.items()))
            return [one] if name not in _SCHEMA_WORDS else []
        case [one] if isinstance(one, dict):
            return [one]
        case _:
            return []


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _follow_faults(value: Any, schema: Schema, at: Path = (), depth: int = 0) -> Mended | None:
    """Fault by fault, round by round, until there is none, or none that can be mended. `at`: which part of the schema
    the value must satisfy."""
    value = copy.deepcopy(value)
    for _ in range(MOST_ROUNDS):
        try:
            faults = list(islice(find_faults(value, schema, at), MOST_FAULTS))
        except (ValueError, RecursionError):
            return None
        if not faults:
            return Mended(value, as_it_came=False)
        changed, value = _mend_round(value, faults, schema, depth)
        if not changed:
            return None
    return None


def _mend_round(value: Any, faults: Sequence[Fault], schema: Schema, depth: int) -> tuple[bool, Any]:
    """The deepest first, so that a path is still one when its turn comes. Properties that may not be there go when
    nothing else is wrong: the validator also counts those as such that it could not make sense of."""
    changed = False
    only_spare = all(isinstance(fault.kind, _SPARE) for fault in faults)
    for fault in sorted(faults, key=lambda one: -len(one.instance_path)):
        if isinstance(fault.kind, _SPARE) and not only_spare:
            continue
        place = find_node(value, fault.instance_path, KEEP)
        new = KEEP if place is KEEP else _mend_fault(place, fault, schema, depth)
        if new is not KEEP and _can_put(value, fault.instance_path, new):
            value = _put(value, fault.instance_path, new)
            changed = True
    return changed, value


def _mend_fault(place: Any, fault: Fault, schema: Schema, depth: int) -> Any:
    """What belongs in the fault's place, KEEP or LEAVE."""
    kind = fault.kind
    match kind:
        case Kind.Type():
            whole_text = isinstance(place, str) and not fault.instance_path
            return convert(place, [one for one in kind.types if one != "array"] if whole_text else kind.types)
        case Kind.Enum():
            return match_option(place, kind.options)
        case Kind.Constant():
            return match_option(place, [kind.expected_value])
        case Kind.Required() if isinstance(place, dict):
            return fill_in(place, kind.property, find_node(schema, fault.schema_path[:-1]), schema)
        case Kind.AdditionalProperties() | Kind.UnevaluatedProperties() if isinstance(place, dict):
            return rename_or_drop(place, kind.unexpected, find_node(schema, fault.schema_path[:-1]))
        case Kind.AnyOf() | Kind.OneOfNotValid():
            return LEAVE if place is None else _choose_branch(place, fault.schema_path, schema, depth)
        case _:
            return KEEP


def _choose_branch(place: Any, path: Path, schema: Schema, depth: int) -> Any:
    """What the place becomes under the branches of a union, when that is one thing."""
    branches = find_node(schema, path)
    if depth == MOST_DEPTH or not isinstance(branches, list):
        return KEEP
    made = [_follow_faults(place, schema, (*path, number), depth + 1) for number in range(len(branches))]
    found = _distinct(one.value for one in made if one is not None)
    return found[0] if len(found) == 1 else KEEP


def _can_put(value: Any, path: Path, new: Any) -> bool:
    return new is not LEAVE or (bool(path) and isinstance(find_node(value, path[:-1]), dict))


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    parent = find_node(value, path[:-1])
    if new is LEAVE:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return value
