"""What the factory ships about prices. The figures here were copied by hand from the providers' lists."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.catalog import Price
from core.pricing import price_usage
from core.result import Usage
from sql.catalog import Catalog
from sql.catalog_keys import Row

BASELINE = "2026-01-01T00:00:00+00:00"


def prices(catalog: Catalog, model_id: str) -> list[Row]:
    return [price for price in catalog.model_prices if price["model_id"] == model_id]


def said(price: Row) -> Row:
    """Without what is not said, and without what names the row."""
    return {
        key.removesuffix("_usd_per_mtok"): value
        for key, value in price.items()
        if value not in (None, {}) and key not in ("provider", "model_id", "valid_from", "source")
    }


def core_price(price: Row) -> Price:
    fields: dict[str, Any] = {key: value for key, value in price.items() if key != "source"}
    for key, value in fields.items():
        if isinstance(value, str) and key.endswith(("_mtok", "_mchar", "_discount")):
            fields[key] = Decimal(value)
    for name in ("regional_surcharge", "service_tiers"):
        fields[name] = {one: Decimal(factor) for one, factor in price[name].items()}
    fields["valid_from"] = datetime.fromisoformat(price["valid_from"])
    return Price(**fields)


@pytest.mark.parametrize(
    ("model_id", "figures"),
    [
        (
            "gpt-6.2-sol",
            {
                "input": "2",
                "output": "10",
                "cached_input": "0.1",
                "cache_write": "2.5",
                "batch_discount": "0.5",
                "threshold_tokens": 272_000,
                "threshold_input": "4",
                "threshold_output": "15",
                "threshold_cached_input": "0.2",
                "threshold_cache_write": "5",
                "regional_surcharge": {"eu": "1.1"},
            },
        ),
        (
            "gpt-6-luna",
            {
                "input": "0.1",
                "output": "0.5",
                "cached_input": "0.01",
                "cache_write": "0.125",
                "batch_discount": "0.5",
                "threshold_tokens": 272_000,
                "threshold_input": "0.2",
                "threshold_output": "0.75",
                "threshold_cached_input": "0.02",
                "threshold_cache_write": "0.25",
                "regional_surcharge": {"eu": "1.1"},
                "service_tiers": {"flex": "0.5", "priority": "2", "fast": "2"},
            },
        ),
        (
            "gpt-4o",
            {
                "input": "2.5",
                "output": "10",
                "cached_input": "1.25",
                "batch_discount": "0.5",
                "service_tiers": {"priority": "1.7", "fast": "1.7"},
            },
        ),
        (
            "gpt-5.3-codex",
            {
                "input": "1.75",
                "output": "14",
                "cached_input": "0.175",
                "service_tiers": {"priority": "2", "fast": "2"},
            },
        ),
        ("text-embedding-3-small", {"input": "0.02", "batch_discount": "0.5"}),
        ("gpt-4o-mini-tts", {"input": "0.6", "output": "12"}),
        ("tts-1-hd", {"audio_usd_per_mchar": "30"}),
        ("eleven_multilingual_v2:JBFqnCBsd6RMkjVDRZzb", {"audio_usd_per_mchar": "80"}),
        ("eleven_flash_v2_5", {"audio_usd_per_mchar": "40"}),
        ("voxtral-mini-tts-3", {"audio_usd_per_mchar": "13"}),
        (
            "gemini-2.5-pro",
            {
                "input": "1.25",
                "output": "10",
                "cached_input": "0.125",
                "batch_discount": "0.5",
                "threshold_tokens": 200_000,
                "threshold_input": "2.5",
                "threshold_output": "15",
                "threshold_cached_input": "0.25",
            },
        ),
        (
            "claude-haiku-5-5",
            {
                "input": "0.1",
                "output": "0.5",
                "cached_input": "0.01",
                "cache_write": "0.125",
                "cache_write_1h": "0.2",
                "batch_discount": "0.5",
                "threshold_tokens": 100_000,
                "threshold_input": "0.5",
                "threshold_output": "2.5",
                "threshold_cached_input": "0.05",
                "threshold_cache_write": "0.625",
                "threshold_cache_write_1h": "1",
                "regional_surcharge": {"us": "1.1"},
            },
        ),
        (
            "claude-sonnet-4-6",
            {
                "input": "3",
                "output": "15",
                "cached_input": "0.3",
                "cache_write": "3.75",
                "cache_write_1h": "6",
                "batch_discount": "0.5",
                "regional_surcharge": {"us": "1.1"},
            },
        ),
        ("deepseek-v4-1-flash-1017", {"input": "0.3", "output": "1.2", "cached_input": "0.007"}),
        ("gemma-4-31b-it", {"input": "0", "output": "0"}),
        ("omni-moderation-latest", {"input": "0", "output": "0"}),
    ],
)
def test_prices_are_those_of_the_list(shipped: Catalog, model_id: str, figures: Row) -> None:
    (price,) = prices(shipped, model_id)
    assert price["valid_from"] == BASELINE
    assert said(price) == figures


@pytest.mark.parametrize(
    ("model_id", "day", "before", "after"),
    [
        ("gemini-4-argon", "2026-12-01", ("2", "10", "0.1"), ("4", "20", "0.2")),
        ("gemini-4-carbon", "2026-12-01", ("2", "10", "0.1"), ("4", "20", "0.1")),
        ("gemini-3.8-flash", "2027-01-01", ("0.75", "3.75", "0.075"), ("1.5", "7.5", "0.15")),
        ("gemini-3.7-flash", "2027-01-01", ("0.75", "3.75", "0.075"), ("1.5", "7.5", "0.15")),
        ("gemini-3.6-flash", "2027-01-01", ("0.75", "3.75", "0.075"), ("1.5", "7.5", "0.15")),
        ("gemini-3.8-flash-tts", "2027-01-01", ("0.5", "9", "0.125"), ("1", "18", "0.125")),
        ("gemini-3.8-flash-lite-tts", "2027-01-01", ("0.5", "6", "0.125"), ("1", "12", "0.125")),
    ],
)
def test_announced_changes_start_on_their_day(
    shipped: Catalog, model_id: str, day: str, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    first, second = prices(shipped, model_id)
    rates = ("input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok")
    assert (first["valid_from"], second["valid_from"]) == (BASELINE, f"{day}T00:00:00+00:00")
    assert tuple(first[rate] for rate in rates) == before
    assert tuple(second[rate] for rate in rates) == after
    assert second["batch_discount"] == first["batch_discount"]
    assert second["source"].startswith("announced by Google")


def test_history_is_kept_where_it_is_known(shipped: Catalog) -> None:
    history = [
        (price["valid_from"][:10], price["input_usd_per_mtok"], price["output_usd_per_mtok"])
        for price in prices(shipped, "mistral-large-4-0")
    ]
    assert history == [
        ("2026-01-01", "0.68", "2.09"),
        ("2026-10-20", "1.36", "4.18"),
        ("2026-10-29", "0.7", "2.1"),
    ]


def test_only_announced_and_past_changes_have_a_date_of_their_own(shipped: Catalog) -> None:
    dated = [price for price in shipped.model_prices if price["valid_from"] != BASELINE]
    assert len(dated) == 10


def test_every_active_model_has_a_price_for_what_it_bills(shipped: Catalog) -> None:
    for model in (model for model in shipped.models if model["active"]):
        for price in prices(shipped, model["model_id"]):
            by_character = price["audio_usd_per_mchar"] is not None
            by_token = price["input_usd_per_mtok"] is not None and (
                model["kind"] == "embedding" or price["output_usd_per_mtok"] is not None
            )
            assert by_character != by_token, model["model_id"]
        assert prices(shipped, model["model_id"]), model["model_id"]


def test_what_is_billed_by_the_minute_has_no_price_row(shipped: Catalog) -> None:
    priced = {price["model_id"] for price in shipped.model_prices}
    assert {model["model_id"] for model in shipped.models} - priced == {
        "gpt-transcribe",
        "whisper-1",
        "scribe_v1",
        "scribe_v2",
        "scribe_v3",
        "voxtral-mini-transcribe-3",
        "voxtral-small-transcribe-3",
    }


def test_models_of_openai_since_march_2026_cost_a_tenth_more_in_the_eu(shipped: Catalog) -> None:
    dearer = {price["model_id"] for price in shipped.model_prices if "eu" in price["regional_surcharge"]}
    text = {model["model_id"] for model in shipped.models if model["provider"] == "openai" and model["kind"] == "text"}
    assert dearer == {one for one in text if one.startswith(("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-6"))}


def test_writing_to_openais_cache_costs_a_quarter_more_since_gpt_5_6(shipped: Catalog) -> None:
    for price in (price for price in shipped.model_prices if price["provider"] == "openai"):
        write = price["cache_write_usd_per_mtok"]
        if price["model_id"].startswith(("gpt-5.6", "gpt-6")):
            assert Decimal(write) == Decimal("1.25") * Decimal(price["input_usd_per_mtok"]), price["model_id"]
        else:
            assert write is None, price["model_id"]


def test_a_long_prompt_reprices_the_whole_request(shipped: Catalog) -> None:
    (sol,) = map(core_price, prices(shipped, "gpt-6.2-sol"))
    assert price_usage(Usage(300_000, 1_000), sol) == Decimal("1.215")
    assert price_usage(Usage(200_000, 1_000), sol) == Decimal("0.41")
    assert price_usage(Usage(200_000, 1_000), sol, "eu") == Decimal("0.451")


def test_the_long_prompt_rate_that_is_not_known_makes_the_cost_unknown(shipped: Catalog) -> None:
    (astra,) = map(core_price, prices(shipped, "gpt-6.2-astra"))
    assert price_usage(Usage(300_000, 1_000), astra) is None
    assert price_usage(Usage(200_000, 1_000), astra) == Decimal("1.64")


def test_money_is_text_with_its_exact_digits(shipped: Catalog) -> None:
    for price in shipped.model_prices:
        for key, value in price.items():
            if key.endswith(("_mtok", "_mchar", "_discount")) and value is not None:
                assert isinstance(value, str), (price["model_id"], key)
                assert format(Decimal(value), "f") == value, (price["model_id"], key)
        assert datetime.fromisoformat(price["valid_from"]).tzinfo == UTC
