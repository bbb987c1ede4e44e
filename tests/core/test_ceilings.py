"""How many calls limits let run at once: calls, requests a minute, tokens a minute, and what providers say."""

import math

from hypothesis import given
from hypothesis import strategies as st

from core.budgets import CallFigures
from core.ceilings import USUAL, CallLoad, Places, Said, call_load, mix_of, places_of
from core.limits import Limits

COUNTS = st.one_of(st.none(), st.integers(1, 10**7))
LIMITS = st.builds(Limits, COUNTS, COUNTS, COUNTS)
SAID = st.builds(Said, COUNTS, COUNTS, COUNTS, st.one_of(st.none(), st.integers(0, 100)))
LOADS = st.builds(CallLoad, st.floats(0.01, 600), st.one_of(st.just(0.0), st.floats(1, 200_000)))


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
