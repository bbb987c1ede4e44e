"""Mistral's dialect refuses what Mistral refuses."""

from typing import Any

import httpx
import pytest

from producer.embedded import Running

KEY = {"Authorization": "Bearer some-key"}
USER = [{"role": "user", "content": "Look at the sea."}]
CALLED = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "abcDEF123", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}  # fmt: skip
LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("status", "words", "body"),
    [
        (422, "Extra inputs", {"seed": 4}),
        (422, "valid number", {"temperature": "hot"}),
        (422, "valid integer", {"max_tokens": "9"}),
        (422, "Field required", {"tools": [{"type": "function", "function": {"name": "look"}}]}),
        (422, "Field required", {"response_format": {"type": "json_schema"}}),
        (422, "Extra inputs", {"messages": [{"role": "user", "content": "x", "name": "Ann"}]}),
        (400, "does not stream", {"stream": True}),
        (422, "less than or equal to 1", {"temperature": 1.5}),
        (400, "greedy sampling", {"temperature": 0, "top_p": 0.5}),
        (400, "Invalid model", {"model": "gpt-6-luna"}),
        (400, "not supported", {"model": "mistral-large-2512", "reasoning_effort": "high"}),
        (400, "not supported", {"reasoning_effort": "low"}),
        (400, "JSON", {"response_format": {"type": "json_object"}}),
        (400, "Invalid schema", {"response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "strict": True, "schema": LOOSE}}}),
        (400, "Expected last role", {"messages": [*USER, {"role": "assistant", "content": "Once"}]}),
        (400, "same number", {"messages": [*USER, CALLED]}),
        (400, "Unexpected role 'tool' after role 'user'", {"messages": [
            *USER, {"role": "tool", "tool_call_id": "abcDEF123", "content": "x"}]}),
        (400, "Unexpected role 'user' after role 'tool'", {"messages": [
            *USER, CALLED, {"role": "tool", "tool_call_id": "abcDEF123", "content": "x"}, *USER]}),
        (400, "Unexpected tool call id", {"messages": [
            *USER, CALLED, {"role": "tool", "tool_call_id": "abcDEF124", "content": "x"}]}),
        (400, "length of 9", {"messages": [*USER, {**CALLED, "tool_calls": [{**CALLED["tool_calls"][0], "id": "call_1"}]}]}),  # type: ignore[dict-item]
        (400, "too large for model", {"messages": [{"role": "user", "content": "x" * 1_100_000}]}),
        (422, "does not match any of the expected tags", {"messages": [{"role": "narrator", "content": "x"}]}),
        (400, "tool_choice needs tools", {"tool_choice": "any"}),
    ],
)  # fmt: skip
async def test_a_chat_is_refused_as_mistral_refuses_it(
    servers: Running, status: int, words: str, body: dict[str, Any]
) -> None:
    async with httpx.AsyncClient(base_url=f"{servers.emulator_url}/mistral", headers=KEY) as client:
        said = {"model": "mistral-small-2603", "messages": USER} | body
        answer = await client.post("/v1/chat/completions", json=said)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"response_format": "aac"}), (400, {"voice_id": None}), (404, {"voice_id": "nobody"}),
        (422, {"input": ""}), (422, {"input": " "}), (422, {"input": "x" * 5000}), (422, {"speed": 1}),
        (422, {"input": ["x"]}), (400, {"stream": True}), (400, {"model": "mistral-small-2603"}),
    ],
)  # fmt: skip
async def test_speech_is_refused_as_mistral_refuses_it(servers: Running, status: int, body: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=f"{servers.emulator_url}/mistral", headers=KEY) as client:
        said = {"model": "voxtral-mini-tts-3", "input": "hello", "voice_id": "en_paul_neutral"} | body
        answer = await client.post("/v1/audio/speech", json=said)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"input": []}), (422, {"input": [[1, 2]]}), (422, {"output_dimension": 9999}), (422, {"inputs": ["x"]}),
        (400, {"model": "mistral-embed-2312", "output_dimension": 64}), (400, {"input": "x y " * 9000}),
        (400, {"encoding_format": "base64"}),
    ],
)  # fmt: skip
async def test_vectors_are_refused_as_mistral_refuses_them(servers: Running, status: int, body: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=f"{servers.emulator_url}/mistral", headers=KEY) as client:
        said = {"model": "codestral-embed-2505", "input": "hello"} | body
        assert (await client.post("/v1/embeddings", json=said)).status_code == status


async def test_a_missing_key_is_refused(servers: Running) -> None:
    async with httpx.AsyncClient(base_url=f"{servers.emulator_url}/mistral") as client:
        answer = await client.post("/v1/chat/completions", json={"model": "mistral-small-2603", "messages": USER})
        assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
        assert (await client.get("/v1/models", headers=KEY)).json()["data"]
