"""Our prices held against a list that others keep. Pure: the list comes as plain values by our own columns' names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.catalog import Model, Price

Units = Mapping[str, Decimal]

# What stands for a rate that is not said, in this order; the first that is said holds.
_PLAINER = {
    "cached_input_usd_per_mtok": ("input_usd_per_mtok",),
    "cache_write_usd_per_mtok": ("input_usd_per_mtok",),
    "cache_write_1h_usd_per_mtok": ("cache_write_usd_per_mtok", "input_usd_per_mtok"),
    "threshold_cached_input_usd_per_mtok": ("threshold_input_usd_per_mtok",),
    "threshold_cache_write_usd_per_mtok": ("threshold_input_usd_per_mtok",),
}
_RATES = (
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "cached_input_usd_per_mtok",
    "cache_write_usd_per_mtok",
    "cache_write_1h_usd_per_mtok",
    "audio_usd_per_mchar",
    "batch_discount",
    "threshold_tokens",
    "threshold_input_usd_per_mtok",
    "threshold_output_usd_per_mtok",
    "threshold_cached_input_usd_per_mtok",
    "threshold_cache_write_usd_per_mtok",
    "threshold_cache_write_1h_usd_per_mtok",
)
TIER = "service_tiers."


@dataclass(frozen=True, slots=True)
class Difference:
    """`unit` is a column of `model_prices`, or `service_tiers.NAME`. `ours` None: we do not say."""

    provider: str
    model_id: str
    unit: str
    ours: Decimal | None
    theirs: Decimal

    @property
    def ratio(self) -> Decimal | None:
        """Theirs by ours, to four digits."""
        return round(self.theirs / self.ours, 4) if self.ours else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`unknown`: models that the list does not have, as `provider/model_id`."""

    compared: int
    differences: tuple[Difference, ...]
    unknown: tuple[str, ...]


def compare_prices(pairs: Iterable[tuple[Model, Price | None, Units | None]]) -> Comparison:
    """Each model with our price in force and what the list says of it; None: it does not know the model. What the
    list does not say is no difference, and neither is a rate that comes out the same by default."""
    compared, differences, unknown = 0, list[Difference](), list[str]()
    for model, price, listed in pairs:
        if listed is None:
            unknown.append(model.name)
            continue
        compared += 1
        ours = units_of(price) if price is not None else {}
        differences += [
            Difference(model.provider, model.model_id, unit, ours.get(unit), theirs)
            for unit, theirs in listed.items()
            if _is_billed(unit, model, listed) and theirs != _in_force(unit, ours)
        ]
    return Comparison(compared, tuple(differences), tuple(unknown))


def units_of(price: Price) -> dict[str, Decimal]:
    """What a price says, unit by unit."""
    said = {name: getattr(price, name) for name in _RATES}
    units = {name: Decimal(value) for name, value in said.items() if value is not None}
    return units | {f"{TIER}{name}": factor for name, factor in price.service_tiers.items()}


def changed_columns(price: Price | None, accepted: Iterable[Difference]) -> dict[str, object]:
    """The columns of a new row that takes over the accepted differences; of tiers all, those that stay too."""
    columns: dict[str, object] = {}
    tiers = dict(price.service_tiers) if price is not None else {}
    for one in accepted:
        if one.unit.startswith(TIER):
            tiers[one.unit.removeprefix(TIER)] = one.theirs
            columns["service_tiers"] = tiers
        else:
            columns[one.unit] = int(one.theirs) if one.unit == "threshold_tokens" else one.theirs
    return columns


def _is_billed(unit: str, model: Model, listed: Units) -> bool:
    """A vector has no output and no cache, whatever a list says of them, and a threshold that no prompt can pass is
    none."""
    threshold = listed.get("threshold_tokens", Decimal(0))
    if unit.startswith("threshold_") and (model.context_window or threshold + 1) <= threshold:
        return False
    return model.kind != "embedding" or unit in ("input_usd_per_mtok", "batch_discount") or unit.startswith(TIER)


def _in_force(unit: str, ours: Units) -> Decimal | None:
    return next((ours[name] for name in _candidates(unit) if name in ours), None)


def _candidates(unit: str) -> Iterator[str]:
    yield unit
    yield from _PLAINER.get(unit, ())
