"""What makes two requests the same question."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.catalog import Alias, Catalog, Project, Target, Voice
from core.fingerprint import CachePolicy, cache_use, fingerprint_of, policy_of
from core.request import JobRequest

PROJECT = Project(UUID(int=9), "nicestory", True, 100, {})
FAST = Alias("fast", None, "priority", "fail", None, 1, (Target("openai", "gpt-big", 1, 100, {}),))
VOICE = Voice("narrator", "openai", "alloy", {"speed": 1})


def house(**changes: Any) -> Catalog:
    return Catalog.of(version=1, **{"aliases": [FAST], "voices": [VOICE], "projects": [PROJECT], **changes})


def mark(catalog: Catalog | None = None, emulated: bool = False, **request: Any) -> bytes:
    asked = JobRequest.model_validate({"model": "fast", **request}, strict=False)
    return fingerprint_of(asked, catalog or house(), PROJECT.id, emulated=emulated)


TALE = {"prompt": "A tale"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}


def with_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TALE, {"messages": [{"role": "user", "content": "A tale"}]}),
        (TALE, {**TALE, "strict": False, "kind": "text", "cache": "use", "fallbacks": [], "temperature": None}),
        (TALE, {**TALE, "response_format": {"type": "text"}}),
        ({**TALE, "stop": "x"}, {**TALE, "stop": ["x"]}),
        ({**TALE, "temperature": 1}, {**TALE, "temperature": 1.0}),
        ({**TALE, **with_schema(SCHEMA)}, {**TALE, **with_schema(dict(reversed(SCHEMA.items())))}),
        (TALE, {**TALE, "requirements": {"max_cost_usd": 1}}),
        (
            {**TALE, "requirements": {"capabilities": ["json", "vision"]}},
            {**TALE, "requirements": {"capabilities": ["vision", "json", "vision"]}},
        ),
        ({"kind": "embedding", "input": "x"}, {"kind": "embedding", "input": ["x"]}),
        ({"kind": "speech", "input": "x"}, {"kind": "speech", "prompt": "x"}),
    ],
)
def test_one_question_has_one_mark_however_it_is_written(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert mark(**one) == mark(**other)


NOT_ASKED: dict[str, Any] = {
    "project": "nicestory",
    "metadata": {"page": 7},
    "key": "k",
    "after": ["x"],
    "priority": "batch",
    "deadline_s": 5.0,
    "run_at": "2026-12-24T18:00:00Z",
    "cache": "refresh",
    "voice_policy": "any",
    "webhook_url": "https://hooks.example.org/x",
}


@pytest.mark.parametrize("name", NOT_ASKED)
def test_who_asks_when_and_how_urgently_is_not_in_it(name: str) -> None:
    assert mark(**TALE) == mark(**TALE, **{name: NOT_ASKED[name]})


ASKED: dict[str, Any] = {
    "kind": "embedding",
    "model": "other",
    "system": "Be brief",
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "none",
    "reasoning_effort": "high",
    "temperature": 0.0,
    "top_p": 0.5,
    "max_output_tokens": 5,
    "stop": "x",
    "seed": 0,
    "strict": True,
    "fallbacks": ["gpt-big"],
    "response_format": {"type": "json_object"},
    "requirements": {"region": "eu"},
    "provider_options": {"openai": {"verbosity": "low"}},
    "voice": "narrator",
    "voice_settings": {"stability": 1},
    "instructions": "whisper",
    "timestamps": True,
    "format": "wav",
    "speed": 1.5,
    "language": "de",
    "dimensions": 3,
}


def test_everything_that_decides_the_answer_is_in_it() -> None:
    marks = [mark(**TALE), *(mark(**{**TALE, name: value}) for name, value in ASKED.items())]
    assert len(set(marks)) == len(marks)
    assert set(JobRequest.model_fields) == ASKED.keys() | NOT_ASKED.keys() | {"prompt", "messages", "input"}


def test_what_a_name_means_is_in_it() -> None:
    first = mark(**TALE)
    assert first != mark(house(aliases=[replace(FAST, revision=2)]), **TALE)
    assert first != mark(house(aliases=[FAST, replace(FAST, project_id=PROJECT.id)]), **TALE)
    spoken = {"kind": "speech", "input": "x", "voice": "narrator"}
    assert mark(**spoken) != mark(house(voices=[replace(VOICE, provider_voice_id="ash")]), **spoken)
    assert first != mark(emulated=True, **TALE), "what the emulator said is nobody else's answer"


@pytest.mark.parametrize("asked", [TALE, {"kind": "speech", "input": "x", "voice": "narrator"}])
def test_a_known_mark_is_brought_up_to_date_without_the_request(asked: dict[str, Any]) -> None:
    request, first = JobRequest.model_validate({"model": "fast", **asked}, strict=False), mark(**asked)
    changed = house(aliases=[replace(FAST, revision=2)], voices=[replace(VOICE, provider_voice_id="ash")])
    for catalog in (house(), changed, house(aliases=[])):
        again = fingerprint_of(request, catalog, PROJECT.id, emulated=False, known=first)
        assert again == mark(catalog, **asked)
        assert (again == first) == (catalog == house())


@given(st.text(), st.text())
def test_no_two_prompts_share_a_mark(one: str, other: str) -> None:
    told = ("messages", "system")
    first = mark(messages=[{"role": "user", "content": one}], **{told[1]: other})
    second = mark(messages=[{"role": "user", "content": other}], **{told[1]: one})
    assert (first == second) == (one == other)


def use(catalog: Catalog, in_batch: bool = False, **request: Any) -> Any:
    asked = JobRequest.model_validate({"model": "fast", **request}, strict=False)
    return cache_use(asked, catalog, PROJECT.id, emulated=False, in_batch=in_batch)


def test_where_the_cache_has_no_part() -> None:
    off = house(projects=[replace(PROJECT, settings={"cache": {"mode": "off"}})])
    assert use(off, **TALE) is None
    assert use(house(), **TALE, cache="off") is None
    assert use(house(), in_batch=True, kind="speech", input="x") is None
    assert use(house(), in_batch=True, kind="speech", input="x", voice_policy="any") is not None
    assert use(house(), **TALE, cache="refresh").looks_up is False
    assert use(house(), **TALE).looks_up is True


def test_an_experiment_is_not_spoiled_by_answers_of_others() -> None:
    drawn = replace(FAST, strategy="weighted", split_by="metadata.reader")
    catalog = house(aliases=[drawn])
    anna, ben = ({**TALE, "metadata": {"reader": name}} for name in ("anna", "ben"))
    assert mark(catalog, **anna) != mark(catalog, **ben)
    assert mark(catalog, **anna) == mark(catalog, **anna)
    assert use(catalog, **TALE) is None, "without a reader each job draws"
    assert use(house(aliases=[replace(drawn, split_by="job")]), **anna) is None
    by_project = house(aliases=[replace(drawn, split_by="project")])
    assert mark(by_project, **anna) == mark(by_project, **ben)


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ({}, CachePolicy()),
        ({"cache": None}, CachePolicy()),
        ({"cache": "nonsense"}, CachePolicy()),
        ({"cache": {"ttl_s": -1, "max_entries": "many"}}, CachePolicy()),
        ({"cache": {"mode": "off", "ttl_s": 60, "max_entries": 0}}, CachePolicy(False, 60.0, 0)),
    ],
)
def test_a_projects_policy_is_read(said: dict[str, Any], policy: CachePolicy) -> None:
    assert policy_of(replace(PROJECT, settings=said)) == policy


def test_who_is_not_known_has_the_usual_policy() -> None:
    assert policy_of(None) == CachePolicy()
