"""One suite for every handler, over HTTP with the real SDKs: the same request gives the same shape of answer,
and the same failure the same error, whoever the provider is."""

import asyncio
import io
import time
from typing import Any

import jsonschema_rs
import mutagen
import pytest

from adapters.audio import measure_duration_s
from adapters.images import to_data_url
from adapters.registry import HANDLERS
from core.catalog import Voice
from core.jsonio import load_json
from core.provider import ErrorKind, ProviderAnswer, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.test_images import PNG
from tests.adapters.test_schema_conversion import STORY, TREE

MODELS = {
    "openai.chat_completions": "gpt-6-luna",
    "openai.embeddings": "text-embedding-3-small",
    "openai.speech": "gpt-4o-mini-tts",
    "google.generate_content": "gemini-3.8-flash",
    "google.embed_content": "gemini-embedding-2",
    "google.speech": "gemini-3.8-flash-tts",
    "elevenlabs.text_to_speech": "eleven_multilingual_v2:JBFqnCBsd6RMkjVDRZzb",
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "openai.chat_completions": {
        "sampling": "effort_none_only",
        "effort": ["none", "low", "medium", "high", "xhigh", "max"],
        "tools": "effort_none_only",
        "token_cap": "max_completion_tokens",
    },
    "openai.speech": {"instructions": True},
    "google.generate_content": {"sampling": "ignored", "thinking": "level", "effort": ["low", "medium", "high"]},
    "elevenlabs.text_to_speech": {"stitching": True},
}
ALL = sorted(MODELS)
TEXT = [name for name in ALL if HANDLERS[name].kind == "text"]
SPEECH = [name for name in ALL if HANDLERS[name].kind == "speech"]
EMBEDDING = [name for name in ALL if HANDLERS[name].kind == "embedding"]
SPOKEN = "The lighthouse keeper counted the ships, and then the stars, until the morning came."
WEATHER = {
    "type": "function",
    "function": {
        "name": "look_at_weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def faulty(handler: str, fault: str) -> str:
    """The model whose name brings a fault; a preset carries it before its voice."""
    model, colon, voice = MODELS[handler].partition(":")
    return f"{model}@{fault}{colon}{voice}"


async def ask(providers: Providers, handler: str, **fields: Any) -> ProviderAnswer:
    fields = {"model_id": MODELS[handler], "parameters": PARAMETERS.get(handler, {}), **fields}
    return await providers.call(make_call(handler, base_url=providers.base_url(handler), **fields))


async def fail(providers: Providers, handler: str, **fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(providers, handler, **fields)
    return caught.value


def test_the_suite_knows_every_handler() -> None:
    assert set(MODELS) == set(HANDLERS)


@pytest.mark.parametrize("handler", TEXT)
async def test_a_prompt_brings_text_with_usage(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, prompt="Tell me of the sea.", reasoning_effort="low")
    assert answer.content
    assert answer.finish_reason == "stop"
    assert answer.model == MODELS[handler]
    assert answer.request_id
    assert answer.warnings == []
    usage = answer.usage
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > usage.reasoning_tokens > 0
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
    first = await ask(providers, handler, prompt=prompt)
    second = await ask(providers, handler, prompt=prompt)
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
    "recursive": (TREE, None),
    "no object": ({"type": "array", "items": {"type": "integer"}}, None),
    "a map": (MAP, "openai"),
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
    assert bool(answer.warnings) == (warned in ("all", handler.partition(".")[0]))


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
    answer = await ask(providers, handler, **fields, reasoning_effort="low")
    named = [warning.partition(":")[0] for warning in answer.warnings]
    assert named == ["temperature", "top_p"] + (["stop"] if handler.startswith("openai") else [])


@pytest.mark.parametrize("handler", TEXT)
async def test_an_effort_that_the_model_does_not_know_goes_to_the_nearest(providers: Providers, handler: str) -> None:
    nearest = {"openai": ("minimal", "none"), "google": ("max", "high")}[handler.partition(".")[0]]
    answer = await ask(providers, handler, reasoning_effort=nearest[0])
    assert answer.warnings == [
        f"reasoning_effort: {nearest[0]} is not accepted by {MODELS[handler]}, sent as {nearest[1]}"
    ]


@pytest.mark.parametrize("handler", TEXT)
async def test_effort_none_frees_the_sampling_where_it_binds_it(providers: Providers, handler: str) -> None:
    if handler.startswith("google"):
        pytest.skip("Gemini ignores sampling whatever the effort")
    answer = await ask(providers, handler, temperature=0.5, stop=["END"], reasoning_effort="none")
    assert answer.warnings == []
    assert answer.usage.reasoning_tokens == 0


@pytest.mark.parametrize("handler", TEXT)
async def test_a_text_that_ends_at_the_limit_is_an_answer(providers: Providers, handler: str) -> None:
    limit = 90
    answer = await ask(
        providers, handler, prompt="Tell me everything.", max_output_tokens=limit, reasoning_effort="low"
    )
    assert answer.finish_reason == "length"
    assert answer.usage.completion_tokens <= limit


@pytest.mark.parametrize("handler", TEXT)
async def test_a_limit_that_leaves_no_text_is_an_error_that_was_paid_for(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, prompt="Tell me everything.", max_output_tokens=1, reasoning_effort="low")
    assert error.kind is ErrorKind.invalid_response
    assert "token limit" in error.message
    assert error.usage is not None
    assert error.usage.completion_tokens > 0


@pytest.mark.parametrize("handler", TEXT)
async def test_provider_options_go_into_the_body_and_the_factorys_own_do_not(
    providers: Providers, handler: str
) -> None:
    options = {
        "openai": {"verbosity": "low", "stream": True, "model": "gpt-6-astra"},
        "google": {"top_k": 3, "model": "gemini-4-argon"},
    }
    answer = await ask(providers, handler, provider_options=options)
    assert answer.model == MODELS[handler]
    assert "provider_options.model: not for callers to set, left out" in answer.warnings
    wrong = {"openai": {"nonsense": 1}, "google": {"nonsense": 1}}
    error = await fail(providers, handler, provider_options=wrong)
    assert error.kind is ErrorKind.invalid_request
    assert "nonsense" in error.message


@pytest.mark.parametrize("handler", TEXT)
async def test_the_targets_defaults_stand_behind_the_request(providers: Providers, handler: str) -> None:
    defaults = {"max_output_tokens": 70, "reasoning_effort": "low", "region": "eu"}
    limited = await ask(providers, handler, prompt="Tell me everything.", defaults=defaults)
    assert limited.finish_reason == "length"
    free = await ask(providers, handler, prompt="Tell me everything.", defaults=defaults, max_output_tokens=5000)
    assert free.finish_reason == "stop"


@pytest.mark.parametrize("handler", EMBEDDING)
async def test_every_text_gets_its_vector_in_order(providers: Providers, handler: str) -> None:
    texts = ["the sea at night", "a recipe for bread", "the sea at night"]
    answer = await ask(providers, handler, input=texts, dimensions=64)
    assert answer.embeddings is not None
    assert [len(vector) for vector in answer.embeddings] == [64, 64, 64]
    assert answer.embeddings[0] == answer.embeddings[2] != answer.embeddings[1]
    assert answer.usage.prompt_tokens > 0
    estimated = handler.startswith("google")
    assert answer.warnings == (["usage: not told by the provider, estimated"] if estimated else [])
    single = await ask(providers, handler, input="the sea at night", dimensions=64)
    assert single.embeddings == [answer.embeddings[0]]
    whole = await ask(providers, handler, input="the sea at night")
    assert len((whole.embeddings or [[]])[0]) > 1000


@pytest.mark.parametrize("handler", EMBEDDING)
async def test_dimensions_that_a_model_cannot_change_are_left_out(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, dimensions=64, parameters={"dimensions": False})
    assert len((answer.embeddings or [[]])[0]) > 1000
    assert "dimensions: not accepted" in answer.warnings[0]


@pytest.mark.parametrize("handler", SPEECH)
@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
async def test_speech_comes_in_the_format_asked_for(providers: Providers, handler: str, form: str) -> None:
    if form not in HANDLERS[handler].formats:
        pytest.skip(f"{handler} does not deliver {form}, and it is not encoded here")
    if form == "aac":
        pytest.skip("the emulator makes no AAC")
    answer = await ask(providers, handler, input=SPOKEN, format=form)
    assert answer.audio is not None
    assert answer.audio_format == form
    assert answer.request_id
    assert answer.usage.characters == len(SPOKEN)
    seconds = measure_duration_s(answer.audio, form)
    assert 4 < seconds < 8
    if form != "pcm":
        measured = mutagen.File(io.BytesIO(answer.audio))  # type: ignore[attr-defined]
        assert measured.info.length == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("handler", SPEECH)
async def test_speech_that_is_billed_by_token_says_how_many(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, input=SPOKEN)
    assert answer.audio_format == "mp3"
    if handler.startswith("elevenlabs"):
        assert answer.usage.total_tokens == 0
    else:
        assert answer.usage.prompt_tokens > 0
        assert answer.usage.audio_tokens == answer.usage.completion_tokens > 50
    assert answer.warnings == []


@pytest.mark.parametrize("handler", SPEECH)
async def test_directions_and_speed_are_given_or_named(providers: Providers, handler: str) -> None:
    fields = {"input": SPOKEN, "instructions": "Say slowly.", "speed": 0.8, "language": "en-GB", "seed": 5}
    answer = await ask(providers, handler, **fields, voice_settings={"stability": 0.4}, format="wav")
    named = {warning.partition(":")[0] for warning in answer.warnings}
    assert (
        named
        == {
            "openai.speech": {"language", "voice_settings", "seed"},
            "google.speech": {"speed", "voice_settings"},
            "elevenlabs.text_to_speech": {"instructions"},
        }[handler]
    )
    assert answer.audio is not None
    usual = len(SPOKEN) / 15
    expected = usual / (1 if handler.startswith("google") else 0.8)
    assert measure_duration_s(answer.audio, "wav") == pytest.approx(expected, abs=1.2)


@pytest.mark.parametrize(
    ("handler", "known"),
    [("openai.speech", "nova"), ("google.speech", "Puck"), ("elevenlabs.text_to_speech", "EXAVITQu4vr4xnSDxMaL")],
)
async def test_a_voice_is_mapped_or_taken_at_its_word(providers: Providers, handler: str, known: str) -> None:
    mapped = Voice("grandmother", handler.partition(".")[0], known, {"stability": 0.5})
    assert (await ask(providers, handler, voice="grandmother", format="pcm", mapped_voice=mapped)).audio
    assert (await ask(providers, handler, voice=known, format="pcm")).audio
    error = await fail(providers, handler, voice="nobody", format="pcm")
    assert error.kind is ErrorKind.invalid_request
    assert "nobody" in error.message


FAULTS = [
    ("429", "rate_limited"),
    ("500", "server_error"),
    ("503", "overloaded"),
    ("529", "overloaded"),
    ("quota", "quota_exhausted"),
    ("badkey", "auth"),
    ("policy", "content_policy"),
    ("context", "context_length"),
    ("notfound", "not_available"),
    ("region", "not_available"),
]


@pytest.mark.parametrize("handler", ALL)
@pytest.mark.parametrize(("fault", "kind"), FAULTS)
async def test_a_refusal_means_the_same_from_everybody(
    providers: Providers, handler: str, fault: str, kind: str
) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, fault))
    assert error.kind == kind
    assert error.status is not None
    assert error.status >= 400
    assert error.usage is None
    assert error.message
    assert error.__cause__ is None
    assert error.retry_after_s == (2.0 if fault == "429" else None)
    if not handler.startswith("google"):
        assert error.request_id


@pytest.mark.parametrize("handler", ALL)
async def test_a_wrong_key_and_a_missing_one_are_told(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, api_key="bad-key-0123456789")
    assert error.kind is ErrorKind.auth
    assert "bad-key" not in error.message
    missing = await fail(providers, handler, api_key=None)
    assert missing.kind is ErrorKind.auth


@pytest.mark.parametrize("handler", ALL)
async def test_an_answer_with_nothing_in_it_is_an_error(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, "empty"))
    assert error.kind is ErrorKind.invalid_response
    assert error.status == 200


@pytest.mark.parametrize("handler", [*TEXT, "google.speech"])
async def test_a_refusal_inside_a_200_is_one_and_was_paid_for(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, "refusal"))
    assert error.kind is ErrorKind.content_policy
    assert error.status == 200
    assert error.usage is not None
    assert error.usage.prompt_tokens > 0


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize("fault", ["badjson", "badschema"])
async def test_json_that_is_wrong_is_for_the_worker_to_judge(providers: Providers, handler: str, fault: str) -> None:
    shape = {"type": "json_schema", "json_schema": {"schema": STORY}}
    answer = await ask(providers, handler, model_id=faulty(handler, fault), response_format=shape)
    assert answer.content


@pytest.mark.parametrize("handler", TEXT)
async def test_an_answer_that_was_cut_off_says_so(providers: Providers, handler: str) -> None:
    assert (await ask(providers, handler, model_id=faulty(handler, "truncated"))).finish_reason == "length"


@pytest.mark.parametrize("handler", ALL)
async def test_a_connection_that_breaks_in_the_answer_is_named(providers: Providers, handler: str) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, "cut"))
    assert error.kind is ErrorKind.connection


@pytest.mark.parametrize("handler", ALL)
async def test_a_provider_that_is_not_there_is_no_connection(providers: Providers, handler: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await providers.call(make_call(handler, base_url="http://127.0.0.1:9/v1", model_id=MODELS[handler]))
    assert caught.value.kind is ErrorKind.connection


@pytest.mark.parametrize("handler", ALL)
async def test_a_provider_that_does_not_answer_is_left_in_time(providers: Providers, handler: str) -> None:
    started = time.monotonic()
    call = make_call(handler, base_url=providers.base_url(handler), model_id=faulty(handler, "hang"), timeout_s=0.3)
    with pytest.raises(ProviderError) as caught:
        await providers.call(call)
    assert caught.value.kind is ErrorKind.timeout
    assert time.monotonic() - started < 2
    assert (await providers.seen(call.call_id))["aborted"]


@pytest.mark.parametrize("handler", ALL)
async def test_cancelling_closes_the_connection(providers: Providers, handler: str) -> None:
    call = make_call(handler, base_url=providers.base_url(handler), model_id=faulty(handler, "hang"))
    task = asyncio.create_task(providers.call(call))
    await providers.seen(call.call_id, finished=False)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await providers.seen(call.call_id))["aborted"]


@pytest.mark.parametrize("handler", ALL)
@pytest.mark.parametrize("fault", ["", "500", "429"])
async def test_a_call_is_made_once_and_under_its_own_id(providers: Providers, handler: str, fault: str) -> None:
    model_id = faulty(handler, fault) if fault else MODELS[handler]
    call = make_call(handler, base_url=providers.base_url(handler), model_id=model_id)
    if fault:
        with pytest.raises(ProviderError):
            await providers.call(call)
    else:
        await providers.call(call)
    seen = await providers.seen(call.call_id)
    assert seen["status"] == (int(fault) if fault else 200)
    assert not seen["aborted"]
