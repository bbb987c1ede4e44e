"""What the factory ships about semantic names: aliases and voices."""

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.acceptance import accept_parameters
from core.catalog import Model
from core.request import JobRequest
from sql.catalog import Catalog
from sql.catalog_keys import Row

ALIASES = "fast smart cheap vision long reasoning json eu embed narrator narrator-fast".split()
PROMISES = {
    "vision": {"vision"},
    "long": {"long_context"},
    "reasoning": {"reasoning"},
    "json": {"json_schema"},
    "embed": {"embedding"},
    "narrator": {"tts"},
    "narrator-fast": {"tts"},
}
HANDLERS = {
    "openai": "openai.chat_completions",
    "google": "google.generate_content",
    "anthropic": "anthropic.messages",
    "mistral": "mistral.chat",
}
ELEVENLABS_VOICES = set(
    "JBFqnCBsd6RMkjVDRZzb EXAVITQu4vr4xnSDxMaL onwK4e9ZLuTAKqWW03F9 Xb7hH8MSUJpSbSDYk0k2 nPczCjzI2devNBz1zQrb "
    "cjVigY5qzO86Huf0OWal cgSgspJ2msm6clMCkdW9 FGY2WhTYpPnrIDTdsKH5 TX3LPaxmHKxFdv7VOQHJ SAz9YHcvj6GT2YYXdXww "
    "XrExE9yKIg1WjnnlVkGX CwhRBWXzGAHq8TQ4Fs17 iP95p4xoKVk53GoZ742B pFZP5JQG7iQjIQuC4Bku pqHfZKP75CvOlQylNhV4 "
    "N2lVS1w4EtoT3dr4eOWO IKne3meq5aSn9XLyUdCD bIHbv24MWmeRgasZH58o".split()
)
OPENAI_VOICES = set("alloy ash coral echo fable onyx nova sage shimmer".split())
GOOGLE_VOICES = set(
    "Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus Umbriel Algieba Despina "
    "Erinome Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar Gacrux Pulcherrima Achird Zubenelgenubi "
    "Vindemiatrix Sadachbia Sadaltager Sulafat".split()
)
VOICES = {"elevenlabs": ELEVENLABS_VOICES, "openai": OPENAI_VOICES, "google": GOOGLE_VOICES}


@pytest.fixture(scope="session")
def models(shipped: Catalog) -> dict[tuple[str, str], Row]:
    return {(model["provider"], model["model_id"]): model for model in shipped.models}


@pytest.fixture(scope="session")
def targets(shipped: Catalog) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for target in sorted(shipped.alias_targets, key=lambda target: int(target["position"])):
        found[target["alias"]].append(target)
    return found


def key(target: Row) -> tuple[str, str]:
    return target["provider"], target["model_id"]


def test_the_semantic_names_are_there(shipped: Catalog) -> None:
    assert [alias["alias"] for alias in shipped.aliases] == ALIASES
    assert {alias["alias"] for alias in shipped.aliases if alias["strategy"] == "cheapest"} == {"cheap"}
    assert all(alias["strategy"] == "priority" for alias in shipped.aliases if alias["alias"] != "cheap")


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_reaches_active_models_of_two_providers(
    targets: dict[str, list[Row]], models: dict[tuple[str, str], Row], alias: str
) -> None:
    reached = [models[key(target)] for target in targets[alias]]
    assert all(model["active"] for model in reached)
    assert len({model["provider"] for model in reached}) >= 2
    assert all(model["retires_on"] is None or model["retires_on"] > "2027-01-01" for model in reached)


@pytest.mark.parametrize("alias", ALIASES)
def test_every_target_can_do_what_the_alias_promises(
    targets: dict[str, list[Row]], models: dict[tuple[str, str], Row], alias: str
) -> None:
    for target in targets[alias]:
        assert PROMISES.get(alias, {"text"}) <= set(models[key(target)]["capabilities"]), key(target)


def test_long_means_a_million_tokens(targets: dict[str, list[Row]], models: dict[tuple[str, str], Row]) -> None:
    for target in targets["long"]:
        model = models[key(target)]
        assert model["context_window"] >= 1_000_000, key(target)
        assert (model["max_input_tokens"] or model["context_window"]) >= 900_000, key(target)


@pytest.mark.parametrize("alias", [one for one in ALIASES if one not in ("eu", "narrator", "narrator-fast")])
def test_text_and_vectors_try_openai_and_google_first(targets: dict[str, list[Row]], alias: str) -> None:
    assert {target["provider"] for target in targets[alias][:2]} == {"openai", "google"}


@pytest.mark.parametrize("alias", ["narrator", "narrator-fast"])
def test_narrators_speak_with_elevenlabs_first(targets: dict[str, list[Row]], alias: str) -> None:
    assert [target["provider"] for target in targets[alias]] == ["elevenlabs", "openai", "google"]


def test_eu_stays_in_the_eu(shipped: Catalog, targets: dict[str, list[Row]]) -> None:
    hosts = {one["provider"] for one in shipped.provider_endpoints if one["region"] == "eu" and one["active"]}
    assert {target["provider"] for target in targets["eu"]} == hosts == {"openai", "mistral"}
    assert all(target["parameters"] == {"region": "eu"} for target in targets["eu"])


def test_the_models_of_embed_cannot_be_taken_for_one_another(
    shipped: Catalog, targets: dict[str, list[Row]], models: dict[tuple[str, str], Row]
) -> None:
    widths = [models[key(target)]["dimensions"] for target in targets["embed"]]
    assert None not in widths
    assert len(set(widths)) == len(widths)
    assert not any(target["parameters"] for target in targets["embed"])
    (embed,) = (alias for alias in shipped.aliases if alias["alias"] == "embed")
    assert "never be compared" in embed["description"]


def test_default_parameters_are_taken_by_their_model_as_they_are(
    shipped: Catalog, models: dict[tuple[str, str], Row]
) -> None:
    for target in (target for target in shipped.alias_targets if target["parameters"]):
        wished = {name: value for name, value in target["parameters"].items() if name != "region"}
        model = Model(*key(target), "text", parameters=models[key(target)]["parameters"])
        request = JobRequest(model=target["alias"], prompt="Hello")
        accepted = accept_parameters(request, model, HANDLERS[target["provider"]], target["parameters"])
        assert accepted.values == wished, key(target)
        assert accepted.warnings == [], key(target)


@pytest.mark.parametrize("day", ["2026-11-23", "2026-12-02", "2027-01-02"])
def test_no_two_targets_of_cheap_cost_the_same(shipped: Catalog, targets: dict[str, list[Row]], day: str) -> None:
    now = datetime.fromisoformat(day).replace(tzinfo=UTC)
    blends = []
    for target in targets["cheap"]:
        in_force = [
            price
            for price in shipped.model_prices
            if (price["provider"], price["model_id"]) == key(target)
            and datetime.fromisoformat(price["valid_from"]) <= now
        ]
        fresh, output = Decimal(in_force[-1]["input_usd_per_mtok"]), Decimal(in_force[-1]["output_usd_per_mtok"])
        blends.append(3 * fresh + output)
    assert len(set(blends)) == len(blends)


@pytest.mark.parametrize("provider", ["elevenlabs", "openai", "google"])
def test_every_character_speaks_with_a_voice_that_the_provider_has(shipped: Catalog, provider: str) -> None:
    cast = {voice["voice"]: voice["provider_voice_id"] for voice in shipped.voices if voice["provider"] == provider}
    assert {"narrator", "grandmother", "grandfather", "hero", "heroine", "child", "villain", "newsreader"} <= set(cast)
    assert cast.keys() == {voice["voice"] for voice in shipped.voices}
    assert set(cast.values()) <= VOICES[provider]


def test_on_elevenlabs_no_two_characters_sound_alike(shipped: Catalog) -> None:
    ids = [voice["provider_voice_id"] for voice in shipped.voices if voice["provider"] == "elevenlabs"]
    assert len(set(ids)) == len(ids)


def test_a_models_own_voice_is_one_of_its_providers(shipped: Catalog) -> None:
    for model in shipped.models:
        assert model["default_voice"] is None or model["default_voice"] in VOICES[model["provider"]], model["model_id"]


def test_voice_settings_are_within_what_the_provider_takes(shipped: Catalog) -> None:
    ranges: dict[str, Any] = {"stability": (0, 1), "similarity_boost": (0, 1), "style": (0, 1), "speed": (0.7, 1.2)}
    for voice in shipped.voices:
        if voice["provider"] == "elevenlabs":
            assert all(ranges[name][0] <= value <= ranges[name][1] for name, value in voice["settings"].items())
        else:
            assert set(voice["settings"]) == {"instructions"}
