"""Values at the edges of DuckDB's types (https://duckdb.org/docs/stable/sql/data_types/timestamp)."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from lakehouse_cli.arrow_values import compute as pc
from lakehouse_cli.conversion.refusal import InexactError, refuse_where
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.relational.fitting import check_each
from lakehouse_cli.storage.relational.session import Refused

# Infinity is the greatest number and its opposite; the first timestamp is a midnight.
_FIRST_US, _LAST_US = -9_223_372_022_400_000_000, (1 << 63) - 2
_FIRST_NS, _LAST_NS = -((1 << 63) - 2), (1 << 63) - 2
_FIRST_DAY, _LAST_DAY = -((1 << 31) - 3), (1 << 31) - 2
_US_PER = {"s": 1_000_000, "ms": 1_000, "us": 1}


def check_ranges(data: pa.Table, types: Mapping[str, ColumnType]) -> None:
    """Whether DuckDB holds all values of a table.

    Raises:
        UnfitError: Not all; a violation for each column.
    """
    check_each(data, types, _check)


def as_written(data: pa.Table) -> pa.Table:
    """The table with durations as the integers they are made of again."""
    columns = [column.cast(pa.int64()) if pa.types.is_duration(column.type) else column for column in data.columns]
    return pa.table(columns, names=data.column_names)


def as_typed(column: pa.ChunkedArray, type_name: str) -> pa.ChunkedArray | Refused:
    """A column that was read, as its type in the database tells; refused where it holds infinity."""
    if type_name == "INTERVAL":
        return column.cast(pa.duration("us"))
    try:
        _check(column)
    except InexactError as refusal:
        return Refused(refusal, column)
    return column


def _check(column: pa.ChunkedArray) -> None:
    for values in _leaves(column):
        if pa.types.is_timestamp(values.type):
            unit = values.type.unit
            first, last = (_FIRST_NS, _LAST_NS) if unit == "ns" else (_FIRST_US, _LAST_US)
            per = _US_PER.get(unit, 1)
            # Towards zero, so that what is left fits.
            first, last = -(-first // per), last // per
            counts = values.cast(pa.int64())
        elif pa.types.is_date32(values.type):
            first, last, counts = _FIRST_DAY, _LAST_DAY, values.cast(pa.int32())
        else:
            continue
        refuse_where(
            pc.or_(pc.less(counts, first), pc.greater(counts, last)),
            f"infinite, or outside the range of DuckDB's {'dates' if counts.type == pa.int32() else 'timestamps'}",
        )


def _leaves(column: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    """The columns a nested one is made of; rows of those inside of lists are not its rows."""
    kind = column.type
    if pa.types.is_list(kind):
        return _leaves(pa.chunked_array([chunk.flatten() for chunk in column.chunks], kind.value_type))
    if pa.types.is_struct(kind):
        return [leaf for field in column.flatten() for leaf in _leaves(field)]
    return [column]
