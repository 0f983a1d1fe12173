"""The values that dimensions may have at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.partition import HIVE_NULL
from lakehouse_cli.model.period import exists, number_at, period_key, period_keys, period_number


class Domain(Struct, frozen=True):
    """The values that a dimension may have, at a moment.

    Attributes:
        dimension: As it is declared; None where only files make it.
        listed: All of them in order, where they are declared; None where inputs make them.
        current: The key of the period in which the moment lies; None where periods are not open.
    """

    dimension: Dimension | None = None
    listed: tuple[str, ...] | None = None
    current: str | None = None

    def has(self, value: str) -> bool:
        """Whether it is within what is declared."""
        declared = self.dimension
        if declared is None:
            return True
        if declared.values is not None:
            return value in declared.values
        if value == HIVE_NULL:  # calendars have none, and inputs may
            return True
        return (declared.start is None or value >= declared.start) and (declared.end is None or value <= declared.end)

    def is_open(self, value: str) -> bool:
        """Whether a period has not ended."""
        return self.current is not None and value >= self.current and value != HIVE_NULL


def domain_of(dimension: Dimension, now: datetime) -> Domain:
    """The domain of a dimension at a moment."""
    if dimension.location is None:  # made by files alone: it has no open periods
        return Domain()
    if dimension.every is None:
        return Domain(dimension, dimension.values)
    every, zone = dimension.every, dimension.timezone
    number = number_at(now, every, zone)
    current = period_key(number, every)
    if dimension.start is None:
        return Domain(dimension, None, current)
    last = number if dimension.open == "partial" else number - 1
    if dimension.end is not None:
        last = min(last, period_number(dimension.end, every))
    numbers = range(period_number(dimension.start, every), last + 1)
    keys = period_keys(numbers, every)
    if zone != "UTC":  # clocks that are put forward leave some out
        keys = [key for key, number in zip(keys, numbers, strict=True) if exists(number, every, zone)]
    return Domain(dimension, tuple(keys), current)


def open_period(domains: Sequence[Domain], values: Sequence[str]) -> tuple[bool, str | None]:
    """Whether a partition is made though a period has not ended, and the period that has to end before it is made.

    Args:
        domains: Of the dimensions.
        values: The partition's.
    """
    is_open = False
    for domain, value in zip(domains, values, strict=True):
        if domain.is_open(value):
            if domain.dimension is None or domain.dimension.open == "wait":
                return False, value
            is_open = True
    return is_open, None


def is_ahead(domains: Sequence[Domain], values: Sequence[str]) -> bool:
    """Whether a partition is within what is declared, and has not ended by the moment that stands for now.

    Args:
        domains: Of the dimensions.
        values: The partition's.
    """
    each = [*zip(domains, values, strict=True)]
    return all(domain.has(value) for domain, value in each) and any(domain.is_open(value) for domain, value in each)
