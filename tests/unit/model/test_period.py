"""Keys of periods: what is refused and why, their order, and clocks that are put forward and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from lakehouse_cli.model.dimension import Every
from lakehouse_cli.model.period import (
    PeriodError,
    exists,
    first_moment,
    neighbours,
    number_at,
    period_around,
    period_key,
    period_number,
    shift,
    span,
)
from tests.cases import each_case
from tests.periods import periods_in


@each_case(
    ("key", "every", "why"),
    [
        ("2024-02-30", "day", "February 2024 has 29 days"),
        ("2023-02-29", "day", "February 2023 has 28 days"),
        ("2024-13", "month", "a year has 12 months"),
        ("2023-W53", "week", "2023 has 52"),
        ("2024-W00", "week", "2024 has 52"),
        ("2024-01-03T24", "hour", "a day has 24"),
        ("0000", "year", "begin with 0001"),
        ("2024-1", "month", "is no month"),
        ("2024-01-03", "month", "is no month"),
        ("\u0662\u0660\u0662\u0664", "year", "is no year"),
        ("", "day", "is no day"),
    ],
)
def test_key_that_is_no_period_is_refused(key: str, every: Every, why: str) -> None:
    with pytest.raises(PeriodError, match=why):
        period_number(key, every)


@pytest.mark.parametrize(
    ("key", "every", "by", "other"),
    [
        ("2024-01", "month", -1, "2023-12"),
        ("2024-03-01", "day", -1, "2024-02-29"),
        ("2020-W53", "week", 1, "2021-W01"),
        ("2024-12-31T23", "hour", 1, "2025-01-01T00"),
        ("2024", "year", 10, "2034"),
    ],
)
def test_neighbour_is_that_of_the_calendar(key: str, every: Every, by: int, other: str) -> None:
    assert shift(key, every, by) == other


@pytest.mark.parametrize(
    ("key", "every"),
    [("9999", "year"), ("9999-12", "month"), ("9999-W52", "week"), ("9999-12-31", "day"), ("9999-12-31T23", "hour")],
)
def test_behind_the_last_year_is_refused(key: str, every: Every) -> None:
    with pytest.raises(PeriodError, match="1 to 9999"):
        shift(key, every, 1)


def test_day_lies_in_the_week_of_its_monday() -> None:
    assert period_around("2021-01-03", "day", "week") == "2020-W53"
    assert [period_key(each, "day") for each in periods_in("2020-W53", "week", "day")][::6] == [
        "2020-12-28",
        "2021-01-03",
    ]


def test_clocks_put_forward_leave_an_hour_out() -> None:
    hours = [each for each in periods_in("2024-03-31", "day", "hour") if exists(each, "hour", "Europe/Zurich")]
    assert len(hours) == 23
    assert not exists(period_number("2024-03-31T02", "hour"), "hour", "Europe/Zurich")
    day = span(period_number("2024-03-31", "day"), "day", "Europe/Zurich")
    assert day.end - day.begin == timedelta(hours=23)


def test_neighbours_are_those_that_clocks_show() -> None:
    spring = neighbours("2024-03-31T03", "hour", "Europe/Zurich", -2, 1)
    assert [*spring] == ["2024-03-31T00", "2024-03-31T01", "2024-03-31T03", "2024-03-31T04"]
    assert [*neighbours("2011-12-29", "day", "Pacific/Apia", 1, 2)] == ["2011-12-31", "2012-01-01"]
    assert [*neighbours("0001-01", "month", "Europe/Zurich", -1, 1)] == ["0001-01", "0001-02"]
    assert [*neighbours("9999-12-31", "day", "Europe/Zurich", 0, 1)] == ["9999-12-31"]


def test_clocks_put_back_make_an_hour_of_two() -> None:
    hour = span(period_number("2024-10-27T02", "hour"), "hour", "Europe/Zurich")
    assert hour == (datetime(2024, 10, 27, 0, tzinfo=UTC), datetime(2024, 10, 27, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "day", "begin"),
    [
        ("America/Havana", "2024-11-03", datetime(2024, 11, 3, 4, tzinfo=UTC)),  # midnight comes twice on that day
        ("America/St_Johns", "2010-11-07", datetime(2010, 11, 7, 3, 30, tzinfo=UTC)),  # back to 6 November at 00:01
        ("Pacific/Apia", "2011-12-30", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a day that there was not
        ("Pacific/Apia", "2011-12-31", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ],
)
def test_day_begins_when_its_date_is_there_for_good(zone: str, day: str, begin: datetime) -> None:
    assert span(period_number(day, "day"), "day", zone).begin == begin


def test_day_that_there_was_not_is_none() -> None:
    assert not exists(period_number("2011-12-30", "day"), "day", "Pacific/Apia")
    hours = periods_in("2011-12-30", "day", "hour")
    assert not any(exists(each, "hour", "Pacific/Apia") for each in hours)
    assert {span(each, "hour", "Pacific/Apia").begin for each in hours} == {datetime(2011, 12, 30, 10, tzinfo=UTC)}
    assert period_key(number_at(datetime(2011, 12, 30, 10, tzinfo=UTC), "day", "Pacific/Apia"), "day") == "2011-12-31"


def test_value_of_a_period_is_its_first_day() -> None:
    assert first_moment("2024-W05", "week") == date(2024, 1, 29)
    assert type(first_moment("2024-02", "month")) is date
    assert first_moment("2024-01-03T14", "hour") == datetime(2024, 1, 3, 14)
