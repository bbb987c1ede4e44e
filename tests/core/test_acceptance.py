"""What of a request a model takes: one reading for routing and for the adapters."""

from typing import Any

import pytest

from core.acceptance import accept_parameters, nearest_effort, refused_parameters
from core.catalog import Model
from core.request import JobRequest, Kind

CHAT = "openai.chat_completions"
TOOLS = [{"type": "function", "function": {"name": "look"}}]


def model(kind: str = "text", **parameters: Any) -> Model:
    return Model("openai", "gpt-x", kind, max_output_tokens=1000, parameters=parameters)


def asking(**fields: Any) -> JobRequest:
    return JobRequest(model="gpt-x", prompt="hello", **fields)


def test_a_model_that_says_nothing_takes_everything() -> None:
    request = asking(
        temperature=0.5, top_p=0.9, stop="x", seed=1, reasoning_effort="max", tools=TOOLS, tool_choice="auto"
    )
    accepted = accept_parameters(request, model(), CHAT, {})
    assert accepted.refused == accepted.altered == accepted.warnings == []
    assert accepted.values["reasoning_effort"] == "max"


@pytest.mark.parametrize("word", ["no", "never", "ignored", False])
def test_sampling_that_is_not_taken_is_left_out_and_named(word: object) -> None:
    accepted = accept_parameters(asking(temperature=0.5, top_p=0.9, seed=1), model(sampling=word), CHAT, {})
    assert accepted.values == {"seed": 1}
    assert accepted.refused == ["temperature", "top_p"]
    assert accepted.warnings[0] == "temperature: not accepted by gpt-x, left out"


def test_sampling_with_effort_none_only_depends_on_the_effort() -> None:
    bound = model(sampling="effort_none_only", effort=["none", "low"])
    assert refused_parameters(asking(temperature=0.5), bound, CHAT, {}) == ["temperature"]
    assert refused_parameters(asking(temperature=0.5, reasoning_effort="low"), bound, CHAT, {}) == ["temperature"]
    assert refused_parameters(asking(temperature=0.5, reasoning_effort="none"), bound, CHAT, {}) == []
    assert refused_parameters(asking(temperature=0.5), bound, CHAT, {"reasoning_effort": "none"}) == []


def test_an_effort_goes_to_the_nearest_that_is_taken() -> None:
    accepted = accept_parameters(asking(reasoning_effort="none"), model(effort=["low", "medium"]), CHAT, {})
    assert accepted.values["reasoning_effort"] == "low"
    assert accepted.altered == ["reasoning_effort"]
    assert accepted.warnings == ["reasoning_effort: none is not accepted by gpt-x, sent as low"]
    assert nearest_effort("max", ["low", "xhigh"]) == "xhigh"
    assert nearest_effort("medium", ["low", "high"]) == "low"
    assert refused_parameters(asking(reasoning_effort="low"), model(effort=[]), CHAT, {}) == ["reasoning_effort"]


def test_tools_that_need_effort_none_get_it() -> None:
    bound = model(tools="effort_none_only", effort=["none", "high"])
    unasked = accept_parameters(asking(tools=TOOLS), bound, CHAT, {})
    assert unasked.values["reasoning_effort"] == "none"
    assert unasked.altered == []
    asked = accept_parameters(asking(tools=TOOLS, reasoning_effort="high"), bound, CHAT, {})
    assert asked.values["reasoning_effort"] == "none"
    assert asked.altered == ["reasoning_effort"]
    assert refused_parameters(asking(tools=TOOLS, tool_choice="auto"), model(tools="no"), CHAT, {}) == [
        "tools",
        "tool_choice",
    ]


def test_the_requests_own_value_goes_before_the_targets_default() -> None:
    accepted = accept_parameters(asking(temperature=0.1), model(), CHAT, {"temperature": 1.0, "top_p": 0.5, "x": 1})
    assert accepted.values == {"temperature": 0.1, "top_p": 0.5}


def test_a_token_limit_is_not_more_than_the_model_gives() -> None:
    assert accept_parameters(asking(max_output_tokens=5000), model(), CHAT, {}).values == {"max_output_tokens": 1000}


def test_a_token_limit_is_not_less_than_the_handler_takes() -> None:
    few = accept_parameters(asking(max_output_tokens=5), model(), "openai.responses", {})
    assert few.values == {"max_output_tokens": 16}
    assert few.altered == ["max_output_tokens"]
    assert accept_parameters(asking(max_output_tokens=5), model(), CHAT, {}).values == {"max_output_tokens": 5}


def test_what_a_model_says_of_one_handler_goes_before_what_it_says_of_all() -> None:
    said: dict[str, Any] = {
        "tools": "no",
        "effort": ["low", "high"],
        "openai.responses": {"tools": "yes", "effort": ["low", "max"]},
    }
    request = asking(tools=TOOLS, reasoning_effort="max")
    here = accept_parameters(request, model(**said), "openai.responses", {})
    assert here.values == {"tools": TOOLS, "reasoning_effort": "max"}
    assert here.warnings == []
    there = accept_parameters(request, model(**said), CHAT, {})
    assert there.values == {"reasoning_effort": "high"}
    assert there.refused == ["tools"]


def test_what_a_handler_has_no_words_for_is_refused() -> None:
    request = JobRequest(
        kind=Kind.speech, model="x", input="hi", speed=2.0, instructions="warmly", voice_settings={"stability": 1}
    )
    speech = model("speech")
    assert refused_parameters(request, speech, "google.speech", {}) == ["speed", "voice_settings"]
    assert refused_parameters(request, speech, "openai.speech", {}) == ["voice_settings"]
    eleven = accept_parameters(request, speech, "elevenlabs.text_to_speech", {})
    assert eleven.refused == ["instructions"]
    assert eleven.values["speed"] == 1.2
    assert refused_parameters(request, speech, "somebody.speech", {}) == []
    assert refused_parameters(asking(stop="x", seed=1), model(), "openai.responses", {}) == ["stop", "seed"]
    assert "instructions" in refused_parameters(request, model("speech", instructions="no"), "openai.speech", {})


def test_a_stop_of_white_space_alone_is_none_to_claude() -> None:
    handler, claude = "anthropic.messages", model(sampling="no", stop="yes")
    some = accept_parameters(asking(stop=["\n\n", "END"]), claude, handler, {})
    assert (some.values["stop"], some.altered) == (["END"], ["stop"])
    assert refused_parameters(asking(stop="\n"), claude, handler, {}) == ["stop"]
    assert accept_parameters(asking(stop=["\n"]), model(), CHAT, {}).warnings == []


def test_a_claude_that_always_thinks_does_so_before_a_forced_tool_too() -> None:
    handler = "anthropic.messages"
    forced = asking(tools=TOOLS, tool_choice="required", reasoning_effort="high")
    always = accept_parameters(forced, model(thinking="always", effort=["low", "high"]), handler, {})
    assert (always.values["reasoning_effort"], always.warnings) == ("high", [])
    adaptive = accept_parameters(forced, model(thinking="adaptive", effort=["none", "high"]), handler, {})
    assert adaptive.values["reasoning_effort"] == "none"
