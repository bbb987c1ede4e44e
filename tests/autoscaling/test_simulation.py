"""Fixed, reactive and predictive over a day: the functions that decide in earnest, on paper."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.demand import Rule
from core.forecast import Came, Past
from core.scaling import Bounds
from tests.autoscaling.plot import draw
from tests.autoscaling.simulate import compare, figures_of
from tests.autoscaling.simulation import Arrival, Fleet, World, fixed
from tests.autoscaling.traces import Trace, generate, read_csv, roll_up

WORLD = World(Rule(10, 60), Bounds(1, 20, 60))
DAY = datetime(2026, 3, 4, tzinfo=UTC)


def waves(hours: int) -> Trace:
    """Of each hour's jobs most come in its first two minutes, today as in all weeks before."""
    chance = random.Random(1)
    arrivals = [
        Arrival(hour * 3600 + at_s, 8.0)
        for hour in range(1, hours)
        for at_s in [*(chance.uniform(0, 120) for _ in range(700)), *(chance.uniform(120, 3600) for _ in range(300))]
    ]
    today = roll_up(DAY + timedelta(seconds=one.at_s) for one in arrivals)
    past = {at - timedelta(weeks=week): came for at, came in today.items() for week in range(1, 5)}
    return Trace("waves", "a wave at each full hour", DAY, arrivals, Past(past, DAY - timedelta(weeks=5)))


def test_looking_ahead_beats_reacting_at_no_more_than_a_tenth_more_hours(tmp_path: Path) -> None:
    trace = waves(4)
    outcomes = compare(trace, WORLD)
    reactive, predictive, steady = (figures_of(one, outcomes[one], 10) for one in ("reactive", "predictive", "fixed"))
    assert len(outcomes["reactive"].waits_s) == len(trace.arrivals)
    assert reactive.p95 > 5 > predictive.p95
    assert predictive.late < reactive.late < steady.late
    assert predictive.worker_hours < 1.1 * reactive.worker_hours
    draw(tmp_path / "waves.png", [(trace, outcomes)])
    assert (tmp_path / "waves.png").stat().st_size > 10_000


def test_the_fleet_on_paper_keeps_its_books() -> None:
    jobs = [Arrival(0.0, 10.0) for _ in range(30)]
    outcome = Fleet(jobs, WORLD, fixed, 1).run()
    assert sorted(outcome.waits_s) == [0.0] * 10 + [10.0] * 10 + [20.0] * 10
    assert outcome.worker_s == outcome.counts[-1][0] + 2


def test_recorded_arrivals_are_read_and_generated_ones_are_the_same_by_seed(tmp_path: Path) -> None:
    path = tmp_path / "came.csv"
    path.write_text("at,service_s\n2026-03-03T10:00:00Z,2\n2026-03-04T10:00:00+01:00,4.5\n2026-03-04T12:00:00Z,\n")
    trace = read_csv(path)
    assert trace.day == DAY
    assert [(one.at_s, one.service_s) for one in trace.arrivals] == [(9 * 3600, 4.5), (12 * 3600, 3.0)]
    assert trace.past.quarters == {datetime(2026, 3, 3, 10, tzinfo=UTC): Came(1, 1)}
    assert generate("serials", 3, weeks=0) == generate("serials", 3, weeks=0)
