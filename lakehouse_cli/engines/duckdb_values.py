"""Columns out of DuckDB into Arrow, exactly or refused.

Ranges: https://duckdb.org/docs/stable/sql/data_types/timestamp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.conversion.domains import check_leaves, refuse_moments
from lakehouse_cli.arrow.conversion.refusal import InexactError, true_rows
from lakehouse_cli.arrow.conversion.refusals import without
from lakehouse_cli.arrow.conversion.refused_column import RefusedColumn
from lakehouse_cli.text.sql import quote

# Infinity is the greatest number and its opposite; the first timestamp is a midnight.
_DAYS = -((1 << 31) - 3), (1 << 31) - 2
_MICROSECONDS = -9_223_372_022_400_000_000, (1 << 63) - 2
_NANOSECONDS = -((1 << 63) - 2), (1 << 63) - 2
_ROWS = 1 << 17
_MONTHS = "intervals with months"
# What has no exact type in Arrow, or one that DuckDB does not keep to.
_AS_TEXT = {"UHUGEINT", "BIGNUM", "VARINT", "BIT", "TIME WITH TIME ZONE"}
# Arrow's decimals have no more; HUGEINT has one.
_DIGITS = 38
_NESTED = {"list", "array", "struct", "map"}
# DuckDB hands out UHUGEINT as if it were HUGEINT, and others without what makes them more than a time or bytes. Some of
# Arrow's functions end the process where a UNION is in a struct.
_BENT = {"uhugeint", "bignum", "varint", "bit", "time with time zone", "interval", "variant", "union"}


def check_range(column: pa.ChunkedArray) -> None:
    """Check that DuckDB holds all values of a column; raises InexactError where it does not."""
    quality = "infinite, or outside the range of DuckDB's {}"
    check_leaves(
        column, lambda values: refuse_moments(values, _DAYS, _MICROSECONDS, quality, _NANOSECONDS, name_of=_infinity)
    )


def _infinity(scalar: pa.Scalar) -> str | None:
    """What DuckDB calls the greatest date or timestamp, and its opposite; None for any other."""
    greatest = (1 << (31 if pa.types.is_date32(scalar.type) else 63)) - 1
    return {greatest: "infinity", -greatest: "-infinity"}.get(scalar.value)


def quote_yaml(data: pa.Table) -> pa.Table:
    """Return the table with durations as the integers they are made of again."""
    columns = [column.cast(pa.int64()) if pa.types.is_duration(column.type) else column for column in data.columns]
    return pa.table(columns, names=data.column_names)


def unreadable(kind: Any) -> str | None:
    """What of a type has no values in Arrow, in words; None where all of it has.

    Args:
        kind: DuckDB's own description of the type of a column.
    """
    bent = _bent_within(kind)
    return bent if bent is None or bent == str(kind) else f"{bent} inside of {kind}"


def _bent_within(kind: Any) -> str | None:
    """The first type inside of a nested one whose values become others in Arrow, or nothing that can be declared."""
    if kind.id in ("variant", "union"):
        return str(kind)
    if kind.id not in _NESTED:
        return None
    # An array's size is among its children.
    children = [child for _, child in kind.children if not isinstance(child, int)]
    bent = next((str(child) for child in children if child.id in _BENT), None)
    return bent or next(filter(None, map(_bent_within, children)), None)


#: Given a column's name, what its HUGEINTs, which Arrow lacks, are cast to.
Hugeint = Callable[[str], str]


def as_text(name: str) -> str:
    """HUGEINT as text, of whatever column."""
    del name
    return "VARCHAR"


def read(
    select: Callable[[str], Any], columns: Mapping[str, Any], *, hugeint: Hugeint = as_text, cast_in: str = "in a view"
) -> dict[str, pa.ChunkedArray | RefusedColumn]:
    """Read columns of a relation or query; what has no exact type in Arrow as text, intervals as microseconds.

    Args:
        select: Given expressions, the relation that selects them.
        columns: DuckDB's own description of the type of each wanted column.
        hugeint: For HUGEINT.
        cast_in: Where users can cast what is refused, for hints.
    """
    data = select(_selected(columns, hugeint)).to_arrow_table()
    return _typed(data, columns, cast_in)


def read_pieces(
    select: Callable[[str], Any],
    columns: Mapping[str, Any],
    *,
    hugeint: Hugeint = as_text,
    cast_in: str = "in a view",
    at_once: int = 0,
) -> Iterator[dict[str, pa.ChunkedArray | RefusedColumn]]:
    """Read what `read` does piece by piece, as it is computed; at least one comes.

    Args:
        select: As of `read`.
        columns: As of `read`.
        hugeint: As of `read`.
        cast_in: As of `read`.
        at_once: Rows of no more bytes than this come as one piece.
    """
    reader = select(_selected(columns, hugeint)).to_arrow_reader(_ROWS)
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        held.append(batch)
        size += batch.nbytes
        if size > at_once:
            for each in held:
                yield _typed(pa.Table.from_batches([each]), columns, cast_in)
            held.clear()
    if held or not size:
        yield _typed(pa.Table.from_batches(held, schema=reader.schema), columns, cast_in)


def _selected(columns: Mapping[str, Any], hugeint: Hugeint) -> str:
    """Two expressions for each column: its value, and the text of what that cannot hold."""
    expressions: list[str] = []
    for name, kind in columns.items():
        value, refused = _expressions(quote(name), kind, hugeint(name))
        expressions += [value, refused or "NULL"]
    return ", ".join(f"{each} AS c{position}" for position, each in enumerate(expressions))


def _typed(data: pa.Table, columns: Mapping[str, Any], cast_in: str) -> dict[str, pa.ChunkedArray | RefusedColumn]:
    found = zip(columns.items(), data.columns[::2], data.columns[1::2], strict=True)
    return {name: _as_typed(value, refused, kind, cast_in) for (name, kind), value, refused in found}


def _expressions(column: str, kind: Any, hugeint: str) -> tuple[str, str | None]:
    """What to select for a column, and the text of each value that this cannot hold."""
    type_name = str(kind)
    if _bent_within(kind) is not None or type_name in _AS_TEXT:
        return f"{column}::VARCHAR", None
    if type_name == "INTERVAL":  # a month is of no fixed length
        months = f"(year({column}) <> 0 OR month({column}) <> 0)"
        return f"CASE WHEN NOT {months} THEN epoch_us({column}) END", f"CASE WHEN {months} THEN {column}::VARCHAR END"
    if type_name == "HUGEINT":
        held = f"TRY_CAST({column} AS {hugeint})"
        return held, f"CASE WHEN {held} IS NULL THEN {column}::VARCHAR END"
    return column, None


def _as_typed(
    column: pa.ChunkedArray, refused: pa.ChunkedArray, kind: Any, cast_in: str
) -> pa.ChunkedArray | RefusedColumn:
    """Return a column that was read, in the form of its type in the database; refused where values do not keep it."""
    type_name, bent = str(kind), unreadable(kind)
    if refused.null_count < len(refused):
        rows = true_rows(refused.is_valid())
        rest = _as_typed(column, pa.chunked_array([pa.nulls(len(refused))]), kind, cast_in)
        if type_name == "INTERVAL":
            hint = f"cast it to VARCHAR {cast_in}, and declare string"
            return RefusedColumn(InexactError(_MONTHS, rows, hint=hint, noun=True), refused, rest)
        fits = all(len(text.lstrip("-")) <= _DIGITS for text in refused.to_pylist() if text is not None)
        wide = f"cast it to DECIMAL({_DIGITS}, 0) {cast_in}, or declare decimal128({_DIGITS}, 0)"
        hint = wide if fits else f"cast it to VARCHAR {cast_in}, and declare string"
        return RefusedColumn(InexactError("too large", rows, hint=hint), refused, rest)
    if type_name == "INTERVAL":
        return column.cast(pa.duration("us"))
    try:
        if bent is not None and column.null_count < len(column):
            raise InexactError(bent, hint=f"cast it to VARCHAR {cast_in}")
        check_range(column)
    except InexactError as refusal:
        return RefusedColumn(refusal, column, without(column, refusal.rows))
    return column
