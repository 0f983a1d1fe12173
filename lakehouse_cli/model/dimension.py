"""Dimensions: by what tables are divided into partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from lakehouse_cli.model.declaration import Declaration

Every = Literal["year", "month", "week", "day", "hour"]
#: The kinds of periods, from the longest.
EVERY: tuple[Every, ...] = ("year", "month", "week", "day", "hour")


class Dimension(Declaration, frozen=True):
    """A dimension of the project.

    Attributes:
        name: Its name.
        every: The periods of a dimension of time; None for one of texts.
        values: Of a dimension of texts, those declared, in order; None where sources' files make them.
        start: The first period, as a key; None where inputs make the periods.
        end: The last period, as a key; None for no end.
        timezone: IANA name of the zone in which periods begin and end.
        open: Whether a period that has not ended waits, or is computed each time until it has.
    """

    name: str
    every: Every | None = None
    values: tuple[str, ...] | None = None
    start: str | None = None
    end: str | None = None
    timezone: str = "UTC"
    open: Literal["wait", "partial"] = "wait"


class Within(Struct, frozen=True):
    """Rows of an unpartitioned input by time.

    Attributes:
        column: That holds the time.
        around: Seconds that are added to the begin of the period, and to its end.
    """

    column: str
    around: tuple[int, int] = (0, 0)


class InputOptions(Struct, frozen=True):
    """What of an input a partition gets, beside its own period.

    Attributes:
        at: First and last neighbour in the calendar, by dimension of time: -1 is the period before.
        within: Rows by time; None for all.
        missing: What becomes of a partition for which the input has no period: it waits, or the input is empty.
    """

    at: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    within: Within | None = None
    missing: Literal["wait", "skip"] = "wait"
