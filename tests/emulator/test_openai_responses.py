"""OpenAI's responses in the emulator: what the API refuses, what it answers, and how it streams. Told over plain HTTP,
so that no SDK mends the request first; the streams are read by the SDK."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from adapters.emulator.openai_input import seal_reasoning
from producer.embedded import Running
from tests.adapters.test_images import PNG

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOL = {"type": "function", "name": "look_at_weather", "parameters": SCHEMA, "strict": True}
CALLED = {"type": "function_call", "call_id": "call_1", "name": "look_at_weather", "arguments": "{}"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "storm"}
SEALED = "reasoning.encrypted_content"
PICTURE = "data:image/png;base64," + base64.b64encode(PNG).decode()


@pytest.fixture
async def http(servers: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=servers.emulator_url or "", timeout=20) as client:
        yield client


async def respond(http: httpx.AsyncClient, key: str = "key", **body: Any) -> httpx.Response:
    whole = {"model": "gpt-6.2-sol", "input": "Hello", **body}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return await http.post("/openai/v1/responses", json=whole, headers=headers)


async def answer(http: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    reply = await respond(http, **body)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-request-id"]
    whole: dict[str, Any] = reply.json()
    return whole


def said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


def shaped(kind: str, **more: Any) -> dict[str, Any]:
    return {"text": {"format": {"type": kind, **more}}}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"messages": []}, "unsupported_parameter", "messages"),
        ({"max_tokens": 50}, "unsupported_parameter", "max_tokens"),
        ({"max_completion_tokens": 50}, "unsupported_parameter", "max_completion_tokens"),
        ({"reasoning_effort": "low"}, "unsupported_parameter", "reasoning_effort"),
        ({"response_format": {"type": "text"}}, "unsupported_parameter", "response_format"),
        ({"verbosity": "low"}, "unsupported_parameter", "verbosity"),
        ({"stop": ["END"]}, "unknown_parameter", "stop"),
        ({"seed": 7}, "unknown_parameter", "seed"),
        ({"n": 2}, "unknown_parameter", "n"),
        ({"wrong": 1}, "unknown_parameter", "wrong"),
        ({"temperature": 0.5}, "unsupported_parameter", "temperature"),
        ({"model": "gpt-5.5-pro", "top_p": 0.5}, "unsupported_parameter", "top_p"),
        ({"model": "gpt-6-luna", "temperature": 0.5}, "unsupported_parameter", "temperature"),
        ({"max_output_tokens": 15}, None, "max_output_tokens"),
        ({"max_output_tokens": 128_001}, None, "max_output_tokens"),
        ({"instructions": ["a"]}, "invalid_type", "instructions"),
        ({"previous_response_id": "resp_1"}, "previous_response_not_found", "previous_response_id"),
        ({"reasoning": {"effort": "none"}}, "unsupported_value", "reasoning.effort"),
        ({"reasoning": {"effort": "minimal"}}, "unsupported_value", "reasoning.effort"),
        ({"reasoning": {"depth": 1}}, "unknown_parameter", "reasoning.depth"),
        ({"reasoning": "low"}, "invalid_type", "reasoning"),
        ({"model": "gpt-5.5-pro", "reasoning": {"effort": "low"}}, "unsupported_value", "reasoning.effort"),
        ({"model": "gpt-5.3-codex", "reasoning": {"effort": "max"}}, "unsupported_value", "reasoning.effort"),
        ({"model": "gpt-5.4", "reasoning": {"effort": "max"}}, "unsupported_value", "reasoning.effort"),
        ({"model": "gpt-4.1", "reasoning": {"effort": "low"}}, "unsupported_parameter", "reasoning.effort"),
        ({"include": ["everything"]}, "invalid_value", "include[0]"),
        ({"model": "gpt-4.1", "include": ["reasoning.encrypted_content"]}, None, "include"),
        (shaped("yaml"), "invalid_value", "text.format.type"),
        ({"text": {"colour": "blue"}}, "unknown_parameter", "text.colour"),
        (shaped("json_object"), None, "input"),
        ({**shaped("json_object"), "instructions": "Answer in JSON."}, None, "input"),
        (shaped("json_schema", json_schema={"name": "out"}), "missing_required_parameter", "text.format.name"),
        (shaped("json_schema", name="out"), "missing_required_parameter", "text.format.schema"),
        (
            shaped("json_schema", name="out", strict=True, schema={**SCHEMA, "required": []}),
            "invalid_json_schema",
            "text.format.schema",
        ),
        ({**shaped("json_schema", name="out", schema=SCHEMA), "model": "gpt-5.5-pro"}, None, "text.format"),
    ],
)
async def test_what_the_api_does_not_take_is_refused_by_name(
    http: httpx.AsyncClient, body: dict[str, Any], code: str | None, param: str
) -> None:
    reply = await respond(http, **body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, code, param), reply.text
    assert error["type"] == "invalid_request_error"
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("items", "code", "param"),
    [
        ([], "missing_required_parameter", "input"),
        ([{"role": "user"}], "missing_required_parameter", "input[0].content"),
        ([{"role": "tool", "content": "x"}], "invalid_value", "input[0].role"),
        ([{"role": "user", "content": "x", "name": "Ann"}], "unknown_parameter", "input[0].name"),
        ([{"type": "telepathy"}], "invalid_value", "input[0]"),
        ([said("user", {"type": "text", "text": "x"})], "invalid_value", "input[0].content[0]"),
        ([said("assistant", {"type": "input_text", "text": "x"})], "invalid_value", "input[0].content[0]"),
        (
            [said("user", {"type": "input_image", "image_url": {"url": PICTURE}})],
            "invalid_type",
            "input[0].content[0].image_url",
        ),
        (
            [said("user", {"type": "input_image", "image_url": "data:image/png;base64,AAAA"})],
            "invalid_image",
            "input[0].content[0]",
        ),
        ([RESULT], None, "input"),
        ([CALLED], None, "input"),
        ([{**THOUGHT, "encrypted_content": "AAAA"}, CALLED, RESULT], "invalid_encrypted_content", None),
        ([{**THOUGHT, "id": "x"}, CALLED, RESULT], None, "input[0].id"),
        ([{**THOUGHT, "summary": None}, CALLED, RESULT], "missing_required_parameter", "input[0].summary"),
        ([{**THOUGHT, "encrypted_content": seal_reasoning("x")}], None, "input"),
        ([{**CALLED, "id": "call_1"}, RESULT], None, "input[0].id"),
        ([{**CALLED, "call_id": None}], "missing_required_parameter", "input[0].call_id"),
        ([{"role": "user", "content": "word " * 1_100_000}], "context_length_exceeded", "input"),
    ],
)
async def test_an_input_that_does_not_hold_together_is_refused(
    http: httpx.AsyncClient, items: list[Any], code: str | None, param: str
) -> None:
    reply = await respond(http, input=items)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, code, param), reply.text[:500]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "a"}}]}, "missing_required_parameter", "tools[0].name"),
        ({"tools": [{"type": "function", "name": "a"}]}, "missing_required_parameter", "tools[0].parameters"),
        ({"tools": [{"type": "function", "name": "a b", "parameters": {}}]}, None, "tools[0].name"),
        (
            {"tools": [{**TOOL, "parameters": {**SCHEMA, "additionalProperties": True}}]},
            "invalid_function_parameters",
            "tools[0].parameters",
        ),
        ({"tool_choice": "required"}, None, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "perhaps"}, "invalid_value", "tool_choice"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look_at_weather"}}},
            "missing_required_parameter",
            "tool_choice.name",
        ),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "other"}}, None, "tool_choice"),
    ],
)
async def test_tools_come_flat_or_not_at_all(
    http: httpx.AsyncClient, body: dict[str, Any], code: str | None, param: str
) -> None:
    reply = await respond(http, **body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, code, param), reply.text


async def test_keys_and_models_are_looked_at_as_everywhere(http: httpx.AsyncClient) -> None:
    assert (await respond(http, key="")).status_code == 401
    assert (await respond(http, key="my-bad-key")).json()["error"]["code"] == "invalid_api_key"
    for model in ("gpt-9", "tts-1", "text-embedding-3-small"):
        unknown = await respond(http, model=model)
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found"), model


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gpt-5.5-pro", "xhigh"),
        ("gpt-5.4-pro", "medium"),
        ("gpt-5.2-pro", "high"),
        ("gpt-5.3-codex", "low"),
        ("gpt-6.2-sol", "max"),
        ("gpt-6.1-sol", "max"),
        ("gpt-6-astra", "max"),
        ("gpt-6-luna", "max"),
        ("gpt-5.6-sol", "max"),
        ("gpt-5.1", "none"),
        ("gpt-5-mini", "minimal"),
        ("gpt-4.1", None),
        ("gpt-4o-mini", None),
    ],
)
async def test_every_text_model_answers_with_its_own_efforts(
    http: httpx.AsyncClient, model: str, effort: str | None
) -> None:
    whole = await answer(http, model=model, reasoning={"effort": effort}, store=False, max_output_tokens=5000)
    assert (whole["status"], whole["model"], whole["store"]) == ("completed", model, False)
    assert whole["output"][-1]["content"][0]["text"]
    reasoned = whole["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    assert reasoned == (effort not in (None, "none")) == (whole["output"][0]["type"] == "reasoning")
    assert whole["usage"]["total_tokens"] == whole["usage"]["input_tokens"] + whole["usage"]["output_tokens"]


async def test_max_is_for_responses_alone_and_tools_reason_there(http: httpx.AsyncClient) -> None:
    body = {"model": "gpt-6.2-sol", "messages": [{"role": "user", "content": "Hello"}], "reasoning_effort": "max"}
    chat = await http.post("/openai/v1/chat/completions", json=body, headers={"authorization": "Bearer key"})
    assert chat.json()["error"]["code"] == "unsupported_value"
    whole = await answer(http, model="gpt-6.1-sol", tools=[TOOL], tool_choice="required", reasoning={"effort": "high"})
    assert [item["type"] for item in whole["output"]] == ["reasoning", "function_call"]


async def test_a_tool_is_called_and_its_result_is_heard(http: httpx.AsyncClient) -> None:
    asked = {"role": "user", "content": "Please look_at_weather."}
    call = (await answer(http, input=[asked], tools=[TOOL]))["output"][-1]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "look_at_weather", "completed")
    assert call["id"].startswith("fc_")
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "storm"}
    whole = await answer(http, input=[asked, call, result], tools=[TOOL])
    assert "The tool said: storm" in whole["output"][-1]["content"][0]["text"]


async def test_pictures_and_formats_are_taken(http: httpx.AsyncClient) -> None:
    picture = {"type": "input_image", "image_url": PICTURE, "detail": "low"}
    seen = await answer(http, input=[said("user", {"type": "input_text", "text": "What is this?"}, picture)])
    assert "1 picture (1 by 1 pixels)" in seen["output"][-1]["content"][0]["text"]
    made = await answer(http, **shaped("json_schema", name="out", strict=True, schema=SCHEMA))
    assert made["output"][-1]["content"][0]["text"].startswith('{"a": ')
    loose = await answer(http, input="As JSON, please.", **shaped("json_object"))
    assert loose["output"][-1]["content"][0]["text"].startswith("{")


async def test_faults_of_the_answer_have_the_form_of_a_response(http: httpx.AsyncClient) -> None:
    refused = (await answer(http, model="gpt-6.2-sol@refusal"))["output"][-1]["content"]
    assert [part["type"] for part in refused] == ["refusal"]
    cut = await answer(http, model="gpt-6.2-sol@truncated")
    assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert cut["output"][-1]["status"] == "incomplete"
    empty = await answer(http, model="gpt-6.2-sol@empty")
    assert empty["output"][-1]["content"][0]["text"] == ""
    least = await answer(http, max_output_tokens=16)
    assert (least["status"], [item["type"] for item in least["output"]]) == ("incomplete", ["reasoning"])
    limited = await respond(http, model="gpt-6.2-sol@429=7")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ({}, "response.completed"),
        ({"max_output_tokens": 80}, "response.incomplete"),
        ({"tools": [TOOL], "tool_choice": "required"}, "response.completed"),
        ({"model": "gpt-6.2-sol@refusal"}, "response.completed"),
    ],
)
async def test_a_stream_brings_the_same_response_in_pieces(
    http: httpx.AsyncClient, body: dict[str, Any], last: str
) -> None:
    asked: dict[str, Any] = {"model": "gpt-6.2-sol", "input": "Tell me everything.", **body}
    whole = await answer(http, **asked)
    async with AsyncOpenAI(api_key="key", base_url=f"{http.base_url}/openai/v1", max_retries=0) as client:
        events = [event async for event in await client.responses.create(**asked, stream=True)]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == last
    assert events[-1].response.to_dict()["output"] == whole["output"]
    item = whole["output"][-1]
    wanted = item.get("arguments") or next(part.get("text") or part.get("refusal") for part in item["content"])
    assert "".join(event.delta for event in events if event.type.endswith(".delta")) == wanted


async def test_reasoning_is_sealed_on_request_and_looked_for_where_nothing_is_kept(http: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {"tools": [TOOL], "tool_choice": "required"}
    plain, sealed = [(await answer(http, **asked, **more))["output"] for more in ({}, {"include": [SEALED]})]
    assert "encrypted_content" not in plain[0]
    turns = [{"role": "user", "content": "Hello"}]
    outcome = {**RESULT, "call_id": sealed[1]["call_id"]}
    assert (await answer(http, input=[*turns, *sealed, outcome]))["status"] == "completed"
    missing = await respond(http, input=[*turns, *plain, outcome])
    assert (missing.status_code, "not persisted" in missing.text) == (404, True)
