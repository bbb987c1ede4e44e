"""What the factory ships about models and endpoints."""

from collections import Counter
from datetime import date

import pytest

from core.filters import serves
from core.request import EFFORTS
from sql.catalog import Catalog
from sql.catalog_keys import Row

HANDLER_KINDS = {
    "openai.chat_completions": "text",
    "openai.responses": "text",
    "openai.embeddings": "embedding",
    "openai.speech": "speech",
    "google.generate_content": "text",
    "google.embed_content": "embedding",
    "google.speech": "speech",
    "elevenlabs.text_to_speech": "speech",
    "anthropic.messages": "text",
    "mistral.chat": "text",
    "mistral.embeddings": "embedding",
    "mistral.speech": "speech",
}
RESPONSES_ONLY = {"gpt-5.5-pro", "gpt-5.4-pro", "gpt-5.2-pro", "gpt-5.3-codex"}
WORDS = {
    "sampling": {"yes", "no", "ignored", "effort_none_only"},
    "tools": {"yes", "no", "effort_none_only"},
    "token_cap": {"max_completion_tokens", "max_output_tokens"},
    "thinking": {"level", "budget", "always", "adaptive"},
    "default_effort": set(EFFORTS),
    "stop": {"yes"},
    "seed": {"no"},
    "streamed_above": {32_768},
}
SWITCHES = {"instructions", "dimensions", "stitching", "language", "forced_tool_choice", "prefill"}


def name(model: Row) -> str:
    return f"{model['provider']}/{model['model_id']}"


def find(catalog: Catalog, model_id: str) -> Row:
    return next(model for model in catalog.models if model["model_id"] == model_id)


def handlers_of(catalog: Catalog, model: Row, region: str) -> list[str]:
    return [
        endpoint["handler_function"]
        for endpoint in catalog.provider_endpoints
        if endpoint["provider"] == model["provider"]
        and endpoint["region"] == region
        and HANDLER_KINDS[endpoint["handler_function"]] == model["kind"]
        and serves(endpoint["model_pattern"], model["model_id"])
    ]


def test_there_are_133_models_of_five_providers(shipped: Catalog) -> None:
    providers = Counter(model["provider"] for model in shipped.models)
    assert providers == {"openai": 45, "google": 25, "elevenlabs": 27, "anthropic": 18, "mistral": 18}
    assert len({name(model) for model in shipped.models}) == 133


def test_44_models_are_active(shipped: Catalog) -> None:
    active = Counter(model["provider"] for model in shipped.models if model["active"])
    assert active == {"openai": 12, "google": 8, "elevenlabs": 15, "anthropic": 5, "mistral": 4}


def test_only_kinds_that_a_handler_serves_are_active(shipped: Catalog) -> None:
    assert {model["kind"] for model in shipped.models if model["active"]} == {"text", "embedding", "speech"}


def test_every_text_model_has_its_sizes_and_says_what_it_takes(shipped: Catalog) -> None:
    for model in (model for model in shipped.models if model["kind"] == "text"):
        assert model["context_window"], name(model)
        assert model["max_output_tokens"], name(model)
        assert {"sampling", "tools"} <= set(model["parameters"]), name(model)
        assert "text" in model["capabilities"], name(model)
        reasons = "reasoning" in model["capabilities"]
        efforts = model["parameters"].get("effort")
        assert reasons or efforts == [], f"{name(model)} does not reason and must refuse reasoning_effort"


def test_every_embedding_model_has_a_window_and_says_whether_it_takes_dimensions(shipped: Catalog) -> None:
    for model in (model for model in shipped.models if model["kind"] == "embedding"):
        assert model["context_window"], name(model)
        assert isinstance(model["parameters"]["dimensions"], bool), name(model)
    widths = {model["model_id"]: model["dimensions"] for model in shipped.models if model["dimensions"]}
    assert widths == {
        "text-embedding-3-small": 1536,
        "text-embedding-3-large": 3072,
        "text-embedding-ada-002": 1536,
        "gemini-embedding-001": 3072,
        "mistral-embed-2312": 1024,
    }


def test_every_active_speech_model_has_a_voice_of_its_own_and_a_limit(shipped: Catalog) -> None:
    for model in (model for model in shipped.models if model["kind"] == "speech" and model["active"]):
        assert model["default_voice"], name(model)
        assert model["max_input_characters"] or model["context_window"], name(model)
        known = "stitching" if model["provider"] == "elevenlabs" else "instructions"
        assert known in model["parameters"], name(model)


def test_a_preset_is_its_model_with_a_voice(shipped: Catalog) -> None:
    presets = [model for model in shipped.models if ":" in model["model_id"]]
    assert len(presets) == 15
    for preset in presets:
        bare, _, voice = preset["model_id"].partition(":")
        assert preset["default_voice"] == voice
        assert preset["max_input_characters"] == find(shipped, bare)["max_input_characters"]
        assert preset["parameters"] == find(shipped, bare)["parameters"]


def test_parameters_speak_the_words_that_adapters_know(shipped: Catalog) -> None:
    for model in shipped.models:
        for key, value in model["parameters"].items():
            if key == "effort":
                assert set(value) <= set(EFFORTS), name(model)
            elif key in SWITCHES:
                assert isinstance(value, bool), (name(model), key)
            else:
                assert value in WORDS[key], (name(model), key)
        default = model["parameters"].get("default_effort")
        assert default is None or default in model["parameters"]["effort"], name(model)


@pytest.mark.parametrize(
    ("model_id", "parameters"),
    [
        ("gpt-4.1", {"sampling": "yes", "effort": []}),
        ("o3", {"sampling": "no", "effort": ["minimal", "low", "medium", "high"]}),
        ("gpt-5.1", {"sampling": "effort_none_only", "effort": ["none", "low", "medium", "high", "xhigh"]}),
        ("gpt-6-sol", {"sampling": "effort_none_only", "tools": "effort_none_only"}),
        ("gpt-6-astra", {"sampling": "no", "tools": "no", "effort": ["low", "medium", "high", "xhigh"]}),
        ("gpt-6.1-sol", {"sampling": "no", "tools": "no"}),
        ("gpt-6.2-sol", {"sampling": "no", "tools": "yes", "effort": ["low", "medium", "high", "xhigh"]}),
        ("gpt-5.5-pro", {"sampling": "no", "tools": "yes", "effort": ["medium", "high", "xhigh"]}),
        ("gpt-5.4-pro", {"effort": ["medium", "high", "xhigh"], "token_cap": "max_output_tokens"}),
        ("gpt-5.3-codex", {"sampling": "no", "effort": ["low", "medium", "high", "xhigh"]}),
        ("gemini-4-argon", {"sampling": "ignored", "thinking": "level", "effort": ["low", "medium", "high"]}),
        ("gemini-4-carbon", {"streamed_above": 32_768, "prefill": False}),
        ("gemini-2.5-flash", {"sampling": "yes", "thinking": "budget"}),
        ("claude-opus-5-5", {"thinking": "always", "forced_tool_choice": False, "prefill": False, "sampling": "no"}),
        ("claude-fable-5", {"thinking": "always", "forced_tool_choice": True, "prefill": False}),
        ("claude-haiku-5-5", {"thinking": "adaptive", "forced_tool_choice": True, "prefill": False}),
        ("claude-opus-4-5", {"thinking": "budget", "forced_tool_choice": True, "prefill": True}),
        ("mistral-medium-3-5", {"sampling": "yes", "effort": ["none", "high"]}),
        ("mistral-large-2512", {"sampling": "yes", "effort": []}),
        ("tts-1-hd", {"instructions": False}),
        ("gpt-4o-mini-tts", {"instructions": True}),
        ("eleven_v3", {"stitching": False}),
        ("eleven_multilingual_v2", {"stitching": True, "language": False}),
    ],
)
def test_a_model_takes_what_its_provider_says_it_takes(
    shipped: Catalog, model_id: str, parameters: dict[str, object]
) -> None:
    said = find(shipped, model_id)["parameters"]
    assert {key: said.get(key) for key in parameters} == parameters


@pytest.mark.parametrize(
    ("model_ids", "day"),
    [
        (["gpt-5", "gpt-5-mini", "gpt-5-nano", "o3"], "2026-12-11"),
        (["gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini"], "2027-01-14"),
        (["gpt-4o-mini-tts", "tts-1", "tts-1-hd"], "2027-01-06"),
        (["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"], "2027-02-26"),
        (["gpt-5.1", "gpt-5.4-nano", "gpt-5.3-codex"], "2027-04-01"),
        (["gemini-2.5-flash-image"], "2027-03-15"),
        (["gemini-3.1-flash-lite"], "2027-05-07"),
        (["gemini-embedding-001"], "2028-05-14"),
        (["claude-sonnet-4-5"], "2026-11-30"),
    ],
)
def test_announced_shutdowns_are_known(shipped: Catalog, model_ids: list[str], day: str) -> None:
    assert {find(shipped, model_id)["retires_on"] for model_id in model_ids} == {day}


def test_no_other_shutdown_is_made_up(shipped: Catalog) -> None:
    assert sum(model["retires_on"] is not None for model in shipped.models) == 21


def test_every_model_has_a_source_and_the_day_it_was_checked(shipped: Catalog) -> None:
    for model in shipped.models:
        assert model["source"], name(model)
        assert date.fromisoformat(model["checked_on"]) >= date(2026, 11, 23), name(model)


def test_exactly_one_handler_serves_an_active_model(shipped: Catalog) -> None:
    for model in (model for model in shipped.models if model["active"]):
        assert len(handlers_of(shipped, model, "global")) == 1, name(model)


def test_responses_only_models_are_served_by_responses_alone(shipped: Catalog) -> None:
    for region in ("global", "eu"):
        served = {
            model["model_id"] for model in shipped.models if handlers_of(shipped, model, region) == ["openai.responses"]
        }
        assert served == RESPONSES_ONLY


def test_a_model_is_served_in_every_region_that_it_names(shipped: Catalog) -> None:
    for model in (model for model in shipped.models if model["active"] and model["provider"] != "anthropic"):
        for region in model["regions"]:
            assert len(handlers_of(shipped, model, region)) == 1, (name(model), region)


def test_endpoints_are_where_the_sdks_look_for_them(shipped: Catalog) -> None:
    hosts = {(one["provider"], one["region"], one["base_url"]) for one in shipped.provider_endpoints}
    assert hosts == {
        ("openai", "global", "https://api.openai.com/v1"),
        ("openai", "eu", "https://eu.api.openai.com/v1"),
        ("google", "global", "https://generativelanguage.googleapis.com"),
        ("elevenlabs", "global", "https://api.elevenlabs.io"),
        ("elevenlabs", "eu", "https://api.eu.residency.elevenlabs.io"),
        ("anthropic", "global", "https://api.anthropic.com"),
        ("mistral", "global", "https://api.mistral.ai"),
        ("mistral", "eu", "https://api.eu.mistral.ai"),
        ("mistral", "us", "https://api.us.mistral.ai"),
    }
    off = [one for one in shipped.provider_endpoints if not one["active"]]
    assert [(one["provider"], one["region"]) for one in off] == [("elevenlabs", "eu")]


def test_every_handler_has_an_endpoint_and_keys_are_only_referenced(shipped: Catalog) -> None:
    assert {one["handler_function"] for one in shipped.provider_endpoints} == set(HANDLER_KINDS)
    keys = {one["provider"]: one["credential"] for one in shipped.provider_endpoints}
    assert keys == {
        "openai": "env:OPENAI_API_KEY",
        "google": "env:GEMINI_API_KEY,GOOGLE_API_KEY",
        "elevenlabs": "env:ELEVENLABS_API_KEY",
        "anthropic": "env:ANTHROPIC_API_KEY",
        "mistral": "env:MISTRAL_API_KEY",
    }


def test_elevenlabs_is_called_five_times_at_once_at_most(shipped: Catalog) -> None:
    limits = {provider["id"]: provider["limits"] for provider in shipped.providers}
    assert limits == {"openai": {}, "google": {}, "elevenlabs": {"concurrency": 5}, "anthropic": {}, "mistral": {}}
