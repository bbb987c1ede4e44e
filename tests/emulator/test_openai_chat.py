"""OpenAI's chat completions in the emulator: messages, tools and settings that the API refuses. Told over plain HTTP, so
that no SDK mends the request first."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from producer.embedded import Running

ASKED = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "storm"}
MODEL = {"model": "gpt-6-luna", "reasoning_effort": "none"}


@pytest.fixture
async def http(servers: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{servers.emulator_url}/openai/v1", timeout=20) as client:
        yield client


async def send(http: httpx.AsyncClient, **body: Any) -> httpx.Response:
    whole = {**MODEL, "messages": [ASKED], **body}
    return await http.post("/chat/completions", json=whole, headers={"authorization": "Bearer key"})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "tool_call_id": "y"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [ASKED, RESULT]}, "messages[1].role"),
        ({"messages": [ASKED, CALLED, {"role": "tool", "content": "x"}]}, "messages[2].tool_call_id"),
        ({"messages": [ASKED, CALLED]}, "messages"),
        ({"messages": [ASKED, CALLED, ASKED]}, "messages"),
        ({"messages": [ASKED, {**CALLED, "tool_calls": []}]}, "messages[1].content"),
        (
            {"messages": [ASKED, {**CALLED, "tool_calls": [{**CALL, "extra_content": {}}]}, RESULT]},
            "messages[1].tool_calls[0].extra_content",
        ),
        ({"tools": []}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "leap"}}}, "tool_choice"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stop": list("abcde")}, "stop"),
        ({"temperature": 3}, "temperature"),
    ],
)
async def test_what_does_not_hold_together_is_refused_by_name(
    http: httpx.AsyncClient, body: dict[str, Any], param: str
) -> None:
    reply = await send(http, **body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param), reply.text


async def test_a_tools_result_is_taken_after_its_call(http: httpx.AsyncClient) -> None:
    reply = await send(http, messages=[ASKED, CALLED, RESULT], tools=[TOOL])
    assert "storm" in reply.json()["choices"][0]["message"]["content"]


async def test_a_long_list_of_values_has_a_limit_of_its_own(http: httpx.AsyncClient) -> None:
    schema = {
        "type": "object",
        "properties": {"place": {"type": "string", "enum": [f"{n:04}" + "x" * 60 for n in range(251)]}},
        "required": ["place"],
        "additionalProperties": False,
    }
    named = {"type": "json_schema", "json_schema": {"name": "out", "strict": True, "schema": schema}}
    assert (await send(http, response_format=named)).json()["error"]["code"] == "invalid_json_schema"


async def test_vectors_come_in_the_two_forms_that_there_are(http: httpx.AsyncClient) -> None:
    body = {"model": "text-embedding-3-small", "input": "x", "encoding_format": "hex"}
    reply = await http.post("/embeddings", json=body, headers={"authorization": "Bearer key"})
    assert reply.json()["error"]["param"] == "encoding_format"
