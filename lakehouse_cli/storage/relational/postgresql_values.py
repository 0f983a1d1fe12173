"""Values at the edges of PostgreSQL's types, where its ADBC driver wraps around instead of refusing.

The server's own ranges: https://www.postgresql.org/docs/current/datatype-datetime.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pyarrow as pa

from lakehouse_cli.arrow.conversion.domains import check_leaves
from lakehouse_cli.arrow.conversion.refusal import InexactError, refuse_where, true_rows
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.relational.fitting import check_each

# Days and microseconds since 1970 of 4713-11-24 BC, the first moment that the server knows.
_FIRST_DAY = -2_440_588
_FIRST_MICROSECOND = _FIRST_DAY * 86_400_000_000
# The server counts from 2000: what it calls infinity is the greatest number there, and wraps in a count from 1970.
_FROM_1970_TO_2000_US = 10_957 * 86_400_000_000
_LAST_MICROSECOND = (1 << 63) - 1 - _FROM_1970_TO_2000_US - 1
_LAST_DAY = (1 << 31) - 1 - 10_957 - 1


def check_ranges(data: pa.Table, declared: Mapping[str, ColumnType]) -> None:
    """Whether PostgreSQL can hold all values of a table that has the types it stores.

    Raises:
        UnfitError: Not all; a violation for each column.
    """
    check_each(data, declared, _check_stored)


def _check_stored(column: pa.ChunkedArray) -> None:
    try:
        for values in _flat(column):
            _check(values, "outside the range of PostgreSQL's {}s")
            if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                _refuse_nul(values)
    except InexactError as refusal:
        if pa.types.is_list(column.type):
            if not refusal.noun:
                refusal.noun, refusal.quality = True, f"values {refusal.quality}"
            lists = pa.concat_arrays(column.chunks)
            refusal.rows = pc.unique(pc.list_parent_indices(lists).take(refusal.rows))
        raise


def _refuse_nul(texts: pa.ChunkedArray) -> None:
    rows = true_rows(pc.match_substring(texts, "\0"))
    if len(rows):
        raise InexactError("NUL characters", rows, noun=True)


def check_read(column: pa.ChunkedArray) -> None:
    """Whether the driver gave what the server has: infinity, and what is beyond Arrow's range, come out wrapped.

    Raises:
        InexactError: It did not.
    """
    check_leaves(column, partial(_check, quality="infinite, or outside the range of Arrow's {}s"))


def _flat(column: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    if not pa.types.is_list(column.type):
        return [column]
    return [pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)]


def _check(column: pa.ChunkedArray | pa.Array, quality: str) -> None:
    if pa.types.is_timestamp(column.type):
        first, last, number, name = _FIRST_MICROSECOND, _LAST_MICROSECOND, pa.int64(), "timestamp"
    elif pa.types.is_date32(column.type):
        first, last, number, name = _FIRST_DAY, _LAST_DAY, pa.int32(), "date"
    else:
        return
    counts = column.cast(number)
    refuse_where(pc.or_(pc.less(counts, first), pc.greater(counts, last)), quality.format(name))
