"""Schemas for the providers: the converted form is legal there, and the way back satisfies the caller's own."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from adapters.schemas import to_anthropic, to_google, to_openai_strict
from tests.adapters.suite import STORY

Schema = dict[str, Any]

TREE: Schema = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "parent": {"$ref": "#/$defs/node"},
            },
            "required": ["name", "children"],
        }
    },
}

NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
OPENAI_KEYWORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"pattern", "format"},
    "number": NUMBERS,
    "integer": NUMBERS,
    "boolean": set(),
    "null": set(),
}
OPENAI_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


class OpenAiChecker:
    """What OpenAI's strict mode would refuse, from its documentation alone."""

    def __init__(self, schema: Schema) -> None:
        self.faults: list[str] = []
        self.names = set(schema.get("$defs", {}))
        self.expect(schema.get("type") == "object", "the root is not an object")
        self.walk({name: value for name, value in schema.items() if name != "$defs"}, "#", 1)
        for name, node in schema.get("$defs", {}).items():
            self.walk(node, f"#/$defs/{name}", 1)

    def expect(self, fine: bool, fault: str) -> None:
        self.faults += [] if fine else [fault]

    def walk(self, node: Any, path: str, level: int) -> None:
        self.expect(isinstance(node, dict), f"{path}: not a schema")
        self.expect(level <= 10, f"{path}: deeper than 10 levels")
        if "$ref" in node:
            known = str(node["$ref"]).removeprefix("#/$defs/") in self.names
            self.expect(set(node) == {"$ref"} and known, f"{path}: $ref with company or without a target")
        elif "anyOf" in node:
            self.expect(not set(node) - {"anyOf", "description"}, f"{path}: anyOf with company")
            for place, branch in enumerate(node["anyOf"]):
                self.walk(branch, f"{path}/anyOf/{place}", level)
        else:
            self.walk_typed(node, path, level)

    def walk_typed(self, node: Schema, path: str, level: int) -> None:
        types = node["type"] if isinstance(node.get("type"), list) else [str(node.get("type"))]
        self.expect(all(one in OPENAI_KEYWORDS for one in types), f"{path}: type {types}")
        allowed = {"type", "description", "enum"}.union(*(OPENAI_KEYWORDS.get(one, set()) for one in types))
        self.expect(not set(node) - allowed, f"{path}: keywords {sorted(set(node) - allowed)}")
        self.expect(node.get("format", "date") in OPENAI_FORMATS, f"{path}: format")
        if "object" in types:
            properties = node["properties"]
            self.expect(node["additionalProperties"] is False, f"{path}: open object")
            self.expect(set(node["required"]) == set(properties), f"{path}: optional property")
            for name, one in properties.items():
                self.walk(one, f"{path}/{name}", level + 1)
        if "array" in types:
            self.walk(node.get("items"), f"{path}/items", level + 1)


NAMES = st.sampled_from(["a", "b", "c", "d"])
LEAVES: st.SearchStrategy[Schema] = st.one_of(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "pattern": "^[a-c]{1,3}$"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": "number", "minimum": -5, "maximum": 5},
            {"type": ["string", "null"]},
            {"type": ["integer", "string"]},
            {"const": "x"},
            {"enum": ["x", "y", 3, None]},
            {"type": "string", "enum": ["x", "z"], "default": "x", "title": "T"},
            {},
            {"type": "array"},
        ]
    ),
    st.tuples(st.integers(-3, 0), st.integers(0, 3)).map(
        lambda two: {"type": "integer", "minimum": two[0], "maximum": two[1]}
    ),
)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=3))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    closed = draw(st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": True}]))
    return {"type": "object", "properties": properties, "required": required, **closed}


def nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    reference = st.sampled_from([{"$ref": "#/$defs/node"}, {"$ref": "#/$defs/node", "description": "again"}])
    return st.one_of(
        objects(inner),
        st.tuples(inner, st.integers(0, 2)).map(
            lambda two: {"type": "array", "items": two[0], "minItems": two[1], "maxItems": two[1] + 1}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda places: {"type": "array", "prefixItems": places}),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        st.tuples(objects(LEAVES), objects(inner)).map(lambda two: {"allOf": list(two)}),
        st.tuples(objects(LEAVES), st.lists(objects(inner), min_size=1, max_size=2)).map(
            lambda two: {**two[0], "anyOf": two[1]}
        ),
        reference,
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """The classes that are converted strictly: no maps, no free objects, no bounds that strict mode lacks."""
    inner = st.recursive(LEAVES, nested, max_leaves=6)
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/node"}, "more": draw(inner)},
        "required": draw(st.sampled_from([[], ["name"], ["name", "more"]])),
    }
    return {**draw(inner), "$defs": {"node": node}}


@st.composite
def instances(draw: st.DrawFn, node: Schema, whole: Schema, depth: int = 0) -> Any:
    """A value that a provider bound to the converted schema could answer."""
    assume(depth < 12)
    if "$ref" in node:
        return draw(instances(whole["$defs"][node["$ref"].rpartition("/")[2]], whole, depth + 1))
    if "anyOf" in node:
        branches = [{"type": "null"}] if depth > 4 and {"type": "null"} in node["anyOf"] else node["anyOf"]
        return draw(instances(draw(st.sampled_from(branches)), whole, depth + 1))
    if "enum" in node:
        return draw(st.sampled_from(node["enum"]))
    kind = draw(st.sampled_from(node["type"])) if isinstance(node["type"], list) else node["type"]
    match kind:
        case "object":
            there = {
                name: one
                for name, one in node["properties"].items()
                if name in node["required"] or (depth < 5 and draw(st.booleans()))
            }
            return {name: draw(instances(one, whole, depth + 1)) for name, one in there.items()}
        case "array":
            most = node.get("minItems", 0) if depth > 4 else node.get("maxItems", 2)
            size = draw(st.integers(node.get("minItems", 0), most))
            return [draw(instances(node["items"], whole, depth + 1)) for _ in range(size)]
        case "string":
            return draw(
                st.from_regex(node["pattern"], fullmatch=True) if "pattern" in node else st.text("ab", max_size=3)
            )
        case "integer":
            return draw(st.integers(node.get("minimum", -9), node.get("maximum", 9)))
        case "number":
            return draw(st.floats(node.get("minimum", -9), node.get("maximum", 9)))
        case "boolean":
            return draw(st.booleans())
    return None


@settings(derandomize=True, max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas(), st.data())
def test_what_strict_mode_answers_satisfies_the_callers_schema_once_restored(
    schema: Schema, data: st.DataObject
) -> None:
    converted = to_openai_strict(schema)
    assume(converted.strict)
    assert converted.schema is not None
    assert OpenAiChecker(converted.schema).faults == []
    answer = data.draw(instances(converted.schema, converted.schema))
    jsonschema_rs.validate(converted.schema, answer)
    restored = converted.restore(answer)
    fault = next(iter(jsonschema_rs.validator_for(schema).iter_errors(restored)), None)
    assert fault is None, f"{fault.message if fault else ''}: {restored} from {answer}"


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas())
def test_most_schemas_are_bound_strictly_and_all_become_something(schema: Schema) -> None:
    for converted in (to_openai_strict(schema), to_google(schema), to_anthropic(schema)):
        assert converted.schema is not None or converted.warnings
        assert converted.schema is None or jsonschema_rs.meta.is_valid(converted.schema)


def test_the_open_arrays_of_a_story_work_everywhere() -> None:
    strict = to_openai_strict(STORY)
    assert strict.strict
    assert strict.schema is not None
    assert OpenAiChecker(strict.schema).faults == []
    assert strict.warnings == ()
    assert strict.restore({"characters": ["Mara"], "locations": None}) == {"characters": ["Mara"]}
    assert to_google(STORY).schema == STORY


def test_a_root_that_is_no_object_is_wrapped_and_unwrapped() -> None:
    converted = to_openai_strict({"type": "array", "items": {"type": "integer"}})
    assert converted.schema is not None
    assert converted.schema["properties"] == {"value": {"type": "array", "items": {"type": "integer"}}}
    assert converted.restore({"value": [1, 2]}) == [1, 2]
    assert converted.restore({"other": 1}) == {"other": 1}
    assert to_google({"type": "array", "items": {"type": "integer"}}).restore([1]) == [1]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"ages": {"type": "object", "additionalProperties": {"type": "integer"}}}},
        {"type": "object", "properties": {"any": {"type": "object"}}},
        {"type": "object", "properties": {"x": {"type": "object", "patternProperties": {"^a": {"type": "string"}}}}},
        {"type": "object", "properties": {"x": {"enum": [{"a": 1}]}}},
    ],
)
def test_what_strict_mode_cannot_say_goes_along_as_a_guide(schema: Schema) -> None:
    converted = to_openai_strict(schema)
    assert (converted.schema, converted.strict) == (schema, False)
    assert "guide only" in converted.warnings[0]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"x": {"$dynamicRef": "#node"}}},
        {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(5001)}},
        {"type": "object", "properties": {"x": {"enum": [f"{number:0100}" for number in range(300)]}}},
    ],
)
def test_what_openai_takes_in_no_form_goes_into_the_prompt(schema: Schema) -> None:
    converted = to_openai_strict(schema)
    assert converted.schema is None
    assert "in the prompt" in converted.warnings[0]
    assert converted.restore({"x": None}) == {"x": None}


def test_a_deep_schema_is_a_guide() -> None:
    schema: Schema = {"type": "string"}
    for _ in range(11):
        schema = {"type": "object", "properties": {"in": schema}, "required": ["in"]}
    assert not to_openai_strict(schema).strict


def test_what_the_subset_has_no_keyword_for_is_told_in_words() -> None:
    name = {"type": "string", "description": "A name.", "minLength": 2, "format": "uri", "pattern": "^(?!x)"}
    schema = {"type": "object", "properties": {"name": name}, "required": ["name"], "not": {"required": ["x"]}}
    strict = to_openai_strict(schema).schema
    assert strict is not None
    assert strict["properties"]["name"]["description"] == "A name. (minLength: 2) (pattern: ^(?!x)) (format: uri)"
    assert strict["description"] == 'not: {"required":["x"]}'
    google = to_google(schema).schema
    assert google is not None
    assert "pattern: ^(?!x)" in google["properties"]["name"]["description"]


def test_a_null_that_the_caller_allows_stays() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}}}
    assert to_openai_strict(schema).restore({"a": None, "b": None}) == {"a": None}


def test_the_branch_of_a_union_is_found_by_what_it_admits() -> None:
    circle = {"properties": {"kind": {"const": "circle"}, "label": {"type": "string"}}, "required": ["kind"]}
    square = {
        "properties": {"kind": {"const": "square"}, "label": {"type": ["string", "null"]}},
        "required": ["kind", "label"],
    }
    schema = {"type": "object", "properties": {"shape": {"oneOf": [circle, square]}}, "required": ["shape"]}
    restore = to_openai_strict(schema).restore
    assert restore({"shape": {"kind": "circle", "label": None}}) == {"shape": {"kind": "circle"}}
    assert restore({"shape": {"kind": "square", "label": None}}) == {"shape": {"kind": "square", "label": None}}


def test_a_tuple_is_an_object_on_the_way_and_a_list_again() -> None:
    pair = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False}
    schema = {"type": "object", "properties": {"pair": pair}, "required": ["pair"]}
    assert to_openai_strict(schema).restore({"pair": {"item_1": "a", "item_2": 2}}) == {"pair": ["a", 2]}
    assert to_google(schema).restore({"pair": ["a", 2]}) == {"pair": ["a", 2]}


def test_parts_of_an_all_of_are_merged() -> None:
    named = {"properties": {"name": {"type": "string"}}, "required": ["name"]}
    aged = {"properties": {"age": {"type": "number", "minimum": 0}, "name": {"pattern": "^a"}}}
    schema = {"allOf": [named, aged, {"properties": {"age": {"type": "integer"}}}], "unevaluatedProperties": False}
    strict = to_openai_strict(schema).schema
    assert strict is not None
    assert strict["properties"] == {
        "name": {"type": "string", "pattern": "^a"},
        "age": {"type": ["integer", "null"], "minimum": 0},
    }


def test_a_recursion_stays_for_openai_and_becomes_optional_for_gemini() -> None:
    strict, google = to_openai_strict(TREE), to_google(TREE)
    assert strict.schema is not None
    assert OpenAiChecker(strict.schema).faults == []
    leaf: Schema = {"name": "leaf", "children": [], "parent": None}
    assert strict.restore({**leaf, "children": [leaf]})["children"] == [{"name": "leaf", "children": []}]
    assert google.schema is not None
    assert google.schema["$defs"]["node"]["required"] == ["name"]
    assert google.restore({"name": "root"}) == {"name": "root", "children": []}


def test_gemini_enumerates_only_strings_and_numbers() -> None:
    schema = {"type": "object", "properties": {"x": {"enum": ["a", 1, True, None]}, "y": {"const": "z"}}}
    google = to_google(schema).schema
    assert google is not None
    assert google["properties"]["x"] == {
        "anyOf": [
            {"type": "string", "enum": ["a"]},
            {"type": "integer", "enum": [1]},
            {"type": "boolean"},
            {"type": "null"},
        ]
    }
    assert google["properties"]["y"] == {"type": "string", "enum": ["z"]}
