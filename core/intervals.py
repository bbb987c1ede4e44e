"""How sure a figure is: 95 % intervals of shares, means, quantiles and of differences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of `n` observations with the interval that holds the true one in 95 of 100 such samples; `low` and
    `high` None: too few to say."""

    value: float
    low: float | None
    high: float | None
    n: int


def estimate_share(hits: int, n: int) -> Estimate | None:
    """Wilson's score interval; it stays within 0 and 1 and holds for shares near them. None without observations."""
    if n == 0:
        return None
    share, spread = hits / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / n / 4)
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half), n)


def estimate_mean(values: Sequence[float]) -> Estimate | None:
    """Student's t. None without observations."""
    if not values:
        return None
    mean, n = fmean(values), len(values)
    if n == 1:
        return Estimate(mean, None, None, n)
    half = t_quantile(n - 1) * stdev(values) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def estimate_quantile(values: Sequence[float], share: float) -> Estimate | None:
    """Between order statistics, by the normal approximation of the binomial: nothing is assumed of the distribution."""
    if not values:
        return None
    ordered, n = sorted(values), len(values)
    value = ordered[min(n - 1, math.ceil(share * n) - 1)]
    half = Z * math.sqrt(n * share * (1 - share))
    low, high = math.floor(n * share - half) - 1, math.ceil(n * share + half)
    return Estimate(value, ordered[low] if low >= 0 else None, ordered[high] if high < n else None, n)


def share_difference(one: Estimate | None, other: Estimate | None) -> Estimate | None:
    """`one` minus `other`, by Newcombe's method out of their Wilson intervals."""
    if one is None or other is None or None in (one.low, one.high, other.low, other.high):
        return None
    difference = one.value - other.value
    below = math.hypot(one.value - (one.low or 0.0), (other.high or 0.0) - other.value)
    above = math.hypot((one.high or 0.0) - one.value, other.value - (other.low or 0.0))
    return Estimate(difference, difference - below, difference + above, one.n + other.n)


def mean_difference(one: Sequence[float], other: Sequence[float]) -> Estimate | None:
    """Mean of `one` minus mean of `other`, by Welch's t. None with fewer than two observations of either."""
    if len(one) < 2 or len(other) < 2:
        return None
    first, second = stdev(one) ** 2 / len(one), stdev(other) ** 2 / len(other)
    difference, n = fmean(one) - fmean(other), len(one) + len(other)
    if first + second == 0:
        return Estimate(difference, difference, difference, n)
    freedom = (first + second) ** 2 / (first**2 / (len(one) - 1) + second**2 / (len(other) - 1))
    half = t_quantile(freedom) * math.sqrt(first + second)
    return Estimate(difference, difference - half, difference + half, n)


def t_quantile(freedom: float) -> float:
    """The 97.5 % quantile of Student's t: exact for one and two degrees of freedom, else by the Cornish-Fisher
    expansion around the normal one, right to a hundredth from three on."""
    if freedom <= 1:
        return 1 / math.tan(math.pi * 0.025)
    if freedom <= 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z, v = Z, freedom
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )
