"""Values at the edges of DuckDB's types (https://duckdb.org/docs/stable/sql/data_types/timestamp)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.conversion.domains import check_leaves
from lakehouse_cli.arrow.conversion.refusal import InexactError, true_rows
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.storage.relational.fitting import refuse_moments
from lakehouse_cli.storage.relational.session import Refused

# Infinity is the greatest number and its opposite; the first timestamp is a midnight.
_DAYS = -((1 << 31) - 3), (1 << 31) - 2
_MICROSECONDS = -9_223_372_022_400_000_000, (1 << 63) - 2
_NANOSECONDS = -((1 << 63) - 2), (1 << 63) - 2
#: What is said of a column of intervals that are no durations.
MONTHS = "intervals with months"
_NESTED = {"list", "array", "struct", "map"}
# DuckDB hands out UHUGEINT as if it were HUGEINT, and others without what makes them more than a time or bytes. Some of
# Arrow's functions end the process where a UNION is in a struct.
_BENT = {"uhugeint", "bignum", "varint", "bit", "time with time zone", "interval", "variant", "union"}


def check_range(column: pa.ChunkedArray) -> None:
    """Check that DuckDB holds all values of a column; raises InexactError where it does not."""
    quality = "infinite, or outside the range of DuckDB's {}"
    check_leaves(column, lambda values: refuse_moments(values, _DAYS, _MICROSECONDS, quality, _NANOSECONDS))


def as_written(data: pa.Table) -> pa.Table:
    """Return the table with durations as the integers they are made of again."""
    columns = [column.cast(pa.int64()) if pa.types.is_duration(column.type) else column for column in data.columns]
    return pa.table(columns, names=data.column_names)


def bent_within(kind: Any) -> str | None:
    """The first type inside of a nested one whose values become others in Arrow, or nothing that can be declared.

    Args:
        kind: DuckDB's own description of the type of a column.
    """
    if kind.id in ("variant", "union"):
        return str(kind)
    if kind.id not in _NESTED:
        return None
    # An array's size is among its children.
    children = [child for _, child in kind.children if not isinstance(child, int)]
    bent = next((str(child) for child in children if child.id in _BENT), None)
    return bent or next(filter(None, map(bent_within, children)), None)


def as_typed(column: pa.ChunkedArray, type_name: str, bent: str | None) -> pa.ChunkedArray | Refused:
    """Return a column that was read, in the form of its type in the database.

    Args:
        column: As it came; text where it is bent.
        type_name: The column's type.
        bent: From `bent_within`, or `MONTHS`.

    Returns:
        The column; refused where it holds infinity, or what is bent.
    """
    if bent == MONTHS:
        rows = true_rows(pc.match_substring_regex(column, "year|month"))
        hint = "cast it to VARCHAR in a view, and declare string"
        return Refused(InexactError(MONTHS, rows, hint=hint, noun=True), column)
    if type_name == "INTERVAL":
        return column.cast(pa.duration("us"))
    try:
        if bent is not None and column.null_count < len(column):
            where = "" if bent == type_name else f" inside of {type_name}"
            raise InexactError(f"{bent}{where}", hint="cast it to VARCHAR in a view")
        check_range(column)
    except InexactError as refusal:
        return Refused(refusal, column)
    return column
