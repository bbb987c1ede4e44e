"""The readout adds up, and claims no more than the figures say."""

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.experiments import compare_variants


@dataclass(frozen=True)
class Job:
    variant: str = "a/m"
    state: str = "completed"
    took_s: float | None = 1.0
    cost: Decimal | None = Decimal("0.01")
    answered_by: str | None = "a/m"
    with_schema: bool | None = None
    calls: int = 1
    failed_calls: int = 0
    valid: int = 0
    mended: int = 0
    invalid: int = 0
    score: Decimal | None = None
    label: str | None = None


jobs = st.builds(
    Job,
    variant=st.sampled_from(["a/m", "b/m", "c/m"]),
    state=st.sampled_from(["completed", "failed", "cancelled", "expired", "in_progress", "queued"]),
    took_s=st.none() | st.floats(0, 1000),
    cost=st.none() | st.decimals(0, 10, places=6),
    answered_by=st.sampled_from([None, "a/m", "b/m"]),
    with_schema=st.sampled_from([None, True, False]),
    calls=st.integers(1, 5),
    valid=st.integers(0, 2),
    mended=st.integers(0, 2),
    invalid=st.integers(0, 2),
    score=st.none() | st.decimals(0, 1, places=2),
    label=st.sampled_from([None, "good", "bad"]),
)


@given(st.lists(jobs, max_size=40))
def test_everything_adds_up(drawn: list[Job]) -> None:
    found = compare_variants(drawn)
    variants = found["variants"]
    assert found["jobs"] == len(drawn) == sum(one["jobs"] for one in variants)
    assert sum(one["cost"] for one in variants) == sum((job.cost for job in drawn if job.cost is not None), Decimal(0))
    assert sum(one["calls"] for one in variants) == sum(job.calls for job in drawn)
    assert sum(sum(one["feedback"]["labels"].values()) for one in variants) == sum(
        job.label is not None for job in drawn
    )
    scored = sum((one["feedback"]["score"] or {"n": 0})["n"] for one in variants)
    assert scored == sum(job.score is not None for job in drawn)
    assert len(found["comparisons"]) == max(0, len(variants) - 1)
    for one in variants:
        failed = one["failures"]
        over = one["jobs"] - one["running"] - one["cancelled"]
        assert (failed["n"] if failed else 0) == over
        assert failed is None or failed["low"] <= failed["value"] <= failed["high"]


def verdicts(drawn: list[Job]) -> dict[str, Any]:
    (comparison,) = compare_variants(drawn)["comparisons"]
    return {name: one["verdict"] if one else None for name, one in comparison.items() if isinstance(one, dict | None)}


def test_a_clear_difference_is_called_so_and_its_direction_is_right() -> None:
    draw = random.Random(1)
    base = [Job(took_s=draw.gauss(3, 0.5), score=Decimal("0.5"), cost=Decimal(draw.randint(9, 11))) for _ in range(60)]
    other = replace(Job(), variant="b/m", answered_by="b/m")
    quick = [
        replace(other, took_s=draw.gauss(1, 0.5), score=Decimal("0.9"), cost=Decimal(draw.randint(19, 21)))
        for _ in range(50)
    ]
    assert verdicts([*base, *quick]) == {
        "failures": "no difference seen", "cost_per_job": "worse", "latency_s": "better", "schema_yield": None,
        "score": "better",
    }  # fmt: skip


def test_a_few_jobs_prove_nothing() -> None:
    base, other = [Job()] * 6, [replace(Job(), variant="b/m", state="failed")] * 5
    assert verdicts([*base, *other])["failures"] == "no difference seen"


def test_a_failover_counts_for_what_was_drawn() -> None:
    found = compare_variants([Job(answered_by="b/m"), Job()])
    assert [(one["variant"], one["completed"], one["answered_by_others"]) for one in found["variants"]] == [
        ("a/m", 2, 1)
    ]
