"""Claude's own ways: what goes out for which model, long answers, thoughts, and ends that are none."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.pool import ProviderPool
from adapters.registry import load_handler
from core.jsonio import dump_json, load_json
from core.provider import ErrorKind, ProviderAnswer, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.suite import STORY, WEATHER, ask, fail

HANDLER = "anthropic.messages"
USAGE = {"input_tokens": 9, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 5,
         "output_tokens_details": {"thinking_tokens": 3}}  # fmt: skip
MESSAGE: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "end_turn",
    "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "Ahoy."}],
    "usage": USAGE,
}  # fmt: skip
ALWAYS = {"sampling": "no", "thinking": "always", "effort": ["low", "high"], "forced_tool_choice": False}
ADAPTIVE = {"thinking": "adaptive", "effort": ["none", "low", "high"], "prefill": False}
BUDGET = {"thinking": "budget", "effort": ["none", "low", "high"], "prefill": True}
SHAPE = {"type": "json_schema", "json_schema": {"schema": STORY}}
USER = {"role": "user", "content": "look_at_weather"}


@pytest.fixture
async def pool() -> AsyncIterator[ProviderPool]:
    async with ProviderPool() as opened:
        yield opened


async def answered(pool: ProviderPool, body: Any = MESSAGE, **fields: Any) -> tuple[ProviderAnswer, Asked]:
    """The answer to a call, and what the server saw. `body` is JSON, or the events of a stream."""
    seen: list[Asked] = []
    streamed = isinstance(body, list)
    text = (
        b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), dump_json(one)) for one in body)
        if streamed
        else b""
    )
    kind = "text/event-stream" if streamed else "application/json"

    def reply(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(text or dump_json(body), headers={"content-type": kind, "request-id": "req_1"})

    async with serving(reply) as url:
        call = make_call(HANDLER, base_url=url, **{"model_id": "claude-x", "max_output_tokens": 9000, **fields})
        return await load_handler(HANDLER, pool)(call), seen[0]


async def sent(pool: ProviderPool, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    answer, asked = await answered(pool, **fields)
    return load_json(asked.body), answer.warnings


async def failed(pool: ProviderPool, body: Any, **fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await answered(pool, body, **fields)
    return caught.value


async def test_usage_is_inclusive_and_thoughts_are_no_content(pool: ProviderPool) -> None:
    answer, asked = await answered(pool)
    assert (answer.content, answer.model, answer.request_id) == ("Ahoy.", "claude-x", "req_1")
    usage = answer.usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens) == (15, 4, 2)
    assert (usage.completion_tokens, usage.reasoning_tokens) == (5, 3)
    assert asked.path == "/v1/messages"
    assert asked.headers["authorization"].startswith("Bearer sk-test")
    assert asked.headers["anthropic-version"] == "2026-10-21"


@pytest.mark.parametrize(
    ("parameters", "effort", "thinking", "output"),
    [
        (ALWAYS, None, None, None),
        (ALWAYS, "none", None, {"effort": "low"}),
        (ADAPTIVE, None, None, None),
        (ADAPTIVE, "none", {"type": "disabled"}, None),
        (ADAPTIVE, "high", {"type": "adaptive"}, {"effort": "high"}),
        (BUDGET, None, None, None),
        (BUDGET, "none", None, None),
        (BUDGET, "low", {"type": "enabled", "budget_tokens": 2048}, None),
        (BUDGET, "high", {"type": "enabled", "budget_tokens": 4500}, None),
        ({}, "minimal", None, {"effort": "low"}),
    ],
)
async def test_effort_is_told_as_the_model_wants_it(
    pool: ProviderPool, parameters: dict[str, Any], effort: str | None, thinking: Any, output: Any
) -> None:
    fields = {} if effort is None else {"reasoning_effort": effort}
    body, _ = await sent(pool, parameters=parameters, **fields)
    assert (body.get("thinking"), body.get("output_config")) == (thinking, output)


async def test_a_budget_that_leaves_no_text_is_not_spent(pool: ProviderPool) -> None:
    body, warnings = await sent(pool, parameters=BUDGET, reasoning_effort="low", max_output_tokens=2000)
    assert "thinking" not in body
    assert warnings == ["reasoning_effort: thinking needs at least 2048 max_output_tokens, left out"]


async def test_sampling_goes_out_under_the_old_version_alone(pool: ProviderPool) -> None:
    answer, asked = await answered(pool, parameters={**BUDGET, "sampling": "yes"}, temperature=1.5, top_p=0.5)
    assert asked.headers["anthropic-version"] == "2023-06-01"
    body = load_json(asked.body)
    assert body["temperature"] == 1
    assert "top_p" not in body
    assert [warning.partition(":")[0] for warning in answer.warnings] == ["temperature", "top_p"]
    fields: dict[str, Any] = {
        "parameters": {**BUDGET, "sampling": "yes"},
        "temperature": 0.5,
        "reasoning_effort": "low",
    }
    thinking, asked = await answered(pool, **fields)
    assert asked.headers["anthropic-version"] == "2026-10-21"
    assert "only with effort none" in thinking.warnings[0]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "look_at_weather"}}])
async def test_a_tool_is_forced_only_on_models_that_let_it_be(pool: ProviderPool, choice: Any) -> None:
    fields: dict[str, Any] = {"tools": [WEATHER], "tool_choice": choice, "reasoning_effort": "high"}
    free, warnings = await sent(pool, parameters=ALWAYS, **fields)
    assert "tool_choice" not in free
    assert warnings == ["tool_choice: claude-x cannot be made to call a tool, left to it"]
    forced, warnings = await sent(pool, parameters=ADAPTIVE, **fields)
    assert forced["tool_choice"]["type"] == ("any" if choice == "required" else "tool")
    assert forced["thinking"] == {"type": "disabled"}
    assert "does not think" in warnings[0]


async def test_results_of_parallel_tools_are_one_turn_and_thoughts_go_back(pool: ProviderPool) -> None:
    uses = [{"type": "tool_use", "id": f"t{n}", "name": "look_at_weather", "input": {"place": "a"}} for n in (1, 2)]
    message: dict[str, Any] = {**MESSAGE, "stop_reason": "tool_use", "content": [MESSAGE["content"][0], *uses]}
    answer, _ = await answered(pool, message, tools=[WEATHER])
    assert answer.finish_reason == "tool_calls"
    assert answer.tool_calls is not None
    results = [{"role": "tool", "tool_call_id": f"t{n}", "content": "storm"} for n in (1, 2)]
    turns = [USER, {"role": "assistant", "tool_calls": answer.tool_calls}, *results, {"role": "user", "content": "So?"}]
    fields: dict[str, Any] = {"messages": turns, "tools": [WEATHER], "parameters": BUDGET, "reasoning_effort": "low"}
    body, warnings = await sent(pool, **fields)
    assert warnings == []
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == message["content"]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    assert list(body["tools"][0]["input_schema"]["properties"]) == ["place"]


async def test_calls_without_thoughts_are_answered_without_a_budget(pool: ProviderPool) -> None:
    foreign = {"id": "c1", "type": "function", "function": {"name": "look_at_weather", "arguments": "{}"}}
    turns = [
        USER,
        {"role": "assistant", "tool_calls": [foreign]},
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
    ]
    body, warnings = await sent(pool, messages=turns, tools=[WEATHER], parameters=BUDGET, reasoning_effort="low")
    assert "thinking" not in body
    assert "came without thoughts" in warnings[0]


async def test_an_assistants_last_turn_is_continued_or_asked_to_be(pool: ProviderPool) -> None:
    turns = [{"role": "user", "content": "Tell."}, {"role": "assistant", "content": "Once upon "}]
    body, warnings = await sent(pool, messages=turns, parameters=BUDGET)
    assert (body["messages"][-1]["content"], warnings) == ([{"type": "text", "text": "Once upon"}], [])
    for more in ({"parameters": ADAPTIVE}, {"parameters": BUDGET, "response_format": SHAPE}):
        body, warnings = await sent(pool, messages=turns, **more)
        assert body["messages"][-1]["role"] == "user"
        assert "is asked to go on" in warnings[0]


async def test_json_without_a_schema_is_asked_for_in_words_and_unwrapped(pool: ProviderPool) -> None:
    fenced: dict[str, Any] = {**MESSAGE, "content": [{"type": "text", "text": '```json\n{"a": 1}\n```'}]}
    answer, asked = await answered(pool, fenced, response_format={"type": "json_object"})
    assert answer.content == '{"a": 1}'
    assert "Answer with JSON" in load_json(asked.body)["system"]
    assert (await answered(pool, fenced))[0].content == fenced["content"][0]["text"]


async def test_a_callers_output_config_goes_beside_the_schema(pool: ProviderPool) -> None:
    options = {"anthropic": {"output_config": {"effort": "xhigh"}, "metadata": {"user_id": "u"}}}
    body, _ = await sent(pool, response_format=SHAPE, provider_options=options)
    assert body["output_config"]["effort"] == "xhigh"
    assert body["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert body["metadata"] == {"user_id": "u"}


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        ("refusal", "content_policy"),
        ("model_context_window_exceeded", "context_length"),
        ("pause_turn", "invalid_response"),
    ],
)
async def test_ends_that_leave_no_answer_are_errors_that_were_paid_for(
    pool: ProviderPool, stop: str, kind: str
) -> None:
    error = await failed(pool, {**MESSAGE, "stop_reason": stop, "stop_details": None})
    assert (error.kind, error.status, error.request_id) == (kind, 200, "req_1")
    assert error.usage is not None
    assert error.usage.prompt_tokens == 15


@pytest.mark.parametrize("limit", [20_000, 20_001])
async def test_a_long_answer_is_streamed_on_the_wire_and_whole_for_the_caller(providers: Providers, limit: int) -> None:
    asked: dict[str, Any] = {"prompt": "Tell me of Skagen.", "reasoning_effort": "low", "response_format": SHAPE}
    answer = await ask(providers, HANDLER, max_output_tokens=limit, **asked)
    other = await ask(providers, HANDLER, max_output_tokens=500, **asked)
    assert (answer.content, answer.usage, answer.finish_reason) == (other.content, other.usage, other.finish_reason)
    broken = await fail(providers, HANDLER, model_id="claude-haiku-5-5@cut", max_output_tokens=limit)
    assert broken.kind is ErrorKind.connection
    tool = await ask(providers, HANDLER, prompt="look_at_weather", tools=[WEATHER], max_output_tokens=limit)
    assert tool.tool_calls is not None
    assert load_json(tool.tool_calls[0]["function"]["arguments"])["place"]


START = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
TEXT = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Ahoy"}},
]
END = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]


async def test_the_events_of_a_stream_are_put_together(pool: ProviderPool) -> None:
    answer, asked = await answered(pool, [START, {"type": "ping"}, *TEXT, *END], max_output_tokens=20_001)
    assert load_json(asked.body)["stream"] is True
    assert (answer.content, answer.usage.completion_tokens, answer.usage.prompt_tokens) == ("Ahoy", 7, 15)


async def test_a_limit_is_always_told_because_the_api_insists_on_one(pool: ProviderPool) -> None:
    body, _ = await sent(pool, max_output_tokens=20_000)
    assert "stream" not in body
    body, _ = await sent(pool, max_output_tokens=None)
    assert body["max_tokens"] == 16_384
    assert "stream" not in body


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([START, *TEXT], "connection"),
        ([START, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}], "overloaded"),
        ([START, {"type": "error", "error": {"type": "api_error", "message": "oops"}}], "server_error"),
        ([{"type": "message_stop"}], "invalid_response"),
        ([*TEXT], "invalid_response"),
    ],
)
async def test_a_stream_that_breaks_off_says_why(pool: ProviderPool, events: list[Any], kind: str) -> None:
    error = await failed(pool, events, max_output_tokens=64_000)
    assert error.kind == kind
