"""Days of arrivals: generated, or read from a CSV of what really came."""

import csv
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from core.forecast import NOTHING, WEEKS, Came, Past, quarter_of
from tests.autoscaling.simulation import Arrival

DAY_S = 86_400
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Trace:
    """A day with its past."""

    name: str
    about: str
    day: datetime
    arrivals: Sequence[Arrival]
    past: Past

    @property
    def service_s(self) -> float:
        return sum(one.service_s for one in self.arrivals) / len(self.arrivals)


Shape = Callable[[random.Random, int], Iterator[tuple[float, float]]]


def office(chance: random.Random, weekday: int) -> Iterator[tuple[float, float]]:
    """People who write from morning to evening, with a steep beginning, and reports that are due at half hours."""
    level = (1.0 if weekday < 5 else 0.15) * chance.uniform(0.85, 1.15)
    base = [0.02] * 7 + [0.1, 0.8, 1.2, 1.2, 1.0, 0.4, 1.0, 1.2, 1.1, 0.9, 0.6, 0.3, 0.1] + [0.05] * 4
    for half in range(48):
        at_s, rate = half * 1800.0, base[half // 2] * level
        late_s, lasts_s = chance.uniform(0, 40), chance.uniform(90, 180)
        wave = 500 * level if 17 <= half <= 35 else 0
        yield at_s, rate
        yield at_s + late_s, rate + wave / lasts_s
        yield at_s + late_s + lasts_s, rate


def serials(chance: random.Random, weekday: int) -> Iterator[tuple[float, float]]:
    """A story platform: a base that is highest in the evening, and serials whose chapters are made at full hours."""
    level = chance.uniform(0.85, 1.15) * (1.2 if weekday >= 5 else 1.0)
    base = [0.1] * 6 + [0.15] * 2 + [0.2] * 8 + [0.3] * 2 + [0.5] * 4 + [0.2] * 2
    releases = {6: 700, 7: 900, 12: 900, 16: 800, 18: 1500, 19: 900, 20: 1500, 21: 700}
    for hour in range(24):
        at_s, rate, jobs = hour * 3600.0, base[hour] * level, releases.get(hour, 0) * level
        late_s, lasts_s = chance.uniform(0, 60), chance.uniform(120, 240)
        yield at_s, rate
        yield at_s + late_s, rate + jobs / lasts_s
        yield at_s + late_s + lasts_s, rate


SHAPES: dict[str, Shape] = {"office": office, "serials": serials}


def generate(name: str, seed: int = 1, *, weeks: int = WEEKS, service_s: float = 8.0) -> Trace:
    """A Wednesday after so many weeks, all of the same habits and none like another."""
    shape = SHAPES[name]
    day = MONDAY + timedelta(weeks=weeks, days=2)
    before = (
        MONDAY + timedelta(days=number, seconds=at_s)
        for number in range((day - MONDAY).days)
        for at_s in _moments(shape, random.Random(f"{name} {seed} {number}"), number % 7)
    )
    chance = random.Random(f"{name} {seed} the day")
    arrivals = [Arrival(at_s, chance.lognormvariate(math.log(service_s) - 0.125, 0.5))
                for at_s in _moments(shape, chance, day.weekday())]  # fmt: skip
    return Trace(name, " ".join((shape.__doc__ or "").split()), day, arrivals, Past(roll_up(before), MONDAY))


def roll_up(moments: Iterable[datetime]) -> dict[datetime, Came]:
    """As the duty of the workers does in Postgres."""
    minutes = Counter(at.replace(second=0, microsecond=0) for at in moments)
    quarters: dict[datetime, Came] = {}
    for minute, jobs in minutes.items():
        before = quarters.get(quarter_of(minute), NOTHING)
        quarters[quarter_of(minute)] = Came(before.jobs + jobs, max(before.busiest, jobs))
    return quarters


def _moments(shape: Shape, chance: random.Random, weekday: int) -> Iterator[float]:
    """A Poisson stream whose rate changes in steps."""
    steps = [*shape(chance, weekday), (float(DAY_S), 0.0)]
    for (begins_s, rate), (ends_s, _) in pairwise(steps):
        at_s = begins_s
        while rate > 0 and (at_s := at_s + chance.expovariate(rate)) < ends_s:
            yield at_s


def read_csv(path: Path) -> Trace:
    """Columns `at` (RFC 3339) and, if there, `service_s`: the last day is simulated, what came before is its past."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [(datetime.fromisoformat(row["at"]).astimezone(UTC), float(row.get("service_s") or 3.0))
                for row in csv.DictReader(file)]  # fmt: skip
    if not rows:
        raise SystemExit(f"{path}: no arrivals; columns are at (RFC 3339) and service_s")
    day = max(at for at, _ in rows).replace(hour=0, minute=0, second=0, microsecond=0)
    before = roll_up(at for at, _ in rows if at < day)
    arrivals = [Arrival((at - day).total_seconds(), service_s) for at, service_s in rows if at >= day]
    return Trace(path.stem, f"the last day of {path.name}", day, arrivals, Past(before, min(before, default=day)))
