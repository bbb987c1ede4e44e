from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from core.catalog import Alias, Catalog, Model, Price, Provider, Target
from core.counterfactual import find_preferred, price_directly
from core.pricing import price_usage
from core.result import Usage

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PROJECT = uuid4()
SOL, LUNA, FLASH = Model("openai", "sol", "text"), Model("openai", "luna", "text"), Model("google", "flash", "text")
VOICE = Model("openai", "voice", "speech")
BY_TOKEN = Price(
    "openai", "sol", NOW, Decimal(2), Decimal(8), Decimal("0.2"), regional_surcharge={"eu": Decimal("1.1")}
)
BY_CHARACTER = Price("elevenlabs", "eleven", NOW, audio_usd_per_mchar=Decimal(30))
amounts = st.integers(0, 10_000)
usages = st.builds(Usage, prompt_tokens=st.just(10_000), completion_tokens=amounts, cached_tokens=amounts)


def catalog(*models: Model, **targets: Any) -> Catalog:
    """The alias `mine` with all models at rising positions, or the given ones."""
    listed = tuple(Target(one.provider, one.model_id, place, 100, {}) for place, one in enumerate(models))
    names = dict.fromkeys(one.provider for one in models)
    providers = [Provider(name, name, targets.get("provider_active", True), ("global",), {}) for name in names]
    aliases = [Alias("mine", owner, "cheapest", "fail", None, 1, rows) for owner, rows in (
        (None, targets.get("listed", listed)), *targets.get("own", ()),
    )]  # fmt: skip
    return Catalog.of(version=1, providers=providers, models=models, aliases=aliases)


def preferred(found: Catalog, name: str = "mine", called: Model = FLASH) -> Model | None:
    return find_preferred(found, name, PROJECT, called, NOW)


def test_an_alias_means_its_active_target_with_the_lowest_position_whatever_its_strategy_picks() -> None:
    assert preferred(catalog(SOL, LUNA, FLASH)) == SOL
    rows = (
        Target("openai", "sol", 9, 1, {}),
        Target("google", "flash", 3, 1, {}),
        Target("openai", "luna", 1, 1, {}, False),
    )
    assert preferred(catalog(SOL, LUNA, FLASH, listed=rows)) == FLASH


def test_a_project_may_mean_something_else_by_the_same_name() -> None:
    own = [(PROJECT, (Target("openai", "luna", 0, 1, {}),))]
    assert preferred(catalog(SOL, LUNA, FLASH, own=own)) == LUNA


def test_what_could_not_be_called_is_no_preference() -> None:
    for gone in (replace(SOL, active=False), replace(SOL, retires_on=date(2026, 11, 24)), replace(SOL, kind="speech")):
        assert preferred(catalog(gone, FLASH)) == FLASH
    assert preferred(catalog(replace(SOL, retires_on=date(2026, 11, 25)), FLASH)) is not None
    assert preferred(catalog(SOL, FLASH, provider_active=False)) is None


def test_an_explicit_model_is_meant_itself_at_the_provider_that_was_called() -> None:
    twin = replace(SOL, provider="azure")
    found = catalog(SOL, twin, FLASH)
    assert preferred(found, "sol", twin) == twin
    assert preferred(found, "openai/sol", SOL) == SOL
    assert preferred(found, "sol", FLASH) == SOL, "a fallback answered"
    assert preferred(found, "gone", FLASH) is None


@given(usages, st.sampled_from(["global", "eu"]))
def test_the_same_model_called_directly_costs_the_same(usage: Usage, region: str) -> None:
    assert price_directly(usage, None, BY_TOKEN, region) == price_usage(usage, BY_TOKEN, region)


def test_a_repaired_answer_is_priced_with_the_prompt_of_the_first_call() -> None:
    first = Usage(prompt_tokens=100, completion_tokens=900, cached_tokens=40, reasoning_tokens=800)
    second = Usage(prompt_tokens=1_100, completion_tokens=50, reasoning_tokens=20)
    wanted = Usage(prompt_tokens=100, completion_tokens=50, cached_tokens=40, reasoning_tokens=20)
    assert price_directly(second, first, BY_TOKEN, "global") == price_usage(wanted, BY_TOKEN)


def test_characters_and_tokens_are_not_guessed_from_each_other() -> None:
    characters, tokens = Usage(characters=100), Usage(prompt_tokens=30, completion_tokens=170)
    assert price_directly(characters, None, BY_TOKEN, "global") is None
    assert price_directly(tokens, None, BY_CHARACTER, "global") is None
    both = replace(tokens, characters=100)
    assert price_directly(both, None, BY_CHARACTER, "global") == Decimal("0.003")
    assert price_directly(both, None, BY_TOKEN, "global") == Decimal("0.00142")
    assert price_directly(characters, None, None, "global") is None
    assert price_directly(Usage(), None, BY_TOKEN, "global") == 0
