"""OpenAI's responses: what goes out, and what each end of a response means; answered by a server of a few lines."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.openai.responses import create_response
from adapters.pool import ProviderPool
from core.jsonio import dump_json, load_json
from core.provider import ErrorKind, ProviderAnswer, ProviderError
from core.result import Usage
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.suite import STORY, WEATHER, ask

HANDLER = "openai.responses"
SPENT = {
    "input_tokens": 90,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 16},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 120,
}
TEXT = {"type": "output_text", "text": "The lamp went out.", "annotations": []}


@pytest.fixture
async def pool() -> AsyncIterator[ProviderPool]:
    async with ProviderPool() as pool:
        yield pool


def message(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [*parts], **more}


def response(*items: Any, **more: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 1_790_000_000, "model": "gpt-5.5-pro-2026-04-23"}
    return {**head, "status": "completed", "error": None, "output": [*items], "usage": SPENT, **more}


async def exchange(pool: ProviderPool, reply: Any = None, **fields: Any) -> tuple[ProviderAnswer, dict[str, Any]]:
    """The answer, and the body that went out."""
    bodies: list[dict[str, Any]] = []
    told = response(message(TEXT)) if reply is None else reply

    def answer(asked: Asked) -> Reply:
        assert asked.path == "/v1/responses"
        bodies.append(load_json(asked.body))
        return Reply(dump_json(told), headers={"content-type": "application/json", "x-request-id": "req_1"})

    async with serving(answer) as url:
        fields = {"model_id": "gpt-5.5-pro", "provider": "openai", **fields}
        answered = await create_response(pool, make_call(HANDLER, base_url=f"{url}/v1", **fields))
    (body,) = bodies
    return answered, body


async def fail(pool: ProviderPool, reply: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await exchange(pool, reply)
    assert caught.value.status == 200
    assert caught.value.request_id == "req_1"
    assert caught.value.__cause__ is None
    return caught.value


async def test_a_conversation_becomes_instructions_and_items(pool: ProviderPool) -> None:
    called = {"id": "call_1", "type": "function", "function": {"name": "look_at_weather", "arguments": '{"place":"x"}'}}
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "How is it?"}], "name": "Ann"},
        {"role": "assistant", "content": "I look.", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": "storm"},
        {"role": "system", "content": "Now be long."},
        {"role": "assistant", "tool_calls": [{**called, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "calm"}]},
    ]
    _, body = await exchange(pool, messages=turns, system="You are a sailor.")
    asked = {"type": "function_call", "call_id": "call_1", "name": "look_at_weather", "arguments": '{"place":"x"}'}
    assert body == {
        "model": "gpt-5.5-pro",
        "store": False,
        "instructions": "You are a sailor.\n\nBe brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "How is it?"}]},
            {"role": "assistant", "content": "I look."},
            asked,
            {"type": "function_call_output", "call_id": "call_1", "output": "storm"},
            {"role": "system", "content": "Now be long."},
            {**asked, "call_id": "call_2"},
            {"type": "function_call_output", "call_id": "call_2", "output": "calm"},
        ],
    }


async def test_parameters_go_where_responses_wants_them(pool: ProviderPool) -> None:
    open_tool = {"type": "function", "function": {"name": "ring", "strict": True}}
    _, body = await exchange(
        pool,
        tools=[WEATHER, open_tool],
        tool_choice={"type": "function", "function": {"name": "ring"}},
        reasoning_effort="high",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=500,
    )
    weather, nothing = WEATHER["function"], {"type": "object", "properties": {}, "additionalProperties": False}
    assert isinstance(weather, dict)
    assert body["tools"] == [
        {"type": "function", "strict": False, **weather},
        {"type": "function", "strict": True, "name": "ring", "parameters": nothing},
    ]
    assert body["tool_choice"] == {"type": "function", "name": "ring"}
    assert body["reasoning"] == {"effort": "high"}
    assert (body["temperature"], body["top_p"], body["max_output_tokens"]) == (0.5, 0.9, 500)


async def test_stop_and_seed_have_no_words_there(pool: ProviderPool) -> None:
    answer, body = await exchange(pool, stop=["END"], seed=7)
    assert not {"stop", "seed"} & body.keys()
    assert [warning.partition(":")[0] for warning in answer.warnings] == ["stop", "seed"]


async def test_a_limit_below_the_least_that_openai_takes_is_raised_to_it(pool: ProviderPool) -> None:
    answer, body = await exchange(pool, max_output_tokens=5)
    assert body["max_output_tokens"] == 16
    assert answer.warnings == ["max_output_tokens: openai.responses takes no less than 16, sent as 16"]


@pytest.mark.parametrize(
    ("fields", "instructions", "head"),
    [
        ({"prompt": "A list of ships as JSON."}, None, None),
        ({"prompt": "A list of ships."}, None, "Answer in JSON."),
        ({"prompt": "A list of ships.", "system": "Always JSON."}, "Always JSON.", "Answer in JSON."),
        ({"messages": [{"role": "system", "content": "Ships."}]}, "Ships.", "Answer in JSON."),
    ],
)
async def test_json_mode_has_the_word_in_the_input_where_openai_looks_for_it(
    pool: ProviderPool, fields: dict[str, Any], instructions: str | None, head: str | None
) -> None:
    reply = response(message({**TEXT, "text": "{}"}))
    _, body = await exchange(pool, reply, response_format={"type": "json_object"}, **fields)
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body.get("instructions") == instructions
    first = body["input"][0]
    assert first == ({"role": "system", "content": head} if head else {"role": "user", "content": fields["prompt"]})


async def test_a_schema_goes_into_the_format_and_comes_back_in_the_callers_terms(pool: ProviderPool) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name"],
    }
    shape = {"type": "json_schema", "json_schema": {"name": "keeper", "description": "Who", "schema": schema}}
    reply = response(message({**TEXT, "text": '{"name":"Mara","age":null}'}))
    answer, body = await exchange(pool, reply, response_format=shape)
    sent = body["text"]["format"]
    assert (sent["type"], sent["name"], sent["description"], sent["strict"]) == ("json_schema", "keeper", "Who", True)
    assert sent["schema"]["required"] == ["name", "age"]
    assert load_json(answer.content or "") == {"name": "Mara"}


async def test_a_pro_model_is_given_the_schema_in_words(pool: ProviderPool) -> None:
    shape = {"type": "json_schema", "json_schema": {"schema": STORY}}
    answer, body = await exchange(pool, response_format=shape, capabilities=frozenset({"text", "tools"}))
    assert "text" not in body
    assert "satisfies this JSON Schema" in body["instructions"]
    assert answer.warnings == ["response_format: gpt-5.5-pro takes no schema; it is given in the prompt"]


async def test_options_join_our_fields_and_nothing_is_ever_stored(pool: ProviderPool) -> None:
    options = {
        "text": {"verbosity": "low"},
        "reasoning": {"summary": "auto"},
        "service_tier": "flex",
        "store": True,
        "background": True,
    }
    answer, body = await exchange(
        pool,
        response(message({**TEXT, "text": "{}"})),
        prompt="As JSON.",
        response_format={"type": "json_object"},
        reasoning_effort="high",
        provider_options={"openai": options},
    )
    assert body["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert (body["service_tier"], body["store"], body.get("background")) == ("flex", False, None)
    assert answer.warnings == [
        "provider_options.store: not for callers to set, left out",
        "provider_options.background: not for callers to set, left out",
    ]


async def test_an_answer_is_read_with_its_model_its_usage_and_its_id(pool: ProviderPool) -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    remark = message({**TEXT, "text": "Let me see. "}, phase="commentary")
    answer, _ = await exchange(pool, response(thought, remark, message(TEXT, {**TEXT, "text": " So what?"})))
    assert answer.content == "The lamp went out. So what?"
    assert (answer.finish_reason, answer.model, answer.request_id) == ("stop", "gpt-5.5-pro-2026-04-23", "req_1")
    assert answer.usage == Usage(90, 30, cached_tokens=64, cache_write_tokens=16, reasoning_tokens=20)
    assert answer.warnings == []
    alone, _ = await exchange(pool, response(remark))
    assert alone.content == "Let me see. "


async def test_tool_calls_have_the_shape_of_chat(pool: ProviderPool) -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "ring", "arguments": '{"times":2}'}
    answer, _ = await exchange(pool, response(message(TEXT), call, {**call, "call_id": "call_2", "arguments": ""}))
    assert (answer.finish_reason, answer.content) == ("tool_calls", "The lamp went out.")
    assert answer.tool_calls == [
        {"id": "call_1", "type": "function", "function": {"name": "ring", "arguments": '{"times":2}'}},
        {"id": "call_2", "type": "function", "function": {"name": "ring", "arguments": "{}"}},
    ]


async def test_a_response_that_stopped_at_the_limit_is_an_answer(pool: ProviderPool) -> None:
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    answer, _ = await exchange(pool, response(message(TEXT, status="incomplete"), **cut))
    assert answer.finish_reason == "length"
    error = await fail(pool, response(**cut))
    assert error.kind is ErrorKind.invalid_response
    assert "token limit" in error.message
    assert error.usage == Usage(90, 30, cached_tokens=64, cache_write_tokens=16, reasoning_tokens=20)


async def test_a_response_that_was_filtered_or_refused_was_paid_for(pool: ProviderPool) -> None:
    filtered = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    for reply in (
        response(message(TEXT), **filtered),
        response(message({"type": "refusal", "refusal": "I can't help with that."})),
    ):
        error = await fail(pool, reply)
        assert error.kind is ErrorKind.content_policy
        assert error.usage is not None
        assert error.usage.prompt_tokens == 90


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", "server_error"),
        ("rate_limit_exceeded", "rate_limited"),
        ("insufficient_quota", "quota_exhausted"),
        ("invalid_prompt", "content_policy"),
        ("bio_policy", "content_policy"),
        ("misalignment_policy_violation", "content_policy"),
        ("image_content_policy_violation", "content_policy"),
        ("context_length_exceeded", "context_length"),
        ("data_residency_mismatch", "not_available"),
        ("vector_store_timeout", "timeout"),
        ("invalid_image", "invalid_request"),
        ("image_too_large", "invalid_request"),
        (503, "overloaded"),
        (None, "server_error"),
    ],
)
async def test_a_response_that_failed_says_why(pool: ProviderPool, code: Any, kind: str) -> None:
    reply = response(status="failed", error={"code": code, "message": "It did not work."}, usage=None)
    error = await fail(pool, reply)
    assert error.kind == kind
    assert error.code == (str(code) if code else None)
    assert error.message == "It did not work."
    assert error.usage is None
    billed = await fail(pool, {**reply, "usage": SPENT})
    assert billed.usage is not None


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (response(status="failed"), "server_error"),
        (response(status="queued", usage=None), "invalid_response"),
        (response(status="cancelled"), "invalid_response"),
        (response(), "invalid_response"),
        (response(message({**TEXT, "text": " "})), "invalid_response"),
        ({"hello": "world"}, "invalid_response"),
        ({"error": {"message": "upstream is down", "code": 502}}, "server_error"),
    ],
)
async def test_what_is_no_answer_is_an_error(pool: ProviderPool, reply: dict[str, Any], kind: str) -> None:
    assert (await fail(pool, reply)).kind == kind


async def test_usage_that_is_not_told_is_estimated(pool: ProviderPool) -> None:
    answer, _ = await exchange(pool, response(message(TEXT), usage=None), prompt="a" * 40)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (10, 5)
    assert answer.warnings == ["usage: not told by the provider, estimated"]


async def test_what_binds_a_model_on_chat_need_not_bind_it_here(providers: Providers) -> None:
    parameters = {
        "sampling": "no",
        "effort": ["low", "high"],
        "tools": "no",
        HANDLER: {"tools": "yes", "effort": ["low", "high", "max"]},
    }
    fields: dict[str, Any] = {
        "model_id": "gpt-6.1-sol",
        "parameters": parameters,
        "prompt": "look_at_weather",
        "tools": [WEATHER],
        "reasoning_effort": "max",
    }
    here = await ask(providers, HANDLER, **fields)
    assert (here.finish_reason, here.warnings) == ("tool_calls", [])
    there = await ask(providers, "openai.chat_completions", **fields)
    assert there.tool_calls is None
    assert [warning.partition(":")[0] for warning in there.warnings] == ["tools", "reasoning_effort"]
