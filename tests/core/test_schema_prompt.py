"""A schema asked for in words."""

import json
from typing import Any

import pytest

from core.request import JobRequest
from core.schema_checks import Violation
from core.schema_prompt import MOST_NAMED, ask_in_prompt, ask_once_more

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


def asked(schema: Any, **more: Any) -> JobRequest:
    shape = {"type": "json_schema", "json_schema": {"schema": schema}}
    return JobRequest.model_validate_json(json.dumps({"model": "m", "prompt": "x", "response_format": shape, **more}))


def test_the_schema_stands_in_full_behind_the_callers_own_system_words() -> None:
    request = asked(SCHEMA, system="Be brief.")
    sent = ask_in_prompt(request)
    assert sent.output_schema is None
    assert sent.wants_json
    assert sent.system is not None
    assert sent.system.startswith("Be brief.\n\n")
    assert json.loads(sent.system[sent.system.index("{") :]) == SCHEMA
    assert (sent.prompt, sent.model) == ("x", "m")
    assert request.output_schema == SCHEMA


@pytest.mark.parametrize(
    ("schema", "json_mode"),
    [
        (SCHEMA, True),
        ({"properties": {"a": {}}}, True),
        ({"$ref": "#/$defs/a", "$defs": {"a": SCHEMA}}, True),
        ({"type": "array", "items": SCHEMA}, False),
        ({"type": ["object", "null"]}, False),
        ({"anyOf": [SCHEMA, {"type": "array"}]}, False),
        ({"enum": ["a", "b"]}, False),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, False),
        ({}, False),
    ],
)
def test_json_mode_is_asked_for_only_where_an_object_is_wanted(schema: Any, json_mode: bool) -> None:
    assert ask_in_prompt(asked(schema)).wants_json is json_mode


def test_a_request_without_a_schema_is_left_alone() -> None:
    request = JobRequest(model="m", prompt="x")
    assert ask_in_prompt(request) is request


def test_asking_once_more_shows_the_answer_and_names_what_is_wrong() -> None:
    request = asked(SCHEMA)
    sent = ask_once_more(request, '{"title": []}', [Violation("title", "[] is not a string"), Violation("", "too bad")])
    assert sent.prompt is None
    assert [turn.role for turn in sent.turns] == ["user", "assistant", "user"]
    assert [turn.content for turn in sent.turns[:2]] == ["x", '{"title": []}']
    complaint = str(sent.turns[2].content)
    assert "- title: [] is not a string\n- the answer: too bad\n" in complaint
    assert sent.response_format == request.response_format
    assert request.prompt == "x"


def test_a_conversation_goes_on() -> None:
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    request = asked(SCHEMA, messages=turns).model_copy(update={"prompt": None})
    sent = ask_once_more(request, "no", [Violation("", "not JSON")])
    assert [turn.role for turn in sent.turns] == ["system", "user", "assistant", "user"]
    assert len(request.turns) == 2


def test_a_long_list_of_faults_is_cut() -> None:
    sent = ask_once_more(asked(SCHEMA), "{}", [Violation(f"p{number}", "wrong") for number in range(40)])
    complaint = str(sent.turns[-1].content)
    assert complaint.count(": wrong") == MOST_NAMED
    assert "and more of this kind" in complaint
