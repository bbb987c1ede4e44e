"""How sure a figure is. Intervals of shares, means and quantiles, and of differences, from counts and sums alone.

Shares: Wilson; their differences: Newcombe. Means: Student's t; their differences: Welch. Quantiles: order statistics.
Each is asked for with its confidence, such as 0.95: the part of such samples whose interval holds the truth.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist

STEPS = 100_000  # the continued fraction needs about the square root of its larger argument
EPSILON = 1e-15
TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Share:
    """The mean of `n` observations between 0 and 1: `total` hits, or the sum of scores."""

    total: Decimal
    n: int

    @property
    def value(self) -> float:
        return float(self.total / self.n)


@dataclass(frozen=True, slots=True)
class Moments:
    """`n` amounts, none below 0, by their sum and the sum of their squares, both exact."""

    total: Decimal
    squares: Decimal
    n: int

    @property
    def mean(self) -> Decimal:
        return self.total / self.n

    @property
    def squared_error(self) -> Decimal:
        """The square of the mean's standard error; two amounts are needed."""
        return max(Decimal(0), self.squares - self.total * self.total / self.n) / (self.n - 1) / self.n


def share_interval(share: Share, confidence: float) -> tuple[float, float]:
    """Wilson's score interval: holds near 0 and 1 and for few observations. Of scores between the ends it is wider
    than it need be, since none can vary more than hits and misses do."""
    z, p, n = _z(confidence), share.value, share.n
    spread = z * z / n
    middle = (p + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(p * (1 - p) / n + spread / n / 4)
    return (0.0 if p == 0 else max(0.0, middle - half)), (1.0 if p == 1 else min(1.0, middle + half))


def share_difference(one: Share, other: Share, confidence: float) -> tuple[float, float]:
    """Newcombe's hybrid of both Wilson intervals, for `one` minus `other`."""
    low, high = share_interval(one, confidence)
    other_low, other_high = share_interval(other, confidence)
    difference = one.value - other.value
    below = math.hypot(one.value - low, other_high - other.value)
    above = math.hypot(high - one.value, other.value - other_low)
    return max(-1.0, difference - below), min(1.0, difference + above)


def mean_interval(amounts: Moments, confidence: float) -> tuple[Decimal, Decimal] | None:
    """None for a single amount, which says nothing about how they vary."""
    if amounts.n < 2:
        return None
    half = Decimal(t_quantile(confidence, amounts.n - 1)) * amounts.squared_error.sqrt()
    return max(Decimal(0), amounts.mean - half), amounts.mean + half


def mean_difference(one: Moments, other: Moments, confidence: float) -> tuple[Decimal, Decimal] | None:
    """For the mean of `one` minus that of `other`; None where either is a single amount."""
    if one.n < 2 or other.n < 2:
        return None
    first, second = one.squared_error, other.squared_error
    difference, both = one.mean - other.mean, first + second
    if both == 0:
        return difference, difference
    freedom = both * both / (first * first / (one.n - 1) + second * second / (other.n - 1))
    half = Decimal(t_quantile(confidence, float(freedom))) * both.sqrt()
    return difference - half, difference + half


def quantile_ranks(n: int, share: float, confidence: float) -> tuple[int | None, int, int | None]:
    """Which of `n` sorted observations (the first is 1) are the lower end, the quantile and the upper end. Nothing is
    assumed of how they are distributed. None: too few for such an end."""
    tail = (1 - confidence) / 2
    low = _first(n, lambda k: _binomial_cdf(k, n, share) > tail)
    high = _first(n, lambda k: 1 - _binomial_cdf(k, n, share) <= tail)
    return low or None, max(1, math.ceil(n * share)), high + 1 if high < n else None


def t_quantile(confidence: float, freedom: float) -> float:
    """What Student's t exceeds, up or down, with a probability of 1 - confidence."""
    low, high = 0.0, 1.0  # of x = freedom / (freedom + t²), whose incomplete beta is that probability
    for _ in range(200):
        x = (low + high) / 2
        if x in (low, high):
            break
        if _incomplete_beta(x, freedom / 2, 0.5) < 1 - confidence:
            low = x
        else:
            high = x
    return math.sqrt(freedom * (1 - high) / high)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _first(n: int, holds: Callable[[int], bool]) -> int:
    """The smallest of 0 … n for which it holds, as it does for all larger ones; n if for none."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _binomial_cdf(k: int, n: int, share: float) -> float:
    """The probability of at most `k` hits in `n`."""
    return 1.0 if k >= n else _incomplete_beta(1 - share, n - k, k + 1)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized I_x(a, b), by its continued fraction on the side where that converges fast."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(scale) / a * _beta_fraction(x, a, b)


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Evaluated from the front (Lentz): `above` and `below` are the quotients of successive numerators and
    denominators."""
    above, below = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    value = below
    for m in range(1, STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            below = 1 / _apart(1 + term * below)
            above = _apart(1 + term / above)
            value *= above * below
        if abs(above * below - 1) < EPSILON:
            break
    return value


def _apart(value: float) -> float:
    """Away from zero, by which one could not divide."""
    return value if abs(value) > TINY else TINY
