"""What is expected, by what came at such times before."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.forecast import QUARTER, Came, Past, expect, forecast_per_s, needed_quarters, quarter_of

NINE = datetime(2026, 11, 25, 9, tzinfo=UTC)  # a Wednesday
LONG_AGO = NINE - timedelta(weeks=9)
AHEAD = timedelta(minutes=2)


def weekly(jobs: int, busiest: int = 0, *, weeks: int = 4, at: datetime = NINE) -> dict[datetime, Came]:
    return {at - timedelta(weeks=number): Came(jobs, busiest or jobs // 15) for number in range(1, weeks + 1)}


def test_a_known_rise_is_seen_before_it_comes() -> None:
    past = Past(weekly(900), LONG_AGO)
    rates = [forecast_per_s(past, NINE - timedelta(minutes=before), AHEAD) for before in (30, 3, 2, 1)]
    assert rates == [0, 0, pytest.approx(1.0), pytest.approx(1.0)]


def test_a_wave_is_met_at_its_height_and_forgotten_when_it_is_over() -> None:
    past = Past(weekly(630, busiest=300), LONG_AGO)
    assert forecast_per_s(past, NINE - timedelta(minutes=1), AHEAD) == pytest.approx(5.0)
    over = Past(past.quarters | {NINE: Came(630, 300)}, LONG_AGO)
    assert forecast_per_s(over, NINE + timedelta(minutes=4), AHEAD) == 0
    half = Past(past.quarters | {NINE: Came(315, 300)}, LONG_AGO)
    assert forecast_per_s(half, NINE + timedelta(minutes=4), AHEAD) == pytest.approx(2.5)


def test_the_last_weeks_count_most_and_other_days_stand_in_while_few_are_known() -> None:
    rising = {NINE - timedelta(weeks=number): Came(1000 - 200 * number, 100) for number in range(1, 5)}
    found = expect(Past(rising, LONG_AGO), NINE)
    assert found is not None
    assert 500 < found.jobs < 800
    tuesday, saturday = NINE - timedelta(days=1), NINE - timedelta(days=4)
    new = Past({tuesday: Came(400, 40), saturday: Came(9000, 900)}, NINE - timedelta(days=5))
    assert expect(new, NINE) == Came(pytest.approx(400 / 3), pytest.approx(40 / 3)), "three work days are known"
    assert expect(Past({}, NINE - timedelta(hours=3)), NINE) is None
    assert forecast_per_s(Past({}, NINE), NINE, AHEAD) is None


def test_a_slow_day_lowers_and_a_busy_one_raises_what_is_expected() -> None:
    hour = [NINE - number * QUARTER for number in range(1, 5)]
    past = weekly(900) | {key: came for at in hour for key, came in weekly(900, at=at).items()}

    def rate(came: int) -> float:
        found = forecast_per_s(
            Past(past | dict.fromkeys(hour, Came(came, came // 15)), LONG_AGO), NINE - QUARTER / 15, AHEAD
        )
        assert found is not None
        return found

    assert rate(900) == pytest.approx(1.0, rel=0.3)
    assert rate(0) == pytest.approx(0.5)
    assert 1.3 < rate(1350) < 1.6
    assert rate(9000) == pytest.approx(2.0)


MOMENTS = st.datetimes(datetime(2026, 2, 1), datetime(2026, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001  bounds are plain


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=2)), st.data())
def test_only_what_was_asked_for_counts_and_nothing_exceeds_the_busiest_twice_over(
    now: datetime, ahead: timedelta, data: st.DataObject
) -> None:
    needed = needed_quarters(now, ahead)
    assert all(one == quarter_of(one) <= now for one in needed if one <= now)
    counts = data.draw(st.lists(st.integers(0, 5000), min_size=len(needed), max_size=len(needed)))
    quarters = {one: Came(jobs, max(1, jobs // 5)) for one, jobs in zip(needed, counts, strict=True)}
    past = Past(quarters, now - timedelta(weeks=9))
    found = forecast_per_s(past, now, ahead)
    noise = {one - 15 * QUARTER / 7: Came(99_999, 99_999) for one in needed}
    assert found == forecast_per_s(Past(quarters | noise, past.since), now, ahead)
    assert found is not None
    assert 0 <= found <= 2 * max(one.busiest for one in quarters.values()) / 60 + 1e-9
