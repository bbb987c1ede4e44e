from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.catalog import Model, Price
from core.pricing import cost_per_token, price_most, price_usage
from core.result import Usage

START = datetime(2026, 1, 1, tzinfo=UTC)


def price(**rates: object) -> Price:
    return Price("openai", "gpt", START, **rates)  # type: ignore[arg-type]


TERRA = price(
    input_usd_per_mtok=Decimal(1),
    output_usd_per_mtok=Decimal(5),
    cached_input_usd_per_mtok=Decimal("0.05"),
    cache_write_usd_per_mtok=Decimal("1.25"),
    threshold_tokens=272_000,
    threshold_input_usd_per_mtok=Decimal(2),
    threshold_output_usd_per_mtok=Decimal("7.5"),
    threshold_cached_input_usd_per_mtok=Decimal("0.1"),
    regional_surcharge={"eu": Decimal("1.1")},
)


def test_every_bucket_is_billed_at_its_own_rate() -> None:
    usage = Usage(prompt_tokens=1000, completion_tokens=300, cached_tokens=400, cache_write_tokens=100)
    by_hand = Decimal(500) * 1 + Decimal(400) * Decimal("0.05") + Decimal(100) * Decimal("1.25") + 300 * 5
    assert price_usage(usage, TERRA) == by_hand / 1_000_000 == Decimal("0.002145")


def test_a_prompt_above_the_threshold_reprices_the_whole_call() -> None:
    assert price_usage(Usage(prompt_tokens=272_000), TERRA) == Decimal("0.272")
    assert price_usage(Usage(prompt_tokens=272_001, completion_tokens=2), TERRA) == Decimal("0.544017")


HAIKU = price(
    input_usd_per_mtok=Decimal("0.1"),
    output_usd_per_mtok=Decimal("0.5"),
    cache_write_usd_per_mtok=Decimal("0.125"),
    cache_write_1h_usd_per_mtok=Decimal("0.2"),
    threshold_tokens=100_000,
    threshold_input_usd_per_mtok=Decimal("0.5"),
    threshold_output_usd_per_mtok=Decimal("2.5"),
    threshold_cache_write_usd_per_mtok=Decimal("0.625"),
)


def test_what_is_cached_for_an_hour_is_dearer_to_write() -> None:
    usage = Usage(prompt_tokens=1000, cache_write_tokens=600, cache_write_1h_tokens=200)
    by_hand = 400 * Decimal("0.1") + 400 * Decimal("0.125") + 200 * Decimal("0.2")
    assert price_usage(usage, HAIKU) == by_hand / 1_000_000
    unlisted = price_usage(usage, TERRA)
    assert unlisted == (400 + 600 * Decimal("1.25")) / 1_000_000


def test_a_rate_for_an_hour_that_is_listed_below_the_threshold_alone_is_unknown_above_it() -> None:
    above = Usage(prompt_tokens=100_001, cache_write_tokens=600)
    assert price_usage(above, HAIKU) == (99_401 * Decimal("0.5") + 600 * Decimal("0.625")) / 1_000_000
    above.cache_write_1h_tokens = 1
    assert price_usage(above, HAIKU) is None


def test_an_hour_of_cache_has_a_rate_of_its_own_above_the_threshold() -> None:
    haiku = replace(HAIKU, threshold_cache_write_1h_usd_per_mtok=Decimal(1))
    usage = Usage(prompt_tokens=100_001, cache_write_tokens=600, cache_write_1h_tokens=200)
    by_hand = 99_401 * Decimal("0.5") + 400 * Decimal("0.625") + 200 * 1
    assert price_usage(usage, haiku) == by_hand / 1_000_000


TIERED = replace(TERRA, service_tiers={"flex": Decimal("0.5"), "priority": Decimal(2)})
SPOKEN = price(input_usd_per_mtok=Decimal("0.6"), output_usd_per_mtok=Decimal(12))


@pytest.mark.parametrize(
    ("row", "usage", "region", "cost"),
    [
        (TIERED, Usage(1000, 300), "global", "0.0025"),
        (TIERED, Usage(1000, 300, reasoning_tokens=200), "global", "0.0025"),
        (TIERED, Usage(1000, 300, cached_tokens=400, service_tier="flex"), "global", "0.00106"),
        (TIERED, Usage(1000, 300, service_tier="priority"), "eu", "0.0055"),
        (TIERED, Usage(300_000, 1000, cached_tokens=100_000, service_tier="flex"), "global", "0.20875"),
        (TIERED, Usage(1000, 300, service_tier="scale"), "global", None),
        (TIERED, Usage(1000, 300, service_tier="untold"), "global", None),
        (TERRA, Usage(1000, 300, service_tier="flex"), "global", None),
        (SPOKEN, Usage(10, 200, audio_tokens=200, characters=40), "global", "0.002406"),
        (TERRA, Usage(1000, 300, audio_tokens=20), "global", None),
        (price(audio_usd_per_mchar=Decimal(80)), Usage(characters=1000, service_tier="flex"), "global", None),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_tiers_and_sound_are_priced_where_somebody_says_how(
    row: Price, usage: Usage, region: str, cost: str | None
) -> None:
    """Sound is what speech is billed by; inside a text call no row has its price."""
    assert price_usage(usage, row, region) == (None if cost is None else Decimal(cost))


def test_a_call_that_asks_for_a_tier_is_bounded_by_the_dearer_of_both() -> None:
    standard, double = Decimal("0.0025"), Decimal("0.005")
    bounds = {tier: price_most(Usage(1000, 300), TIERED, "global", tier) for tier in (None, "flex", "priority", "new")}
    assert bounds == {None: standard, "flex": standard, "priority": double, "new": None}
    assert price_most(Usage(1000, 300), None, "global", None) is None


def test_a_region_has_its_surcharge() -> None:
    assert price_usage(Usage(prompt_tokens=1_000_000 // 10), TERRA, "eu") == Decimal("0.11")


def test_characters_are_billed_where_the_price_is_by_characters() -> None:
    assert price_usage(Usage(characters=1234), price(audio_usd_per_mchar=Decimal(80))) == Decimal("0.09872")


def test_an_unknown_price_makes_the_cost_unknown_and_never_zero() -> None:
    assert price_usage(Usage(prompt_tokens=1), None) is None
    only_input = price(input_usd_per_mtok=Decimal(1))
    assert price_usage(Usage(prompt_tokens=5, completion_tokens=1), only_input) is None
    assert price_usage(Usage(prompt_tokens=5), only_input) == Decimal("0.000005")


def test_free_is_zero() -> None:
    free = price(input_usd_per_mtok=Decimal(0), output_usd_per_mtok=Decimal(0))
    assert price_usage(Usage(prompt_tokens=5, completion_tokens=1), free) == 0


@given(
    prompt=st.integers(0, 2_000_000),
    output=st.integers(0, 200_000),
    share=st.fractions(0, 1),
)
def test_caching_never_makes_a_call_dearer(prompt: int, output: int, share: object) -> None:
    cached = int(prompt * share)  # type: ignore[operator]
    with_cache = price_usage(Usage(prompt_tokens=prompt, completion_tokens=output, cached_tokens=cached), TERRA)
    without = price_usage(Usage(prompt_tokens=prompt, completion_tokens=output), TERRA)
    assert with_cache is not None
    assert without is not None
    assert with_cache <= without


def test_the_blend_counts_three_tokens_of_prompt_to_one_of_answer() -> None:
    assert cost_per_token(Model("openai", "gpt", "text"), TERRA) == Decimal("0.000002")
    spoken = price(input_usd_per_mtok=Decimal("0.6"), output_usd_per_mtok=Decimal(12))
    assert cost_per_token(Model("openai", "tts", "speech"), spoken) == Decimal("0.00001815")
    assert cost_per_token(Model("openai", "gpt", "text"), None) is None
