"""Values at the edges of PostgreSQL's types, where its ADBC driver wraps around instead of refusing.

The server's own ranges: https://www.postgresql.org/docs/current/datatype-datetime.html
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from lakehouse_cli.arrow.conversion.domains import check_leaves
from lakehouse_cli.arrow.conversion.refusal import InexactError, refuse_where, true_rows
from lakehouse_cli.arrow.values import compute as pc

# Days and microseconds since 1970 of 4713-11-24 BC, the first moment that the server knows.
_FIRST_DAY = -2_440_588
_FIRST_MICROSECOND = _FIRST_DAY * 86_400_000_000
# The server counts from 2000: what it calls infinity is the greatest number there, and wraps in a count from 1970.
_FROM_1970_TO_2000_US = 10_957 * 86_400_000_000
_LAST_MICROSECOND = (1 << 63) - 1 - _FROM_1970_TO_2000_US - 1
_LAST_DAY = (1 << 31) - 1 - 10_957 - 1


def check_stored(column: pa.ChunkedArray) -> None:
    """Check that PostgreSQL can hold all values of a column; raises InexactError where it cannot."""
    check_leaves(column, _check_stored)


def _check_stored(values: pa.Array) -> None:
    _check(values, "outside the range of PostgreSQL's {}s")
    if pa.types.is_string(values.type):
        rows = true_rows(pc.match_substring(values, "\0"))
        if len(rows):
            raise InexactError("NUL characters", rows, noun=True)


def check_read(column: pa.ChunkedArray) -> None:
    """Whether the driver gave what the server has: infinity, and what is beyond Arrow's range, come out wrapped.

    Raises:
        InexactError: It did not.
    """
    check_leaves(column, partial(_check, quality="infinite, or outside the range of Arrow's {}s"))


def _check(column: pa.Array, quality: str) -> None:
    if pa.types.is_timestamp(column.type):
        first, last, number, name = _FIRST_MICROSECOND, _LAST_MICROSECOND, pa.int64(), "timestamp"
    elif pa.types.is_date32(column.type):
        first, last, number, name = _FIRST_DAY, _LAST_DAY, pa.int32(), "date"
    else:
        return
    counts = column.cast(number)
    refuse_where(pc.or_(pc.less(counts, first), pc.greater(counts, last)), quality.format(name))
