"""How many jobs are expected soon, by what came at the same hour of the same weekday in the last weeks. Pure.

The past is in quarters of an hour, UTC, each with its busiest minute: many jobs come in waves. Where fewer than two
weeks are known, other days of the same sort (work days, days of a weekend) stand in. What came in the last hour,
against what was expected of it, raises or lowers the whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

QUARTER = timedelta(minutes=15)
WEEKS = 4
KEPT = timedelta(weeks=9)
_FADE = 0.75  # the weight of a week against the one after it
_STAND_IN = 0.25  # the weight of another day against the last same weekday
_LEVEL_BOUNDS = (0.5, 2.0)
_DOUBT = 20.0  # so few jobs say little of the level


@dataclass(frozen=True, slots=True)
class Came:
    """Jobs in a quarter of an hour, and in its busiest minute."""

    jobs: float
    busiest: float


@dataclass(frozen=True, slots=True)
class Past:
    """What came by quarter; quarters from `since` on that are not there had nothing."""

    quarters: Mapping[datetime, Came]
    since: datetime

    def jobs_in(self, quarter: datetime) -> float:
        """Nothing came where nothing is known."""
        return self.quarters.get(quarter, NOTHING).jobs


NOTHING = Came(0, 0)


def quarter_of(moment: datetime) -> datetime:
    """Where the quarter of an hour of a moment begins."""
    return moment - timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)


def needed_quarters(now: datetime, ahead: timedelta) -> list[datetime]:
    """What has to be known of the past for a forecast."""
    hour = [*_last_hour(now), quarter_of(now)]
    like = [one for quarter in [*_coming(now, ahead), *hour] for one, _ in [*_weekly(quarter), *_other_days(quarter)]]
    return sorted({*like, *hour})


def forecast_per_s(past: Past, now: datetime, ahead: timedelta) -> float | None:
    """The most jobs a second that are expected from now until then; None when no such time is known."""
    rates = [rate for quarter in _coming(now, ahead) if (rate := _rate(past, quarter, now)) is not None]
    return max(rates) * _level(past, now) if rates else None


def _rate(past: Past, quarter: datetime, now: datetime) -> float | None:
    """Of the busiest minute, as far as the quarter's jobs have not come yet: a wave that is over comes no more."""
    if (expected := expect(past, quarter)) is None:
        return None
    if not expected.jobs:
        return 0.0
    yet = max(0.0, expected.jobs - past.jobs_in(quarter)) if quarter <= now else expected.jobs
    left_s = max(60.0, (quarter + QUARTER - max(now, quarter)).total_seconds())
    busiest = expected.busiest / 60
    return min(busiest, max(yet / left_s, busiest * yet / expected.jobs))


def expect(past: Past, quarter: datetime) -> Came | None:
    """In a quarter, by the quarters like it; None when none of them is known."""
    known = [one for one in _weekly(quarter) if one[0] >= past.since]
    if len(known) < 2:
        known += [one for one in _other_days(quarter) if one[0] >= past.since]
    if not known:
        return None
    total = sum(weight for _, weight in known)
    came = [(past.quarters.get(one, NOTHING), weight) for one, weight in known]
    return Came(
        sum(one.jobs * weight for one, weight in came) / total,
        sum(one.busiest * weight for one, weight in came) / total,
    )


def _level(past: Past, now: datetime) -> float:
    """What came in the last hour against what was expected of it."""
    hour = _last_hour(now)
    expected = [found.jobs for quarter in hour if (found := expect(past, quarter)) is not None]
    if hour[0] < past.since or len(expected) < len(hour):
        return 1.0
    came, (lowest, highest) = sum(map(past.jobs_in, hour)), _LEVEL_BOUNDS
    return min(highest, max(lowest, (came + _DOUBT) / (sum(expected) + _DOUBT)))


def _coming(now: datetime, ahead: timedelta) -> list[datetime]:
    first, last = quarter_of(now), quarter_of(now + ahead)
    return [first + number * QUARTER for number in range((last - first) // QUARTER + 1)]


def _last_hour(now: datetime) -> list[datetime]:
    """Its whole quarters."""
    return [quarter_of(now) - number * QUARTER for number in range(4, 0, -1)]


def _weekly(quarter: datetime) -> list[tuple[datetime, float]]:
    return [(quarter - timedelta(weeks=weeks), _FADE ** (weeks - 1)) for weeks in range(1, WEEKS + 1)]


def _other_days(quarter: datetime) -> list[tuple[datetime, float]]:
    days = (quarter - timedelta(days=days) for days in range(1, 7))
    return [(day, _STAND_IN) for day in days if (day.weekday() >= 5) == (quarter.weekday() >= 5)]
