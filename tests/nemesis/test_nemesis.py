"""A short run of what `scripts/nemesis` does for long, and a checker that can fail."""

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.nemesis.checker import Left, violations
from tests.nemesis.run import run


async def test_everything_that_can_happen_happens_and_every_promise_holds() -> None:
    """Kills, stops longer than a lease, blocked loops, floods, restarts, wrong clocks, a job that kills its workers."""
    root = Path(tempfile.mkdtemp(prefix="nemesis-"))
    broken = await run(root, seed=20261123, seconds=1, jobs=250, poisoned=1, all_once=True)
    assert broken == [], f"the history is in {root}"
    shutil.rmtree(root, ignore_errors=True)


JOB, CALL = UUID(int=1), UUID(int=2)


def kept() -> dict[str, Any]:
    """What a run of one job leaves when every promise was kept."""
    job = {
        "id": JOB, "state": "completed", "request": {"model": "openai/gpt-6-luna"}, "result": {"content": "hello"},
        "error": None, "attempts": 1, "lost_leases": 0, "cost": Decimal("0.5"),
    }  # fmt: skip
    call = {"id": CALL, "job_id": JOB, "outcome": "ok", "cost": Decimal("0.5")}
    start = {"job_id": JOB, "was": "queued", "became": "in_progress", "fence_was": 0, "fence": 1,
             "attempts_was": 0, "attempts": 1}  # fmt: skip
    end = start | {"was": "in_progress", "became": "completed", "fence_was": 1, "attempts_was": 1}
    return {
        "jobs": [job], "calls": [call], "transitions": [start, end], "seen": [str(CALL)], "redis": {}, "submitted": 1,
        "poisoned": 0, "kills": 0, "slots": 10,
    }  # fmt: skip


def test_the_checker_finds_nothing_where_nothing_is_wrong() -> None:
    assert list(violations(Left(**kept()))) == []


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("rows are there", lambda left: left.update(submitted=2, poisoned=1)),
        ("ended 2 times", lambda left: left["transitions"].append(left["transitions"][1])),
        ("changed after its end", lambda left: left["transitions"].append(
            left["transitions"][1] | {"was": "completed", "became": "queued"})),
        ("fence of job", lambda left: left["transitions"][1].update(fence=0)),
        ("overtaken", lambda left: left["transitions"].insert(1, left["transitions"][0] | {
            "was": "in_progress", "fence_was": 1, "fence": 2})),
        ("attempts after", lambda left: left["jobs"][0].update(attempts=2)),
        ("lost leases", lambda left: left["jobs"][0].update(lost_leases=1)),
        ("has no line", lambda left: left["seen"].append(str(uuid4()))),
        ("2 times", lambda left: left["seen"].append(str(CALL))),
        ("never completed", lambda left: left["calls"].append({**left["calls"][0], "id": uuid4(), "outcome": None})),
        ("never saw it", lambda left: left["seen"].clear()),
        ("unknown after 0 kills", lambda left: left["calls"].append(
            {**left["calls"][0], "id": uuid4(), "outcome": "unknown", "cost": None})),
        ("paid for twice", lambda left: left["calls"].append({**left["calls"][0], "id": uuid4()})),
        ("its lines say", lambda left: left["jobs"][0].update(cost=Decimal("0.4"))),
        ("no result", lambda left: left["jobs"][0].update(result=None)),
        ("failed after", lambda left: left["jobs"][0].update(state="failed")),
        ("Redis still has", lambda left: left["redis"].update(jobs=3)),
    ],
)  # fmt: skip
def test_the_checker_names_what_is_wrong(words: str, change: Any) -> None:
    left = kept()
    change(left)
    assert any(words in one for one in violations(Left(**left))), list(violations(Left(**left)))
