"""JSON out of what a model wrote: in a fence, among words, with a comma too many. What is cut off stays unread."""

import json
import math
import re
from typing import Any

from core.jsonio import dump_json, load_json

MOST_VALUES = 8
MOST_STARTS = 64
_FENCE = "```"
_THOUGHTS = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_START = re.compile(r"[{\[]")
# A string is matched whole, so that what looks like a comma too many inside it stays; one without an end up to the end
# of the text, so that no text is read again from each of its quotes.
_STRING_OR_COMMA = re.compile(r'"(?:\\.|[^"\\])*+(?:"|\\?\Z)|,(?=\s*[}\]])', re.DOTALL)
# An object in another language's notation: what stands inside it may well parse, and would be a piece of the answer.
_FOREIGN_OBJECT = re.compile(r"""\{\s*(?:'|[A-Za-z_$][\w$]*\s*:)""")
_INTEGERS = range(-(2**63), 2**64)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class NotJson(ValueError):
    """The text holds no whole JSON value, or one that is cut off or broken."""


def read_exactly(text: str) -> Any:
    """The JSON that the whole text is. Raises NotJson."""
    try:
        return load_json(text)
    except ValueError:
        raise NotJson("not JSON") from None


def find_values(text: str) -> list[Any]:
    """Every object and array that stands in the text, or whatever the one fence around it holds; at least one.
    Raises NotJson, also where one of them is not whole: what stands before or inside it is not the answer."""
    text = _THOUGHTS.sub("", text).strip().removeprefix("\ufeff")
    if text.startswith(_FENCE) and text.endswith(_FENCE) and "\n" in text:
        text = text[text.index("\n") : -len(_FENCE)].strip()
    try:
        return [load_json(text)]
    except ValueError:
        found = _scan(text)
    if not found:
        raise NotJson("no JSON in it")
    return found


def make_storable(value: Any) -> Any:
    """Without what Postgres cannot hold, NUL and lone surrogates, for which U+FFFD stands. The same object when there
    was none."""
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value) if _UNSTORABLE.search(value) else value
        case list():
            made = [make_storable(one) for one in value]
            return value if all(new is old for new, old in zip(made, value, strict=True)) else made
        case dict():
            pairs = [(make_storable(name), make_storable(one)) for name, one in value.items()]
            same = all(
                new_name is name and new is old
                for (new_name, new), (name, old) in zip(pairs, value.items(), strict=True)
            )
            return value if same else dict(pairs)
        case _:
            return value


def write_json(value: Any) -> str:
    return dump_json(value).decode()


def _scan(text: str) -> list[Any]:
    found: list[Any] = []
    place = 0
    for _ in range(MOST_STARTS):
        start = _START.search(text, place)
        if start is None:
            return found
        if len(found) == MOST_VALUES or _FOREIGN_OBJECT.match(text, start.start()):
            raise NotJson("too much that may be meant, or not JSON's notation")
        text = _without_spare_commas(text[start.start() :])
        try:
            value, place = _DECODER.raw_decode(text)
        except json.JSONDecodeError as fault:
            if text[1 : fault.pos].strip() or text.startswith('"', fault.pos):
                raise NotJson("broken or cut off") from None
            place = 1
        except (ValueError, RecursionError):
            raise NotJson("numbers or depths that JSON readers refuse") from None
        else:
            found.append(value)
    raise NotJson("too many brackets")


def _without_spare_commas(text: str) -> str:
    """`text` begins with JSON, so that its quotes are the quotes of strings."""
    return _STRING_OR_COMMA.sub(lambda found: found[0] if found[0] != "," else "", text)


def _read_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("beyond what a number holds")
    return number


def _read_integer(digits: str) -> int | float:
    number = int(digits)
    return number if number in _INTEGERS else _read_float(digits)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    strict=False, parse_float=_read_float, parse_int=_read_integer, parse_constant=_refuse_constant
)
