"""What is wrong with a configuration is named, each fault on a house that has no other."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core.catalog import Alias, Catalog, Endpoint, Model, Price, Project, Provider, Target, Voice
from core.configuration_faults import find_faults
from core.provider import HandlerSpec

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HANDLERS = {
    name: HandlerSpec(name, kind, "x:y") for name, kind in (("openai.chat", "text"), ("openai.speech", "speech"))
}
CHAT = Endpoint(
    UUID(int=1), "openai", "https://x.example", None, "openai.chat", "gpt-*", None, "global", 100, True, True
)
SPEECH = replace(CHAT, id=UUID(int=2), handler_function="openai.speech", model_pattern="*")
TEXT, SPOKEN = Model("openai", "gpt-big", "text"), Model("openai", "voice-o", "speech")
PRICES = [Price("openai", one, datetime(2026, 1, 1, tzinfo=UTC), Decimal(1)) for one in ("gpt-big", "voice-o")]
TARGET = Target("openai", "gpt-big", 1, 100, {"temperature": 0.5, "region": "eu"})
FAST = Alias("fast", None, "priority", "fail", None, 1, (TARGET,))
VOICE = Voice("narrator", "openai", "alloy", {})
PROJECT = Project(UUID(int=9), "nicestory", True, 100, {"region": "eu", "allowed_models": ["gpt-*"]})
SOUND: dict[str, Any] = {
    "providers": [Provider("openai", "OpenAI", True, ("global",), {})],
    "endpoints": [CHAT, SPEECH],
    "models": [TEXT, SPOKEN],
    "prices": PRICES,
    "aliases": [FAST],
    "voices": [VOICE],
    "projects": [PROJECT],
}


def faults(**changes: Any) -> list[tuple[str, str, str]]:
    house = Catalog.of(version=1, **{**SOUND, **changes})
    return [(one.subject, one.code, one.message) for one in find_faults(house, HANDLERS, NOW)]


def alias(*targets: Target, project_id: UUID | None = None) -> list[Alias]:
    return [replace(FAST, project_id=project_id, targets=targets)]


def test_a_sound_configuration_has_none() -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("changes", "subject", "code", "said"),
    [
        ({"aliases": alias()}, "aliases fast", "no_route", "no targets"),
        ({"aliases": alias(replace(TARGET, active=False))}, "aliases fast", "no_route", "every target"),
        ({"aliases": alias(replace(TARGET, active=False), project_id=PROJECT.id)},
         "aliases fast of project nicestory", "no_route", "every target"),
        ({"aliases": alias(TARGET, replace(TARGET, model_id="gone"))},
         "aliases fast", "missing_model", "there is no model openai/gone"),
        ({"aliases": alias(TARGET, replace(TARGET, model_id="voice-o", parameters={"temprature": 1}))},
         "aliases fast", "parameters", "openai/voice-o: parameters.temprature"),
        ({"aliases": alias(replace(TARGET, parameters={"temperature": "hot"}))},
         "aliases fast", "parameters", "parameters.temperature"),
        ({"aliases": alias(replace(TARGET, parameters={"model": "x"}))}, "aliases fast", "parameters", "says what is asked"),
        ({"models": [replace(TEXT, retires_on=date(2026, 12, 20)), SPOKEN]},
         "aliases fast", "retires_soon", "on 2026-12-20"),
        ({"endpoints": [CHAT, SPEECH, replace(SPEECH, id=UUID(int=3), handler_function="openai.next")]},
         f"provider_endpoints openai/{UUID(int=3)}", "handler", "handlers: openai.chat, openai.speech"),
        ({"endpoints": [CHAT, SPEECH, replace(CHAT, id=UUID(int=3), model_pattern="claude-*")]},
         f"provider_endpoints openai/{UUID(int=3)}", "serves_nothing", "'claude-*'"),
        ({"prices": PRICES[:1]}, "models openai/voice-o", "price", "has no price"),
        ({"prices": [PRICES[0], replace(PRICES[1], valid_from=datetime(2027, 1, 1, tzinfo=UTC))]},
         "models openai/voice-o", "price", "has no price"),
        ({"endpoints": [CHAT, replace(SPEECH, active=False)]},
         "models openai/voice-o", "not_served", "no active endpoint"),
        ({"voices": [VOICE, replace(VOICE, provider="google")]},
         "voices google/narrator", "not_spoken", "no active speech model"),
        ({"voices": [replace(VOICE, provider_voice_id=" ")]}, "voices openai/narrator", "voice_id", "no provider_voice_id"),
        ({"projects": [replace(PROJECT, settings={"allowed_models": "gpt-*"})]},
         "projects nicestory", "settings", "settings.allowed_models"),
        ({"projects": [replace(PROJECT, settings={"regoin": "eu"})]},
         "projects nicestory", "settings", "settings.regoin: this field is not known"),
    ],
)  # fmt: skip
def test_a_fault_is_named_and_nothing_else_is(changes: dict[str, Any], subject: str, code: str, said: str) -> None:
    found = faults(**changes)
    assert [one[:2] for one in found] == [(subject, code)], found
    assert said in found[0][2]


def test_a_retired_model_leaves_its_alias_without_a_route_and_is_asked_for_nothing_more() -> None:
    retired = replace(TEXT, retires_on=NOW.date())
    assert [one[:2] for one in faults(models=[retired, SPOKEN], prices=PRICES[1:])] == [
        ("aliases fast", "no_route"),
        ("aliases fast", "retired"),
    ]


def test_what_is_switched_off_needs_no_price_and_no_endpoint() -> None:
    off = replace(SPOKEN, active=False)
    assert faults(models=[TEXT, off], prices=PRICES[:1], endpoints=[CHAT], voices=[]) == []


@pytest.mark.parametrize("settings", [{"audio_retention_days": None}, {"audio_retention_days": 7}, {}])
def test_every_setting_that_is_read_is_known(settings: dict[str, Any]) -> None:
    assert faults(projects=[replace(PROJECT, settings=settings)]) == []
