"""Periods of time: years, months, weeks, days and hours, by their keys and by their numbers.

A period is known by its key (``2024-01``), and counted by a number: those of neighbours differ by one, and numbers of
one kind are in the order of time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from lakehouse_cli.model.dimension import Every

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_KEYS = {
    "year": r"(\d{4})",
    "month": r"(\d{4})-(\d{2})",
    "week": r"(\d{4})-W(\d{2})",
    "day": r"(\d{4})-(\d{2})-(\d{2})",
    "hour": r"(\d{4})-(\d{2})-(\d{2})T(\d{2})",
}
#: How a key of each kind is written.
SAMPLES: dict[Every, str] = {
    "year": "2024",
    "month": "2024-01",
    "week": "2024-W05",
    "day": "2024-01-03",
    "hour": "2024-01-03T14",
}
_MONTHS = (
    "",
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# Of each month in a year that is no leap year.
_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Of each kind, those that its periods lie in. Weeks begin in one month and end in the next.
_COARSER: dict[str, frozenset[str]] = {
    "hour": frozenset(("day", "week", "month", "year")),
    "day": frozenset(("week", "month", "year")),
    "week": frozenset(),
    "month": frozenset(("year",)),
    "year": frozenset(),
}
# How much of a key is that of the period around it.
_LENGTHS = {"year": 4, "month": 7, "day": 10}


class PeriodError(ValueError):
    """A text is no key of a period; the message says why, `hint` what to write.

    Attributes:
        hint: What to do.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Span(NamedTuple):
    """When a period begins, and when the next one does, in UTC."""

    begin: datetime
    end: datetime


@cache
def _pattern(every: Every) -> re.Pattern[str]:
    return re.compile(_KEYS[every], re.ASCII)


def period_number(key: str, every: Every) -> int:
    """Return the number of a period.

    Raises:
        PeriodError: The text is no key of that kind.
    """
    found = _pattern(every).fullmatch(key)
    if found is None:
        raise PeriodError(f"`{key}` is no {every}", f"write it as `{SAMPLES[every]}`")
    year, *rest = map(int, found.groups())
    if year < 1:
        raise PeriodError(f"`{key}` is no {every}: years begin with 0001", f"write it as `{SAMPLES[every]}`")
    if every == "year":
        return year
    if every == "week":
        return _week_number(year, rest[0])
    month = rest[0]
    if not 1 <= month <= 12:
        raise PeriodError(f"`{key}` is no {every}: a year has 12 months", "write a month from 01 to 12")
    if every == "month":
        return year * 12 + month - 1
    last = _DAYS[month] + (month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
    if not 1 <= rest[1] <= last:
        message = f"`{key}` is no {every}: {_MONTHS[month]} {year} has {last} days"
        raise PeriodError(message, f"write a day from 01 to {last}")
    day = date(year, month, rest[1]).toordinal()
    if every == "day":
        return day
    if rest[2] > 23:
        raise PeriodError(f"`{key}` is no hour: a day has 24", "write an hour from 00 to 23")
    return day * 24 + rest[2]


def _week_number(year: int, week: int) -> int:
    try:
        return date.fromisocalendar(year, week, 1).toordinal() // 7
    except ValueError:
        weeks = date(year, 12, 28).isocalendar().week
        raise PeriodError(
            f"`{year:04}-W{week:02}` is no week: {year} has {weeks}", f"write a week from W01 to W{weeks}"
        ) from None


def period_key(number: int, every: Every) -> str:
    """The key of the period of a number.

    Raises:
        PeriodError: It is outside of the years 1 to 9999.
    """
    try:
        return _KEY_OF[every](number)
    except (ValueError, OverflowError):
        raise PeriodError("the period is outside of the years 1 to 9999", "choose nearer ones") from None


def period_keys(numbers: range, every: Every) -> list[str]:
    """The keys of periods that follow each other; raises PeriodError as `period_key` does."""
    if every != "hour" or not numbers:
        return [period_key(each, every) for each in numbers]
    days = range(numbers[0] // 24, numbers[-1] // 24 + 1)
    keys = [begin + hour for begin in period_keys(days, "day") for hour in _HOURS]
    return keys[numbers[0] % 24 :][: len(numbers)]


def _year_key(number: int) -> str:
    return _month_key(number * 12)[:4]


def _month_key(number: int) -> str:
    return date(number // 12, number % 12 + 1, 1).isoformat()[:7]


def _week_key(number: int) -> str:
    year, week, _ = date.fromordinal(number * 7 + 1).isocalendar()
    return f"{year:04}-W{week:02}"


@lru_cache(2)  # for the hours of a day
def _day_key(number: int) -> str:
    return date.fromordinal(number).isoformat()


def _hour_key(number: int) -> str:
    return f"{_day_key(number // 24)}T{number % 24:02}"


_HOURS = tuple([f"T{hour:02}" for hour in range(24)])
_KEY_OF: dict[Every, Callable[[int], str]] = {
    "year": _year_key,
    "month": _month_key,
    "week": _week_key,
    "day": _day_key,
    "hour": _hour_key,
}


def shift(key: str, every: Every, by: int) -> str:
    """The key of a neighbour in the calendar, whatever the clocks leave out: -1 is the period before.

    Raises:
        PeriodError: It is outside of the years 1 to 9999.
    """
    return period_key(period_number(key, every) + by, every)


def nests(finer: Every, coarser: Every) -> bool:
    """Whether each period of one kind lies in one of another, or is one."""
    return finer == coarser or coarser in _COARSER[finer]


def period_around(key: str, every: Every, coarser: Every) -> str:
    """The key of the coarser period in which one lies; of the same kind, itself."""
    if every == coarser:
        return key
    if coarser == "week":
        return _week_key(_monday(period_number(key[:10], "day")) // 7)
    return key[: _LENGTHS[coarser]]


def _monday(day: int) -> int:
    return day - (day - 1) % 7


def period_at(moment: date, every: Every) -> int:
    """The number of the period in which a date or wall-clock time lies."""
    if every == "year":
        return moment.year
    if every == "month":
        return moment.year * 12 + moment.month - 1
    day = moment.toordinal()
    if every == "week":
        return _monday(day) // 7
    return day if every == "day" else day * 24 + (moment.hour if isinstance(moment, datetime) else 0)


def first_moment(key: str, every: Every) -> date:
    """What transforms get for a period: its first day, or of an hour its begin by the wall clock."""
    number = period_number(key, every)
    begin = _wall_begin(number, every)
    return begin if every == "hour" else begin.date()


def _wall_begin(number: int, every: Every) -> datetime:
    if every == "hour":
        day, hour = divmod(number, 24)
    elif every == "week":
        day, hour = number * 7 + 1, 0
    elif every == "day":
        day, hour = number, 0
    else:
        year, month = divmod(number * 12 if every == "year" else number, 12)
        return datetime(year, month + 1, 1)
    begin = date.fromordinal(day)
    return datetime(begin.year, begin.month, begin.day, hour)


def span(number: int, every: Every, zone: str) -> Span:
    """When a period begins and ends, by the clocks of a zone.

    Periods follow each other without gaps. One that the clocks leave out, such as an hour in spring, has its end at its
    begin; one in which they are put back is the longer for that.
    """
    return Span(_begin(number, every, zone), _begin(number + 1, every, zone))


def check_period(key: str, every: Every, zone: str) -> None:
    """Check that a text is the key of a period that the clocks of a zone show.

    Raises:
        PeriodError: It is none.
    """
    if not exists(period_number(key, every), every, zone):
        raise PeriodError(f"`{key}` is no {every}: the clocks of {zone} leave it out", "write one that they show")


def exists(number: int, every: Every, zone: str) -> bool:
    """Whether the clocks of a zone ever show a period; hours and days alone are left out."""
    if zone == "UTC" or every not in ("hour", "day") or (every == "day" and not _is_cut(number, zone)):
        return True
    begin, end = span(number, every, zone)
    return begin < end


def _is_cut(day: int, zone: str) -> bool:
    """Whether a day may be left out: the clocks are put forward by much, as where the date line was moved."""
    info = _zone(zone)
    try:
        first, second = (datetime.fromordinal(each).replace(tzinfo=info).utcoffset() for each in (day, day + 1))
    except ValueError:  # the last day
        return False
    return first is not None and second is not None and second - first > timedelta(hours=12)


def neighbours(key: str, every: Every, zone: str, first: int, last: int) -> Iterator[str]:
    """The keys of neighbours that the clocks of a zone show, in order; without those outside of the years 1 to 9999.

    Args:
        key: Of the period from which they are counted.
        every: Its kind.
        zone: The zone.
        first: The first of them: -1 is the period before.
        last: The last of them.
    """
    number = period_number(key, every)
    for by in range(first, last + 1):
        with suppress(PeriodError, OverflowError):
            yield period_key(_neighbour(number, every, zone, by), every)


@lru_cache(maxsize=4096)
def _neighbour(number: int, every: Every, zone: str, by: int) -> int:
    if zone == "UTC" or every not in ("hour", "day"):
        return number + by
    step = 1 if by > 0 else -1
    for _ in range(abs(by)):
        number += step
        while not exists(number, every, zone):
            number += step
    return number


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo  # takes longer to load than all else here, and is not needed for most projects

    return ZoneInfo(name)


@lru_cache(maxsize=4096)
def _begin(number: int, every: Every, zone: str) -> datetime:
    """The first instant at which the clocks show a period or a later one, and never an earlier one after that."""
    try:
        wall = _wall_begin(number, every)
    except (ValueError, OverflowError):  # behind the last year
        return datetime.max.replace(tzinfo=UTC)
    info = _zone(zone)
    try:
        first, second = (wall.replace(tzinfo=info, fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        return (datetime.min if wall.year == 1 else datetime.max).replace(tzinfo=UTC)
    if first < second:  # the clocks show it twice; before the second time they may have shown less
        before = (second - timedelta(microseconds=1)).astimezone(info).replace(tzinfo=None)
        return second if before < wall else first
    low, high = int(second.timestamp()), int(first.timestamp())
    while low < high:  # the clocks leave it out: the instant at which they are put forward
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, info).replace(tzinfo=None) >= wall:
            high = middle
        else:
            low = middle + 1
    return datetime.fromtimestamp(high, UTC)


def number_at(instant: datetime, every: Every, zone: str) -> int:
    """The number of the period in which an instant lies, by the clocks of a zone."""
    number = period_at(instant.astimezone(_zone(zone)).replace(tzinfo=None), every)
    while _begin(number, every, zone) > instant:
        number -= 1
    while _begin(number + 1, every, zone) <= instant:
        number += 1
    return number
