"""What the package genai-prices knows of our models: the data that it brings, never an update over the network."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.catalog import Model
from core.price_check import TIER, Units

if TYPE_CHECKING:
    from genai_prices.types import MatchLogic, ModelInfo, Provider

_COLUMNS = {
    "input_mtok": "input_usd_per_mtok",
    "output_mtok": "output_usd_per_mtok",
    "cache_read_mtok": "cached_input_usd_per_mtok",
    "cache_write_mtok": "cache_write_usd_per_mtok",
    "cache_write_1h_mtok": "cache_write_1h_usd_per_mtok",
}
_SPEECH_COLUMNS = _COLUMNS | {"input_mchars": "audio_usd_per_mchar", "output_audio_mtok": "output_usd_per_mtok"}


class PriceList:
    """The list as it is at a time. Providers are those of the same id; an operator's own server has prices of its own,
    whatever models it serves."""

    def __init__(self, now: datetime) -> None:
        from genai_prices import __version__
        from genai_prices.data import providers

        self.name = f"genai-prices {__version__}"
        self._providers: Mapping[str, Provider] = {one.id: one for one in providers}
        self._now = now

    def units_of(self, model: Model) -> Units | None:
        """Its prices by our columns' names; None: the list does not have the model, or no price that we could use."""
        found = self._find(model)
        if found is None:
            return None
        units = dict(self._units(found, _SPEECH_COLUMNS if model.kind == "speech" else _COLUMNS))
        return units or None

    def name_of(self, model: Model) -> str | None:
        """What the list calls it."""
        found = self._find(model)
        return found.id if found is not None else None

    def _find(self, model: Model) -> "ModelInfo | None":
        """By a name that the list gives word for word, or the name of a model with a date behind it. The list's looser
        patterns would take a new model for its older sister."""
        provider = self._providers.get(model.provider)
        name = model.model_id.removeprefix("models/").lower()
        if provider is None:
            return None
        undated = _without_date(name)
        named = [one for one in provider.models if one.id.lower() == name or _names(one.match, name)]
        dated = [one for one in provider.models if undated in (one.id.lower(), _without_date(one.id.lower()))]
        return next(iter([*named, *(one for one in dated if one.is_match(name))]), None)

    def _units(self, found: "ModelInfo", columns: Mapping[str, str]) -> Iterator[tuple[str, Decimal]]:
        standard = _prices(found.get_prices(self._now))
        for key, column in columns.items():
            if (value := standard.get(key)) is not None:
                yield column, _base(value)
                if (above := _above(value)) is not None:
                    yield "threshold_tokens", Decimal(above.start)
                    yield f"threshold_{column}", above.price
        for context, name in _variants(found):
            factor = _factor(standard, _prices(found.get_prices(self._now, context)))
            if factor is not None:
                yield name, factor


def _variants(found: "ModelInfo") -> Iterator[tuple[dict[str, str], str]]:
    """The tiers and the batches that the list has prices for, each once."""
    seen = {}
    for variant in found.price_variants or ():
        for key, value in variant.when.items():
            if key == "processing" and value == "batch":
                seen["batch_discount"] = variant.when
            elif key in ("service_tier", "speed") and value != "default":
                seen[f"{TIER}{value}"] = variant.when
    for name, context in seen.items():
        yield context, name


def _factor(standard: Mapping[str, Any], other: Mapping[str, Any]) -> Decimal | None:
    """By which all prices of a tier differ; None where it is no exact factor, or where no tier is in force."""
    main = "output_mtok" if "output_mtok" in standard else "input_mtok"
    if other == standard or not standard.get(main) or not _base(standard[main]):
        return None
    factor = round(_base(other[main]) / _base(standard[main]), 12).normalize()
    return factor if factor * _base(standard[main]) == _base(other[main]) else None


def _prices(prices: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(prices).items() if value is not None and not key.startswith("_")}


def _base(value: Any) -> Decimal:
    found: Decimal = value if isinstance(value, Decimal) else value.base
    return found


def _above(value: Any) -> Any:
    """The first step; a price of ours has no more than one."""
    return None if isinstance(value, Decimal) or not value.tiers else value.tiers[0]


def _names(match: "MatchLogic", name: str) -> bool:
    """Is the name one that the list gives word for word?"""
    equals = getattr(match, "equals", None)
    return (equals is not None and equals.lower() == name) or any(
        _names(one, name) for one in getattr(match, "or_", ())
    )


def _without_date(name: str) -> str:
    """Without `-20251001`, `-2026-04-23`, `-2512` or `-latest` behind it."""
    return re.sub(r"-(\d{8}|\d{4}-\d{2}-\d{2}|\d{4}|latest)$", "", name)
