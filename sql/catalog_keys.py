"""What each table of the catalog's TOML files may say, and how its values become those of columns."""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from core.errors import ConfigurationError

Row = dict[str, Any]
_REQUIRED: Any = object()


class _Expected(Exception):
    """Says what should have been there."""


@dataclass(frozen=True, slots=True)
class Key:
    """`read` turns the TOML value into the column's, or raises _Expected. A secret's value is in no message."""

    read: Callable[[Any], Any]
    default: Any = _REQUIRED
    secret: bool = False


def read_row(keys: Mapping[str, Key], entry: Row, where: str) -> Row:
    """Every column of the table. Raises ConfigurationError for a key unknown, missing or with a wrong value."""
    refuse_unknown(entry, keys, where)
    row: Row = {}
    for name, key in keys.items():
        if name in entry:
            try:
                row[name] = key.read(entry[name])
            except _Expected as fault:
                found = "" if key.secret else f", not {str(entry[name])[:80]!r}"
                raise ConfigurationError(f"{where}: {name}: expected {fault}{found}") from None
        elif key.default is _REQUIRED:
            raise ConfigurationError(f"{where}: {name} is missing")
        else:
            row[name] = copy(key.default)
    return row


def refuse_unknown(entry: Row, known: Iterable[str], where: str) -> None:
    if unknown := sorted(set(entry) - set(known)):
        raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}. Known: {', '.join(sorted(known))}.")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Expected("text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Expected("true or false")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise _Expected("a whole number from 1 on")
    return value


def _rank(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _Expected("a whole number from 0 on")
    return value


def _money(value: Any) -> str:
    try:
        amount = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise _Expected('an amount as text, such as "0.75"')
    return str(value)


def _fraction(value: Any) -> str:
    if Decimal(_money(value)) > 1:
        raise _Expected('a fraction as text, such as "0.5"')
    return str(value)


def _day(value: Any) -> str:
    if type(value) is not date:
        raise _Expected("a date such as 2026-12-01")
    return value.isoformat()


def _moment(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _Expected("a time with its zone, such as 2026-12-01T00:00:00Z")
    return value.astimezone(UTC).isoformat()


def _words(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise _Expected('a list of words, such as ["global", "eu"]')
    if len(set(value)) != len(value):
        raise _Expected("no word twice")
    return value


def _table(value: Any) -> Row:
    if not isinstance(value, dict):
        raise _Expected("a table such as { key = 1 }")
    return value


def _factors(value: Any) -> Row:
    return {region: _money(factor) for region, factor in _table(value).items()}


def _limits(value: Any) -> Row:
    refused = set(_table(value)) - {"requests_per_minute", "tokens_per_minute", "concurrency"}
    if refused:
        raise _Expected("requests_per_minute, tokens_per_minute, concurrency")
    return {name: _count(limit) for name, limit in value.items()}


def _id(value: Any) -> str:
    try:
        return str(UUID(_text(value)))
    except ValueError:
        raise _Expected("a UUID") from None


def _address(value: Any) -> str:
    if not _text(value).startswith(("https://", "http://")):
        raise _Expected("an address that starts with https://")
    return str(value)


def _reference(value: Any) -> str:
    if not _text(value).startswith(("env:", "file:")):
        raise _Expected("env:NAME or file:PATH, never a key itself")
    return str(value)


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise _Expected(f"one of {', '.join(words)}")
        return str(value)

    return read


PROVIDER = {
    "id": Key(_text),
    "name": Key(_text),
    "regions": Key(_words),
    "limits": Key(_limits),
    "active": Key(_flag, True),
}
ENDPOINT = {
    "id": Key(_id),
    "base_url": Key(_address),
    "endpoint_pattern": Key(_text),
    "handler_function": Key(_text),
    "model_pattern": Key(_text),
    "credential": Key(_reference, None, secret=True),
    "region": Key(_text),
    "priority": Key(_rank),
    "active": Key(_flag),
}
MODEL = {
    "model_id": Key(_text),
    "kind": Key(_one_of("text", "embedding", "speech", "image", "transcription", "moderation")),
    "context_window": Key(_count, None),
    "max_output_tokens": Key(_count, None),
    "max_input_tokens": Key(_count, None),
    "max_input_characters": Key(_count, None),
    "default_voice": Key(_text, None),
    "dimensions": Key(_count, None),
    "capabilities": Key(_words),
    "regions": Key(_words),
    "active": Key(_flag),
    "retires_on": Key(_day, None),
    "parameters": Key(_table, {}),
    "note": Key(_text, None),
    "source": Key(_text),
    "checked_on": Key(_day),
}
DEFAULTS = ("regions", "source", "checked_on")
THRESHOLD_RATES = (
    "threshold_input_usd_per_mtok",
    "threshold_output_usd_per_mtok",
    "threshold_cached_input_usd_per_mtok",
    "threshold_cache_write_usd_per_mtok",
    "threshold_cache_write_1h_usd_per_mtok",
)
PRICE = {
    "valid_from": Key(_moment),
    "input_usd_per_mtok": Key(_money, None),
    "output_usd_per_mtok": Key(_money, None),
    "cached_input_usd_per_mtok": Key(_money, None),
    "cache_write_usd_per_mtok": Key(_money, None),
    "cache_write_1h_usd_per_mtok": Key(_money, None),
    "audio_usd_per_mchar": Key(_money, None),
    "batch_discount": Key(_fraction, None),
    "threshold_tokens": Key(_count, None),
    **dict.fromkeys(THRESHOLD_RATES, Key(_money, None)),
    "regional_surcharge": Key(_factors, {}),
    "service_tiers": Key(_factors, {}),
    "source": Key(_text),
}
ALIAS = {
    "alias": Key(_text),
    "strategy": Key(_one_of("priority", "cheapest", "fastest", "weighted")),
    "on_content_policy": Key(_one_of("fail", "next")),
    "description": Key(_text),
}
TARGET = {
    "provider": Key(_text),
    "model_id": Key(_text),
    "position": Key(_rank),
    "weight": Key(_rank, 100),
    "parameters": Key(_table, {}),
}
VOICE = {
    "voice": Key(_text),
    "provider": Key(_text),
    "provider_voice_id": Key(_text),
    "settings": Key(_table, {}),
}
