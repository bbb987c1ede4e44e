"""Gemini in the emulator: what the API refuses, and how it streams. Told over plain HTTP, so that no SDK mends the
request first."""

import json
import math
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from producer.embedded import Running

USER = {"role": "user", "parts": [{"text": "look_at_weather in Skagen"}]}
TOOLS = [{"functionDeclarations": [{"name": "look_at_weather", "parametersJsonSchema": {"type": "object"}}]}]
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "look_at_weather", "response": {"said": "storm"}}}]}
HEADERS = {"x-goog-api-key": "key"}


@pytest.fixture
async def http(servers: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{servers.emulator_url}/google/v1/models", timeout=20) as client:
        yield client


async def send(
    http: httpx.AsyncClient, model: str = "gemini-3.8-flash", method: str = "generateContent", **body: Any
) -> httpx.Response:
    whole = {"contents": [USER], **body}
    return await http.post(f"/{model}:{method}", json=whole, headers=HEADERS)


def bound(schema: Any) -> dict[str, Any]:
    return {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}}


def calling(**more: Any) -> dict[str, Any]:
    return {"role": "model", "parts": [{"functionCall": {"name": "look_at_weather", "args": {}}, **more}]}


UNCHECKED = {"thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}
CIRCLE = {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}}, "required": ["child"]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role"),
        ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
        ({"contents": [{"role": "user", "parts": [{}]}]}, "must have a part with data"),
        ({"generationConfig": {"seed": 2**31}}, "generation_config.seed"),
        ({"generationConfig": {"temperature": 2.5}}, "generation_config.temperature"),
        ({"generationConfig": {"max_output_tokens": 65_537}}, "generation_config.maxOutputTokens"),
        ({"generationConfig": {"stopSequences": list("abcdef")}}, "stop sequences"),
        (bound({"$ref": "#/$defs/a", "description": "x", "$defs": {"a": {"type": "null"}}}), "beside"),
        (bound({"properties": {"a": {"$ref": "#/$defs/b"}}}), "leads nowhere"),
        (bound({**CIRCLE, "$defs": {"node": CIRCLE}}), "circular"),
        ({"tools": [{"functionDeclarations": [{"name": "not a name"}]}]}, "Invalid function name"),
        ({"tools": [*TOOLS, *TOOLS]}, "Duplicate"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "without function_declarations"),
        (
            {"tools": TOOLS, "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}},
            "undeclared",
        ),
        ({"contents": [USER, calling(), RESULT], "tools": TOOLS}, "missing a thought_signature"),
        ({"contents": [USER, calling(thoughtSignature="AAAA"), RESULT], "tools": TOOLS}, "Corrupted"),
        ({"contents": [USER, calling(**UNCHECKED), USER], "tools": TOOLS}, "function response parts"),
        ({"contents": [USER, RESULT], "tools": TOOLS}, "function response parts"),
    ],
)
async def test_gemini_refuses(http: httpx.AsyncClient, body: dict[str, Any], words: str) -> None:
    answer = await send(http, **body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT"), answer.text
    assert words in answer.json()["error"]["message"]


async def test_a_circle_that_may_be_left_out_is_taken(http: httpx.AsyncClient) -> None:
    optional = {**CIRCLE, "required": []}
    assert (await send(http, **bound({**optional, "$defs": {"node": optional}}))).status_code == 200


async def test_a_function_call_is_signed_and_goes_back_with_its_signature(http: httpx.AsyncClient) -> None:
    part = (await send(http, tools=TOOLS)).json()["candidates"][0]["content"]["parts"][0]
    assert part["thoughtSignature"]
    turns = [USER, {"role": "model", "parts": [part]}, RESULT]
    ended = (await send(http, contents=turns, tools=TOOLS)).json()
    assert "storm" in ended["candidates"][0]["content"]["parts"][0]["text"]
    old = (await send(http, "gemini-2.5-flash", tools=TOOLS)).json()["candidates"][0]["content"]["parts"][0]
    assert "thoughtSignature" not in old
    assert (await send(http, "gemini-2.5-flash", contents=[USER, calling(), RESULT])).status_code == 200


async def test_a_stream_is_the_whole_answer_in_pieces_without_a_mark_at_its_end(http: httpx.AsyncClient) -> None:
    whole = (await send(http)).json()
    streamed = await send(http, method="streamGenerateContent")
    frames = [json.loads(one.removeprefix("data: ")) for one in streamed.text.strip().split("\r\n\r\n")]
    texts = [frame["candidates"][0]["content"]["parts"][0]["text"] for frame in frames]
    assert "".join(texts) == whole["candidates"][0]["content"]["parts"][0]["text"]
    assert len(frames) > 1
    assert [frame["candidates"][0].get("finishReason") for frame in frames][-2:] == [None, "STOP"]
    assert frames[-1]["usageMetadata"] == whole["usageMetadata"]
    blocked = await send(http, "gemini-3.8-flash@refusal", "streamGenerateContent")
    assert '"blockReason"' in blocked.text


async def test_vectors_that_the_older_model_cuts_are_shorter_than_one(http: httpx.AsyncClient) -> None:
    lengths = {}
    for model in ("gemini-embedding-001", "gemini-embedding-2"):
        one = {"model": f"models/{model}", "content": {"parts": [{"text": "the sea"}]}, "outputDimensionality": 64}
        answer = await http.post(f"/{model}:batchEmbedContents", json={"requests": [one]}, headers=HEADERS)
        lengths[model] = math.hypot(*answer.json()["embeddings"][0]["values"])
    assert lengths["gemini-embedding-001"] < 0.9
    assert lengths["gemini-embedding-2"] == pytest.approx(1)
    many = {"requests": [{"content": {"parts": [{"text": "x"}]}}] * 101}
    refused = await http.post("/gemini-embedding-2:batchEmbedContents", json=many, headers=HEADERS)
    assert "at most 100" in refused.json()["error"]["message"]
