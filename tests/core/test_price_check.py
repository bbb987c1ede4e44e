from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.catalog import Model, Price
from core.price_check import Difference, changed_columns, compare_prices, units_of

START = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = Model("openai", "gpt", "text", context_window=300_000)


def price(**rates: Any) -> Price:
    figures = {name: Decimal(rate) if isinstance(rate, str) else rate for name, rate in rates.items()}
    return Price("openai", "gpt", START, **figures)


OURS = price(
    input_usd_per_mtok="2", output_usd_per_mtok="10", threshold_tokens=200_000, threshold_input_usd_per_mtok="4",
    service_tiers={"flex": Decimal("0.5")},
)  # fmt: skip


def differences(ours: Price | None, model: Model = TEXT, **theirs: str) -> list[tuple[str, Any, Any]]:
    units = {name.replace("tier_", "service_tiers."): Decimal(value) for name, value in theirs.items()}
    found = compare_prices([(model, ours, units)])
    assert (found.compared, found.unknown) == (1, ())
    return [(one.unit, one.ours, one.theirs) for one in found.differences]


def test_every_unit_that_the_list_says_otherwise_is_a_difference() -> None:
    assert differences(OURS, input_usd_per_mtok="2.0", output_usd_per_mtok="10", tier_flex="0.50") == []
    assert differences(OURS, input_usd_per_mtok="3", tier_flex="0.4", tier_priority="2", threshold_tokens="272000") == [
        ("input_usd_per_mtok", Decimal(2), Decimal(3)),
        ("service_tiers.flex", Decimal("0.5"), Decimal("0.4")),
        ("service_tiers.priority", None, Decimal(2)),
        ("threshold_tokens", Decimal(200_000), Decimal(272_000)),
    ]
    assert differences(None, output_usd_per_mtok="1") == [("output_usd_per_mtok", None, Decimal(1))]


def test_what_comes_out_the_same_is_no_difference() -> None:
    """A rate that is not said goes by the plainer one; zero is said."""
    same = {"cached_input_usd_per_mtok": "2", "cache_write_1h_usd_per_mtok": "2"}
    assert differences(OURS, **same, threshold_cached_input_usd_per_mtok="4") == []
    assert differences(OURS, cached_input_usd_per_mtok="0") == [("cached_input_usd_per_mtok", None, Decimal(0))]
    assert differences(price(input_usd_per_mtok="0"), input_usd_per_mtok="0", cached_input_usd_per_mtok="0") == []


def test_what_a_model_is_not_billed_by_is_no_difference() -> None:
    vectors = Model("openai", "gpt", "embedding")
    assert differences(price(input_usd_per_mtok="1"), vectors, input_usd_per_mtok="1", output_usd_per_mtok="1") == []
    small = Model("openai", "gpt", "text", context_window=200_000)
    long = {"threshold_tokens": "200000", "threshold_input_usd_per_mtok": "9"}
    assert differences(price(input_usd_per_mtok="1"), small, **long) == []
    assert len(differences(price(input_usd_per_mtok="1"), TEXT, **long)) == 2


def test_a_model_that_the_list_does_not_have_stands_apart() -> None:
    found = compare_prices([(TEXT, OURS, None), (Model("google", "g", "text"), None, {})])
    assert (found.compared, found.unknown, found.differences) == (1, ("openai/gpt",), ())


def test_the_ratio_is_theirs_by_ours() -> None:
    assert Difference("a", "b", "u", Decimal(3), Decimal(2)).ratio == Decimal("0.6667")
    assert Difference("a", "b", "u", None, Decimal(2)).ratio is None
    assert Difference("a", "b", "u", Decimal(0), Decimal(2)).ratio is None


def test_what_is_taken_over_leaves_the_rest_alone() -> None:
    asked = compare_prices([(TEXT, OURS, {"service_tiers.priority": Decimal(2), "threshold_tokens": Decimal(272_000)})])
    columns = changed_columns(OURS, asked.differences)
    assert columns == {
        "service_tiers": {"flex": Decimal("0.5"), "priority": Decimal(2)},
        "threshold_tokens": 272_000,
    }
    assert isinstance(columns["threshold_tokens"], int)
    assert OURS.service_tiers == {"flex": Decimal("0.5")}
    assert units_of(OURS)["service_tiers.flex"] == Decimal("0.5")
