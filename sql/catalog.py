"""Reads the catalog that the factory ships: the TOML files under `seed/`, checked and laid out as rows.

A provider's file has `[provider]`, `[defaults]` (for its models), `[families.NAME]` (parameters that models share),
`[[endpoints]]` and `[[models]]` with `[[models.prices]]`; `seed/README.md` explains them to an operator.
"""

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

from core.errors import ConfigurationError

SEED = Path(__file__).parent / "seed"
KINDS = ("text", "embedding", "speech", "image", "transcription", "moderation")
STRATEGIES = ("priority", "cheapest", "fastest", "weighted")

Row = dict[str, Any]
_REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Catalog:
    """Rows by table, ready for JSON: money stays text, dates and times are ISO 8601."""

    providers: list[Row]
    provider_endpoints: list[Row]
    models: list[Row]
    model_prices: list[Row]
    aliases: list[Row]
    alias_targets: list[Row]
    voices: list[Row]


@dataclass(frozen=True, slots=True)
class _Key:
    """How the value of a TOML key becomes that of a column. `read` raises ValueError saying what was expected."""

    read: Callable[[Any], Any]
    default: Any = _REQUIRED


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _number(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or value < least:
            raise ValueError(f"expected a whole number from {least} on")
        return value

    return read


def _money(value: Any) -> str:
    fault = 'expected an amount as text, such as "0.75"'
    if not isinstance(value, str):
        raise ValueError(fault)
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(fault) from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(fault)
    return value


def _day(value: Any) -> str:
    if type(value) is not date:
        raise ValueError("expected a date such as 2026-12-01")
    return value.isoformat()


def _moment(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-12-01T00:00:00Z")
    return value.astimezone(UTC).isoformat()


def _words(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ValueError('expected a list of words, such as ["global", "eu"]')
    if len(set(value)) != len(value):
        raise ValueError("expected no word twice")
    return value


def _table(value: Any) -> Row:
    if not isinstance(value, dict):
        raise ValueError("expected a table such as { key = 1 }")
    return value


def _factors(value: Any) -> Row:
    return {region: _money(factor) for region, factor in _table(value).items()}


def _limits(value: Any) -> Row:
    read = _number(1)
    return {name: read(limit) for name, limit in _table(value).items()}


def _id(value: Any) -> str:
    try:
        return str(UUID(value))
    except (TypeError, ValueError, AttributeError):
        raise ValueError("expected a UUID") from None


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return str(value)

    return read


_PROVIDER = {
    "id": _Key(_text),
    "name": _Key(_text),
    "regions": _Key(_words),
    "limits": _Key(_limits),
    "active": _Key(_flag, True),
}
_ENDPOINT = {
    "id": _Key(_id),
    "base_url": _Key(_text),
    "endpoint_pattern": _Key(_text),
    "handler_function": _Key(_text),
    "model_pattern": _Key(_text),
    "credential": _Key(_text, None),
    "region": _Key(_text),
    "priority": _Key(_number(0)),
    "active": _Key(_flag),
}
_MODEL = {
    "model_id": _Key(_text),
    "kind": _Key(_one_of(*KINDS)),
    "context_window": _Key(_number(1), None),
    "max_output_tokens": _Key(_number(1), None),
    "max_input_tokens": _Key(_number(1), None),
    "max_input_characters": _Key(_number(1), None),
    "default_voice": _Key(_text, None),
    "dimensions": _Key(_number(1), None),
    "capabilities": _Key(_words),
    "regions": _Key(_words),
    "active": _Key(_flag),
    "retires_on": _Key(_day, None),
    "parameters": _Key(_table, {}),
    "note": _Key(_text, None),
    "source": _Key(_text),
    "checked_on": _Key(_day),
}
_RATES = (
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "cached_input_usd_per_mtok",
    "cache_write_usd_per_mtok",
    "cache_write_1h_usd_per_mtok",
    "audio_usd_per_mchar",
    "batch_discount",
)
_THRESHOLD_RATES = (
    "threshold_input_usd_per_mtok",
    "threshold_output_usd_per_mtok",
    "threshold_cached_input_usd_per_mtok",
    "threshold_cache_write_usd_per_mtok",
)
_PRICE = {
    "valid_from": _Key(_moment),
    **{name: _Key(_money, None) for name in _RATES},
    "threshold_tokens": _Key(_number(1), None),
    **{name: _Key(_money, None) for name in _THRESHOLD_RATES},
    "regional_surcharge": _Key(_factors, {}),
    "source": _Key(_text),
}
_ALIAS = {
    "alias": _Key(_text),
    "strategy": _Key(_one_of(*STRATEGIES)),
    "on_content_policy": _Key(_one_of("fail", "next")),
    "description": _Key(_text),
}
_TARGET = {
    "provider": _Key(_text),
    "model_id": _Key(_text),
    "position": _Key(_number(0)),
    "weight": _Key(_number(0), 100),
    "parameters": _Key(_table, {}),
}
_VOICE = {
    "voice": _Key(_text),
    "provider": _Key(_text),
    "provider_voice_id": _Key(_text),
    "settings": _Key(_table, {}),
}
_DEFAULTS = frozenset({"regions", "source", "checked_on"})


def load_catalog(folder: Path = SEED) -> Catalog:
    """Raises ConfigurationError naming the file and the entry that is wrong."""
    catalog = Catalog([], [], [], [], [], [], [])
    for path in sorted(folder.glob("*.toml")):
        if path.stem not in ("aliases", "voices"):
            _add_provider(catalog, path)
    _add_aliases(catalog, folder / "aliases.toml")
    _add_voices(catalog, folder / "voices.toml")
    return catalog


def catalog_digest(folder: Path = SEED) -> str:
    """SHA-256 over the names and the bytes of the files: changes when any of them does."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.toml")):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _add_provider(catalog: Catalog, path: Path) -> None:
    file = _read_file(path, {"provider", "defaults", "families", "endpoints", "models"})
    provider = _read_row(_PROVIDER, file.get("provider", {}), f"{path.name}: provider")
    if provider["id"] != path.stem:
        raise ConfigurationError(f"{path.name}: provider: id {provider['id']!r} must be the file's name")
    catalog.providers.append(provider)
    for endpoint, where in _entries(file, "endpoints", path, "handler_function"):
        catalog.provider_endpoints.append({"provider": path.stem} | _read_row(_ENDPOINT, endpoint, where))
    defaults, families = file.get("defaults", {}), file.get("families", {})
    _refuse_unknown(defaults, _DEFAULTS, f"{path.name}: defaults")
    for entry, where in _entries(file, "models", path, "model_id"):
        prices, model = _read_model(defaults | entry, families, where)
        catalog.models.append({"provider": path.stem} | model)
        name = {"provider": path.stem, "model_id": model["model_id"]}
        catalog.model_prices.extend(name | price for price in _read_prices(prices, model["source"], where))
    _refuse_twins(catalog.provider_endpoints, ("id",), path)
    _refuse_twins(catalog.models, ("provider", "model_id"), path)
    _refuse_twins(catalog.model_prices, ("provider", "model_id", "valid_from"), path)


def _read_model(entry: Row, families: Mapping[str, Row], where: str) -> tuple[Sequence[Row], Row]:
    """The prices as written, and the row: the family's parameters under the model's own."""
    model = dict(entry)
    prices = model.pop("prices", [])
    family = model.pop("family", None)
    if family is not None:
        if family not in families:
            raise ConfigurationError(f"{where}: no family is called {family!r}. Families: {_listed(families)}.")
        model["parameters"] = families[family] | _table(model.get("parameters", {}))
    return prices, _read_row(_MODEL, model, where)


def _read_prices(prices: Sequence[Row], source: str, where: str) -> Iterator[Row]:
    for n, entry in enumerate(prices, start=1):
        price = _read_row(_PRICE, {"source": source} | entry, f"{where}: price {n}")
        if price["threshold_tokens"] is None and any(price[name] is not None for name in _THRESHOLD_RATES):
            raise ConfigurationError(f"{where}: price {n}: threshold rates need threshold_tokens")
        yield price


def _add_aliases(catalog: Catalog, path: Path) -> None:
    known = {(model["provider"], model["model_id"]) for model in catalog.models}
    for entry, where in _entries(_read_file(path, {"aliases"}), "aliases", path, "alias"):
        alias = dict(entry)
        targets = alias.pop("targets", [])
        catalog.aliases.append(_read_row(_ALIAS, alias, where))
        for n, target in enumerate(targets, start=1):
            row = _read_row(_TARGET, target, f"{where}: target {n}")
            if (row["provider"], row["model_id"]) not in known:
                raise ConfigurationError(f"{where}: target {n}: no model {row['provider']}/{row['model_id']}")
            catalog.alias_targets.append({"alias": entry["alias"]} | row)
    _refuse_twins(catalog.aliases, ("alias",), path)
    _refuse_twins(catalog.alias_targets, ("alias", "provider", "model_id"), path)


def _add_voices(catalog: Catalog, path: Path) -> None:
    known = {provider["id"] for provider in catalog.providers}
    for entry, where in _entries(_read_file(path, {"voices"}), "voices", path, "voice"):
        row = _read_row(_VOICE, entry, where)
        if row["provider"] not in known:
            raise ConfigurationError(f"{where}: no provider {row['provider']!r}. Providers: {_listed(known)}.")
        catalog.voices.append(row)
    _refuse_twins(catalog.voices, ("voice", "provider"), path)


def _read_file(path: Path, tables: Iterable[str]) -> Row:
    try:
        file = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path.name} is missing in {path.parent}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not TOML: {error}") from None
    _refuse_unknown(file, tables, path.name)
    return file


def _entries(file: Row, table: str, path: Path, named_by: str) -> Iterator[tuple[Row, str]]:
    """Each entry of a list of tables, with the words that find it again."""
    for n, entry in enumerate(file.get(table, []), start=1):
        yield entry, f"{path.name}: {table} {n} ({entry.get(named_by, f'without {named_by}')})"


def _read_row(keys: Mapping[str, _Key], entry: Row, where: str) -> Row:
    _refuse_unknown(entry, keys, where)
    row: Row = {}
    for name, key in keys.items():
        if name not in entry:
            if key.default is _REQUIRED:
                raise ConfigurationError(f"{where}: {name} is missing")
            row[name] = key.default
            continue
        try:
            row[name] = key.read(entry[name])
        except ValueError as error:
            raise ConfigurationError(f"{where}: {name}: {error}, not {str(entry[name])[:80]!r}") from None
    return row


def _refuse_unknown(entry: Row, known: Iterable[str], where: str) -> None:
    if unknown := sorted(set(entry) - set(known)):
        raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}. Known: {_listed(known)}.")


def _refuse_twins(rows: Sequence[Row], columns: Sequence[str], path: Path) -> None:
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        key = tuple(row[name] for name in columns)
        if key in seen:
            raise ConfigurationError(f"{path.name}: {' '.join(key)} is there twice")
        seen.add(key)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
