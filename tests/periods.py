"""Periods for tests."""

from __future__ import annotations

from datetime import datetime

from lakehouse_cli.model.dimension import Every
from lakehouse_cli.model.period import first_moment, period_at, period_key, period_number


def periods_in(key: str, every: Every, finer: Every) -> range:
    """The numbers of the finer periods that lie in one; of the same kind, its own."""
    number = period_number(key, every)
    behind = period_at(datetime.max, finer) + 1
    if number < period_at(datetime.max, every):
        behind = period_at(first_moment(period_key(number + 1, every), every), finer)
    return range(period_at(first_moment(key, every), finer), behind)
