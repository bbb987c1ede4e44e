"""Against figures of the textbooks, and by trying them out."""

import math
import random
from decimal import Decimal

import pytest

from core.intervals import (
    Moments,
    Share,
    mean_difference,
    mean_interval,
    quantile_ranks,
    share_difference,
    share_interval,
    t_quantile,
)


def hits(number: int, n: int) -> Share:
    return Share(Decimal(number), n)


def moments(values: list[float]) -> Moments:
    exact = [Decimal(repr(value)) for value in values]
    return Moments(sum(exact, Decimal(0)), sum((one * one for one in exact), Decimal(0)), len(exact))


@pytest.mark.parametrize(
    ("confidence", "freedom", "expected"),
    [
        (0.95, 1, 12.7062), (0.95, 2, 4.3027), (0.95, 3, 3.1824), (0.95, 5, 2.5706), (0.95, 10, 2.2281),
        (0.95, 30, 2.0423), (0.95, 100, 1.9840), (0.95, 10**7, 1.9600), (0.99, 1, 63.6567), (0.99, 20, 2.8453),
        (0.999, 7, 5.4079),
    ],
)  # fmt: skip
def test_students_quantiles_are_those_of_the_tables(confidence: float, freedom: float, expected: float) -> None:
    assert t_quantile(confidence, freedom) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize(
    ("number", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)  # fmt: skip
def test_intervals_of_shares_are_wilsons_as_newcombe_prints_them(number: int, n: int, low: float, high: float) -> None:
    assert share_interval(hits(number, n), 0.95) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 20), 0.6791, 1.0),
        ((0, 10), (0, 20), -0.1611, 0.2775), ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)  # fmt: skip
def test_differences_of_shares_are_those_newcombe_prints(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    found = share_difference(hits(*one), hits(*other), 0.95)
    assert found == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_welchs_difference_of_means() -> None:
    """The usual example of unequal variances: means 20.8 and 23.0, variances 7.9 and 3.8, t = -2.46, P = 0.021."""
    one = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
    other = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4]
    touching = mean_difference(moments(one), moments(other), 1 - 0.0214)
    assert touching is not None
    assert float(touching[1]) == pytest.approx(0, abs=2e-3)
    half = (touching[1] - touching[0]) / 2
    assert float(touching[0] + half) == pytest.approx(-2.1667, abs=1e-4)


def test_sums_of_squares_lose_nothing_where_floats_would() -> None:
    """A microscopic spread on a large amount."""
    amounts = moments([10**9 + place for place in (0.001, 0.002, 0.003, 0.004)])
    found = mean_interval(amounts, 0.95)
    assert found is not None
    half = float(found[1] - amounts.mean)
    assert half == pytest.approx(3.18245 * 0.00129099 / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("n", "share", "low", "rank", "high"),
    [
        (5, 0.5, None, 3, None), (6, 0.5, 1, 3, 6), (10, 0.5, 2, 5, 9), (20, 0.5, 6, 10, 15), (100, 0.5, 40, 50, 61),
        (71, 0.95, 63, 68, None), (72, 0.95, 64, 69, 72),
    ],
)  # fmt: skip
def test_ranks_of_quantiles_are_those_of_the_sign_test(
    n: int, share: float, low: int | None, rank: int, high: int | None
) -> None:
    assert quantile_ranks(n, share, 0.95) == (low, rank, high)


def exact_cover(n: int, share: float, low: int | None, high: int | None) -> float:
    """The probability that between `low` - 1 and `high` - 1 of n lie below the quantile."""
    return sum(
        math.comb(n, k) * share**k * (1 - share) ** (n - k)
        for k in range(low or 0, high if high is not None else n + 1)
    )


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_quantile_intervals_cover_at_least_what_they_say_and_are_no_wider(share: float) -> None:
    for n in range(1, 150):
        low, _, high = quantile_ranks(n, share, 0.95)
        assert exact_cover(n, share, low, high) >= 0.95
        if low is not None:
            assert exact_cover(n, share, 0, low + 1) > 0.025
        if high is not None:
            assert exact_cover(n, share, high - 1, None) > 0.025


def test_a_million_observations_take_no_time() -> None:
    assert quantile_ranks(10**6, 0.5, 0.95) == (499020, 500000, 500981)
    assert t_quantile(0.999, 10**6) == pytest.approx(3.2905, abs=1e-3)


def test_too_few_say_nothing_about_how_sure_it_is() -> None:
    assert mean_interval(moments([3.0]), 0.95) is None
    assert mean_difference(moments([1.0]), moments([2.0, 3.0]), 0.95) is None
    assert mean_difference(moments([1.0, 1.0]), moments([3.0, 3.0]), 0.95) == (-2, -2)


def test_more_observations_and_less_confidence_make_narrower_intervals() -> None:
    def width(ends: tuple[float, float] | tuple[Decimal, Decimal] | None) -> float:
        assert ends is not None
        return float(ends[1] - ends[0])

    for n in (10, 30, 100, 1000, 100_000):
        assert width(share_interval(hits(3 * n, 10 * n), 0.95)) < width(share_interval(hits(n * 3 // 10, n), 0.95))
        assert width(share_interval(hits(n // 3, n), 0.9)) < width(share_interval(hits(n // 3, n), 0.99))
        few = Moments(Decimal(2 * n), Decimal(5 * n), n)
        many = Moments(Decimal(20 * n), Decimal(50 * n), 10 * n)
        assert width(mean_interval(many, 0.95)) < width(mean_interval(few, 0.95)) < width(mean_interval(few, 0.99))
        assert width(mean_difference(many, many, 0.95)) < width(mean_difference(few, few, 0.95))


def test_intervals_hold_the_truth_in_nineteen_of_twenty_samples() -> None:
    """Shares, stars, skewed costs, medians; and the differences of two like them."""
    draw = random.Random(7)
    times, held = 1500, dict.fromkeys(("share", "stars", "cost", "share apart", "cost apart", "p50"), 0)
    for _ in range(times):
        shares = [hits(sum(draw.random() < 0.1 for _ in range(60)), 60) for _ in "ab"]
        stars = Share(Decimal(sum(draw.randint(1, 5) for _ in range(40))) / 5, 40)
        costs = [[round(draw.gammavariate(2, 1), 6) for _ in range(40)] for _ in "ab"]
        low, _, high = quantile_ranks(40, 0.5, 0.95)
        assert low is not None
        assert high is not None
        ordered = sorted(costs[0])
        ends = {
            "share": (share_interval(shares[0], 0.95), 0.1),
            "stars": (share_interval(stars, 0.95), 0.6),
            "cost": (mean_interval(moments(costs[0]), 0.95), 2),
            "share apart": (share_difference(*shares, 0.95), 0),
            "cost apart": (mean_difference(*map(moments, costs), 0.95), 0),
            "p50": ((ordered[low - 1], ordered[high - 1]), 1.678347),
        }
        for name, (found, truth) in ends.items():
            assert found is not None
            held[name] += float(found[0]) <= truth <= float(found[1])
    assert all(count / times >= 0.93 for count in held.values()), held
    assert held["share"] / times <= 0.975
