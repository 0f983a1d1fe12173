"""Dates in results of pandas, which knows timestamps alone: what came as dates and has no time of day goes as dates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.model import Column

_SECONDS, _DAY = pa.timestamp("s"), 86_400


def restore_dates(result: pa.Table, inputs: Sequence[pa.Schema], columns: Sequence[Column] | None) -> pa.Table:
    """Make dates of undeclared columns that pandas was given as dates.

    Only of dates does lakehouse make ``datetime64[s]``, but for inputs with columns of ``timestamp[s]``; beside these
    the column's name says.

    Args:
        result: Of a frame of pandas.
        inputs: What the transform was given.
        columns: The contract's; None if none are declared.
    """
    if _SECONDS not in result.schema.types:
        return result
    fields = [field for schema in inputs for field in schema]
    dates = {field.name for field in fields if pa.types.is_date32(field.type)}
    if not dates:
        return result
    seconds = {field.name for field in fields if field.type == _SECONDS}
    declared = {column.name for column in columns or ()}
    for position, field in enumerate(result.schema):
        if field.type != _SECONDS or field.name in declared:
            continue
        is_date = field.name in dates - seconds if seconds else True
        if is_date and (days := _days(result.column(position))) is not None:
            result = result.set_column(position, field.with_type(pa.date32()), days)
    return result


def _days(moments: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The dates of moments at midnight; None where some are not."""
    counts = moments.cast(pa.int64())
    days = pc.divide(counts, _DAY)
    if pc.all(pc.equal(pc.multiply(days, _DAY), counts)).as_py() is False:
        return None
    try:
        return days.cast(pa.int32()).cast(pa.date32())
    except pa.ArrowInvalid:
        return None  # beyond the range of dates


def restore_dates_in(
    pieces: Iterator[pa.Table], inputs: Sequence[pa.Schema], columns: Sequence[Column] | None
) -> Iterator[pa.Table]:
    """As `restore_dates` of all pieces, which are joined where that has to be looked at."""
    first = next(pieces)
    declared = {column.name for column in columns or ()}
    may_be = any(field.type == _SECONDS and field.name not in declared for field in first.schema)
    if may_be and any(pa.types.is_date32(kind) for schema in inputs for kind in schema.types):
        yield restore_dates(pa.concat_tables([first, *pieces]), inputs, columns)
        return
    yield first
    yield from pieces
