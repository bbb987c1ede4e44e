"""How many slots and workers the work asks for."""

import math

from hypothesis import given
from hypothesis import strategies as st

from core.demand import NO_CEILING, Load, Rule, Work, Worker, demand_of, workers_of

RULE = Rule(target_wait_s=10, cool_down_s=60)
AMOUNTS = st.integers(0, 5000)
SECONDS = st.floats(0.01, 500)
CEILINGS = st.one_of(st.just(NO_CEILING), st.integers(0, 300).map(float))
WORKS = st.lists(
    st.builds(Work, st.just("text"), st.text(max_size=3), AMOUNTS, st.integers(0, 200), SECONDS, CEILINGS), max_size=5
)
LOADS = st.builds(
    Load,
    WORKS,
    st.floats(0, 200),
    SECONDS,
    st.floats(0, 5000),
    CEILINGS,
    st.one_of(st.none(), st.floats(0, 1000)),
    st.one_of(st.none(), st.floats(0, 200)),
    st.one_of(st.none(), st.floats(0, 2000)),
)


def work(ready: float = 0, running: float = 0, service_s: float = 1.0, ceiling: float = NO_CEILING) -> Work:
    return Work("text", "fast", ready, running, service_s, ceiling)


def worker(running: int = 0, *, lag_ms: float = 0, state: str = "working") -> Worker:
    return Worker("w", "here", 1, ("text",), 10, {"text": running}, lag_ms, state, 0.0)


def test_slots_are_what_runs_and_what_clears_the_line_within_the_target() -> None:
    found = demand_of(Load([work(ready=400, running=7, service_s=0.5)], 0.0, 0.5), RULE)
    assert found.slots == 7 + 400 * 0.5 / 10
    assert "400 ready" in found.reason


def test_arrivals_count_where_they_need_more_than_the_line() -> None:
    found = demand_of(Load([work(ready=1, running=10, service_s=0.5)], 40.0, 0.5), RULE)
    assert found.slots == 10 + 40 * 0.5
    assert "40 jobs a second" in found.reason


def test_a_line_that_waits_too_long_asks_for_more_up_to_a_bound() -> None:
    def slots(oldest_wait_s: float) -> int:
        return demand_of(Load([work(ready=1000, service_s=0.1)], 0.0, 0.1, oldest_wait_s), RULE).slots

    assert [slots(0), slots(10), slots(25), slots(10_000)] == [10, 10, 25, 40]


def test_no_more_slots_are_asked_for_than_there_are_jobs() -> None:
    assert demand_of(Load([work(ready=3, service_s=300)], 0.0, 300), RULE).slots == 3


def test_an_idle_pool_is_nought_after_the_cool_down_and_one_before() -> None:
    assert [demand_of(Load([], 0.0, 1.0, busy_ago_s=ago), RULE).slots for ago in (0, 59.9, 60, math.inf)] == [
        1,
        1,
        0,
        0,
    ]
    assert demand_of(Load([], 0.0, 1.0, busy_ago_s=None), RULE).slots == 1, "nobody knows"


def test_work_at_its_limit_asks_for_no_slots_that_could_only_wait() -> None:
    limited = work(ready=500, running=5, service_s=8, ceiling=5)
    assert demand_of(Load([limited], 0.0, 8.0, ceiling=5), RULE).slots == 5
    beside = [limited, work(ready=100, service_s=1)]
    assert demand_of(Load(beside, 0.0, 8.0), RULE).slots == 5 + 10
    assert demand_of(Load([work(ready=9, ceiling=0)], 0.0, 1.0, ceiling=0), RULE).slots == 1, "somebody tries again"


def test_a_forecast_raises_the_number_and_never_lowers_it() -> None:
    ahead = demand_of(Load([work(running=2)], 0.0, 0.5, forecast_per_s=50, forecast_slots=25), RULE)
    assert (ahead.slots, ahead.reactive, ahead.predicted) == (25 + 2 * 5, 2, 35), "with room for chance"
    assert "50 jobs a second are expected" in ahead.reason
    assert demand_of(Load([work(running=2)], 0.0, 0.5, forecast_slots=0), RULE).slots == 2
    assert demand_of(Load([], 0.0, 0.5, busy_ago_s=math.inf, forecast_slots=0.01), RULE).slots == 0


@given(LOADS)
def test_running_jobs_always_count_and_limits_hold_for_the_rest(load: Load) -> None:
    found, running = demand_of(load, RULE), math.ceil(sum(one.running for one in load.work))
    assert found.slots >= running
    assert found.slots <= max(running, load.ceiling, 1)
    assert found.slots == max(found.reactive, found.predicted or 0, 1 if found.reason == "cooling down" else 0)
    if any(one.ready for one in load.work):
        assert found.slots >= 1


@given(LOADS, st.integers(1, 100))
def test_more_in_line_never_asks_for_less(load: Load, more: int) -> None:
    if not load.work:
        return
    first, *others = load.work
    if any(one.ceiling < NO_CEILING for one in load.work):
        return  # then the line of one may take the shares of another
    longer = Work(first.kind, first.model, first.ready + more, first.running, first.service_s)
    grown = Load([longer, *others], load.arrivals_per_s, load.service_s, load.oldest_wait_s, load.ceiling, 0.0)
    before = Load(load.work, load.arrivals_per_s, load.service_s, load.oldest_wait_s, load.ceiling, 0.0)
    assert demand_of(grown, RULE).slots >= demand_of(before, RULE).slots


def test_a_worker_that_is_short_of_cpu_counts_as_full() -> None:
    assert workers_of(12, [worker(3), worker(3)], 10, RULE) == 2
    late = worker(4, lag_ms=300)
    assert workers_of(12, [late, worker(3)], 10, RULE) == 2, "four of its own, and eight elsewhere"
    assert workers_of(20, [late, worker(3)], 10, RULE) == 3
    assert workers_of(20, [worker(4, lag_ms=300, state="leaving")], 10, RULE) == 2
    assert workers_of(0, [late], 10, RULE) == 0


@given(st.integers(0, 500), st.lists(st.builds(worker, st.integers(0, 10), lag_ms=st.sampled_from([0.0, 500.0]))))
def test_workers_are_enough_and_no_more_than_slots(slots: int, workers: list[Worker]) -> None:
    found = workers_of(slots, workers, 10, RULE)
    assert math.ceil(slots / 10) <= found <= max(slots, 0)
