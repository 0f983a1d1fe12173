"""Laws of periods: keys and numbers, order, nesting, and that they cover time by any clock without gap or overlap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from lakehouse_cli.model.dimension import EVERY, Every
from lakehouse_cli.model.period import (
    exists,
    first_moment,
    nests,
    number_at,
    period_around,
    period_at,
    period_key,
    period_number,
    span,
)
from tests.periods import periods_in

KINDS = st.sampled_from(EVERY)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
ZONES = st.sampled_from(
    [
        *("UTC", "Europe/Zurich", "America/Havana", "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia"),
        *("Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "America/New_York", "Antarctica/Troll"),
    ]
)


@given(MOMENTS, KINDS)
def test_keys_are_read_as_they_are_written(moment: datetime, every: Every) -> None:
    number = period_at(moment, every)
    assert period_number(period_key(number, every), every) == number


@given(MOMENTS, MOMENTS, KINDS)
def test_keys_are_in_the_order_of_time(one: datetime, other: datetime, every: Every) -> None:
    numbers = sorted(period_at(each, every) for each in (one, other))
    keys = [period_key(each, every) for each in numbers]
    assert keys == sorted(keys)
    assert (numbers[0] == numbers[1]) == (keys[0] == keys[1])


@given(MOMENTS, KINDS, KINDS)
def test_finer_periods_divide_the_coarser(moment: datetime, finer: Every, coarser: Every) -> None:
    if not nests(finer, coarser):
        return
    key = period_key(period_at(moment, coarser), coarser)
    within = periods_in(key, coarser, finer)
    assert period_at(moment, finer) in within
    assert {period_around(period_key(each, finer), finer, coarser) for each in (within[0], within[-1])} == {key}
    for outside in (within[0] - 1, within[-1] + 1):
        assert period_around(period_key(outside, finer), finer, coarser) != key


@given(MOMENTS, KINDS, ZONES)
@example(datetime(2011, 12, 30, 10), "day", "Pacific/Apia")
@example(datetime(2010, 11, 7, 2, 31), "day", "America/St_Johns")
@example(datetime(2024, 4, 6, 15, 15), "hour", "Australia/Lord_Howe")
def test_each_instant_is_in_one_period(moment: datetime, every: Every, zone: str) -> None:
    instant = moment.replace(tzinfo=UTC)
    number = number_at(instant, every, zone)
    begin, end = span(number, every, zone)
    assert begin <= instant < end
    assert exists(number, every, zone)
    assert span(number - 1, every, zone).end == begin
    assert span(number + 1, every, zone).begin == end


@given(MOMENTS, ZONES)
def test_hours_of_a_day_are_its_span(moment: datetime, zone: str) -> None:
    number = period_at(moment, "day")
    spans = [span(each, "hour", zone) for each in periods_in(period_key(number, "day"), "day", "hour")]
    assert sum((each.end - each.begin for each in spans), timedelta()) == spans[-1].end - spans[0].begin
    assert (spans[0].begin, spans[-1].end) == span(number, "day", zone)


@given(MOMENTS, KINDS)
def test_first_moment_lies_in_its_period(moment: datetime, every: Every) -> None:
    number = period_at(moment, every)
    assert period_at(first_moment(period_key(number, every), every), every) == number
