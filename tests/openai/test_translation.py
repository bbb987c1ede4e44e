"""What is said of the parameters is true: to the official SDK, to the page, and in the requests that are made."""

import inspect
import re
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import embedding_create_params
from openai.types.audio import speech_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

from core.errors import RequestRefused
from producer.openai.asking import to_request
from producer.openai.chat import read_chat
from producer.openai.parameters import TABLES, Table
from producer.openai.pieces import pieces
from producer.openai.responses import read_response

PAGE = (Path(__file__).parents[2] / "docs" / "openai.md").read_text()
OFFICIAL: dict[str, Any] = {
    "/v1/chat/completions": completion_create_params.CompletionCreateParamsBase,
    "/v1/responses": response_create_params.ResponseCreateParamsBase,
    "/v1/embeddings": embedding_create_params.EmbeddingCreateParams,
    "/v1/audio/speech": speech_create_params.SpeechCreateParams,
}
STREAMED = {"/v1/chat/completions", "/v1/responses"}


@pytest.mark.parametrize("path", TABLES)
def test_every_parameter_of_the_official_sdk_has_its_line(path: str) -> None:
    official = set(typing.get_type_hints(OFFICIAL[path])) | ({"stream"} if path in STREAMED else set())
    assert set(TABLES[path]) == official


def documented(table: Table) -> str:
    lines = ["| parameter | | |", "|---|---|---|"]
    for one in sorted(table.values(), key=lambda each: each.name):
        harmless = " or ".join(f"`{str(value).lower()}`" for value in one.harmless)
        handling = f"refused, except {harmless}" if harmless else one.handling
        lines.append(f"| `{one.name}` | {handling} | {one.note} |")
    return "\n".join(lines)


@pytest.mark.parametrize("path", TABLES)
def test_the_page_has_the_table(path: str) -> None:
    assert f"### `POST {path}`\n\n{documented(TABLES[path])}\n" in PAGE


def test_every_mapped_parameter_is_read_somewhere() -> None:
    sources = "".join(
        inspect.getsource(__import__(f"producer.{name}", fromlist=["x"]))
        for name in ("openai.chat", "openai.responses", "openai.embeddings", "openai.speech", "openai.asking",
                     "api.openai.generating", "api.openai.responses")
    )  # fmt: skip
    for table in TABLES.values():
        for one in table.values():
            if one.handling == "mapped":
                assert re.search(rf'"{one.name}"', sources), one.name


@given(st.text(max_size=400))
def test_pieces_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert all(pieces(text))


def test_what_answers_carry_may_be_sent_back() -> None:
    said = {
        "role": "assistant",
        "content": "x",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
    }
    asked = read_chat({"model": "fast", "messages": [{"role": "user", "content": "x"}, said]})
    assert to_request(asked, "off").turns[1].content == "x"
    item = {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
            "content": [{"type": "output_text", "text": "x", "annotations": [], "logprobs": []}]}  # fmt: skip
    call: Any = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "c",
        "name": "f",
        "arguments": "{}",
        "status": "completed",
    }
    done = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "4"}]}
    body = {"model": "fast", "input": [{"role": "user", "content": "x"}, item, call, call | {"call_id": "d"}, done]}
    turns = to_request(read_response(body), "off").turns
    assert [turn.role for turn in turns] == ["user", "assistant", "tool"]
    assert [one["id"] for one in turns[1].tool_calls or ()] == ["c", "d"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": "x", "text": {"format": {"type": "json_schema", "schema": {"type": 3}}}}, "text.format.schema"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0]"),
        ({"input": "x", "tools": [{"type": "function", "name": "f", "parameters": 3}]}, "tools[0].parameters"),
        ({"input": "x", "instructions": 3}, "instructions"),
    ],
)
def test_problems_are_named_as_they_were_sent(body: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        to_request(read_response({"model": "fast", **body}), "off")
    assert [problem.field for problem in refused.value.problems] == [field]
