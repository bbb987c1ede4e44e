"""How many calls limits let run at once: calls, requests a minute, tokens a minute, and what providers say."""

import math
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.budgets import CallFigures
from core.catalog import Model
from core.ceilings import (
    USUAL,
    CallLoad,
    Places,
    Said,
    call_load,
    calls_at_once,
    ceiling_of,
    mix_of,
    places_of,
    scopes_of,
)
from core.limits import Limits

COUNTS = st.one_of(st.none(), st.integers(1, 10**7))
LIMITS = st.builds(Limits, COUNTS, COUNTS, COUNTS)
SAID = st.builds(Said, COUNTS, COUNTS, COUNTS, st.one_of(st.none(), st.integers(0, 100)))
LOADS = st.builds(CallLoad, st.floats(0.01, 600), st.one_of(st.just(0.0), st.floats(1, 200_000)))

SEATS = st.one_of(st.just(math.inf), st.integers(0, 200).map(float))
PARTS = st.lists(st.integers(1, 60), min_size=1, max_size=8)


def figures(model: str, calls: int, **means: float | None) -> CallFigures:
    return CallFigures("openai", model, "text", calls, 0.0, 0, **means)


def test_tokens_a_minute_keep_busy_the_calls_that_begin_while_one_lasts() -> None:
    call = CallLoad(seconds=6, tokens=2000)
    assert places_of(Limits(tokens_per_minute=400_000), Said(), call) == Places(20, "tokens_per_minute")
    assert places_of(Limits(), Said(tokens_per_minute=100_000), call) == Places(5, "tokens_per_minute")
    assert places_of(Limits(tokens_per_minute=500), Said(), call).most == 1, "heavier than the limit, it runs alone"
    assert places_of(Limits(tokens_per_minute=500), Said(), CallLoad(6, 0)) == Places(), "it uses none"


def test_the_narrowest_limit_is_named() -> None:
    limits, call = Limits(requests_per_minute=60, tokens_per_minute=400_000, concurrency=15), CallLoad(10, 1000)
    assert places_of(limits, Said(), call) == Places(10, "requests_per_minute")
    assert places_of(limits, Said(most_at_once=8, others=3), call) == Places(5, "concurrency")
    assert places_of(limits, Said(), CallLoad(10, 20_000)) == Places(4, "tokens_per_minute")
    assert places_of(limits, Said(rests_for_s=9), call) == Places(0, "rest")


def test_a_call_is_what_was_measured_of_its_model_else_of_its_kind_else_as_usual() -> None:
    assert call_load("openai", "small", "text", {}) == USUAL["text"]
    measured = [
        figures("small", 30, duration_ms_mean=2000, tokens_mean=100.0),
        figures("large", 10, duration_ms_mean=6000, tokens_mean=900.0),
        figures("old", 5, duration_ms_mean=4000, tokens_mean=None),
    ]
    known = {("openai", one.model, "text"): one for one in measured}
    assert call_load("openai", "large", "text", known) == CallLoad(6.0, 900.0)
    assert call_load("openai", "old", "text", known) == CallLoad(4.0, 300.0)
    assert call_load("openai", "new", "text", known).tokens == (30 * 100 + 10 * 900) / 40
    assert call_load("openai", "new", "speech", known) == USUAL["speech"]


@given(LIMITS, SAID, LOADS)
def test_no_limit_is_passed_by_more_than_the_call_that_is_always_let(
    limits: Limits, said: Said, call: CallLoad
) -> None:
    found = places_of(limits, said, call)
    assert (found.by is None) == math.isinf(found.most)
    if found.by is None:
        return
    begun = (found.most - 1) * 60 / call.seconds  # calls a minute, but for the one
    for rate in (limits.requests_per_minute, said.requests_per_minute):
        assert rate is None or begun <= rate * (1 + 1e-9)
    for rate in (limits.tokens_per_minute, said.tokens_per_minute):
        assert rate is None or begun * call.tokens <= rate * (1 + 1e-9)
    assert found.most <= (limits.concurrency or math.inf)
    if said.most_at_once is None or said.most_at_once > (said.others or 0):
        assert found.most >= 1


@given(LIMITS, SAID, LOADS, st.integers(1, 10**7))
def test_another_limit_never_leaves_more_room(limits: Limits, said: Said, call: CallLoad, tokens: int) -> None:
    narrower = Limits(limits.requests_per_minute, min(tokens, limits.tokens_per_minute or tokens), limits.concurrency)
    assert places_of(narrower, said, call).most <= places_of(limits, said, call).most
    heavier = CallLoad(call.seconds, call.tokens + 1000)
    assert places_of(limits, said, heavier).most <= places_of(limits, said, call).most


@given(st.lists(st.tuples(LOADS, st.floats(0.5, 1000)), min_size=1, max_size=5))
def test_a_mix_lies_between_its_sorts(parts: list[tuple[CallLoad, float]]) -> None:
    found = mix_of(parts)
    for name in ("seconds", "tokens"):
        values = [getattr(one, name) for one, _ in parts]
        assert min(values) * (1 - 1e-9) <= getattr(found, name) <= max(values) * (1 + 1e-9)


def route(provider: str, endpoint: int, model: str) -> Any:
    """As much of one as a ceiling looks at."""
    return SimpleNamespace(
        model=Model(provider, model, "speech"), endpoint=SimpleNamespace(id=UUID(int=endpoint), limits={})
    )


ROUTES = [
    route("elevenlabs", 1, "one"),
    route("elevenlabs", 1, "two"),
    route("elevenlabs", 2, "one"),
    route("openai", 3, "three"),
]
NAMES = sorted({scope.name for one in ROUTES for scope in scopes_of(one, {})})
OWN = [scopes_of(one, {})[-1].name for one in ROUTES]
SOME = st.lists(st.sampled_from(ROUTES), min_size=1)
ROOMS = st.fixed_dictionaries({name: st.builds(Places, SEATS) for name in NAMES})


def places_together(routes: list[Any], rooms: dict[str, Places]) -> float:
    """By the tree of limits: what an endpoint has is the sum of its routes', within its own limit, and so on up."""

    def most(level: int, under: set[tuple[str, ...]]) -> float:
        if level == 3:
            return math.inf
        heads = {scopes[level] for scopes in under}
        return sum(min(rooms[one].most, most(level + 1, {s for s in under if s[level] == one})) for one in heads)

    return most(0, {tuple(scope.name for scope in scopes_of(one, {})) for one in routes})


@given(st.integers(1, 20), PARTS)
def test_a_job_holds_at_least_a_place_and_at_most_its_parts_or_those_at_once(most: int, parts: list[int]) -> None:
    held = calls_at_once(parts, most)
    assert 1 <= held <= min(most, max(parts))
    assert calls_at_once([1] * len(parts), most) == 1


def test_parts_are_spoken_in_rounds() -> None:
    assert calls_at_once([], 3) == 1
    assert (calls_at_once([3], 3), calls_at_once([4], 3), calls_at_once([9], 3)) == (3, 2, 3)
    assert calls_at_once([1, 9], 3) == 10 / 4, "by the time that they take"


@given(SOME, ROOMS)
def test_of_jobs_with_one_call_as_many_run_as_there_are_places(routes: list[Any], rooms: dict[str, Places]) -> None:
    assert ceiling_of(routes, {}, rooms) == places_together(routes, rooms)


@given(SOME, ROOMS, st.fixed_dictionaries({name: st.floats(1, 100) for name in OWN}))
def test_narrations_have_never_more_slots_than_places_and_one_where_there_is_any(
    routes: list[Any], rooms: dict[str, Places], held: dict[str, float]
) -> None:
    places, slots = places_together(routes, rooms), ceiling_of(routes, {}, rooms, held)
    assert slots <= places
    assert (slots >= 1) == (places >= 1)
    if math.isfinite(places):
        assert slots <= math.ceil(places / min(held.values()) + 1e-6), "no more than the lightest would fill"
        assert slots >= math.floor(places / max(held.values()))
