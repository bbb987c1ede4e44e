"""Schemas for the providers: the converted form is legal there, and the way back satisfies the caller's own."""

from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from adapters.schemas import to_google, to_openai_strict

Schema = dict[str, Any]

STORY: Schema = {"type": "object", "properties": {"characters": {"type": "array"}, "locations": {"type": "array"}}}
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

OPENAI_KEYWORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"pattern", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "boolean": set(),
    "null": set(),
}
OPENAI_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


def find_openai_faults(schema: Schema) -> list[str]:
    """What OpenAI's strict mode would refuse, from its documentation alone."""
    faults: list[str] = []

    def walk(node: Any, path: str, level: int) -> None:
        if not isinstance(node, dict):
            faults.append(f"{path}: not a schema")
            return
        if level > 10:
            faults.append(f"{path}: deeper than 10 levels")
        if "$ref" in node:
            name = str(node["$ref"]).removeprefix("#/$defs/")
            if set(node) != {"$ref"} or name not in schema.get("$defs", {}):
                faults.append(f"{path}: $ref with company or without a target")
            return
        if "anyOf" in node:
            if path == "#" or set(node) - {"anyOf", "description"}:
                faults.append(f"{path}: anyOf at the root or with company")
            for place, branch in enumerate(node["anyOf"]):
                walk(branch, f"{path}/anyOf/{place}", level)
            return
        types = node["type"] if isinstance(node.get("type"), list) else [node.get("type")]
        allowed = {"type", "description", "enum"} | ({"$defs"} if path == "#" else set())
        for one in types:
            if one not in OPENAI_KEYWORDS:
                faults.append(f"{path}: type {one}")
            allowed |= OPENAI_KEYWORDS.get(str(one), set())
        if extra := set(node) - allowed:
            faults.append(f"{path}: keywords {sorted(extra)}")
        if node.get("format", "date") not in OPENAI_FORMATS:
            faults.append(f"{path}: format")
        if "object" in types:
            properties = node.get("properties")
            if node.get("additionalProperties") is not False or not isinstance(properties, dict):
                faults.append(f"{path}: open object")
            elif set(node.get("required", ())) != set(properties):
                faults.append(f"{path}: optional property")
            for name, one in (properties or {}).items():
                walk(one, f"{path}/{name}", level + 1)
        if "array" in types:
            walk(node.get("items"), f"{path}/items", level + 1)

    if schema.get("type") != "object":
        faults.append("#: the root is not an object")
    walk(schema, "#", 1)
    for name, one in schema.get("$defs", {}).items():
        walk(one, f"#/$defs/{name}", 1)
    return faults


NAMES = st.sampled_from(["a", "b", "c", "d"])
LEAVES = st.one_of(
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
            return {name: draw(instances(one, whole, depth + 1)) for name, one in node["properties"].items()}
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


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas(), st.data())
def test_what_strict_mode_answers_satisfies_the_callers_schema_once_restored(
    schema: Schema, data: st.DataObject
) -> None:
    converted = to_openai_strict(schema)
    assume(converted.strict)
    assert converted.schema is not None
    assert find_openai_faults(converted.schema) == []
    answer = data.draw(instances(converted.schema, converted.schema))
    jsonschema_rs.validate(converted.schema, answer)
    restored = converted.restore(answer)
    fault = next(iter(jsonschema_rs.validator_for(schema).iter_errors(restored)), None)
    assert fault is None, f"{fault.message if fault else ''}: {restored} from {answer}"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas())
def test_most_schemas_are_bound_strictly_and_all_become_something(schema: Schema) -> None:
    for converted in (to_openai_strict(schema), to_google(schema)):
        assert converted.schema is not None or converted.warnings
        assert converted.schema is None or jsonschema_rs.meta.is_valid(converted.schema)
