"""The shipped prices and the package genai-prices: which models it knows, by which name, and that both agree."""

from datetime import UTC, datetime

import pytest

from core.catalog import Model, Price
from core.price_check import compare_prices
from producer.price_list import PriceList
from sql.catalog import Catalog
from tests.catalog.test_prices import core_price

NOW = datetime(2026, 11, 28, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 2, tzinfo=UTC)
# Younger than the list that the lock holds, or never in it.
UNKNOWN = {
    "openai/gpt-6.2-astra",
    "openai/gpt-6.2-sol",
    "google/gemini-4-carbon",
    "google/gemma-4-31b-it",
    "anthropic/claude-mythos-5",
    "anthropic/claude-mythos-5-1",
}
OTHERWISE_NAMED = {
    "anthropic/claude-haiku-4-5-20251001": "claude-haiku-4-5",
    "google/gemini-pro-latest": "gemini-3.1-pro-preview",
    "google/gemini-flash-latest": "gemini-3.8-flash",
    "google/gemini-flash-lite-latest": "gemini-3.5-flash-lite",
    "mistral/mistral-large-4-0": "mistral-large-4",
    "mistral/voxtral-small-2507": "voxtral-small-24b-2507",
    "mistral/mistral-embed-2312": "mistral-embed",
    "openai/gpt-5.4-mini-2026-03-17": "gpt-5.4-mini",
    "openai/gpt-5.5-2026-04-23": "gpt-5.5",
    "openai/gpt-5.4-2026-03-05": "gpt-5.4",
}


def models(shipped: Catalog) -> list[Model]:
    """All that are billed by tokens and served, or would be."""
    characters = {(one["provider"], one["model_id"]) for one in shipped.model_prices if one["audio_usd_per_mchar"]}
    return [
        Model(row["provider"], row["model_id"], row["kind"], row["context_window"], active=row["active"])
        for row in shipped.models
        if row["kind"] in ("text", "embedding", "speech") and (row["provider"], row["model_id"]) not in characters
    ]


def in_force(shipped: Catalog, model: Model, when: datetime) -> Price | None:
    rows = [core_price(one) for one in shipped.model_prices]
    dated = [one for one in rows if (one.provider, one.model_id) == (model.provider, model.model_id)]
    return max((one for one in dated if one.valid_from <= when), key=lambda one: one.valid_from, default=None)


def test_every_model_billed_by_tokens_is_known_or_stated_to_be_unknown(shipped: Catalog) -> None:
    listed = PriceList(NOW)
    names = {one.name: listed.name_of(one) for one in models(shipped)}
    assert {one.name for one in models(shipped) if listed.units_of(one) is None} == UNKNOWN
    otherwise = {name: theirs for name, theirs in names.items() if theirs and theirs != name.partition("/")[2]}
    assert otherwise == OTHERWISE_NAMED
    assert sum(one.active for one in models(shipped)) == 28


@pytest.mark.parametrize("when", [NOW, NEW_YEAR])
def test_shipped_prices_are_those_of_the_list_also_when_announced_ones_have_come(
    shipped: Catalog, when: datetime
) -> None:
    listed = PriceList(when)
    found = compare_prices((one, in_force(shipped, one, when), listed.units_of(one)) for one in models(shipped))
    assert found.differences == ()
    assert set(found.unknown) == UNKNOWN
    assert found.compared > 70


def test_names_are_matched_by_the_word_and_never_by_likeness() -> None:
    listed = PriceList(NOW)

    def name(provider: str, model_id: str) -> str | None:
        return listed.name_of(Model(provider, model_id, "text"))

    assert name("google", "models/gemini-3.8-flash") == "gemini-3.8-flash"
    assert name("openai", "gpt-6-luna-2026-09-01") == "gpt-6-luna"
    assert name("openai", "GPT-6-Luna") == "gpt-6-luna"
    assert name("openai", "gpt-6-luna-mini") is None
    assert name("openai", "gpt-5.4-mini-pro") is None
    assert name("my-openai", "gpt-6-luna") is None
    assert name("openai", "claude-opus-5-5") is None
    assert name("anthropic", "gpt-6-luna") is None


def test_tiers_and_thresholds_of_the_list_become_our_columns() -> None:
    luna = PriceList(NOW).units_of(Model("openai", "gpt-6-luna", "text"))
    assert luna is not None
    shown = {unit: f"{value:f}" for unit, value in luna.items()}
    assert shown == {
        "input_usd_per_mtok": "0.1", "output_usd_per_mtok": "0.5", "cached_input_usd_per_mtok": "0.01",
        "cache_write_usd_per_mtok": "0.125", "threshold_tokens": "272000", "threshold_input_usd_per_mtok": "0.2",
        "threshold_output_usd_per_mtok": "0.75", "threshold_cached_input_usd_per_mtok": "0.02",
        "threshold_cache_write_usd_per_mtok": "0.25", "batch_discount": "0.5", "service_tiers.flex": "0.5",
        "service_tiers.priority": "2", "service_tiers.fast": "2",
    }  # fmt: skip
    haiku = PriceList(NOW).units_of(Model("anthropic", "claude-haiku-5-5", "text"))
    assert haiku is not None
    assert haiku["threshold_cache_write_1h_usd_per_mtok"] == 1
    speech = PriceList(NOW).units_of(Model("openai", "tts-1-hd", "speech"))
    assert speech is not None
    assert speech["audio_usd_per_mchar"] == 30
