"""What Anthropic refuses, the emulator refuses: told over plain HTTP, so that no SDK mends the request first."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from producer.embedded import Running

NEW, OLD = "2026-10-21", "2023-06-01"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}}}
CALLED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]}
STRANGE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t.1", "name": "look", "input": {}}]}
ASKED = {"role": "user", "content": "Hello"}


@pytest.fixture
async def http(servers: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{servers.emulator_url}/anthropic", timeout=20) as client:
        yield client


async def send(http: httpx.AsyncClient, version: str | None = NEW, **body: Any) -> httpx.Response:
    headers = {"authorization": "Bearer key"} | ({"anthropic-version": version} if version else {})
    whole = {"model": "claude-haiku-5-5", "max_tokens": 500, "messages": [ASKED], **body}
    return await http.post("/v1/messages", json=whole, headers=headers)


def bound(schema: Any) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"temperature": 1}, "temperature: Extra inputs are not permitted"),
        ({"top_k": 3}, "top_k: Extra inputs are not permitted"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"max_tokens": 128_001}, "128001 > 128000"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": " "}]}, "non-whitespace"),
        ({"messages": [ASKED, {"role": "assistant", "content": "I"}]}, "does not support assistant message prefill"),
        ({"messages": [ASKED, CALLED, ASKED], "tools": [TOOL]}, "without `tool_result`"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t9"}]}]}, "unexpected"),
        ({"model": "claude-sonnet-5-5", "thinking": {"type": "disabled"}}, "not supported for this model"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "not supported for this model"),
        ({"output_config": {"effort": "minimal"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_object"}}}, "json_schema"),
        ({"tool_choice": {"type": "auto"}}, "while providing tools"),
        ({"model": "claude-opus-5-5", "tools": [TOOL], "tool_choice": {"type": "any"}}, "not supported"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}},
            "Thinking may not be enabled",
        ),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "leap"}}, "not found in provided tools"),
        ({"tools": [{"name": "look"}]}, "input_schema"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control.ephemeral.ttl"),
        ({"messages": [ASKED, STRANGE, ASKED], "tools": [TOOL]}, "tool_use.id"),
        (bound({"type": "object", "properties": {}}), "'additionalProperties' must be explicitly set to false"),
        (bound({"type": "integer", "minimum": 1}), "'minimum' is not supported"),
        (bound({"type": "string", "pattern": "x"}), "'pattern' is not supported"),
        (bound({"type": "array", "items": {"type": "null"}, "minItems": 2}), "minItems"),
        (bound({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}), "Circular"),
        (bound({**SCHEMA, "properties": {f"p{n}": {"type": "null"} for n in range(500)}}), "grammar is too large"),
        ({"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "word " * 250_000}]}, "too long"),
    ],
)
async def test_anthropic_refuses(http: httpx.AsyncClient, body: dict[str, Any], words: str) -> None:
    answer = await send(http, **body)
    said = answer.json()
    assert (answer.status_code, said["type"], said["error"]["type"]) == (400, "error", "invalid_request_error")
    assert words in said["error"]["message"]
    assert said["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize(
    ("version", "body", "words"),
    [
        (OLD, {"model": "claude-haiku-5-5", "temperature": 0.2}, "only the default"),
        (OLD, {"model": "claude-haiku-4-5", "temperature": 0.2, "top_p": 0.5}, "cannot both"),
        (OLD, {"model": "claude-sonnet-4-6", "temperature": 0.2, "thinking": {"type": "adaptive"}}, "thinking"),
        (None, {}, "header is required"),
        ("2020-01-01", {}, "not a valid version"),
    ],
)
async def test_the_version_is_asked_for_and_the_old_one_samples_old_models_alone(
    http: httpx.AsyncClient, version: str | None, body: dict[str, Any], words: str
) -> None:
    answer = await send(http, version, **body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert (await send(http, OLD, model="claude-haiku-4-5", temperature=0.2)).status_code == 200


async def test_either_header_carries_the_key(http: httpx.AsyncClient) -> None:
    body = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [ASKED]}
    statuses = {}
    for headers in ({}, {"x-api-key": "bad-key"}, {"x-api-key": "k"}, {"authorization": "Bearer k"}):
        answer = await http.post("/v1/messages", json=body, headers={"anthropic-version": NEW, **headers})
        statuses[next(iter(headers.values()), "")] = answer.status_code
    assert statuses == {"": 401, "bad-key": 401, "k": 200, "Bearer k": 200}


async def test_models_are_listed_and_unknown_ones_are_not_found(http: httpx.AsyncClient) -> None:
    listed = await http.get("/v1/models", headers={"x-api-key": "k", "anthropic-version": NEW})
    assert {row["id"]: row["max_tokens"] for row in listed.json()["data"]}["claude-opus-5-5"] == 128_000
    assert (await http.get("/v1/models")).status_code == 401
    missing = await send(http, model="claude-9")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")


async def test_a_refusal_is_a_200_with_its_reason(http: httpx.AsyncClient) -> None:
    said = (await send(http, model="claude-haiku-5-5@refusal")).json()
    assert (said["stop_reason"], said["content"]) == ("refusal", [])
    assert said["stop_details"]["category"] == "general_harms"


async def test_the_cache_is_counted_beside_the_input_for_those_who_ask(http: httpx.AsyncClient) -> None:
    turns = [{"role": "user", "content": "the log of the north stair goes on " * 200}]
    cached: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
    asked = [{"messages": turns}, {"messages": turns, **cached}, {"messages": turns, **cached}]
    plain, first, second = [(await send(http, NEW, **one)).json()["usage"] for one in asked]
    assert plain["cache_read_input_tokens"] == plain["cache_creation_input_tokens"] == 0
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] == 1024
    assert abs(plain["input_tokens"] - first["input_tokens"] - 1024) < 5
    assert first["cache_creation"] == {"ephemeral_5m_input_tokens": 1024, "ephemeral_1h_input_tokens": 0}
    other = [{"role": "user", "content": "the log of the south stair goes on " * 200}]
    hour = (await send(http, NEW, messages=other, cache_control={"type": "ephemeral", "ttl": "1h"})).json()["usage"]
    assert hour["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1024}


async def test_a_streamed_message_says_what_the_whole_one_does(http: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {"thinking": {"type": "adaptive"}, "messages": [ASKED]}
    whole = (await send(http, **asked)).json()
    streamed = await send(http, **asked, stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    frames = [frame.split("\n") for frame in streamed.text.strip().split("\n\n")]
    names = [name.removeprefix("event: ") for name, _ in frames]
    events = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert names == [event["type"] for event in events]
    assert (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])
    text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
    assert text == whole["content"][1]["text"]
    assert events[-2]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
