"""Against figures of the textbooks, and by trying them out."""

import random

import pytest

from core.intervals import (
    estimate_mean,
    estimate_quantile,
    estimate_share,
    mean_difference,
    share_difference,
    t_quantile,
)


@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (1000, 1.962)]
)
def test_students_quantiles_are_those_of_the_tables(freedom: int, expected: float) -> None:
    assert t_quantile(freedom) == pytest.approx(expected, abs=0.012)


def test_wilsons_interval_of_a_share() -> None:
    found = estimate_share(8, 10)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))
    none = estimate_share(0, 20)
    assert none is not None
    assert (none.low, none.high) == (0.0, pytest.approx(0.1611, abs=1e-3))
    assert estimate_share(0, 0) is None


def test_newcombes_interval_of_a_difference() -> None:
    """Newcombe 1998, the example 56/70 against 48/80."""
    found = share_difference(estimate_share(56, 70), estimate_share(48, 80))
    assert found is not None
    assert (found.value, found.low, found.high) == (
        pytest.approx(0.2), pytest.approx(0.0524, abs=1e-3), pytest.approx(0.3339, abs=1e-3),
    )  # fmt: skip


def test_welchs_interval_of_a_difference() -> None:
    """Student's sleep data of 1908, as R's t.test prints them."""
    one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    other = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = mean_difference(one, other)
    assert found is not None
    assert found.value == pytest.approx(-1.58)
    assert (found.low, found.high) == (pytest.approx(-3.3654832, abs=1e-3), pytest.approx(0.2054832, abs=1e-3))


def test_too_few_say_nothing_about_how_sure_it_is() -> None:
    assert estimate_mean([]) is None
    single = estimate_mean([3.0])
    assert single is not None
    assert (single.value, single.low, single.high) == (3.0, None, None)
    assert mean_difference([1.0], [2.0, 3.0]) is None
    assert share_difference(None, estimate_share(1, 2)) is None


def test_the_interval_holds_the_truth_in_nineteen_of_twenty_samples() -> None:
    draw = random.Random(7)
    held = {"share": 0, "mean": 0, "median": 0}
    for _ in range(600):
        share = estimate_share(sum(draw.random() < 0.1 for _ in range(60)), 60)
        values = [draw.gauss(5, 2) for _ in range(25)]
        mean, median = estimate_mean(values), estimate_quantile(values, 0.5)
        for name, found, truth in (("share", share, 0.1), ("mean", mean, 5.0), ("median", median, 5.0)):
            assert found is not None
            assert found.low is not None
            assert found.high is not None
            held[name] += found.low <= truth <= found.high
    assert all(0.92 <= count / 600 <= 0.99 for count in held.values()), held
