"""What the footer of a Parquet file says exactly: nulls of any column, least and greatest of what is a whole number.

Least and greatest float leave NaN out and have zeros of whatever sign, and texts may be cut (`Statistics` and
`ColumnOrder` in https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.formats.summary import ColumnSummary, Summary
from lakehouse_cli.model import Column

# Of which writer it is known that its numbers are right.
_WRITER = "parquet-cpp-arrow"


def summary_of(metadata: Any, schema: pa.Schema, columns: Sequence[Column]) -> Summary:
    """What is known of the declared columns, of a file that lakehouse wrote.

    Args:
        metadata: Of the file.
        schema: Of the file, in types of Arrow.
        columns: The declared ones.
    """
    rows = int(metadata.num_rows)
    if not str(metadata.created_by).startswith(_WRITER):
        return Summary(rows, {})
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    places = {metadata.schema.column(at).path: at for at in range(metadata.num_columns)}
    found: dict[str, ColumnSummary] = {}
    for column in columns:
        at = places.get(column.name)
        # What is nested has a path with dots, and nulls of its own at every depth.
        if at is None or pa.types.is_nested(to_arrow(column.type)) or schema.names.count(column.name) != 1:
            continue
        parts = [group.column(at).statistics for group in groups if group.num_rows]
        if all(part is not None and part.has_null_count for part in parts):
            nulls = sum(part.null_count for part in parts)
            extremes = _extremes(groups, at, schema.field(column.name).type, to_arrow(column.type))
            found[column.name] = ColumnSummary(nulls, extremes)
    return Summary(rows, found)


def _extremes(groups: Sequence[Any], at: int, stored: pa.DataType, declared: pa.DataType) -> pa.Array | None:
    """The least and the greatest value of all row groups; None where one of these does not say."""
    if not _is_whole(declared):
        return None
    ends: list[Any] = []
    for group in groups:
        statistics = group.column(at).statistics
        if statistics.null_count == group.num_rows:
            continue
        if not statistics.has_min_max:
            return None
        ends += [statistics.min_raw, statistics.max_raw]
    try:
        array = _array([_number(each, stored) for each in ends], stored)
        return array.cast(declared)
    except (pa.ArrowException, OverflowError):
        return None


def _is_whole(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_integer(kind) or t.is_temporal(kind) or t.is_decimal128(kind))


def _number(raw: Any, kind: pa.DataType) -> int:
    """The number that a value is stored as: of decimals, big-endian bytes; of unsigned ones, the same bits."""
    if isinstance(raw, bytes):
        return int.from_bytes(raw, "big", signed=True)
    return int(raw) % (1 << kind.bit_width) if pa.types.is_unsigned_integer(kind) else int(raw)


def _array(numbers: list[int], kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind):
        digits = [(int(n < 0), tuple(map(int, str(abs(n)))), -kind.scale) for n in numbers]
        return pa.array([Decimal(each) for each in digits], kind)
    if pa.types.is_integer(kind):
        return pa.array(numbers, kind)
    return pa.array(numbers, pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
