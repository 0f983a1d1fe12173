"""A span of time of which rows of an input are read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from lakehouse_cli.model.dimension import Dimension, Within
from lakehouse_cli.model.partition import HIVE_NULL
from lakehouse_cli.model.period import first_moment, period_number, shift, span

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1)


class TimeSpan(NamedTuple):
    """From when, and until before when, rows are read.

    Attributes:
        column: That holds the time.
        begin: In UTC, for times with a zone.
        end: Likewise.
        wall_begin: By the clocks of the dimension's zone, for dates and for times without a zone.
        wall_end: Likewise.
    """

    column: str
    begin: datetime
    end: datetime
    wall_begin: datetime
    wall_end: datetime

    @property
    def widest(self) -> tuple[datetime, datetime]:
        """Bounds outside of which no value lies in it, whatever its zone: a day beyond both kinds of them."""
        begin = min(self.begin.replace(tzinfo=None), self.wall_begin)
        end = max(self.end.replace(tzinfo=None), self.wall_end)
        return max(begin, datetime.min + _DAY) - _DAY, min(end, datetime.max - _DAY) + _DAY

    def may_hold(self, least: float, greatest: float) -> bool:
        """Whether a value between two may lie in it, both in seconds from 1970 in whatever zone."""
        begin, end = ((each - _EPOCH).total_seconds() for each in self.widest)
        return least <= end and greatest >= begin


def time_span(within: Within, dimension: Dimension, key: str) -> TimeSpan:
    """The span of a period, with what is added to its begin and to its end.

    Args:
        within: The column, and what is added.
        dimension: Of time.
        key: Of the period; of null, nothing lies in it.

    Raises:
        PeriodError: The period is not of the dimension, or the last one that there is.
    """
    every = dimension.every
    assert every is not None  # noqa: S101  # as the project was validated
    if key == HIVE_NULL:  # no time lies in it
        instant = _EPOCH.replace(tzinfo=UTC)
        return TimeSpan(within.column, instant, instant, _EPOCH, _EPOCH)
    before, after = (timedelta(seconds=each) for each in within.around)
    begin, end = span(period_number(key, every), every, dimension.timezone)
    wall = [_midnight(first_moment(each, every)) for each in (key, shift(key, every, 1))]
    return TimeSpan(within.column, begin + before, end + after, wall[0] + before, wall[1] + after)


def _midnight(moment: date) -> datetime:
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
