"""What the real APIs refuse, the emulator refuses: told over plain HTTP, so that no SDK mends the request first."""

import base64
import io
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx
import mutagen
import pytest

from producer.embedded import Running

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.fixture
async def http(servers: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=servers.emulator_url or "", timeout=20) as client:
        yield client


async def chat(http: httpx.AsyncClient, key: str = "key", **body: Any) -> httpx.Response:
    whole = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello"}], **body}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return await http.post("/openai/v1/chat/completions", json=whole, headers=headers)


async def gemini(
    http: httpx.AsyncClient, model: str = "gemini-3.8-flash", key: str = "key", **body: Any
) -> httpx.Response:
    whole = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], **body}
    headers = {"x-goog-api-key": key} if key else {}
    return await http.post(f"/google/v1/models/{model}:generateContent", json=whole, headers=headers)


def strict(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "out", "strict": True, "schema": schema}}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"temperature": 0.5}, 400, "unsupported_parameter"),
        ({"max_tokens": 5}, 400, "unsupported_parameter"),
        ({"reasoning_effort": "minimal"}, 400, "unsupported_value"),
        ({"model": "gpt-6.2-sol", "reasoning_effort": "none"}, 400, "unsupported_value"),
        ({"model": "gpt-6.2-sol", "top_p": 0.5}, 400, "unsupported_parameter"),
        ({"model": "gpt-5.5-pro"}, 400, None),
        ({"model": "gpt-9"}, 404, "model_not_found"),
        ({"wrong": 1}, 400, "unknown_parameter"),
        ({"response_format": {"type": "json_object"}}, 400, None),
        (
            {"response_format": strict({"type": "object", "properties": {"a": {"type": "array"}}})},
            400,
            "invalid_json_schema",
        ),
        ({"response_format": strict({**SCHEMA, "additionalProperties": True})}, 400, "invalid_json_schema"),
        ({"response_format": strict({**SCHEMA, "required": []})}, 400, "invalid_json_schema"),
        ({"response_format": strict({"type": "array", "items": {"type": "string"}})}, 400, "invalid_json_schema"),
        (
            {"response_format": strict({**SCHEMA, "properties": {"a": {"type": "string", "default": "x"}}})},
            400,
            "invalid_json_schema",
        ),
        ({"messages": [{"role": "user", "content": "word " * 1_100_000}]}, 400, "context_length_exceeded"),
        ({"messages": []}, 400, None),
    ],
)
async def test_openai_refuses(http: httpx.AsyncClient, body: dict[str, Any], status: int, code: str | None) -> None:
    answer = await chat(http, **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert answer.headers["x-request-id"]


async def test_openai_accepts_what_it_documents(http: httpx.AsyncClient) -> None:
    answer = await chat(http, reasoning_effort="none", temperature=0.5, response_format=strict(SCHEMA))
    assert answer.status_code == 200, answer.text
    usage = answer.json()["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_keys_are_asked_for_in_each_providers_manner(http: httpx.AsyncClient) -> None:
    assert (await chat(http, key="")).status_code == 401
    assert (await chat(http, key="my-bad-key")).json()["error"]["code"] == "invalid_api_key"
    assert (await gemini(http, key="")).json()["error"]["status"] == "PERMISSION_DENIED"
    wrong = (await gemini(http, key="bad-key")).json()["error"]
    assert (wrong["code"], wrong["details"][0]["reason"]) == (400, "API_KEY_INVALID")
    speech = await http.post("/elevenlabs/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb", json={"text": "hi"})
    assert (speech.status_code, speech.json()["detail"]["code"]) == (401, "needs_authorization")


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        ("gemini-3.8-flash", {"nonsense": 1}, "Unknown name"),
        ("gemini-3.8-flash", {"generationConfig": {"nonsense": 1}}, "Unknown name"),
        ("gemini-4-argon", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 10}}}, "thinking_budget"),
        ("gemini-4-argon", {"generationConfig": {"thinkingConfig": {"thinking_level": "MINIMAL"}}}, "not supported"),
        ("gemini-3.8-flash", {"generationConfig": {"responseJsonSchema": SCHEMA}}, "response_mime_type"),
        ("gemini-3.8-flash", {"contents": [{"role": "model", "parts": [{"text": "x"}]}]}, "model turn"),
        ("gemini-3.8-flash", {"contents": []}, "contents is not specified"),
        ("gemini-3.8-flash-tts", {}, "modalities"),
    ],
)
async def test_google_refuses(http: httpx.AsyncClient, model: str, body: dict[str, Any], words: str) -> None:
    answer = await gemini(http, model, **body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model_id": "eleven_v3", "previous_text": "a"}, 400, "unsupported_model"),
        ({"model_id": "eleven_v3", "text": "a" * 5001}, 400, "max_character_limit_exceeded"),
        ({"model_id": "eleven_v9"}, 400, "model_not_found"),
    ],
)
async def test_elevenlabs_refuses(http: httpx.AsyncClient, body: dict[str, Any], status: int, code: str) -> None:
    answer = await http.post(
        "/elevenlabs/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb", json={"text": "hi", **body}, headers={"xi-api-key": "k"}
    )
    assert (answer.status_code, answer.json()["detail"]["code"]) == (status, code)


async def test_elevenlabs_knows_its_voices_fields_and_formats(http: httpx.AsyncClient) -> None:
    headers = {"xi-api-key": "k"}
    unknown = await http.post("/elevenlabs/v1/text-to-speech/nobody", json={"text": "hi"}, headers=headers)
    assert (unknown.status_code, unknown.json()["detail"]["code"]) == (404, "voice_not_found")
    place = "/elevenlabs/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb"
    for body, query in (({"text": "hi", "colour": 1}, ""), ({"text": "hi"}, "?output_format=mp3_1_1"), ({}, "")):
        assert (await http.post(place + query, json=body, headers=headers)).status_code == 422


@pytest.mark.parametrize("form", ["mp3", "opus", "flac", "wav"])
async def test_audio_plays_for_about_as_long_as_it_takes_to_say(http: httpx.AsyncClient, form: str) -> None:
    text = "The lamp went out at four, and nobody on the island slept after that. " * 3
    answer = await http.post(
        "/openai/v1/audio/speech",
        json={"model": "tts-1-hd", "voice": "onyx", "input": text, "response_format": form},
        headers={"authorization": "Bearer k"},
    )
    assert answer.status_code == 200
    assert mutagen.File(io.BytesIO(answer.content)).info.length == pytest.approx(len(text) / 15, rel=0.05)


async def test_embeddings_are_unit_vectors_and_alike_where_texts_are(http: httpx.AsyncClient) -> None:
    body = {
        "model": "text-embedding-3-small",
        "input": ["the sea at night", "the sea by night", "tax law"],
        "dimensions": 64,
    }
    answer = await http.post(
        "/openai/v1/embeddings", json={**body, "encoding_format": "base64"}, headers={"authorization": "Bearer k"}
    )
    one, two, three = (struct.unpack("<64f", base64.b64decode(row["embedding"])) for row in answer.json()["data"])
    near, far = (sum(a * b for a, b in zip(one, other, strict=True)) for other in (two, three))
    assert sum(a * a for a in one) == pytest.approx(1, abs=1e-5)
    assert near > far


async def test_faults_come_by_name_by_header_and_for_a_while(http: httpx.AsyncClient) -> None:
    limited = await chat(http, model="gpt-6-luna@429=7")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    answers = [
        (await chat(http, model="gpt-6-luna@500:2", messages=[{"role": "user", "content": "once"}])).status_code
        for _ in range(3)
    ]
    assert answers == [500, 500, 200]
    try:
        await http.post(
            "/_emulator/faults", json={"provider": "google", "model": "gemini-3.6-*", "fault": "503", "times": 1}
        )
        assert [(await gemini(http, "gemini-3.6-flash")).status_code for _ in range(2)] == [503, 200]
    finally:
        await http.delete("/_emulator/faults")
    assert (await http.post("/_emulator/faults", json={"fault": "nonsense"})).status_code == 400


async def test_the_same_request_gets_the_same_answer(http: httpx.AsyncClient) -> None:
    first, second = [(await chat(http)).json() for _ in range(2)]
    assert first["choices"] == second["choices"]
