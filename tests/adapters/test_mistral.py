"""What is Mistral's own: the body as it is sent, chunks, ends, ids, errors inside a 200, sound of any depth."""

import base64
import io
import json
import math
from typing import Any

import numpy as np
import pytest
import soundfile

from adapters.audio import measure_duration_s
from adapters.images import to_data_url
from adapters.mistral.conversation import own_id
from adapters.mistral.errors import classify, read_words
from adapters.pool import ProviderPool
from adapters.registry import load_handler
from core.provider import ErrorKind, ProviderAnswer, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.suite import WEATHER
from tests.adapters.test_images import PNG


def completion(content: Any, finish: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {
        "id": "1", "object": "chat.completion", "model": "mistral-small-2603",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
                  "prompt_tokens_details": {"cached_tokens": 4}},
    }  # fmt: skip


async def told(body: dict[str, Any], handler: str = "mistral.chat", **fields: Any) -> tuple[ProviderAnswer, Asked]:
    """The answer to this body, and what was asked."""
    asked: list[Asked] = []

    def answer(request: Asked) -> Reply:
        asked.append(request)
        headers = {"content-type": "application/json", "mistral-correlation-id": "req-7"}
        return Reply(json.dumps(body).encode(), headers=headers)

    async with serving(answer) as url, ProviderPool() as pool:
        found = await load_handler(handler, pool)(make_call(handler, base_url=url, **fields))
    return found, asked[0]


async def sent(**fields: Any) -> dict[str, Any]:
    """The body of a chat."""
    _, asked = await told(completion("hi"), **fields)
    body: dict[str, Any] = json.loads(asked.body)
    return body


async def test_the_body_speaks_mistrals_names() -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    _, asked = await told(
        completion("hi"), system="Be brief.", seed=-1, max_output_tokens=50, tools=tools, tool_choice="required"
    )
    body = json.loads(asked.body)
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-test-0123456789abcdef"
    assert asked.headers["x-factory-call-id"]
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."},
    ]  # fmt: skip
    assert (body["max_tokens"], body["random_seed"], body["tool_choice"]) == (50, 2**31 - 1, "any")
    assert body["stream"] is False


async def test_an_endpoint_may_have_another_path_and_no_key() -> None:
    _, asked = await told(completion("hi"), endpoint_pattern="/proxy/v1/chat/completions", api_key=None)
    assert asked.path == "/proxy/v1/chat/completions"
    assert "authorization" not in asked.headers


async def test_thoughts_are_not_the_answer() -> None:
    chunks = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "It is "},
        {"type": "text", "text": "four."},
    ]
    answer, _ = await told(completion(chunks))
    assert answer.content == "It is four."
    assert (answer.usage.prompt_tokens, answer.usage.cached_tokens, answer.request_id) == (9, 4, "req-7")


async def test_another_providers_tool_id_goes_out_as_nine_characters() -> None:
    call = {"id": "call_0123456789", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0123456789", "content": "rain"},
    ]
    _, asked = await told(completion("hi"), messages=turns)
    sent = json.loads(asked.body)["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == own_id("call_0123456789")
    assert own_id("abcDEF123") == "abcDEF123"


async def test_a_conversation_that_ends_with_the_assistant_is_continued() -> None:
    turns = [{"role": "user", "content": "Begin."}, {"role": "assistant", "content": "Once"}]
    _, asked = await told(completion(" upon a time"), messages=turns)
    assert json.loads(asked.body)["messages"][-1] == {"role": "assistant", "content": "Once", "prefix": True}


async def test_the_assistant_speaks_between_a_tool_and_the_user() -> None:
    call = {"id": "abcDEF123", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "abcDEF123", "name": "look at it", "content": "rain"},
        {"role": "user", "content": "So?"},
    ]
    answer, asked = await told(completion("hi"), messages=turns)
    messages = json.loads(asked.body)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[3]["content"]
    assert "name" not in messages[2], "Mistral takes no name with a space in it"
    assert [warning.partition(":")[0] for warning in answer.warnings] == ["messages"]


async def test_a_function_without_parameters_goes_out_with_none() -> None:
    bare = {"type": "function", "function": {"name": "look"}}
    body = await sent(tools=[bare, WEATHER])
    assert body["tools"] == [
        {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}, WEATHER,
    ]  # fmt: skip
    assert "tool_choice" not in body


async def test_a_picture_is_a_plain_string() -> None:
    url = to_data_url("image/png", PNG)
    part = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    turn = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}
    (message,) = (await sent(messages=[turn]))["messages"]
    assert message["content"] == [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": url}]


async def test_a_schema_is_named_described_and_strict() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    shape = {"type": "json_schema", "json_schema": {"name": "scene", "description": "A scene.", "schema": schema}}
    said = (await sent(response_format=shape))["response_format"]["json_schema"]
    assert (said["name"], said["description"], said["strict"]) == ("scene", "A scene.", True)
    assert said["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(("prompt", "added"), [("Say hello.", True), ("Say hello in JSON.", False)])
async def test_json_is_spoken_of_where_it_is_asked_for(prompt: str, added: bool) -> None:
    body = await sent(prompt=prompt, response_format={"type": "json_object"})
    assert body["response_format"] == {"type": "json_object"}
    assert ("JSON" in body["messages"][0]["content"] and len(body["messages"]) == 2) == added


async def test_what_mistral_does_not_take_is_altered_or_left_out() -> None:
    answer, asked = await told(
        completion("hi"), temperature=1.4, reasoning_effort="low", parameters={"effort": ["none", "high"]},
        provider_options={"mistral": {"n": 3, "stream": True, "model": "x", "safe_prompt": True}},
    )  # fmt: skip
    body = json.loads(asked.body)
    assert (body["temperature"], body["reasoning_effort"], body["safe_prompt"]) == (1, "none", True)
    assert (body["stream"], body["model"], "n" in body) == (False, "some-model", False)
    assert sorted(warning.partition(":")[0] for warning in answer.warnings) == [
        "provider_options.model", "provider_options.n", "provider_options.stream", "reasoning_effort", "temperature",
    ]  # fmt: skip
    greedy, asked = await told(completion("hi"), temperature=0, top_p=0.5)
    assert "top_p" not in json.loads(asked.body)
    assert [warning.partition(":")[0] for warning in greedy.warnings] == ["top_p"]


async def test_tool_calls_are_an_answer_even_at_the_end_of_the_window() -> None:
    calls = [{"id": "abcDEF123", "function": {"name": "look", "arguments": {"a": 1}}}]
    answer, _ = await told(completion("", "model_length", tool_calls=calls))
    assert (answer.finish_reason, answer.content) == ("length", None)
    assert answer.tool_calls == [
        {"id": "abcDEF123", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    ]


async def test_an_error_that_is_null_is_none() -> None:
    answer, _ = await told(completion("hi") | {"error": None})
    assert answer.content == "hi"


@pytest.mark.parametrize("pattern", ["chat", "/chat", "/v2/chat"])
async def test_the_endpoints_own_path_is_called_whatever_it_is(pattern: str) -> None:
    _, asked = await told(completion("hi"), endpoint_pattern=pattern)
    assert asked.path == f"/{pattern.lstrip('/')}"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (completion("", "model_length"), "context_length"),
        (completion("half", "error"), "invalid_response"),
        (completion(""), "invalid_response"),
        ({"object": "error", "message": "Service tier capacity exceeded", "code": "3505"}, "overloaded"),
        ({"object": "error", "message": "slow down", "type": "rate_limited", "code": "1300"}, "rate_limited"),
        ({"object": "error", "message": "9 tokens, too large for model", "type": "invalid_request_prompt"},
         "context_length"),
        ({"object": "error", "message": "oops"}, "server_error"),
        ({"error": "gone"}, "server_error"),
        ({"error": {"message": "Rate limit exceeded", "code": 429}}, "rate_limited"),
        ({"nothing": True}, "invalid_response"),
    ],
)  # fmt: skip
async def test_a_200_that_is_no_answer_is_an_error(body: dict[str, Any], kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await told(body)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("status", "code", "family", "message", "kind"),
    [
        (400, None, None, "Prompt contains 9 tokens and 0 draft tokens, too large for model with 5 maximum context length",
         "context_length"),
        (400, None, None, "bad", "invalid_request"),
        (400, "1500", "invalid_model", "Invalid model: x", "not_available"),
        (401, None, None, "Unauthorized", "auth"),
        (401, None, None, "You have used up your usage limit", "quota_exhausted"),
        (402, None, None, "no credit", "quota_exhausted"),
        (403, None, None, "not on your plan", "not_available"),
        (403, None, None, "blocked by guardrail", "content_policy"),
        (403, None, None, "this API key may not", "auth"),
        (404, None, None, "no such", "not_available"),
        (422, None, None, "extra", "invalid_request"),
        (422, None, None, "body.input: String should have at most 4096 characters", "context_length"),
        (422, None, None, "body.tools.0.function.name: String should have at most 64 characters", "invalid_request"),
        (400, "3230", "invalid_request_message_order", "Unexpected role 'user' after role 'tool'", "invalid_request"),
        (404, None, "not_found", "Voice nobody not found", "invalid_request"),
        (429, "1300", "rate_limited", "slow", "rate_limited"),
        (429, "3505", None, "Service tier capacity exceeded", "overloaded"),
        (500, None, None, "x", "server_error"), (502, None, None, "x", "server_error"),
        (503, None, None, "x", "overloaded"), (504, None, None, "x", "timeout"),
    ],
)  # fmt: skip
def test_every_refusal_means_one_thing(
    status: int, code: str | None, family: str | None, message: str, kind: str
) -> None:
    assert classify(status, code, family, message) == ErrorKind(kind)


def test_every_shape_of_a_refusal_is_read() -> None:
    assert read_words({"detail": "Unauthorized"}).message == "Unauthorized"
    assert read_words({"message": "no"}).message == "no"
    faults = {"detail": [{"loc": ["body", "model"], "msg": "Field required", "input": "a secret"}]}
    assert read_words({"object": "error", "message": faults}).message == "body.model: Field required"
    assert read_words({"error": "gone"}).message == "gone"
    assert read_words({}).message == "no message"


async def test_a_refusal_quotes_nothing_of_what_was_asked() -> None:
    prompt = "Mara is the lighthouse keeper of Skagen."
    detail = [{"type": "x", "loc": ["body", "messages", 0, "user", "content"], "msg": "wrong", "input": prompt}]

    def refuse(_: Asked) -> Reply:
        return Reply(
            json.dumps({"message": {"detail": detail}}).encode(), "422 No", {"content-type": "application/json"}
        )

    async with serving(refuse) as url, ProviderPool() as pool:
        with pytest.raises(ProviderError) as caught:
            await load_handler("mistral.chat", pool)(make_call("mistral.chat", base_url=url, prompt=prompt))
    assert caught.value.message == "body.messages.0.user.content: wrong"


def recording(subtype: str, rate: int, channels: int) -> dict[str, Any]:
    """One second of a tone of half the loudness that there is, as Mistral sends it."""
    tone = 0.5 * np.sin(2 * np.pi * 220 * np.arange(rate) / rate)
    file = io.BytesIO()
    soundfile.write(file, np.tile(tone[:, None], channels), rate, format="WAV", subtype=subtype)
    return {"audio_data": base64.b64encode(file.getvalue()).decode()}


@pytest.mark.parametrize(
    ("subtype", "rate", "channels"),
    [("PCM_16", 24_000, 1), ("FLOAT", 24_000, 1), ("PCM_24", 48_000, 2), ("FLOAT", 16_000, 1)],
)
@pytest.mark.parametrize("form", ["pcm", "wav", "flac"])
async def test_a_wav_of_any_depth_is_as_loud_and_as_long(subtype: str, rate: int, channels: int, form: str) -> None:
    answer, asked = await told(recording(subtype, rate, channels), "mistral.speech", format=form)
    assert json.loads(asked.body)["response_format"] == "wav"
    assert answer.audio is not None
    assert measure_duration_s(answer.audio, form) == pytest.approx(1, abs=0.01)
    if form == "pcm":
        samples = np.frombuffer(answer.audio, dtype="<i2")
    else:
        samples, _ = soundfile.read(io.BytesIO(answer.audio), dtype="int16")
        assert soundfile.info(io.BytesIO(answer.audio)).subtype == "PCM_16"
    assert samples.max() == pytest.approx(16384, abs=200)
    assert samples.min() == pytest.approx(-16384, abs=200)


@pytest.mark.parametrize("form", ["mp3", "opus"])
async def test_other_sound_goes_through_as_it_came(form: str) -> None:
    answer, asked = await told({"audio_data": base64.b64encode(b"sound").decode()}, "mistral.speech", format=form)
    assert (answer.audio, json.loads(asked.body)["response_format"]) == (b"sound", form)


@pytest.mark.parametrize(
    "body", [{}, {"audio_data": ""}, {"audio_data": "*"}, {"audio_data": 5}, {"audio_data": "AAAA"}]
)
async def test_no_sound_is_no_answer(body: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        await told(body, "mistral.speech", format="wav")
    assert caught.value.kind is ErrorKind.invalid_response


async def test_a_voice_is_named_by_the_caller_or_a_preset() -> None:
    sound = {"audio_data": base64.b64encode(b"sound").decode()}
    for fields, voice in (
        ({}, "en_paul_neutral"),
        ({"voice": "gb_jane_sad"}, "gb_jane_sad"),
        ({"provider_options": {"mistral": {"voice_id": "my-own"}}}, "my-own"),
        ({"provider_options": {"mistral": {"ref_audio": "QUJD"}}}, None),
    ):
        _, asked = await told(sound, "mistral.speech", input="Hello.", **fields)
        assert json.loads(asked.body).get("voice_id") == voice


async def test_vectors_come_in_order_and_of_length_one() -> None:
    rows = [{"index": 1, "embedding": [0, 3, 4]}, {"index": 0, "embedding": [1, 0, 0]}]
    body = {"object": "list", "model": "codestral-embed-2505", "data": rows, "usage": {"prompt_tokens": 7}}
    options = {"mistral": {"encoding_format": "base64", "output_dtype": "int8", "metadata": {"a": 1}}}
    answer, asked = await told(
        body, "mistral.embeddings", input=["a", "b"], dimensions=3, provider_options=options,
    )  # fmt: skip
    assert answer.embeddings == [[1, 0, 0], [0, 0.6, 0.8]]
    assert all(math.hypot(*vector) == 1 for vector in answer.embeddings)
    assert answer.usage.prompt_tokens == 7
    assert json.loads(asked.body) == {
        "model": "some-model", "input": ["a", "b"], "output_dimension": 3, "metadata": {"a": 1},
    }  # fmt: skip
    assert [warning.partition(":")[0] for warning in answer.warnings] == [
        "provider_options.encoding_format", "provider_options.output_dtype",
    ]  # fmt: skip


async def test_only_a_model_that_takes_them_is_told_dimensions() -> None:
    body = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": 1}}
    answer, asked = await told(
        body, "mistral.embeddings", input="a", dimensions=64, parameters={"dimensions": False}
    )  # fmt: skip
    assert "output_dimension" not in json.loads(asked.body)
    assert answer.warnings == ["dimensions: not accepted by some-model, left out"]
