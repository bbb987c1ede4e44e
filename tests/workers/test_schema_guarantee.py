"""The schema guarantee, from request to result: what is delivered satisfies the caller's schema, and how is told."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.answers import JsonPlan, restore_json
from adapters.schemas import to_anthropic, to_google, to_mistral, to_openai_strict
from core.jsonio import load_json
from core.provider import ProviderAnswer
from core.request import JobRequest
from core.result import Usage
from core.schema_checks import SchemaViolated
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.test_schema_conversion import instances, schemas
from tests.house import Factory
from workers.calling import check_answer

TITLE: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "pages": {"type": "integer"}},
    "required": ["title"],
    "additionalProperties": False,
}
GOOD = '{"title": "Sea"}'
BAD = '{"name": "Sea"}'
REFUSAL = {"error": {"message": "json_schema: failed to compile grammar", "type": "invalid_request_error"}}


@dataclass
class Model:
    """A model behind OpenAI's wire format that answers what it is told to, in order; the last answer stays."""

    answers: list[str | Reply]
    seen: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, asked: Asked) -> Reply:
        self.seen.append(load_json(asked.body))
        said = self.answers[min(len(self.seen), len(self.answers)) - 1]
        return said if isinstance(said, Reply) else completed(said)

    @property
    def formats(self) -> list[str]:
        """How JSON was asked for, call by call."""
        return [body.get("response_format", {}).get("type", "text") for body in self.seen]


def completed(content: str, finish: str = "stop", **message: Any) -> Reply:
    body = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return Reply(json.dumps(body).encode(), headers={"content-type": "application/json"})


def refused(body: dict[str, Any] = REFUSAL) -> Reply:
    return Reply(json.dumps(body).encode(), "400 Bad Request", {"content-type": "application/json"})


@asynccontextmanager
async def scripted(
    factory: Factory, *answers: str | Reply, name: str = "one", capabilities: Iterable[str] = ()
) -> AsyncIterator[Model]:
    """One more route of the alias `scripted`, at 1 USD a million tokens read and 10 written."""
    model = Model(list(answers))
    async with serving(model.answer) as url:
        able = json.dumps(["text", *capabilities]) if capabilities else "[]"
        await factory.execute("INSERT INTO factory.providers (id, name) VALUES ($1, $1)", name)
        await factory.execute(
            "INSERT INTO factory.models (provider, model_id, capabilities, max_output_tokens, context_window) "
            "VALUES ($1, 'scripted', $2::text::jsonb, 1000, 100000)",
            name,
            able,
        )
        await factory.execute(
            "INSERT INTO factory.model_prices (provider, model_id, valid_from, input_usd_per_mtok, output_usd_per_mtok)"
            " VALUES ($1, 'scripted', now() - interval '1 day', 1, 10)",
            name,
        )
        await factory.execute(
            "INSERT INTO factory.provider_endpoints (provider, base_url, handler_function) "
            "VALUES ($1, $2, 'openai.chat_completions')",
            name,
            url,
        )
        await factory.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id, position) "
            "SELECT 'scripted', $1, 'scripted', count(*) FROM factory.alias_targets WHERE alias = 'scripted'",
            name,
        )
        await factory.settled()
        yield model


async def ask(factory: Factory, schema: Any = TITLE, **more: Any) -> dict[str, Any]:
    shape = {"type": "json_schema", "json_schema": {"schema": schema}}
    return await factory.job(model="scripted", prompt="A title", response_format=shape, **more)


def steps(job: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [(call["outcome"], call["asked"], call["schema_outcome"]) for call in job["calls"]]


async def test_an_answer_that_satisfies_the_schema_is_native_and_cost_nothing_more(factory: Factory) -> None:
    async with scripted(factory, GOOD) as model:
        job = await ask(factory)
    assert job["status"] == "completed", job["error"]
    assert job["result"]["parsed"] == {"title": "Sea"}
    assert job["result"]["schema"] == {"step": "native", "calls": 1, "cost": 0}
    assert steps(job) == [("ok", "native", "valid")]
    assert model.formats == ["json_schema"]


@pytest.mark.parametrize(
    "content",
    [
        '```json\n{"title": "Sea"}\n```',
        'Here: {"title": "Sea",}',
        '{"answer": {"title": "Sea"}}',
        '{"title":"Sea","x":1}',
    ],
)
async def test_what_is_wrong_in_form_alone_is_mended_without_a_call(factory: Factory, content: str) -> None:
    async with scripted(factory, content):
        job = await ask(factory)
    assert job["status"] == "completed", job["error"]
    assert job["result"]["parsed"] == {"title": "Sea"}
    assert json.loads(job["result"]["content"]) == {"title": "Sea"}
    assert job["result"]["schema"] == {"step": "mended", "calls": 1, "cost": 0}
    assert steps(job) == [("ok", "native", "mended")]


async def test_a_model_without_schemas_is_asked_in_the_prompt(factory: Factory) -> None:
    async with scripted(factory, GOOD, capabilities=["json_mode"]) as model:
        job = await ask(factory, system="Be brief.")
    assert job["result"]["schema"] == {"step": "prompt", "calls": 1, "cost": 0}
    assert steps(job) == [("ok", "prompt", "valid")]
    assert model.formats == ["json_object"]
    system = model.seen[0]["messages"][0]
    assert system["role"] == "system"
    assert json.loads(system["content"][system["content"].index("{") :]) == TITLE
    assert any("given in the prompt" in warning for warning in job["result"]["warnings"])


async def test_a_list_is_asked_for_without_json_mode_which_gives_objects_only(factory: Factory) -> None:
    async with scripted(factory, '["a"]', capabilities=["json_mode"]) as model:
        job = await ask(factory, {"type": "array", "items": {"type": "string"}})
    assert job["result"]["parsed"] == ["a"]
    assert model.formats == ["text"]


async def test_a_provider_that_refuses_the_schema_is_asked_in_the_prompt(factory: Factory) -> None:
    async with scripted(factory, refused(), GOOD) as model:
        job = await ask(factory)
    assert job["status"] == "completed", job["error"]
    assert job["result"]["schema"] == {"step": "prompt", "calls": 2, "cost": pytest.approx(0.0002)}
    assert steps(job) == [("invalid_request", "native", None), ("ok", "prompt", "valid")]
    assert model.formats == ["json_schema", "json_object"]


async def test_a_refusal_of_something_else_is_the_callers_error(factory: Factory) -> None:
    async with scripted(factory, refused({"error": {"message": "temperature is too high"}}), GOOD) as model:
        job = await ask(factory)
    assert job["error"]["kind"] == "invalid_request"
    assert len(model.seen) == 1


async def test_an_answer_that_cannot_be_mended_is_asked_for_once_more_with_what_is_wrong(factory: Factory) -> None:
    async with scripted(factory, '{"pages": "many"}', "Sorry! " + GOOD) as model:
        job = await ask(factory)
    assert job["status"] == "completed", job["error"]
    assert job["result"]["parsed"] == {"title": "Sea"}
    assert job["result"]["schema"] == {"step": "repaired", "calls": 2, "cost": pytest.approx(0.0002)}
    assert job["cost"] == pytest.approx(0.0004)
    assert steps(job) == [("invalid_response", "native", "invalid"), ("ok", "repair", "mended")]
    first, second = (body["messages"] for body in model.seen)
    assert second[: len(first)] == first
    assert second[len(first)] == {"role": "assistant", "content": '{"pages": "many"}'}
    complaint = second[-1]["content"]
    assert "title" in complaint
    assert "- pages:" in complaint


async def test_the_cost_of_the_further_steps_has_its_exact_digits(factory: Factory) -> None:
    async with scripted(factory, BAD, GOOD):
        job = await ask(factory)
        rows = await factory.execute("SELECT result #>> '{schema,cost}' AS cost FROM factory.jobs")
    assert Decimal(rows[0]["cost"]) == Decimal("0.0002")
    assert job["result"]["schema"]["calls"] == 2


async def test_the_next_route_follows_a_repair_that_did_not_help(factory: Factory) -> None:
    async with scripted(factory, BAD) as first, scripted(factory, GOOD, name="two") as second:
        job = await ask(factory)
    assert job["status"] == "completed", job["error"]
    assert job["result"]["provider"] == "two"
    assert job["result"]["schema"] == {"step": "next_route", "calls": 3, "cost": pytest.approx(0.0004)}
    assert (len(first.seen), len(second.seen)) == (2, 1)
    assert steps(job) == [
        ("invalid_response", "native", "invalid"),
        ("invalid_response", "repair", "invalid"),
        ("ok", "native", "valid"),
    ]


async def test_calls_and_cost_of_the_guarantee_are_those_of_all_attempts(factory: Factory) -> None:
    busy = Reply(b'{"error": {"message": "busy"}}', "503 Service Unavailable", {"content-type": "application/json"})
    async with scripted(factory, BAD, BAD, BAD, GOOD) as first, scripted(factory, busy, name="two"):
        job = await ask(factory)
    assert job["status"] == "completed", job["error"]
    assert (job["attempts"], len(first.seen)) == (2, 4)
    asked = [call for call in job["calls"] if call["schema_outcome"] is not None]
    assert job["result"]["schema"]["calls"] == len(asked) == 4
    assert job["result"]["schema"]["cost"] == pytest.approx(sum(call["cost"] for call in asked[1:]))


async def test_a_schema_that_is_never_met_fails_with_the_paths(factory: Factory) -> None:
    async with scripted(factory, '{"title": [], "pages": "many"}'):
        job = await ask(factory)
    assert job["status"] == "failed"
    assert job["result"] is None
    assert job["error"]["kind"] == "schema_violation"
    assert set(job["error"]["paths"]) == {"title", "pages"}
    assert "title: " in job["error"]["message"]
    assert "pages: " in job["error"]["message"]
    assert [call["asked"] for call in job["calls"][:2]] == ["native", "repair"]
    assert {call["schema_outcome"] for call in job["calls"]} == {"invalid"}


async def test_an_answer_that_was_cut_off_is_not_asked_for_again_under_the_same_limit(factory: Factory) -> None:
    async with scripted(factory, completed('{"title": "Sea", "pages', "length")):
        job = await ask(factory, max_output_tokens=10)
    assert job["error"]["kind"] == "schema_violation"
    assert "cut off" in job["error"]["message"]
    assert "repair" not in {call["asked"] for call in job["calls"]}


async def test_a_repair_that_the_provider_refuses_is_still_a_schema_that_was_not_met(factory: Factory) -> None:
    async with scripted(factory, BAD, refused({"error": {"message": "no such role"}}), BAD):
        job = await ask(factory)
    assert job["error"]["kind"] == "schema_violation"


async def test_a_repair_stays_below_the_requests_ceiling(factory: Factory) -> None:
    async with scripted(factory, BAD, GOOD) as model:
        job = await ask(factory, max_output_tokens=20, requirements={"max_cost_usd": 0.0004})
    assert job["status"] == "failed"
    assert len(model.seen) == 1


async def test_json_mode_without_a_schema_is_mended_and_repaired_too(factory: Factory) -> None:
    async with scripted(factory, "I had rather not.", 'Fine: {"a": 1}'):
        job = await factory.job(model="scripted", prompt="JSON", response_format={"type": "json_object"})
    assert job["result"]["parsed"] == {"a": 1}
    assert "schema" not in job["result"]
    assert steps(job) == [("invalid_response", None, None), ("ok", "repair", None)]


async def test_calls_of_tools_answer_no_schema(factory: Factory) -> None:
    function = {"name": "look", "arguments": "{}"}
    called = completed("", "tool_calls", tool_calls=[{"id": "t1", "type": "function", "function": function}])
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    async with scripted(factory, called, capabilities=["tools", "json_schema"]):
        job = await ask(factory, tools=tools)
    assert job["status"] == "completed", job["error"]
    assert job["result"]["tool_calls"]
    assert not job["result"].keys() & {"parsed", "schema"}
    assert steps(job) == [("ok", "native", None)]


async def test_a_null_that_satisfies_the_schema_is_there(factory: Factory) -> None:
    async with scripted(factory, "null", capabilities=["json_mode"]):
        job = await ask(factory, {"type": ["object", "null"]})
    assert job["result"]["schema"]["step"] == "prompt"
    assert job["result"]["parsed"] is None
    assert "parsed" in job["result"]


HARD: list[dict[str, Any]] = [
    {"type": "array", "items": {"type": "integer", "minimum": 3}, "minItems": 2},
    {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 1},
    {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}]},
    {"type": "object", "properties": {"a": {"not": {"type": "null"}}}, "required": ["a"]},
    {**TITLE, "if": {"required": ["pages"]}, "then": {"properties": {"title": {"minLength": 9}}}},
    {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}},
    {"prefixItems": [{"type": "string"}, {"const": 2}], "items": False, "type": "array"},
    {"enum": ["calm", "dark", 3]},
]
ODD = [
    "{}",
    "[]",
    "3",
    '"x"',
    "null",
    '{"a": null}',
    '{"value": [1, 2]}',
    '["a", "2"]',
    '{"title": "S", "pages": "1"}',
    "dark",
]


@pytest.mark.parametrize("capabilities", [(), ("json_mode",)])
async def test_nothing_is_delivered_that_the_callers_schema_refuses(
    factory: Factory, capabilities: tuple[str, ...]
) -> None:
    """Whatever the schema, whatever the model says, native or in the prompt."""
    async with scripted(factory, "{}", capabilities=capabilities) as model:
        for schema in HARD:
            for odd in range(0, len(ODD), 2):
                model.seen.clear()
                model.answers[:] = ODD[odd : odd + 2]
                job = await ask(factory, schema, deadline_s=5)
                if job["status"] == "completed":
                    jsonschema_rs.validate(schema, job["result"]["parsed"])
                    assert json.loads(job["result"]["content"]) == job["result"]["parsed"]
                    assert job["result"]["schema"]["calls"] >= 1
                else:
                    assert job["error"]["kind"] in ("schema_violation", "deadline")
                    assert job["result"] is None


LOOSE: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, [], "x", "3", 3, ["x", "1"], {"a": "1", "b": None}, {"value": {"name": 3}}, {"name": "n", "next": None}]
)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(schema=schemas(), data=st.data())
def test_an_answer_to_a_converted_schema_is_valid_or_refused(schema: dict[str, Any], data: st.DataObject) -> None:
    """Bound by its converted schema or not, in whatever wrapping."""
    convert = data.draw(st.sampled_from([to_openai_strict, to_google, to_anthropic, to_mistral]))
    converted = convert(schema)
    answer = data.draw(LOOSE)
    if converted.schema and convert in (to_openai_strict, to_mistral) and converted.strict and data.draw(st.booleans()):
        answer = data.draw(instances(converted.schema, converted.schema))
    text = data.draw(st.sampled_from(["{}", "```json\n{}\n```", "So: {}."])).replace("{}", json.dumps(answer))
    content = restore_json(text, JsonPlan("schema", converted))
    shape = {"type": "json_schema", "json_schema": {"schema": schema}}
    request = JobRequest.model_validate({"model": "m", "prompt": "x", "response_format": shape})
    try:
        parsed = check_answer(request, ProviderAnswer(Usage(1, 1), "m", content))
    except SchemaViolated:
        return
    jsonschema_rs.validate(schema, parsed)
