"""Answers that break their schema in form alone."""

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.mending import is_valid, mend_answer, mend_value
from tests.adapters.test_schema_conversion import schemas

Schema = dict[str, Any]

BOOK: Schema = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "pages": {"type": "integer"},
        "price": {"type": "number"},
        "sold": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "mood": {"enum": ["calm", "Very Dark"]},
        "note": {"type": "string"},
        "rating": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "kind": {"const": "book"},
        "lang": {"type": "string", "default": "en"},
    },
    "required": ["title"],
    "additionalProperties": False,
}
SEA = {"title": "Sea"}


def closed(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def mended(text: str, schema: Schema | None = BOOK, *, cut_off: bool = False) -> Any:
    found = mend_answer(text, schema, cut_off=cut_off)
    assert found is not None, "not mended"
    assert not found.as_it_came
    return found.value


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"title": "Sea"}\n```',
        '```\n{"title": "Sea"}```',
        'Here it is:\n```json\n{"title": "Sea"}\n```\nI hope you like it.',
        'Here it is: {"title": "Sea"} I hope you like it [as I do].',
        '\ufeff{"title": "Sea"}',
        '{"title": "Sea",}',
        '{"title": "Sea"}}',
        '{{"title": "Sea"}}',
        '<think>{"title": "Lake"}? No.</think>{"title": "Sea"}',
        'For {name}, see [1]: {"title": "Sea"}',
        '{"answer": {"title": "Sea"}}',
        '[{"title": "Sea"}]',
        '"{\\"title\\": \\"Sea\\"}"',
        '{"title": "Sea"}\n{"title": "Sea"}',
        '{"title": ["Sea"]}',
        '{"title": "Sea", "author": "M"}',
        '{"Title": "Sea"}',
        '{"title": "Sea", "note": null}',
        '{"title": "Sea", "mood": null}'.replace("mood", "tags"),
    ],
)
def test_the_json_that_was_meant_is_found(text: str) -> None:
    assert mended(text) == SEA


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"pages": "12"}, {"pages": 12}),
        ({"pages": " -3 "}, {"pages": -3}),
        ({"price": "0.10"}, {"price": 0.1}),
        ({"note": 7}, {"note": "7"}),
        ({"note": 0.5}, {"note": "0.5"}),
        ({"sold": "True"}, {"sold": True}),
        ({"sold": "false"}, {"sold": False}),
        ({"tags": "sea"}, {"tags": ["sea"]}),
        ({"tags": '["sea", "salt"]'}, {"tags": ["sea", "salt"]}),
        ({"tags": [1, "salt"]}, {"tags": ["1", "salt"]}),
        ({"mood": "very  dark "}, {"mood": "Very Dark"}),
        ({"mood": "CALM"}, {"mood": "calm"}),
        ({"kind": "Book"}, {"kind": "book"}),
        ({"rating": "4"}, {"rating": 4}),
        ({"rating": "null"}, {"rating": None}),
    ],
)
def test_a_value_in_another_form_keeps_what_it_says(said: dict[str, Any], meant: dict[str, Any]) -> None:
    value = mended(json.dumps({**SEA, **said}))
    assert value == {**SEA, **meant}
    assert [type(one) for one in value.values()] == [type(one) for one in {**SEA, **meant}.values()]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON at all",
        '{"title": "Se',
        '{"title": "Sea", "tags": ["a", ',
        '{"chapters": [{"title": "Sea"}, {"title": "La',
        'First {"title": "Sea"}, or {"title": "Lake"}',
        '{"title": "Sea"} and then {"title": "La',
        '{\'chapter\': {"title": "Sea"}}',
        '{chapter: {"title": "Sea"}}',
        '{"a": {"title": "Sea"} "b": 1}',
        '{"title": "Sea", "pages": "about 12"}',
        '{"title": "Sea", "pages": "1,200"}',
        '{"title": "Sea", "pages": 12.5}',
        '{"title": "Sea", "price": "12345678901234567890.123"}',
        '{"title": "Sea", "sold": "yes"}',
        '{"title": "Sea", "sold": 1}',
        '{"title": "Sea", "mood": "gloomy"}',
        '{"title": null}',
        '{"name": "Sea"}',
        '{"author": "M"}',
        "{}",
        "null",
        "[]",
        '"Sea"',
        '{"type": "object", "properties": {"title": {"type": "string"}}}',
        '{"properties": {"title": "Sea"}}',
        '{"title": "Sea", "price": NaN}',
        '{"title": "Sea", "price": 1e999}',
        '{"title": ' + "[" * 3000,
    ],
)
def test_what_leaves_a_doubt_is_not_mended(text: str) -> None:
    assert mend_answer(text, BOOK) is None


def test_what_is_as_it_should_be_comes_back_as_it_came() -> None:
    found = mend_answer('{"title": "Sea", "pages": 3}', BOOK)
    assert found is not None
    assert (found.value, found.as_it_came) == ({"title": "Sea", "pages": 3}, True)


def test_line_breaks_inside_strings_are_read() -> None:
    assert mended('{"title": "Sea\nand\tsalt"}') == {"title": "Sea\nand\tsalt"}


def test_commas_inside_strings_stay() -> None:
    assert mended('{"title": "a ,} b ,] c", "tags": ["x,}",],}') == {"title": "a ,} b ,] c", "tags": ["x,}"]}


def test_a_nul_and_half_a_character_are_made_storable() -> None:
    assert mended('{"title": "S\\u0000ea"}') == {"title": "S\ufffdea"}
    assert mended('Here: {"title": "S\\ud800ea"}') == {"title": "S\ufffdea"}


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('{"title": "Sea"}   ', True),
        ('```json\n{"title": "Sea"}\n', True),
        ('{"title": "Sea"} I hope you', True),
        ('{"title": "Sea"', False),
        ('{"title": "Sea"}, {"title": "L', False),
    ],
)
def test_an_answer_that_was_cut_off_is_taken_only_when_its_json_is_whole(text: str, whole: bool) -> None:
    found = mend_answer(text, BOOK, cut_off=True)
    assert (found is not None) is whole


@pytest.mark.parametrize(("text", "schema"), [("12", {"type": "integer"}), ("calm", {"enum": ["calm"]})])
def test_a_bare_value_that_was_cut_off_may_have_gone_on(text: str, schema: Schema) -> None:
    assert mend_answer(text, schema, cut_off=False) is not None
    assert mend_answer(text, schema, cut_off=True) is None


def test_a_bare_word_is_one_of_the_named_values() -> None:
    assert mended(" Calm\n", {"enum": ["calm", "dark"]}) == "calm"
    assert mended("True", {"type": "boolean"}) is True
    for sentence in ("I cannot say.", "calm or dark"):
        assert mend_answer(sentence, {"enum": ["calm", "dark"]}) is None
    for schema in ({"type": "string", "maxLength": 20}, {"type": "array"}, {"type": ["string", "null"]}, {}):
        assert mend_answer("I cannot say.", schema) is None


def test_a_null_that_two_subschemas_refuse_goes_once() -> None:
    schema = {"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "object"}}}]}
    assert mended('{"a": null, "b": 1}', schema) == {"b": 1}


def test_any_json_will_do_without_a_schema() -> None:
    assert mended('Sure: {"title": "Sea",}', None) == SEA
    assert mend_answer("Sure.", None) is None
    assert mend_answer('Either {"a": 1} or {"a": 2}', None) is None


def test_a_missing_property_is_what_the_schema_says_it_is() -> None:
    schema = closed(kind={"const": "book"}, lang={"$ref": "#/$defs/lang"}, one={"enum": [1]}, title={"type": "string"})
    schema["$defs"] = {"lang": {"type": "string", "default": "en"}}
    assert mended('{"title": "Sea"}', schema) == {"title": "Sea", "kind": "book", "lang": "en", "one": 1}
    assert mend_answer("{}", schema) is None


def test_a_null_where_the_schema_names_a_default_is_the_default() -> None:
    schema = closed(title={"type": "string"}, lang={"type": "string", "default": "en"})
    assert mended('{"title": "Sea", "lang": null}', schema) == {"title": "Sea", "lang": "en"}


def test_a_name_written_otherwise_is_put_right_in_an_open_object_too() -> None:
    schema = {"type": "object", "properties": {"birth_date": {"type": "string"}}, "required": ["birth_date"]}
    assert mended('{"birthDate": "1923", "x": 1}', schema) == {"birth_date": "1923", "x": 1}


def test_references_are_followed() -> None:
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {"node": closed(n={"type": "integer"}, kids={"type": "array", "items": {"$ref": "#/$defs/node"}})},
    }
    text = '{"n": "1", "kids": [{"n": "2", "kids": [], "x": 0}, {"n": 3, "kids": {"n": 4, "kids": []}}]}'
    assert mended(text, schema) == {
        "n": 1,
        "kids": [{"n": 2, "kids": []}, {"n": 3, "kids": [{"n": 4, "kids": []}]}],
    }


def test_a_union_is_mended_where_one_branch_can_be_meant() -> None:
    one_of = [closed(k={"const": "a"}, n={"type": "integer"}), closed(k={"const": "b"}, s={"type": "string"})]
    schema = closed(it={"oneOf": one_of})
    assert mended('{"it": {"k": "a", "n": "5"}}', schema) == {"it": {"k": "a", "n": 5}}
    assert mended('{"it": {"k": "B", "s": 5}}', schema) == {"it": {"k": "b", "s": "5"}}
    unclear = closed(it={"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]})
    assert mend_answer('{"it": 5}', unclear) is None


def test_properties_that_the_validator_made_no_sense_of_are_not_thrown_away() -> None:
    """A subschema that fails leaves its properties unevaluated."""
    schema = {
        "type": "object",
        "allOf": [{"properties": {"a": {"type": "integer"}}}],
        "properties": {"b": {"type": "integer"}},
        "unevaluatedProperties": False,
    }
    assert mended('{"a": "5", "b": 1}', schema) == {"a": 5, "b": 1}
    assert mended('{"a": 5, "b": 1, "c": 1}', schema) == {"a": 5, "b": 1}
    assert mend_answer('{"a": "many", "b": 1}', schema) is None


def test_conditions_are_kept_even_where_nothing_can_be_mended() -> None:
    schema = {**BOOK, "if": {"required": ["pages"]}, "then": {"required": ["price"]}}
    assert mend_answer('{"title": "Sea", "pages": "3"}', schema) is None
    assert mended('{"title": "Sea", "pages": "3", "price": 1}', schema)["pages"] == 3


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "' + '\\"' * 100_000,
        '{"a": "' + "\\" * 100_001,
        "```\n" + " " * 100_000 + "x",
        "{x " * 100_000,
        '{"' * 100_000,
        "[" * 100_000,
        '["a"' + ("," + " " * 100) * 1000,
        "<think>" * 50_000,
    ],
)
def test_a_long_text_that_is_no_json_takes_no_long_time(text: str) -> None:
    began = time.perf_counter()
    assert mend_answer(text, BOOK) is None
    assert time.perf_counter() - began < 2


def test_a_long_list_is_mended_to_its_end() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    assert mended(json.dumps([str(number) for number in range(3000)]), schema) == list(range(3000))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(-9, 9)
    | st.sampled_from(["x", "X ", "y", "3", "true", "null", "abc", "[]", '{"a": 1}', "\x00", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b", "c", "d", "A", "name", "next", "more", "value"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(schema=schemas(), value=VALUES)
def test_what_is_mended_satisfies_the_whole_schema_and_nothing_is_changed_in_place(schema: Schema, value: Any) -> None:
    before = copy.deepcopy(value)
    found = mend_value(value, schema)
    assert repr(value) == repr(before)
    if found is not None:
        assert is_valid(found.value, schema)
        assert found.as_it_came == is_valid(value, schema)
        assert not found.as_it_came or found.value is value
    else:
        assert not is_valid(value, schema)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(schema=schemas(), value=VALUES, around=st.sampled_from(["{}", "Here: {}.", "```json\n{}\n```", "{},", "{} {}"]))
def test_a_text_with_an_answer_in_it_gives_a_valid_value_or_none(schema: Schema, value: Any, around: str) -> None:
    found = mend_answer(around.replace("{}", json.dumps(value)), schema)
    assert found is None or is_valid(found.value, schema)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(text=st.text(alphabet='{}[]",:\\ \n`a1-.etrufalsn', max_size=40), cut_off=st.booleans())
def test_no_text_at_all_raises(text: str, cut_off: bool) -> None:
    for schema in (None, BOOK, {"type": "array"}):
        found = mend_answer(text, schema, cut_off=cut_off)
        assert found is None or schema is None or is_valid(found.value, schema)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(value=VALUES, data=st.data())
def test_the_beginning_of_a_json_text_is_never_taken_for_the_whole(value: Any, data: st.DataObject) -> None:
    text = json.dumps({"title": value})
    piece = text[: data.draw(st.integers(0, len(text) - 1))]
    assert mend_answer(piece, None, cut_off=True) is None
    assert mend_answer(piece, {"type": ["object", "array"]}) is None
