"""Conformance: text, whoever writes it."""

from typing import Any

import jsonschema_rs
import pytest

from adapters.images import to_data_url
from core.jsonio import load_json
from core.provider import ErrorKind
from tests.adapters.conftest import Providers
from tests.adapters.suite import EFFORT, MODELS, STORY, TEXT, WEATHER, ask, fail
from tests.adapters.test_images import PNG
from tests.adapters.test_schema_conversion import TREE


@pytest.mark.parametrize("handler", TEXT)
async def test_a_prompt_brings_text_with_usage(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, prompt="Tell me of the sea.", reasoning_effort=EFFORT.get(handler, "low"))
    assert answer.content
    assert answer.finish_reason == "stop"
    assert answer.model == MODELS[handler]
    assert answer.request_id
    assert answer.warnings == []
    usage = answer.usage
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > usage.reasoning_tokens
    assert usage.reasoning_tokens > 0 or handler == "mistral.chat", "Mistral does not tell them apart"
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@pytest.mark.parametrize("handler", TEXT)
async def test_system_words_reach_the_model(providers: Providers, handler: str) -> None:
    plain = await ask(providers, handler, prompt="Tell me of the sea.")
    told = await ask(providers, handler, prompt="Tell me of the sea.", system="You are a pirate. " * 20)
    turn = [
        {"role": "system", "content": "You are a pirate. " * 20},
        {"role": "user", "content": "Tell me of the sea."},
    ]
    by_turn = await ask(providers, handler, messages=turn)
    assert told.usage.prompt_tokens > plain.usage.prompt_tokens + 50
    assert by_turn.usage.prompt_tokens == pytest.approx(told.usage.prompt_tokens, abs=5)
    assert await ask(providers, handler, messages=turn[:1])


@pytest.mark.parametrize("handler", TEXT)
async def test_what_was_read_before_is_counted_as_cached(providers: Providers, handler: str) -> None:
    prompt = f"{handler} " + "the long log of the lighthouse goes on " * 200
    asked = {"provider_options": {"anthropic": {"cache_control": {"type": "ephemeral"}}}}  # others need no asking
    first = await ask(providers, handler, prompt=prompt, **asked)
    second = await ask(providers, handler, prompt=prompt, **asked)
    assert first.usage.cached_tokens == 0
    assert 0 < second.usage.cached_tokens < second.usage.prompt_tokens == first.usage.prompt_tokens


@pytest.mark.parametrize("handler", TEXT)
async def test_pictures_arrive_whether_fetched_or_carried_along(providers: Providers, handler: str) -> None:
    url = "https://pictures.example.org/lamp.png"
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": {"url": to_data_url("image/png", PNG), "detail": "low"}},
    ]
    messages = [{"role": "user", "content": parts}]
    answer = await ask(providers, handler, messages=messages, images={url: ("image/png", PNG)})
    assert answer.content is not None
    assert "2 pictures (1 by 1 pixels, 1 by 1 pixels)" in answer.content
    error = await fail(providers, handler, messages=messages)
    assert error.kind is ErrorKind.invalid_request


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "look_at_weather"}}, "auto", None]
)
async def test_a_tool_is_called_in_one_shape_and_its_result_goes_back(
    providers: Providers, handler: str, choice: Any
) -> None:
    asked = {"role": "user", "content": "Please look_at_weather in Skagen."}
    chosen = {} if choice is None else {"tool_choice": choice}
    answer = await ask(providers, handler, messages=[asked], tools=[WEATHER], **chosen)
    assert answer.finish_reason == "tool_calls"
    assert answer.tool_calls is not None
    (called,) = answer.tool_calls
    assert called["type"] == "function"
    assert called["function"]["name"] == "look_at_weather"
    assert load_json(called["function"]["arguments"])["place"]
    result = {"role": "tool", "tool_call_id": called["id"], "content": "storm, 12 Beaufort"}
    turns = [asked, {"role": "assistant", "tool_calls": answer.tool_calls}, result]
    final = await ask(providers, handler, messages=turns, tools=[WEATHER])
    assert final.finish_reason == "stop"
    assert final.content is not None
    assert "storm, 12 Beaufort" in final.content


@pytest.mark.parametrize("handler", TEXT)
async def test_tools_that_must_not_be_called_are_not(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, prompt="look_at_weather", tools=[WEATHER], tool_choice="none")
    assert answer.tool_calls is None
    assert answer.content


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize("prompt", ["Tell me of the sea.", "Tell me of the sea, as JSON."])
async def test_json_mode_brings_json_even_when_the_prompt_does_not_say_so(
    providers: Providers, handler: str, prompt: str
) -> None:
    answer = await ask(providers, handler, prompt=prompt, response_format={"type": "json_object"})
    assert isinstance(load_json(answer.content or ""), dict)


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0, "maximum": 120, "default": 30},
        "tags": {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "integer"}]}},
        "home": {"allOf": [{"$ref": "#/definitions/place"}, {"required": ["town"]}]},
    },
    "required": ["name"],
    "definitions": {"place": {"type": "object", "properties": {"town": {"type": "string"}}}},
}
MAP = {"type": "object", "properties": {"ages": {"type": "object", "additionalProperties": {"type": "integer"}}}}
SCHEMAS = {
    "accepted as it is": ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
                           "additionalProperties": False}, None),
    "open arrays": (STORY, None),
    "optional, nested, merged": (PERSON, None),
    "recursive": (TREE, "anthropic"),
    "no object": ({"type": "array", "items": {"type": "integer"}}, None),
    "a map": (MAP, "openai anthropic mistral"),
    "dynamic": ({"type": "object", "properties": {"a": {"$dynamicRef": "#x"}, "b": {"$dynamicAnchor": "x"}}}, "all"),
}  # fmt: skip


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize("case", sorted(SCHEMAS))
async def test_every_schema_is_answered_in_the_callers_own_terms(providers: Providers, handler: str, case: str) -> None:
    schema, warned = SCHEMAS[case]
    shape = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    answer = await ask(providers, handler, prompt="Describe the keeper.", response_format=shape)
    parsed = load_json(answer.content or "")
    if case != "dynamic":
        jsonschema_rs.validate(schema, parsed)
    assert bool(answer.warnings) == (warned == "all" or handler.partition(".")[0] in (warned or "").split())


@pytest.mark.parametrize("handler", TEXT)
async def test_a_model_without_schemas_is_given_the_schema_in_words(providers: Providers, handler: str) -> None:
    shape = {"type": "json_schema", "json_schema": {"schema": STORY}}
    answer = await ask(providers, handler, response_format=shape, capabilities=frozenset({"json_mode"}))
    assert isinstance(load_json(answer.content or ""), dict)
    assert "takes no schema" in answer.warnings[0]


@pytest.mark.parametrize("handler", TEXT)
async def test_parameters_that_the_model_does_not_take_are_left_out_and_named(
    providers: Providers, handler: str
) -> None:
    fields = {"temperature": 0.5, "top_p": 0.9, "stop": ["END"], "seed": 7, "max_output_tokens": 500}
    answer = await ask(providers, handler, **fields, reasoning_effort=EFFORT.get(handler, "low"))
    named = [warning.partition(":")[0] for warning in answer.warnings]
    expected = {
        "openai.chat_completions": ["temperature", "top_p", "stop"],
        "openai.responses": ["stop", "seed", "temperature", "top_p"],
        "anthropic.messages": ["temperature", "top_p", "seed"],
        "mistral.chat": [],
    }
    assert named == expected.get(handler, ["temperature", "top_p"])


@pytest.mark.parametrize("handler", TEXT)
async def test_an_effort_that_the_model_does_not_know_goes_to_the_nearest(providers: Providers, handler: str) -> None:
    known = {
        "openai": ("minimal", "none"),
        "google": ("max", "high"),
        "anthropic": ("xhigh", "high"),
        "mistral": ("max", "high"),
    }
    nearest = known.get(handler.partition(".")[0], ("max", "high"))
    answer = await ask(providers, handler, reasoning_effort=nearest[0])
    assert answer.warnings == [
        f"reasoning_effort: {nearest[0]} is not accepted by {MODELS[handler]}, sent as {nearest[1]}"
    ]


@pytest.mark.parametrize("handler", TEXT)
async def test_effort_none_frees_the_sampling_where_it_binds_it(providers: Providers, handler: str) -> None:
    if handler.startswith(("google", "anthropic")):
        pytest.skip("Gemini ignores sampling and Claude refuses it whatever the effort")
    answer = await ask(providers, handler, temperature=0.5, stop=["END"], reasoning_effort="none")
    no_stop = ["stop: not accepted by gpt-6-luna, left out"]
    assert answer.warnings == (no_stop if handler == "openai.responses" else [])
    assert answer.usage.reasoning_tokens == 0


@pytest.mark.parametrize("handler", TEXT)
async def test_a_text_that_ends_at_the_limit_is_an_answer(providers: Providers, handler: str) -> None:
    limit = 90
    answer = await ask(
        providers,
        handler,
        prompt="Tell me everything.",
        max_output_tokens=limit,
        reasoning_effort=EFFORT.get(handler, "low"),
    )
    assert answer.finish_reason == "length"
    assert answer.usage.completion_tokens <= limit


@pytest.mark.parametrize("handler", TEXT)
async def test_a_limit_that_leaves_no_text_is_an_error_that_was_paid_for(providers: Providers, handler: str) -> None:
    error = await fail(
        providers,
        handler,
        prompt="Tell me everything.",
        max_output_tokens=1,
        reasoning_effort=EFFORT.get(handler, "low"),
    )
    assert error.kind is ErrorKind.invalid_response
    assert "token limit" in error.message
    assert error.usage is not None
    assert error.usage.completion_tokens > 0


@pytest.mark.parametrize("handler", TEXT)
async def test_provider_options_go_into_the_body_and_the_factorys_own_do_not(
    providers: Providers, handler: str
) -> None:
    brief = {"text": {"verbosity": "low"}} if handler == "openai.responses" else {"verbosity": "low"}
    options = {
        "openai": {**brief, "stream": True, "model": "gpt-6-astra"},
        "google": {"top_k": 3, "model": "gemini-4-argon"},
        "anthropic": {"metadata": {"user_id": "u"}, "model": "claude-opus-5-5"},
        "mistral": {"safe_prompt": True, "model": "mistral-large-2512"},
    }
    options.setdefault(handler.partition(".")[0], {"model": "another"})
    answer = await ask(providers, handler, provider_options=options)
    assert answer.model == MODELS[handler]
    assert "provider_options.model: not for callers to set, left out" in answer.warnings
    wrong = {handler.partition(".")[0]: {"nonsense": 1}}
    error = await fail(providers, handler, provider_options=wrong)
    assert error.kind is ErrorKind.invalid_request
    assert "nonsense" in error.message


@pytest.mark.parametrize("handler", TEXT)
async def test_the_targets_defaults_stand_behind_the_request(providers: Providers, handler: str) -> None:
    defaults = {"max_output_tokens": 70, "reasoning_effort": EFFORT.get(handler, "low"), "region": "eu"}
    limited = await ask(providers, handler, prompt="Tell me everything.", defaults=defaults)
    assert limited.finish_reason == "length"
    free = await ask(providers, handler, prompt="Tell me everything.", defaults=defaults, max_output_tokens=5000)
    assert free.finish_reason == "stop"
