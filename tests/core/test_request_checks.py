import json
from typing import Any

import pytest

from core.errors import Problem
from core.request import JobRequest
from core.request_checks import read_request


def faults(body: Any) -> dict[str | None, str]:
    found = read_request(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert isinstance(found, list), "this should have been refused"
    assert all(isinstance(one, Problem) for one in found)
    return {one.field: one.message for one in found}


def accepted(**body: Any) -> JobRequest:
    found = read_request(json.dumps({"model": "fast", **body}).encode())
    assert isinstance(found, JobRequest), found
    return found


def test_a_prompt_is_enough() -> None:
    assert accepted(prompt="hi").turns[0].content == "hi"


def test_both_spellings_are_understood_and_schemas_stay_as_they_are() -> None:
    schema = {"type": "object", "properties": {"firstName": {"type": "string"}}}
    one = accepted(prompt="x", responseFormat={"type": "json_schema", "json_schema": {"schema": schema}})
    other = accepted(prompt="x", response_format={"type": "json_schema", "jsonSchema": {"schema": schema}})
    assert one.output_schema == other.output_schema == schema
    assert one.stored() == other.stored()


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"prompt": "x"}, "model", "needed"),
        ({"model": "fast"}, "prompt", "exactly one"),
        ({"model": "fast", "prompt": "x", "messages": [{"role": "user", "content": "y"}]}, "prompt", "exactly one"),
        ({"model": "fast", "prompt": 5}, "prompt", "string"),
        ({"model": "fast", "prompt": ""}, "prompt", "at least 1 character"),
        ({"model": "fast", "prompt": "x", "temprature": 1}, "temprature", "not known"),
        ({"model": "fast", "prompt": "x", "maxOutputTokens": "9"}, "maxOutputTokens", "integer"),
        ({"model": "fast", "prompt": "x", "temperature": 3}, "temperature", "less than or equal to 2"),
        ({"model": "fast", "prompt": "x", "kind": "video"}, "kind", "'text', 'speech' or 'embedding'"),
        ({"model": "fast", "prompt": "x", "voice": "hero"}, "voice", "kind speech"),
        ({"model": "fast", "kind": "speech"}, "input", "text to speak"),
        ({"model": "fast", "kind": "speech", "input": ["a", "b"]}, "input", "text to speak"),
        ({"model": "fast", "kind": "speech", "input": "x", "prompt": "y"}, "prompt", "kind text"),
        ({"model": "fast", "kind": "embedding"}, "input", "list of texts"),
        ({"model": "fast", "prompt": "x", "webhook_url": "h" * 2001}, "webhook_url", "at most 2000 characters"),
        ({"model": "narrator", "kind": "speech", "input": " \n "}, "input", "text to speak"),
        ({"model": "narrator", "kind": "speech", "input": "x" * 1_000_001}, "input", "at most 1,000,000 characters"),
        ({"model": "fast", "prompt": "a\x00b"}, "prompt", "NUL"),
        ({"model": "fast", "prompt": "x", "metadata": {"k": "\x00"}}, "metadata.k", "NUL"),
        ({"model": "fast", "prompt": "see {{outline.content}}"}, "prompt", "not named in after"),
        ({"model": "fast", "prompt": "x", "run_at": "2026-12-24T18:00:00"}, "run_at", "zone"),
        ({"model": "fast", "prompt": "x", "key": "a.b"}, "key", "pattern"),
        ({"model": "fast", "messages": [{"role": "pirate", "content": "x"}]}, "messages.0.role", "'system'"),
        ({"model": "fast", "messages": [{"role": "user"}]}, "messages.0", "needs content"),
    ],
)  # fmt: skip
def test_bad_input_is_named_by_its_field(body: dict[str, Any], field: str, words: str) -> None:
    found = faults(body)
    assert field in found, found
    assert words in found[field]


def test_every_fault_is_named_at_once() -> None:
    assert set(faults({"model": 1, "prompt": 2, "nonsense": 3})) == {"model", "prompt", "nonsense"}


def test_a_lone_surrogate_is_named_by_its_field() -> None:
    found = faults(b'{"model": "fast", "messages": [{"role": "user", "content": "half \\ud83d of it"}]}')
    assert "surrogate" in found["messages.0.content"]


def test_what_is_no_json_is_refused_with_its_place() -> None:
    assert "line 1 column" in faults(b'{"model": "fast", ')[None]
    assert None in faults(b"\xff\xfe")
    assert None in faults(b"[" * 100_000)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "not a JSON Schema"),
        ({"type": "object", "properties": []}, "not a JSON Schema"),
        ({"$ref": "https://schemas.example/story.json"}, "outside the schema"),
        ({"$ref": "file:///etc/passwd"}, "outside the schema"),
        ({"pattern": "("}, "not a JSON Schema"),
    ],
)
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any], words: str) -> None:
    body = {
        "model": "fast",
        "prompt": "x",
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    assert words in faults(body)["response_format.json_schema.schema"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/cat.png", "http://localhost/cat.png", "http://169.254.169.254/latest", "http://10.0.0.7/x.png",
        "http://[::1]/x.png", "ftp://example.com/x.png", "file:///etc/passwd", "http://0x7f000001/x.png",
        "data:image/png;base64,%%%", "data:text/html;base64,AAAA",
    ],
)  # fmt: skip
def test_a_picture_at_an_address_that_is_not_public_is_refused(url: str) -> None:
    body = {"model": "vision", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": url}}]}]}  # fmt: skip
    assert "messages.0.content.1.image_url.url" in faults(body)


def test_tools_are_checked_and_stay_as_sent() -> None:
    tool = {"type": "function", "function": {"name": "lookUp", "parameters": {"type": "object"}}}
    assert accepted(prompt="x", tools=[tool], tool_choice="required").tools == [tool]
    assert "tools.0" in faults({"model": "fast", "prompt": "x", "tools": [{"type": "magic"}]})
    assert "tool_choice" in faults({"model": "fast", "prompt": "x", "tool_choice": "auto"})
    twice = faults({"model": "fast", "prompt": "x", "tools": [tool, tool]})
    assert "tools.1.function.name" in twice


def test_the_stored_form_reads_back_as_the_same_request() -> None:
    request = accepted(prompt="x", maxOutputTokens=5, requirements={"maxCostUsd": 0.25}, run_at="2026-12-24T18:00:00Z")
    again = JobRequest.model_validate_json(json.dumps(request.stored()))
    assert again.stored() == request.stored()
