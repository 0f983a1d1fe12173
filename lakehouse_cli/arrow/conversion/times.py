"""Between dates, timestamps, times and durations, exactly or not at all."""

from __future__ import annotations

import pyarrow as pa

from lakehouse_cli.arrow.conversion.numbers import cast_or
from lakehouse_cli.arrow.conversion.refusal import InexactError, refuse_where
from lakehouse_cli.arrow.conversion.timestamp_texts import UNITS
from lakehouse_cli.arrow.values import compute as pc

_DAY = 86_400
_MOST = (1 << 63) - 1
_LEAST_DAY, _MOST_DAY = -(1 << 31), (1 << 31) - 1


def timestamp_to_timestamp(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert between units and zones (the instant stays), never between wall-clock time and instants."""
    if (column.type.tz is None) != (target.tz is None):
        if target.tz is None:
            raise InexactError(
                "timestamps with a time zone",
                hint=f"declare `timestamp[{target.unit}, tz={column.type.tz}]`, or use `.dt.tz_localize(None)`",
            )
        raise InexactError(
            "timestamps without a time zone",
            hint=f'declare `timestamp[{target.unit}]`, or say where they were read: `.dt.tz_localize("{target.tz}")`',
        )
    return between_units(column, target)


def timestamp_to_date(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert midnights to dates."""
    if column.type.tz is not None:
        raise InexactError(
            "timestamps with a time zone, whose date depends on where one is",
            hint="use `.dt.tz_localize(None)` to keep the wall-clock time",
        )
    per_day = _DAY * UNITS[column.type.unit]
    ticks = column.cast(pa.int64())
    days = pc.divide(ticks, per_day)
    # By integers: Arrow's cast drops the time of day, and wraps where the day does not fit.
    refuse_where(
        pc.not_equal(pc.multiply(days, per_day), ticks),
        "not at midnight",
        hint="use `.dt.normalize()` to drop the time of day, or declare a timestamp",
    )
    out = pc.or_(pc.less(days, _LEAST_DAY), pc.greater(days, _MOST_DAY))
    refuse_where(out, "outside the range of date32")
    return days.cast(pa.int32()).cast(target)


def date_to_timestamp(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert dates to their midnights, wall-clock."""
    if target.tz is not None:
        raise InexactError("dates, which are no instants", hint=f"declare `timestamp[{target.unit}]`")

    def locate() -> None:
        most = _MOST // (_DAY * UNITS[target.unit])
        days = column.cast(pa.int32()).cast(pa.int64())
        refuse_where(pc.greater(pc.abs(days), most), f"outside the range of {target}")

    return cast_or(locate, column, target)


def between_units(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert times of day, durations or timestamps between units."""

    def locate() -> None:
        ticks = column.cast(pa.int64() if column.type.bit_width == 64 else pa.int32()).cast(pa.int64())
        here, there = UNITS[column.type.unit], UNITS[target.unit]
        if here > there:
            step = here // there
            rounded = pc.multiply(pc.divide(ticks, step), step)
            refuse_where(
                pc.not_equal(rounded, ticks),
                f"finer than {target}",
                hint=f"round them in the transform, or declare the unit `{column.type.unit}`",
            )
        else:
            most = _MOST // (there // here)
            beyond = pc.or_(pc.greater(ticks, most), pc.less(ticks, -most))
            refuse_where(beyond, f"outside the range of {target}")

    return cast_or(locate, column, target)
