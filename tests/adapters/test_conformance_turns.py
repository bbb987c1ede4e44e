"""Conformance: conversations. Tools that were called by whomever, turns that end where they should not, and thoughts
that go back with the calls they led to."""

from typing import Any

import pytest

from adapters.pool import ProviderPool
from adapters.registry import load_handler
from core.jsonio import dump_json, load_json
from core.provider import ErrorKind, ProviderAnswer
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.suite import PARAMETERS, TEXT, WEATHER, ask, fail

USER = {"role": "user", "content": "Please look_at_weather in Skagen and in Rome."}


def called(number: int) -> dict[str, Any]:
    """A tool call of nobody that this suite knows."""
    function = {"name": "look_at_weather", "arguments": f'{{"place":"place {number}"}}'}
    return {"id": f"call_{number}_abcdefgh", "type": "function", "function": function}


def result(call: dict[str, Any], words: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call["id"], "content": words}


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize("maker", TEXT)
async def test_what_one_provider_began_another_can_end(providers: Providers, handler: str, maker: str) -> None:
    """After a failover the tool calls in a conversation are another provider's, with what that one keeps beside them."""
    begun = await ask(providers, maker, messages=[USER], tools=[WEATHER])
    assert begun.tool_calls is not None
    turns = [USER, {"role": "assistant", "content": begun.content, "tool_calls": begun.tool_calls}]
    turns.append(result(begun.tool_calls[0], "storm, 12 Beaufort"))
    ended = await ask(providers, handler, messages=turns, tools=[WEATHER])
    assert ended.finish_reason == "stop"
    assert "storm, 12 Beaufort" in (ended.content or "")


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize("effort", [{}, {"reasoning_effort": "high"}])
async def test_calls_that_were_made_side_by_side_are_answered_side_by_side(
    providers: Providers, handler: str, effort: dict[str, Any]
) -> None:
    one, two, three = map(called, (1, 2, 3))
    turns = [
        USER,
        {"role": "assistant", "content": "I look.", "tool_calls": [one, two]},
        result(one, "calm"),
        result(two, "rain"),
        {"role": "assistant", "tool_calls": [three]},
        result(three, "snow on the pier"),
    ]
    answer = await ask(providers, handler, messages=turns, tools=[WEATHER], **effort)
    assert "snow on the pier" in (answer.content or "")
    again = await ask(providers, handler, messages=[*turns, {"role": "user", "content": "So?"}], tools=[WEATHER])
    assert again.finish_reason in ("stop", "tool_calls")


@pytest.mark.parametrize("handler", TEXT)
async def test_a_call_may_have_any_name_that_a_model_gave_it(providers: Providers, handler: str) -> None:
    strange = {**called(1), "id": "functions.look_at_weather:0"}
    turns = [USER, {"role": "assistant", "tool_calls": [strange]}, result(strange, "fog over the marsh")]
    answer = await ask(providers, handler, messages=turns, tools=[WEATHER])
    assert "fog over the marsh" in (answer.content or "")


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize(
    "turns",
    [
        pytest.param([USER, {"role": "assistant", "tool_calls": [called(1)]}, USER], id="a call without its result"),
        pytest.param([USER, result(called(9), "calm")], id="a result without its call"),
    ],
)
async def test_a_conversation_that_does_not_hold_together_is_the_callers_fault(
    providers: Providers, handler: str, turns: list[Any]
) -> None:
    error = await fail(providers, handler, messages=turns, tools=[WEATHER])
    assert error.kind is ErrorKind.invalid_request
    assert "Skagen" not in error.message


@pytest.mark.parametrize("handler", TEXT)
async def test_a_conversation_may_end_with_the_models_own_words(providers: Providers, handler: str) -> None:
    turns = [{"role": "user", "content": "Tell me of Skagen."}, {"role": "assistant", "content": "Once upon a time"}]
    refusing = {**PARAMETERS.get(handler, {}), "prefill": False}
    answer = await ask(providers, handler, messages=turns, parameters=refusing)
    assert answer.content
    asked_to = [warning for warning in answer.warnings if "asked to go on" in warning]
    assert bool(asked_to) == handler.startswith(("google", "anthropic"))


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize("said", ["", "[1, 2]", '{"wind": 12}', "plain words"])
async def test_a_tool_may_answer_in_any_form(providers: Providers, handler: str, said: str) -> None:
    one = called(1)
    answered = {**result(one, said), "name": "look_at_weather"}
    turns = [{**USER, "name": "Ann"}, {"role": "assistant", "tool_calls": [one]}, answered]
    assert (await ask(providers, handler, messages=turns, tools=[WEATHER])).content


PARAMETERS_OF_TOOLS = {
    "none": None,
    "an empty object": {"type": "object", "properties": {}},
    "without a type": {"properties": {"place": {"type": "string"}}},
    "recursive": {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/node", "description": "a tree"}},
        "required": ["tree"],
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "child": {"$ref": "#/$defs/node"}},
                "required": ["name"],
            }
        },
    },
    "a map": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
    "beyond all": {"type": "object", "properties": {"a": {"$dynamicRef": "#x"}, "b": {"$dynamicAnchor": "x"}}},
}


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize("case", sorted(PARAMETERS_OF_TOOLS))
async def test_a_tool_may_have_any_parameters(providers: Providers, handler: str, case: str) -> None:
    function: dict[str, Any] = {"name": "look_at_weather"}
    if (parameters := PARAMETERS_OF_TOOLS[case]) is not None:
        function["parameters"] = parameters
    tools = [{"type": "function", "function": function}]
    answer = await ask(providers, handler, messages=[USER], tools=tools, tool_choice="required")
    assert answer.tool_calls is not None
    assert isinstance(load_json(answer.tool_calls[0]["function"]["arguments"]), dict)


@pytest.mark.parametrize("handler", TEXT)
async def test_a_turn_may_have_its_words_in_parts(providers: Providers, handler: str) -> None:
    turns = [
        {"role": "system", "content": "You are a sailor."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Ahoy."},
        {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "now?"}]},
    ]
    assert (await ask(providers, handler, messages=turns)).content


THOUGHTS = [{"type": "reasoning", "id": f"rs_{n}", "summary": [], "encrypted_content": f"sealed {n}"} for n in (1, 2)]
CALLS = [
    {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": "look_at_weather", "arguments": "{}"}
    for n in (1, 2)
]
RESPONSES = "openai.responses"


async def exchange(pool: ProviderPool, *items: Any, **fields: Any) -> tuple[ProviderAnswer, dict[str, Any]]:
    """A response of these items, and the body that asked for it."""
    bodies: list[dict[str, Any]] = []
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "error": None}

    def answer(asked: Asked) -> Reply:
        bodies.append(load_json(asked.body))
        return Reply(dump_json({**head, "output": items}), headers={"content-type": "application/json"})

    async with serving(answer) as url:
        fields = {"parameters": {"effort": ["low"]}, "tools": [WEATHER], **fields}
        call = make_call(RESPONSES, base_url=f"{url}/v1", **{"model_id": "gpt-5.5-pro", **fields})
        return await load_handler(RESPONSES, pool)(call), bodies[0]


async def test_openais_reasoning_goes_back_before_the_call_that_it_led_to() -> None:
    said = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant"}
    said["content"] = [{"type": "output_text", "text": "I look.", "annotations": []}]  # type: ignore[assignment]
    open_thought = {"type": "reasoning", "id": "rs_9", "summary": []}
    async with ProviderPool() as pool:
        first, body = await exchange(pool, open_thought, THOUGHTS[0], said, CALLS[0], THOUGHTS[1], CALLS[1])
        assert body["include"] == ["reasoning.encrypted_content"]
        assert body["store"] is False
        assert first.tool_calls is not None
        assert [one["extra_content"]["openai"]["reasoning"] for one in first.tool_calls] == [[one] for one in THOUGHTS]
        turns = [USER, {"role": "assistant", "content": first.content, "tool_calls": first.tool_calls}]
        turns += [result(one, "calm") for one in first.tool_calls]
        _, body = await exchange(pool, said, messages=turns)
        _, other = await exchange(pool, said, messages=turns, model_id="gpt-6.2-sol")
        _, plain = await exchange(pool, said, messages=turns, parameters={"effort": []})
    shown = [{name: value for name, value in one.items() if name != "id"} for one in CALLS]
    words = {"role": "assistant", "content": "I look."}
    assert body["input"][1:6] == [THOUGHTS[0], words, shown[0], THOUGHTS[1], shown[1]]
    assert other["input"][1:4] == [words, *shown], "another model cannot read them"
    assert "include" not in plain, "a model that does not reason refuses it"


async def test_reasoning_that_a_caller_changed_is_left_out_or_refused(providers: Providers) -> None:
    fields: dict[str, Any] = {"model_id": "gpt-6.2-sol", "parameters": {"effort": ["low", "high"]}}
    begun = await ask(providers, RESPONSES, messages=[USER], tools=[WEATHER], **fields)
    assert begun.tool_calls is not None
    (thought,) = begun.tool_calls[0]["extra_content"]["openai"]["reasoning"]
    for kept, fails in (([{**thought, "encrypted_content": "AAAA"}], True), ([{"id": "rs_1"}], False), ("x", False)):
        changed = [{**begun.tool_calls[0], "extra_content": {"openai": {"reasoning": kept}}}]
        turns = [USER, {"role": "assistant", "tool_calls": changed}, result(changed[0], "calm")]
        if fails:
            error = await fail(providers, RESPONSES, messages=turns, tools=[WEATHER], **fields)
            assert error.code == "invalid_encrypted_content"
        else:
            assert (await ask(providers, RESPONSES, messages=turns, tools=[WEATHER], **fields)).content
