"""Wall-clock times of a time zone as instants, and back.

Arrow's kernels know no clock change after 2037, where the tables of the system's time zones end and a rule takes over,
and let nanoseconds wrap at the ends of their range. Moments beyond its reach go through Python's `zoneinfo`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.timestamp_texts import UNITS
from lakehouse_cli.arrow.values import compute as pc

_EPOCH = dt.datetime(1970, 1, 1)
_SECOND = dt.timedelta(seconds=1)
# Of Arrow's kernels: the first and the last moment that they are trusted with, in seconds.
_FIRST, _LAST = ((dt.datetime(year, 1, 1) - _EPOCH) // _SECOND for year in (1678, 2037))
# Of Python's datetime, with a day to spare.
_EARLIEST, _LATEST = ((moment - _EPOCH) // _SECOND for moment in (dt.datetime(1, 1, 2), dt.datetime(9999, 12, 31)))
_ARROW = {"error": "raise", "first": "earliest", "last": "latest"}


def to_instants(local: pa.Array, zone: str, ambiguous: str) -> pa.Array:
    """Convert wall-clock times in a zone to instants; null for a time that it never has.

    Args:
        local: Timestamps without a zone.
        zone: Name or offset.
        ambiguous: Which instant a time has that the zone has twice: ``first``, ``last``, or ``error`` for null.
    """

    def by_python(seconds: int) -> int | None:
        first, last = offsets(seconds, zone)
        if first < last or (first > last and ambiguous == "error"):
            return None
        return -(last if ambiguous == "last" else first)

    return _moved(local, pa.timestamp(local.type.unit, zone), lambda near: _by_arrow(near, zone, ambiguous), by_python)


def to_wall_clock(instants: pa.Array) -> pa.Array:
    """Convert instants to what the clocks of their zone show; null where the type has no room for it."""
    zone = instants.type.tz

    def by_python(seconds: int) -> int:
        at = _datetime(seconds).replace(tzinfo=dt.UTC).astimezone(_zone(zone))
        return _seconds(at.utcoffset())

    return _moved(instants, pa.timestamp(instants.type.unit), pc.local_timestamp, by_python)


def offsets(seconds: int, zone: str) -> tuple[int, int]:
    """Find the offsets from UTC, in seconds, before and after a clock change at a wall-clock time; else the same.

    The first is larger where the clocks were turned back and the zone has the time twice, smaller where they were
    turned forward and it has it never.
    """
    local = _datetime(seconds).replace(tzinfo=_zone(zone))
    return _seconds(local.utcoffset()), _seconds(local.replace(fold=1).utcoffset())


def _moved(
    values: pa.Array,
    to: pa.DataType,
    by_arrow: Callable[[pa.Array], pa.Array],
    by_python: Callable[[int], int | None],
) -> pa.Array:
    """The values as `to`: by Arrow where it is right, else by what Python says is to be added, in seconds."""
    per_second = UNITS[values.type.unit]
    counts = values.cast(pa.int64())
    is_near = pc.and_(pc.greater_equal(counts, _FIRST * per_second), pc.less(counts, _LAST * per_second))
    if pc.all(is_near).as_py() in (True, None):
        return by_arrow(values)
    near = by_arrow(pc.if_else(is_near, values, av.scalar(None, values.type)))
    is_far = pc.fill_null(pc.invert(is_near), False)
    moved: list[int | None] = []
    for count in counts.filter(is_far).to_pylist():
        added = by_python(count // per_second)
        moment = None if added is None else count + added * per_second
        moved.append(moment if moment is not None and -(2**63) <= moment < 2**63 else None)
    return pc.replace_with_mask(near, is_far, av.array(moved, pa.int64()).cast(to))


def _by_arrow(local: pa.Array, zone: str, ambiguous: str) -> pa.Array:
    try:
        return pc.assume_timezone(local, zone, ambiguous=_ARROW[ambiguous])
    except pa.ArrowInvalid:
        first = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="earliest")
        last = pc.assume_timezone(local, zone, ambiguous="latest", nonexistent="earliest")
    fits = pc.equal(pc.local_timestamp(first), local)
    if ambiguous == "error":
        fits = pc.and_(fits, pc.equal(first, last))
    return pc.if_else(fits, last if ambiguous == "last" else first, av.scalar(None, first.type))


def _datetime(seconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(seconds=min(max(seconds, _EARLIEST), _LATEST))


def _zone(name: str) -> dt.tzinfo | None:
    if name[0] in "+-":
        return dt.datetime.fromisoformat(f"1970-01-01T00:00{name}").tzinfo
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def _seconds(offset: dt.timedelta | None) -> int:
    return 0 if offset is None else int(offset.total_seconds())
