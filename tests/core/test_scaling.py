"""The number of workers over time: up at once, down with patience, never to and fro."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.scaling import RESTART_AFTER_S, Asked, Bounds, remember, restart_after_s, settle

BOUNDS = Bounds(1, 6, 60)


def run(asks: list[tuple[float, int]], bounds: Bounds = BOUNDS, start: int = 1) -> list[int]:
    """The numbers that follow from what is asked at these times."""
    known: tuple[Asked, ...] = ()
    counts, count = [], start
    for at_s, workers in asks:
        known = remember(known, Asked(at_s, workers), bounds)
        count, _ = settle(known, count, bounds)
        counts.append(count)
    return counts


def test_up_at_once_and_down_when_less_was_enough_for_the_whole_time() -> None:
    asks = [(0.0, 1), (1.0, 5), (2.0, 2), (60.0, 2), (61.0, 3), (62.5, 2), (123.0, 0)]
    assert run(asks) == [1, 5, 5, 5, 5, 3, 2]


def test_bounds_hold_and_are_said() -> None:
    assert run([(0.0, 90)]) == [6]
    assert settle((Asked(0.0, 90, "90 are needed"),), 1, BOUNDS) == (6, "90 are needed; no more than 6")
    assert run([(0.0, 0), (100.0, 0)], Bounds(0, 6, 60)) == [1, 0]


def test_who_has_just_begun_to_look_stops_nobody() -> None:
    assert run([(0.0, 1), (59.0, 1), (60.0, 1)], start=5) == [5, 5, 1]


@given(st.lists(st.tuples(st.floats(0.1, 30), st.integers(0, 9)), min_size=2, max_size=200))
def test_a_number_that_rose_stays_for_the_cool_down(steps: list[tuple[float, int]]) -> None:
    at_s, asks = 0.0, []
    for pause_s, workers in steps:
        at_s += pause_s
        asks.append((at_s, workers))
    counts = run(asks)
    assert all(BOUNDS.hold(asked) <= count <= 6 for (_, asked), count in zip(asks, counts, strict=True))
    rose_at = None
    for ((_, _), before), ((now_s, _), after) in pairwise(zip(asks, counts, strict=True)):
        if after > before:
            rose_at = now_s
        if after < before and rose_at is not None:
            assert now_s - rose_at >= BOUNDS.down_after_s - 1e-6


def test_the_memory_does_not_grow() -> None:
    known: tuple[Asked, ...] = ()
    for second in range(1000):
        known = remember(known, Asked(float(second), 1), BOUNDS)
    assert len(known) <= 62


def test_who_dies_again_and_again_is_started_less_and_less_often() -> None:
    pauses = [restart_after_s(crashes) for crashes in range(1, 20)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (RESTART_AFTER_S[0], RESTART_AFTER_S[-1])
