"""Schemas for Claude: legal by the emulator's rules, and true to the caller's once an answer is restored."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from adapters.emulator.anthropic_rules import find_schema_fault
from adapters.schemas import to_anthropic
from tests.adapters.test_schema_conversion import LEAVES, TREE, Schema, instances, nested, objects


def unbounded(node: Any) -> Any:
    """Without the keywords that Claude is told only in words."""
    if isinstance(node, list):
        return [unbounded(one) for one in node]
    if not isinstance(node, dict):
        return node
    gone = {"minimum", "maximum", "minItems", "maxItems", "pattern"}
    return {name: unbounded(one) for name, one in node.items() if name not in gone}


@settings(derandomize=True, max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(objects(st.recursive(LEAVES, nested, max_leaves=6)), objects(LEAVES), st.data())
def test_what_claude_answers_satisfies_the_callers_schema_once_restored(
    schema: Schema, node: Schema, data: st.DataObject
) -> None:
    schema = unbounded({**schema, "$defs": {"node": node}})
    converted = to_anthropic(schema)
    assume(converted.schema is not None)
    assert converted.schema is not None
    assert find_schema_fault(converted.schema) is None
    answer = data.draw(instances(converted.schema, converted.schema))
    jsonschema_rs.validate(converted.schema, answer)
    restored = converted.restore(answer)
    fault = next(iter(jsonschema_rs.validator_for(schema).iter_errors(restored)), None)
    assert fault is None, f"{fault.message if fault else ''}: {restored} from {answer}"


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (TREE, "refers back into itself"),
        (
            {"type": "object", "properties": {"ages": {"additionalProperties": {"type": "integer"}}}},
            "map with any keys",
        ),
        ({"type": "object", "properties": {"any": {"type": "object"}}}, "names no properties"),
        ({"type": "object", "properties": {"x": {"enum": [{"a": 1}]}}}, "holds objects"),
        ({"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(25)}}, "more optional"),
        ({}, "any value"),
    ],
)
def test_what_claude_takes_in_no_form_goes_into_the_prompt(schema: Schema, reason: str) -> None:
    converted = to_anthropic(schema)
    assert converted.schema is None
    assert reason in converted.warnings[0]
    assert converted.warnings[0].endswith("Anthropic is given the schema in the prompt")


def test_claude_is_told_bounds_in_words_and_may_leave_properties_out() -> None:
    ages = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 3}
    named = {"type": ["string", "null"], "format": "uri", "maxLength": 9}
    schema = {
        "type": "object",
        "properties": {"ages": ages, "link": named, "kind": {"const": "x"}},
        "required": ["ages"],
    }
    assert to_anthropic(schema).schema == {
        "type": "object",
        "properties": {
            "ages": {
                "type": "array",
                "description": "minItems: 2 (maxItems: 3)",
                "items": {"type": "integer", "description": "minimum: 0"},
                "minItems": 1,
            },
            "link": {"anyOf": [{"type": "string", "description": "maxLength: 9", "format": "uri"}, {"type": "null"}]},
            "kind": {"enum": ["x"]},
        },
        "required": ["ages"],
        "additionalProperties": False,
    }
