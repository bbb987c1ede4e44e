"""The window alone: never more than the limit in any stretch of its length, and waits that are true."""

from hypothesis import given
from hypothesis import strategies as st

from core.limits import Limits, Window, tokens_asked
from core.request import JobRequest

steps = st.lists(st.tuples(st.floats(0, 20), st.integers(1, 8)), max_size=120)


@given(steps, st.integers(8, 20))
def test_no_stretch_of_a_minute_holds_more_than_the_limit(steps: list[tuple[float, int]], limit: int) -> None:
    window, now_s, taken = Window(), 1000.0, list[tuple[float, int]]()
    for passed_s, weight in steps:
        now_s += passed_s
        if window.wait_s(now_s, weight, limit) == 0:
            window.add(now_s, weight)
            taken.append((now_s, weight))
    for begun_s, _ in taken:
        assert sum(weight for at_s, weight in taken if begun_s <= at_s < begun_s + 60) <= limit


@given(steps, st.integers(8, 20))
def test_who_comes_back_when_told_finds_room_and_not_before(steps: list[tuple[float, int]], limit: int) -> None:
    window, now_s = Window(), 1000.0
    for passed_s, weight in steps:
        now_s += passed_s
        wait_s = window.wait_s(now_s, weight, limit)
        assert 0 <= wait_s <= 61
        if wait_s > 0.01:
            now_s += wait_s - 0.005
            assert window.wait_s(now_s, weight, limit) > 0
            now_s += 0.01
        elif wait_s > 0:
            now_s += wait_s + 0.005
        assert window.wait_s(now_s, weight, limit) == 0
        window.add(now_s, weight)


def test_what_is_heavier_than_the_limit_has_room_in_an_empty_window_alone() -> None:
    window = Window()
    assert window.wait_s(0, 500, 100) == 0
    window.add(0, 500)
    assert window.wait_s(1, 1, 100) > 59
    assert window.wait_s(61, 500, 100) == 0


def test_a_share_is_at_least_one_and_no_limit_stays_none() -> None:
    assert Limits(100, None, 3).share(4) == Limits(25, None, 1)
    assert Limits.of({"requests_per_minute": "many", "concurrency": 0, "tokens_per_minute": 5}) == Limits(None, 5)
    assert not Limits.of(None)


def test_tokens_are_the_prompt_and_the_answer_that_the_caller_allows() -> None:
    short = JobRequest.model_validate({"model": "fast", "prompt": "Hi", "max_output_tokens": 10})
    unsaid = JobRequest.model_validate({"model": "fast", "prompt": "Hi"})
    assert tokens_asked(unsaid) - tokens_asked(short) == 990


def test_how_many_minutes_a_limit_takes_goes_by_the_slower_of_both() -> None:
    assert Limits(concurrency=1).minutes_for(5, 5) is None
    assert Limits(requests_per_minute=5).minutes_for(5, 10_000) == 1
    assert Limits(requests_per_minute=5).minutes_for(6, 0) == 2
    assert Limits(5, 100).minutes_for(6, 301) == 4
    assert [Limits(600).minutes_for(count, 0) for count in (600, 601, 1001)] == [1, 2, 3], "a sixth is left to others"
