"""What an experiment has shown: the variants of an alias beside each other, each figure with how sure it is. Pure.

A job counts for the variant that was drawn for it, also where a failover answered: what the draw led to is compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.intervals import (
    Moments,
    Share,
    mean_difference,
    mean_interval,
    quantile_ranks,
    share_difference,
    share_interval,
)

CONFIDENCE = 0.95
FEWEST = 30  # of each side, for a verdict: with fewer, means of skewed costs and times mislead too often
QUANTILES = {"p50": 0.50, "p95": 0.95}
LESS_IS_BETTER = {"failures": True, "cost_per_job": True, "latency_s": True, "schema_yield": False, "score": False}
MONEY_DIGITS = 12
TIME_DIGITS = 6


@dataclass(frozen=True, slots=True)
class VariantSums:
    """The jobs that drew a variant, added up; `failed` includes the expired. `calls` to `uncertain`, `valid` to
    `invalid` are of their ledger lines, `spent` of those that are priced. `paid` and `took_s` (first start to end, in
    seconds) are of the `priced` and `timed` completed jobs, `score` of the `scored` ones; `…_squares` sum squares."""

    variant: str
    jobs: int
    completed: int
    failed: int
    cancelled: int
    answered_itself: int
    calls: int
    failed_calls: int
    unpriced_calls: int
    spent: Decimal
    uncertain: Decimal | None
    priced: int
    paid: Decimal
    paid_squares: Decimal
    timed: int
    took_s: Decimal
    took_s_squares: Decimal
    valid: int
    mended: int
    invalid: int
    schema_jobs: int
    schema_completed: int
    judged: int
    scored: int
    score: Decimal
    emulated: bool


Latencies = Mapping[str, Mapping[int, float]]
Labels = Mapping[str, Mapping[str, int]]


def latency_ranks(sums: Sequence[VariantSums]) -> dict[str, list[int]]:
    """Which of a variant's latencies, sorted (the first is 1), its quantiles and their intervals need."""
    return {
        one.variant: sorted({rank for share in QUANTILES.values() for rank in _ranks(one, share) if rank is not None})
        for one in sums
        if one.timed
    }


def compare_variants(sums: Sequence[VariantSums], latencies: Latencies, labels: Labels) -> dict[str, Any]:
    """Every variant, and every other one against the first, the one that was drawn most. `latencies` are those that
    `latency_ranks` asked for, by variant and rank; `labels` counts, by variant and label."""
    ordered = sorted(sums, key=lambda one: (-one.jobs, one.variant))
    pairs = [(one, ordered[0]) for one in ordered[1:]]
    asked = sum(_pair(one, base, name) is not None for one, base in pairs for name in LESS_IS_BETTER)
    confidence = 1 - (1 - CONFIDENCE) / max(1, asked)
    return {
        "jobs": sum(one.jobs for one in ordered),
        "spent": sum((one.spent for one in ordered), Decimal(0)),
        "confidence": CONFIDENCE,
        "variants": [_show(one, latencies.get(one.variant, {}), labels.get(one.variant, {})) for one in ordered],
        "comparisons": [_compare(one, base, confidence) for one, base in pairs],
    }


def _show(one: VariantSums, latencies: Mapping[int, float], labels: Mapping[str, int]) -> dict[str, Any]:
    answers = one.valid + one.mended + one.invalid
    return {
        "variant": one.variant,
        "emulated": one.emulated,
        "jobs": one.jobs,
        "running": one.jobs - one.completed - one.failed - one.cancelled,
        "completed": one.completed,
        "failed": one.failed,
        "cancelled": one.cancelled,
        "failures": _estimate(_measure(one, "failures")),
        "failovers": _estimate(_share(one.completed - one.answered_itself, one.completed)),
        "calls": one.calls,
        "failed_calls": one.failed_calls,
        "cost": {
            "spent": one.spent,
            "unpriced_calls": one.unpriced_calls,
            "uncertain": one.uncertain,
            "completed": one.paid,
            "unknown_jobs": one.completed - one.priced,
        },
        "cost_per_job": _estimate(_measure(one, "cost_per_job"), MONEY_DIGITS),
        "latency_s": {
            "mean": _estimate(_measure(one, "latency_s")),
            **{name: _quantile(one, share, latencies) for name, share in QUANTILES.items()},
        },
        "schema": {
            "yield": _estimate(_measure(one, "schema_yield")),
            "valid_at_first": _estimate(_share(one.valid, answers)),
            "valid": one.valid,
            "mended": one.mended,
            "invalid": one.invalid,
        },
        "feedback": {
            "jobs": one.judged,
            "score": _estimate(_measure(one, "score")),
            "labels": dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
        },
    }


def _measure(one: VariantSums, name: str) -> Share | Moments | None:
    """What is compared; None without observations."""
    match name:
        case "failures":
            return _share(one.failed, one.failed + one.completed)
        case "cost_per_job":
            return Moments(one.paid, one.paid_squares, one.priced) if one.priced else None
        case "latency_s":
            return Moments(one.took_s, one.took_s_squares, one.timed) if one.timed else None
        case "schema_yield":
            return _share(one.schema_completed, one.schema_jobs)
        case _:
            return _share(one.score, one.scored)


def _share(total: Decimal | int, n: int) -> Share | None:
    return Share(Decimal(total), n) if n else None


def _estimate(measure: Share | Moments | None, digits: int = TIME_DIGITS) -> dict[str, Any] | None:
    if measure is None:
        return None
    if isinstance(measure, Share):
        return _figures(measure.value, share_interval(measure, CONFIDENCE), measure.n, digits)
    return _figures(measure.mean, mean_interval(measure, CONFIDENCE), measure.n, digits)


def _quantile(one: VariantSums, share: float, latencies: Mapping[int, float]) -> dict[str, Any] | None:
    low, rank, high = _ranks(one, share) if one.timed else (None, 0, None)
    if rank not in latencies:
        return None
    ends = (latencies.get(low) if low else None, latencies.get(high) if high else None)
    return _figures(latencies[rank], ends, one.timed, TIME_DIGITS)


def _ranks(one: VariantSums, share: float) -> tuple[int | None, int, int | None]:
    return quantile_ranks(one.timed, share, CONFIDENCE)


def _figures(value: Any, ends: tuple[Any, Any] | None, n: int, digits: int) -> dict[str, Any]:
    low, high = (None if end is None else round(end, digits) for end in ends or (None, None))
    return {"value": round(value, digits), "low": low, "high": high, "n": n}


def _compare(one: VariantSums, base: VariantSums, confidence: float) -> dict[str, Any]:
    return {
        "variant": one.variant,
        "against": base.variant,
        "confidence": round(confidence, 6),
        **{name: _judge(_pair(one, base, name), confidence, name) for name in LESS_IS_BETTER},
    }


def _pair(one: VariantSums, base: VariantSums, name: str) -> tuple[Share | Moments, Share | Moments] | None:
    first, second = _measure(one, name), _measure(base, name)
    return None if first is None or second is None else (first, second)


def _judge(pair: tuple[Share | Moments, Share | Moments] | None, confidence: float, name: str) -> dict[str, Any] | None:
    """A word only where the whole interval lies on one side of nothing, with enough observations of both. All intervals
    of a readout hold together with `CONFIDENCE`, so that many comparisons find no more by chance than one."""
    match pair:
        case Share() as first, Share() as second:
            value: Any = first.value - second.value
            ends: tuple[Any, Any] | None = share_difference(first, second, confidence)
        case Moments() as first, Moments() as second:
            value, ends = first.mean - second.mean, mean_difference(first, second, confidence)
        case _:
            return None
    n = min(first.n, second.n)
    verdict = "no difference seen"
    if ends is not None and n >= FEWEST and (ends[0] > 0 or ends[1] < 0):
        verdict = "better" if (value < 0) == LESS_IS_BETTER[name] else "worse"
    digits = MONEY_DIGITS if name == "cost_per_job" else TIME_DIGITS
    return {**_figures(value, ends, n, digits), "verdict": verdict}
