"""Values at the edges of PostgreSQL's types, where its ADBC driver wraps around instead of refusing.

The server's own ranges: https://www.postgresql.org/docs/current/datatype-datetime.html
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.domains import check_leaves, refuse_moments
from lakehouse_cli.arrow.conversion.refusal import InexactError, true_rows
from lakehouse_cli.arrow.conversion.timestamp_texts import timestamp_text
from lakehouse_cli.arrow.values import compute as pc

# Counted from 1970: from 4713-11-24 BC, the first moment that the server knows, to the last before infinity. The server
# counts from 2000: what it calls infinity is the greatest number there, and wraps in a count from 1970.
_FIRST_DAY, _FROM_1970_TO_2000 = -2_440_588, 10_957
_PER_DAY = 86_400_000_000
_DAYS = _FIRST_DAY, (1 << 31) - 1 - _FROM_1970_TO_2000 - 1
_MICROSECONDS = _FIRST_DAY * _PER_DAY, (1 << 63) - 1 - _FROM_1970_TO_2000 * _PER_DAY - 1


def check_stored(column: pa.ChunkedArray) -> None:
    """Check that PostgreSQL can hold all values of a column; raises InexactError where it cannot."""
    check_leaves(column, _check_stored)


def _check_stored(values: pa.Array) -> None:
    refuse_moments(values, _DAYS, _MICROSECONDS, "outside the range of PostgreSQL's {}")
    if pa.types.is_string(values.type):
        rows = true_rows(pc.match_substring(values, "\0"))
        if len(rows):
            raise InexactError("NUL characters", rows, noun=True)


def numeric_as_float(column: Any) -> Any:
    """Spell what a `numeric` has beside numbers, which came as text, as text of floats has it; in arrays too."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if pa.types.is_list(column.type):
        lists = av.joined(column)
        items = av.joined(numeric_as_float(pa.chunked_array([lists.values])))
        return pa.chunked_array([pa.ListArray.from_arrays(lists.offsets, items, mask=lists.is_null())])
    if not pa.types.is_string(column.type):
        return column
    column = pc.replace_substring_regex(column, "^(-?)Infinity$", r"\1inf")
    return pc.replace_substring_regex(column, "^NaN$", "nan")


def check_read(column: pa.ChunkedArray) -> None:
    """Check that the driver gave what the server has: infinity, and what is beyond Arrow's range, come out wrapped.

    Raises:
        InexactError: It did not.
    """
    quality = "infinite, or outside the range of Arrow's {}"
    check_leaves(column, lambda values: refuse_moments(values, _DAYS, _MICROSECONDS, quality, name_of=_name))


def _name(scalar: pa.Scalar) -> str | None:
    """What the server calls a moment that has wrapped around; None for any other."""
    return _infinity(scalar) or _unwrapped(scalar)


def _infinity(scalar: pa.Scalar) -> str | None:
    """Name what the server calls infinity, which has wrapped around; None for any other moment."""
    is_date = pa.types.is_date32(scalar.type)
    least = -(1 << 31) + _FROM_1970_TO_2000 if is_date else -(1 << 63) + _FROM_1970_TO_2000 * _PER_DAY
    return {least: "-infinity", least - 1: "infinity"}.get(scalar.value)


def _unwrapped(scalar: pa.Scalar) -> str | None:
    """The text of a timestamp beyond Arrow's range, which only the last years of the server's are; None for a date."""
    if not pa.types.is_timestamp(scalar.type):
        return None
    return timestamp_text(scalar.value % (1 << 64), scalar.type.unit, zoned=scalar.type.tz is not None)
