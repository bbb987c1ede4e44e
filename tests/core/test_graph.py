from hypothesis import given
from hypothesis import strategies as st

from core.graph import find_cycle, find_stuck


def test_a_line_has_no_cycle() -> None:
    assert find_cycle({"a": [], "b": ["a"], "c": ["a", "b"]}) is None


def test_a_cycle_is_named_by_its_keys_alone() -> None:
    cycle = find_cycle({"start": [], "a": ["c", "start"], "b": ["a"], "c": ["b"], "end": ["a"]})
    assert sorted(cycle or []) == ["a", "b", "c"]


def test_a_job_that_waits_for_itself_is_a_cycle() -> None:
    assert find_cycle({"a": ["a"]}) == ["a"]


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=40))
def test_edges_that_point_backwards_only_never_make_a_cycle(edges: list[tuple[int, int]]) -> None:
    after: dict[str, list[str]] = {str(n): [] for n in range(16)}
    for one, other in edges:
        if one != other:
            after[str(max(one, other))].append(str(min(one, other)))
    assert find_cycle(after) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_what_is_called_a_cycle_is_one(edges: list[tuple[int, int]]) -> None:
    after: dict[str, list[str]] = {str(n): [] for n in range(10)}
    for one, other in edges:
        after[str(one)].append(str(other))
    cycle = find_cycle(after)
    for key, following in zip(cycle or [], (cycle or [])[1:] + (cycle or [])[:1], strict=True):
        assert following in after[key]


def test_ten_thousand_in_a_line_a_circle_or_a_fan_are_looked_through_without_recursion() -> None:
    line: dict[str, list[str]] = {str(n): [str(n + 1)] for n in range(10_000)} | {"10000": []}
    assert find_stuck(line) == set()
    assert len(find_stuck(line, {"10000"})) == 10_000
    assert len(find_cycle(line | {"10000": ["0"]}) or []) == 10_001
    assert find_stuck({"root": [], **{str(n): ["root"] for n in range(10_000)}}) == set()


def test_who_comes_after_the_refused_is_stuck_and_nobody_else() -> None:
    after: dict[str, list[str]] = {"a": [], "b": ["a", "gone"], "c": ["b"], "d": ["a"], "e": ["f"], "f": ["e"]}
    assert find_stuck(after, {"gone"}) == {"b", "c", "e", "f"}
