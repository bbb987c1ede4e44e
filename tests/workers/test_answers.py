"""What a worker accepts as an answer."""

import json

import pytest

from core.provider import ErrorKind, ProviderAnswer, ProviderError
from core.request import JobRequest
from core.result import Usage
from workers.calling import check_answer

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


def asked(schema: object = None) -> JobRequest:
    shape = {"type": "json_schema", "json_schema": {"schema": schema}} if schema else {"type": "json_object"}
    body = {"model": "m", "prompt": "x", "response_format": shape}
    return JobRequest.model_validate_json(json.dumps(body))


def answered(content: str, finish: str = "stop") -> ProviderAnswer:
    return ProviderAnswer(Usage(3, 4), "m", content, finish)


def test_what_satisfies_the_schema_is_parsed() -> None:
    assert check_answer(asked(SCHEMA), answered('{"title": "Sea"}')) == {"title": "Sea"}


@pytest.mark.parametrize(
    "content", ['```json\n{"title": "Sea"}\n```', 'Here it is: {"title": "Sea"} I hope you like it.']
)
def test_json_in_a_fence_or_among_words_is_mended(content: str) -> None:
    answer = answered(content)
    assert check_answer(asked(SCHEMA), answer) == {"title": "Sea"}
    assert json.loads(answer.content or "") == {"title": "Sea"}


@pytest.mark.parametrize("content", ['{"title": [1, 2]}', "{}", '"Sea"', "no json", '{"title": "Se', ""])
def test_what_breaks_the_schema_is_an_error_that_was_billed(content: str) -> None:
    with pytest.raises(ProviderError) as caught:
        check_answer(asked(SCHEMA), answered(content))
    assert (caught.value.kind, caught.value.code) == (ErrorKind.invalid_response, "schema_violation")
    assert caught.value.usage == Usage(3, 4)


def test_a_nul_inside_json_is_mended_because_postgres_holds_none() -> None:
    answer = answered('{"title": "S\\u0000ea", "\\u0000": ["\\u0000"]}')
    assert check_answer(asked(), answer) == {"title": "S\ufffdea", "\ufffd": ["\ufffd"]}
    assert "\\u0000" not in (answer.content or "")


def test_a_text_is_taken_as_it_is() -> None:
    assert check_answer(JobRequest(model="m", prompt="x"), answered("{not json")) is None
