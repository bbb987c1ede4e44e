"""Reads the catalog that the factory ships: the TOML files under `seed/`, checked and laid out as rows.

A provider's file has `[provider]`, `[defaults]` (for its models), `[families.NAME]` (parameters that models share),
`[[endpoints]]` and `[[models]]` with `[[models.prices]]`; `seed/README.md` explains them to an operator.
"""

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError
from sql.catalog_keys import (
    ALIAS,
    DEFAULTS,
    ENDPOINT,
    MODEL,
    PRICE,
    PROVIDER,
    TARGET,
    THRESHOLD_RATES,
    VOICE,
    Row,
    read_row,
    refuse_unknown,
)

SEED = Path(__file__).parent / "seed"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Rows by table, ready for JSON: money stays text, dates and times are ISO 8601."""

    providers: list[Row] = field(default_factory=list)
    provider_endpoints: list[Row] = field(default_factory=list)
    models: list[Row] = field(default_factory=list)
    model_prices: list[Row] = field(default_factory=list)
    aliases: list[Row] = field(default_factory=list)
    alias_targets: list[Row] = field(default_factory=list)
    voices: list[Row] = field(default_factory=list)


def load_catalog(folder: Path = SEED) -> Catalog:
    """Raises ConfigurationError naming the file and the entry that is wrong."""
    catalog = Catalog()
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
    file = _read_file(path)
    refuse_unknown(file, ("provider", "defaults", "families", "endpoints", "models"), path.name)
    provider = read_row(PROVIDER, _table(file, "provider", path.name), f"{path.name}: provider")
    if provider["id"] != path.stem:
        raise ConfigurationError(f"{path.name}: provider: id {provider['id']!r} is not the file's name")
    catalog.providers.append(provider)
    for entry, where in _entries(file, "endpoints", path.name, "handler_function"):
        catalog.provider_endpoints.append({"provider": path.stem} | read_row(ENDPOINT, entry, where))
    defaults, families = _table(file, "defaults", path.name), _table(file, "families", path.name)
    refuse_unknown(defaults, DEFAULTS, f"{path.name}: defaults")
    for entry, where in _entries(file, "models", path.name, "model_id"):
        model = {"provider": path.stem} | _read_model(defaults | entry, families, where)
        catalog.models.append(model)
        catalog.model_prices.extend(_read_prices(entry, model, where))
    _refuse_twins(catalog.provider_endpoints, ("id",), path.name)
    _refuse_twins(catalog.models, ("provider", "model_id"), path.name)
    _refuse_twins(catalog.model_prices, ("provider", "model_id", "valid_from"), path.name)


def _read_model(entry: Row, families: Row, where: str) -> Row:
    """Its parameters are those of its family, with its own on top."""
    model = {name: value for name, value in entry.items() if name not in ("prices", "family")}
    if (family := entry.get("family")) is not None:
        if family not in families:
            raise ConfigurationError(f"{where}: there is no family {family!r}, only {', '.join(families) or 'none'}")
        model["parameters"] = _table(families, family, where) | _table(model, "parameters", where)
    return read_row(MODEL, model, where)


def _read_prices(entry: Row, model: Row, model_where: str) -> Iterator[Row]:
    """A price without a source of its own has the model's."""
    for price_entry, where in _entries(entry, "prices", model_where, "valid_from"):
        price = read_row(PRICE, {"source": model["source"]} | price_entry, where)
        if price["threshold_tokens"] is None and any(price[name] is not None for name in THRESHOLD_RATES):
            raise ConfigurationError(f"{where}: rates above a threshold need threshold_tokens")
        yield {"provider": model["provider"], "model_id": model["model_id"]} | price


def _add_aliases(catalog: Catalog, path: Path) -> None:
    file = _read_file(path)
    refuse_unknown(file, ("aliases",), path.name)
    known = {(model["provider"], model["model_id"]) for model in catalog.models}
    for entry, where in _entries(file, "aliases", path.name, "alias"):
        alias = read_row(ALIAS, {name: value for name, value in entry.items() if name != "targets"}, where)
        catalog.aliases.append(alias)
        for target_entry, target_where in _entries(entry, "targets", where, "model_id"):
            target = read_row(TARGET, target_entry, target_where)
            if (target["provider"], target["model_id"]) not in known:
                raise ConfigurationError(f"{target_where}: {target['provider']} has no such model in the catalog")
            catalog.alias_targets.append({"alias": alias["alias"]} | target)
    _refuse_twins(catalog.aliases, ("alias",), path.name)
    _refuse_twins(catalog.alias_targets, ("alias", "provider", "model_id"), path.name)


def _add_voices(catalog: Catalog, path: Path) -> None:
    file = _read_file(path)
    refuse_unknown(file, ("voices",), path.name)
    known = {provider["id"] for provider in catalog.providers}
    for entry, where in _entries(file, "voices", path.name, "voice"):
        voice = read_row(VOICE, entry, where)
        if voice["provider"] not in known:
            raise ConfigurationError(f"{where}: there is no provider {voice['provider']!r} in the catalog")
        catalog.voices.append(voice)
    _refuse_twins(catalog.voices, ("voice", "provider"), path.name)


def _read_file(path: Path) -> Row:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path.name} is missing from the catalog's folder") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not TOML: {error}") from None


def _table(parent: Row, name: str, where: str) -> Row:
    """A table of its parent; empty when absent."""
    table: Any = parent.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where}: {name} must be a table")
    return table


def _entries(parent: Row, name: str, where: str, named_by: str) -> Iterator[tuple[Row, str]]:
    """Each entry of a list of tables, with the words that find it again."""
    entries: Any = parent.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError(f"{where}: {name} must be a list of tables, each under [[{name}]]")
    for place, entry in enumerate(entries, start=1):
        yield entry, f"{where}: {name} {place} ({entry.get(named_by, f'without {named_by}')})"


def _refuse_twins(rows: Sequence[Row], columns: Sequence[str], file: str) -> None:
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        key = tuple(row[name] for name in columns)
        if key in seen:
            raise ConfigurationError(f"{file}: {' '.join(key)} is there twice")
        seen.add(key)
