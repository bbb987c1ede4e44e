"""JSON as the factory writes it: money as a number with its exact digits, times as RFC 3339."""

from decimal import Decimal
from json import loads as _loads
from typing import Any
from uuid import UUID

import orjson

# However short what orjson made is, it holds this much memory for as long as it is held; a copy holds what it needs.
_KEPT_BY_ORJSON = 4096


def _default(value: object) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(decimal_text(value))
    if isinstance(value, UUID):  # drivers have subclasses of their own, which orjson does not know
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def decimal_text(value: Decimal) -> str:
    """The digits of a decimal, without exponent and without trailing zeros: 0.0020 is 0.002."""
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def dump_json(value: object, *, indent: bool = False) -> bytes:
    """UTF-8 JSON. Decimals keep every digit, datetimes carry their zone, UUIDs are strings."""
    option = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    made = orjson.dumps(value, default=_default, option=option)
    return bytes(memoryview(made)) if len(made) < _KEPT_BY_ORJSON else made


def load_json(text: str | bytes) -> Any:
    """Parse JSON fast; raises ValueError."""
    return orjson.loads(text)


def load_json_exact(text: str | bytes) -> Any:
    """Parse JSON keeping the digits of numbers with a point as Decimal. For money out of jsonb."""
    return _loads(text, parse_float=Decimal)
