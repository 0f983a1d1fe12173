"""The rows of an input that lie in a span of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse_cli.errors import TransformError
from lakehouse_cli.transforms import Argument, SharedTable, StreamedTable

if TYPE_CHECKING:
    from lakehouse_cli.model.time_span import TimeSpan


def rows_within(argument: Argument, span: TimeSpan, parameter: str) -> Argument:
    """The argument of a transform with the rows in a span alone; rows without a time are in none.

    Raises:
        TransformError: There is no such column, or it holds no time.
    """
    if isinstance(argument, SharedTable):
        return SharedTable(_within(argument.arrow(), span, parameter), (), argument.content)
    if isinstance(argument, StreamedTable):
        streamed = argument

        def pieces() -> Iterator[pa.Table]:
            for piece in streamed.pieces():
                yield _within(piece, span, parameter)

        assert streamed.content is not None  # noqa: S101  # it is read from where it is stored
        return StreamedTable(pieces, streamed.content._replace(rows=-1))
    return argument


def _within(piece: pa.Table, span: TimeSpan, parameter: str) -> pa.Table:
    if span.column not in piece.column_names:
        message = f"input `{parameter}` has no column `{span.column}`, which `within` names"
        raise TransformError(message, hint="name one of its columns")
    column = piece[span.column]
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
    elif not pa.types.is_timestamp(kind):
        message = f"column `{span.column}` of input `{parameter}` is {kind}, and no time, as `within` asks for"
        raise TransformError(message, hint="name a column that is a date or a timestamp")
    if column.type.tz is not None:
        bounds = span.begin.replace(tzinfo=None), span.end.replace(tzinfo=None)
        column = column.cast(pa.timestamp(column.type.unit))  # the instant, in UTC
    else:
        bounds = span.wall_begin, span.wall_end
    begin, end = (_scalar(each, column.type) for each in bounds)
    mask = column.is_valid()
    if begin is not None:
        mask = pc.and_(mask, pc.greater_equal(column, begin))
    if end is not None:
        mask = pc.and_(mask, pc.less(column, end))
    return piece.filter(mask)


def _scalar(moment: datetime, kind: pa.DataType) -> pa.Scalar | None:
    """A bound as a value of a column's type; None for one beyond all of its values."""
    try:
        return pa.scalar(moment, pa.timestamp("s")).cast(kind)
    except pa.ArrowInvalid:  # nanoseconds end in 2262
        return None
