"""What an experiment on an alias has shown: its variants beside each other, each figure with how sure it is.

A job counts for the variant that was drawn for it, also where a failover answered: what the draw led to is compared.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Protocol

from core.intervals import (
    Estimate,
    estimate_mean,
    estimate_quantile,
    estimate_share,
    mean_difference,
    share_difference,
)

OVER = frozenset({"completed", "failed", "cancelled", "expired"})
FEWEST = 20


class Drawn(Protocol):
    """A job that drew; a row of `sql.experiments.DrawnJob`."""

    @property
    def variant(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def took_s(self) -> float | None: ...
    @property
    def cost(self) -> Decimal | None: ...
    @property
    def answered_by(self) -> str | None: ...
    @property
    def with_schema(self) -> bool | None: ...
    @property
    def calls(self) -> int: ...
    @property
    def failed_calls(self) -> int: ...
    @property
    def valid(self) -> int: ...
    @property
    def mended(self) -> int: ...
    @property
    def invalid(self) -> int: ...
    @property
    def score(self) -> Decimal | None: ...
    @property
    def label(self) -> str | None: ...


class _Arm:
    """The jobs of one variant, taken apart."""

    def __init__(self, variant: str, jobs: Sequence[Drawn]) -> None:
        self.variant = variant
        self.jobs = jobs
        self.over = [job for job in jobs if job.state in OVER and job.state != "cancelled"]
        self.completed = [job for job in self.over if job.state == "completed"]
        self.took_s = [job.took_s for job in self.completed if job.took_s is not None]
        self.costs = [float(job.cost) for job in self.over if job.cost is not None]
        self.scores = [float(job.score) for job in jobs if job.score is not None]
        self.failures = estimate_share(len(self.over) - len(self.completed), len(self.over))
        with_schema = [job for job in self.over if job.with_schema]
        self.schema_yield = estimate_share(sum(job.state == "completed" for job in with_schema), len(with_schema))

    def show(self) -> dict[str, Any]:
        asked = sum(job.valid + job.mended + job.invalid for job in self.jobs)
        return {
            "variant": self.variant,
            "jobs": len(self.jobs),
            "running": sum(job.state not in OVER for job in self.jobs),
            "cancelled": sum(job.state == "cancelled" for job in self.jobs),
            "completed": len(self.completed),
            "answered_by_others": sum(job.answered_by != self.variant for job in self.completed),
            "failures": _show(self.failures),
            "calls": sum(job.calls for job in self.jobs),
            "failed_calls": sum(job.failed_calls for job in self.jobs),
            "cost": sum((job.cost for job in self.jobs if job.cost is not None), Decimal(0)),
            "jobs_of_unknown_cost": sum(job.cost is None for job in self.over),
            "cost_per_job": _show(estimate_mean(self.costs)),
            "latency_s": {
                "mean": _show(estimate_mean(self.took_s)),
                "p50": _show(estimate_quantile(self.took_s, 0.5)),
                "p95": _show(estimate_quantile(self.took_s, 0.95)),
            },
            "schema": {
                "yield": _show(self.schema_yield),
                "valid_at_first": _show(estimate_share(sum(job.valid for job in self.jobs), asked)),
                "mended": sum(job.mended for job in self.jobs),
                "invalid": sum(job.invalid for job in self.jobs),
            },
            "feedback": {
                "score": _show(estimate_mean(self.scores)),
                "labels": dict(Counter(job.label for job in self.jobs if job.label is not None).most_common(20)),
            },
        }

    def against(self, base: "_Arm") -> dict[str, Any]:
        """Less is better of failures, cost and latency, more of yield and score."""
        return {
            "variant": self.variant,
            "against": base.variant,
            "failures": _judge(share_difference(self.failures, base.failures), less=True),
            "cost_per_job": _judge(mean_difference(self.costs, base.costs), less=True),
            "latency_s": _judge(mean_difference(self.took_s, base.took_s), less=True),
            "schema_yield": _judge(share_difference(self.schema_yield, base.schema_yield), less=False),
            "score": _judge(mean_difference(self.scores, base.scores), less=False),
        }


def compare_variants(jobs: Sequence[Drawn]) -> dict[str, Any]:
    """Every variant, the one that was drawn most first, and the others against it. Intervals are of 95 %."""
    by_variant: defaultdict[str, list[Drawn]] = defaultdict(list)
    for job in jobs:
        by_variant[job.variant].append(job)
    arms = [_Arm(variant, drawn) for variant, drawn in by_variant.items()]
    arms.sort(key=lambda arm: (-len(arm.jobs), arm.variant))
    return {
        "jobs": len(jobs),
        "variants": [arm.show() for arm in arms],
        "comparisons": [arm.against(arms[0]) for arm in arms[1:]],
    }


def _show(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else asdict(estimate)


def _judge(difference: Estimate | None, *, less: bool) -> dict[str, Any] | None:
    """A verdict only where the whole interval lies on one side of nothing, and on enough jobs."""
    if difference is None or difference.low is None or difference.high is None:
        return None
    verdict = "no difference seen"
    if difference.n >= FEWEST and (difference.high < 0 or difference.low > 0):
        verdict = "better" if (difference.value < 0) == less else "worse"
    return {**asdict(difference), "verdict": verdict}
