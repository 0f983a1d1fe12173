"""The rows of an input that lie in a span of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import LakehouseError, TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.storage.errors import changed_while_read
from lakehouse_cli.transforms import Argument, SharedTable, StreamedTable

if TYPE_CHECKING:
    from lakehouse_cli.model.time_span import TimeSpan
    from lakehouse_cli.storage.base import Pieces

_LAST = (1 << 63) - 1


class TimedInput(StreamedTable):
    """An input of which each parameter gets rows by time, read as they are asked for.

    Args:
        open_span: Given a span, what reads rows piece by piece, all in the span among them, and the record of all rows.
        table: The input, with its columns.
        streams: Whether all that takes it does so piece by piece.
    """

    def __init__(self, open_span: Callable[[TimeSpan], Pieces], table: Table, *, streams: bool) -> None:
        self.content = InputRecord("", -1, 0)
        self.error: LakehouseError | None = None
        self.schema = pa.schema([pa.field(each.name, to_arrow(each.type)) for each in table.columns or ()])
        self.num_columns, self.num_rows = len(self.schema), -1
        self._open_span, self._table, self._streams = open_span, table, streams
        self._opened: list[Callable[[], Iterator[pa.Table]]] = []

    def rows_within(self, span: TimeSpan, parameter: str) -> SharedTable | StreamedTable:
        """The rows in a span, as the argument of a parameter.

        Raises:
            LakehouseError: They cannot be read, or are not as declared; or the table changed since another was read.
        """
        with self._noting():
            opened, record = self._open_span(span)
            if self._opened and self.content.content_hash != record.content_hash:
                raise changed_while_read(self._table, f"`{self._table.name}`")
        self.content, self.num_rows = record, record.rows

        def pieces() -> Iterator[pa.Table]:
            with self._noting():
                for piece in opened():
                    yield _within(piece, span, parameter)

        self._opened.append(pieces)
        of_span = record._replace(rows=-1)
        return StreamedTable(pieces, of_span) if self._streams else SharedTable(pa.concat_tables(pieces()), (), of_span)

    def values(self, name: str) -> Iterator[Any]:
        """The values of a column, of the rows that were given out."""
        for pieces in self._opened:
            for piece in pieces():
                yield from piece.column(name).to_pylist()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except LakehouseError as error:
            self.error = error
            raise


def rows_within(argument: Argument, span: TimeSpan, parameter: str) -> Argument:
    """The argument of a transform with the rows in a span alone; rows without a time are in none.

    Raises:
        TransformError: There is no such column, or it holds no time.
    """
    if isinstance(argument, TimedInput):
        return argument.rows_within(span, parameter)
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
    mask = pc.and_(pc.greater_equal(column, begin), pc.less(column, end))
    return piece.filter(mask)  # null, as of rows without a time, is no yes


def _scalar(moment: datetime, kind: pa.DataType) -> pa.Scalar:
    """A bound as a value of a column's type; the nearest for one beyond all of its values."""
    try:
        return pa.scalar(moment, pa.timestamp("s")).cast(kind)
    except pa.ArrowInvalid:  # nanoseconds begin in 1677, and end in 2262
        return pa.scalar(_LAST if moment.year > 2000 else -_LAST, pa.int64()).cast(kind)
