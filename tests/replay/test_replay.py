"""A short day, and figures that can fail."""

import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.replay.calling import Asked
from tests.replay.day import SORTS, Planned, plan_day
from tests.replay.figures import ALL, covered_ms, figures_of, invoice_of, percentiles
from tests.replay.floors import broken_promises, judge
from tests.replay.remains import Remains
from tests.replay.report import write_report
from tests.replay.run import assess, live_through, reduction_of, settings_lines

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
JOB, CALL = UUID(int=1), UUID(int=2)
SCHEMA = {"type": "object", "required": ["a"]}


async def test_a_short_day_ends_well_and_to_the_last_digit() -> None:
    """Other tests share the machine's cores: times and shares are `scripts/replay`'s to hold."""
    root = Path(tempfile.mkdtemp(prefix="replay-"))
    root.chmod(0o711)
    remains = await live_through(root, 120, 6.0, seed=3, latency_ms=20)
    judged, broken, invoice = assess(remains)
    assert broken == []
    assert (invoice.different, invoice.seen_calls > 20) == ([], True)
    assert invoice.ledger_usd > 0
    figures = figures_of(remains)
    assert figures[ALL].availability == 1.0
    assert figures[ALL].schema_violations == 0
    write_report(root, remains, figures, judged, invoice, settings_lines(120, 6.0, 3))
    assert {path.name for path in root.glob("replay*")} == {
        "replay.md", "replay-day.png", "replay-latency.png", "replay-cost.png"}  # fmt: skip
    shutil.rmtree(root, ignore_errors=True)


def test_a_day_has_its_mix_its_curve_and_its_repeats() -> None:
    day = plan_day(4_000, 600, seed=1)
    assert day[:100] == plan_day(4_000, 600, seed=1)[:100]
    assert [one.at_s for one in day] == sorted(one.at_s for one in day)
    for sort in SORTS:
        mine = [one for one in day if one.sort == sort.name]
        assert len(mine) / len(day) == pytest.approx(sort.share, abs=0.03)
        assert sum(one.repeats for one in mine) / len(mine) == pytest.approx(sort.repeats, abs=0.08)
        assert len({repr(one.body) for one in mine}) == sum(not one.repeats for one in mine)
    hours = Counter(int(one.at_s // 25) for one in day)
    assert hours[20] > 5 * hours[3]


def test_overlapping_calls_are_waited_for_once() -> None:
    def span(begun_s: float, ended_s: float) -> tuple[datetime, datetime]:
        return NOON + timedelta(seconds=begun_s), NOON + timedelta(seconds=ended_s)

    assert covered_ms([span(0, 1), span(0.5, 2), span(5, 6), span(9, 8)]) == 3000
    assert percentiles([float(value) for value in range(100)]) == (50, 95, 99)


def left() -> Remains:
    """A day of one request that was answered by one call, with every promise kept."""
    shape = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
    job = {
        "id": JOB, "state": "completed", "error": None, "cached": False, "cost": Decimal("0.3"),
        "request": {"response_format": shape}, "result": {"parsed": {"a": 1}},
        "created_at": NOON, "finished_at": NOON + timedelta(milliseconds=110),
    }  # fmt: skip
    call = {
        "id": CALL, "job_id": JOB, "outcome": "ok", "provider": "openai", "model": "m", "cost": Decimal("0.3"),
        "max_cost": Decimal(1), "preferred_cost": Decimal(2), "started_at": NOON + timedelta(milliseconds=5),
        "finished_at": NOON + timedelta(milliseconds=105),
    }  # fmt: skip
    price = {
        "input_usd_per_mtok": Decimal(1), "output_usd_per_mtok": Decimal(2), "cached_input_usd_per_mtok": Decimal("0.5")
    }  # fmt: skip
    seen = {"call_id": str(CALL), "billed": {"input": 50_000, "cached": 100_000, "output": 100_000}}
    return Remains(
        [Planned(0, 0.0, "extraction", {}, False)], {0: Asked(0, 200, 0.0, 0.112, 0)}, {0: job}, [call], [],
        {"totals": {"cost": Decimal("0.3")}}, {str(CALL): seen}, {("openai", "m"): price}, 1.0,
    )  # fmt: skip


def words_about(remains: Remains) -> str:
    _, broken, invoice = assess(remains)
    judged = judge(figures_of(remains), reduction_of(remains), invoice)
    return "\n".join([*broken, *(one.name for one in judged if not one.kept)])


def test_a_good_day_breaks_nothing() -> None:
    remains = left()
    assert words_about(remains) == ""
    whole = figures_of(remains)[ALL]
    assert whole.added_ms[0] == pytest.approx(12)
    assert whole.reduction == 0.85


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("end well", lambda day: day.jobs[0].update(state="failed", error={"kind": "timeout"})),
        ("schema violations", lambda day: day.jobs[0].update(result={"parsed": {}})),
        ("schema yield", lambda day: day.jobs[0].update(state="failed", error={"kind": "schema_violation"})),
        ("failover", lambda day: (
            day.calls[0].update(outcome="timeout"), day.jobs[0].update(state="failed", error={"kind": "timeout"}))),
        ("cost reduction", lambda day: day.calls[0].update(preferred_cost=Decimal("0.4"))),
        ("mean latency", lambda day: day.asked.update({0: replace(day.asked[0], took_s=0.5)})),
        ("billed 0.3", lambda day: day.calls[0].update(cost=Decimal("0.31"))),
        ("against the providers' count", lambda day: day.calls[0].update(cost=Decimal("0.5"))),
        ("no line", lambda day: day.calls.clear()),
        ("at most 0.1", lambda day: day.calls[0].update(cost=None, max_cost=Decimal("0.1"))),
        ("not accepted", lambda day: day.jobs.clear()),
        ("did not end", lambda day: day.jobs[0].update(finished_at=None)),
        ("got no answer", lambda day: day.asked.update({0: replace(day.asked[0], status=0)})),
        ("/v1/usage says", lambda day: day.usage["totals"].update(cost=Decimal(1))),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(words: str, change: Any) -> None:
    remains = left()
    change(remains)
    assert words in words_about(remains), words_about(remains)


def test_a_callers_own_error_is_no_fault_of_ours() -> None:
    remains = left()
    remains.jobs[0].update(state="failed", error={"kind": "content_policy"})  # type: ignore[attr-defined]
    assert figures_of(remains)[ALL].availability == 1.0
    assert list(broken_promises(remains, figures_of(remains), invoice_of(remains))) == []
