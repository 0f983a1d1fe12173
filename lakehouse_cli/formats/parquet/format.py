"""Parquet through Arrow: the declared columns are read and no others; the same data give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse_cli.arrow.types import map_leaves, to_arrow
from lakehouse_cli.formats.arrow_streams import arrow_file, finished
from lakehouse_cli.formats.base import Format, Opener, Sink
from lakehouse_cli.formats.parquet.reading import ParquetReader
from lakehouse_cli.formats.parquet.spec import ParquetOptions
from lakehouse_cli.formats.parquet.summary import summary_of
from lakehouse_cli.formats.pieces import resized
from lakehouse_cli.formats.stored_types import (
    in_types_of_file,
    read_declared,
    read_declared_pieces,
    report_damage,
    storable,
)
from lakehouse_cli.formats.summary import Summary
from lakehouse_cli.model import Column
from lakehouse_cli.model.time_span import TimeSpan

_WHAT = "a Parquet file"
# A row group stays in memory while it is written.
_CELLS = 1 << 24


class ParquetFormat(Format[ParquetOptions]):
    """Reads and writes tables as Parquet."""

    holds_count = True

    def read(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: ParquetOptions
    ) -> pa.Table:
        """Read the declared columns of a file, whatever its compression."""
        del options  # of writing, all of them
        zoned = {column.name: to_arrow(column.type) for column in columns or ()}
        with _opened(open_source, name) as file:

            def read(wanted: list[str]) -> pa.Table:
                with report_damage(name, _WHAT):
                    return file.read(wanted, zoned=zoned)

            return read_declared(file.schema.names, columns, name, read)

    def count_rows(self, open_source: Opener, name: str, options: ParquetOptions) -> int | None:
        """Return the count in its metadata."""
        del options
        with _opened(open_source, name) as file:
            return int(file.metadata.num_rows)

    def summary(self, open_source: Opener, name: str, columns: Sequence[Column]) -> Summary | None:
        """Return what its footer says exactly."""
        with _opened(open_source, name) as file:
            return summary_of(file.metadata, file.schema, columns)

    def read_pieces(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: ParquetOptions
    ) -> Iterator[pa.Table]:
        """Read row group by row group, and large ones batch by batch."""
        del options  # of writing, all of them
        yield from self._pieces(open_source, name, columns, None)

    def read_some(
        self,
        open_source: Opener,
        name: str,
        columns: Sequence[Column] | None,
        options: ParquetOptions,
        some: TimeSpan | range,
    ) -> Iterator[pa.Table]:
        """Read the row groups alone whose footers do not say that all of their rows lie outside."""
        del options
        yield from self._pieces(open_source, name, columns, some)

    def _pieces(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, some: TimeSpan | range | None
    ) -> Iterator[pa.Table]:
        zoned = {column.name: to_arrow(column.type) for column in columns or ()}
        with _opened(open_source, name) as file:

            def pieces(wanted: list[str]) -> Iterator[pa.Table]:
                with report_damage(name, _WHAT):
                    yield from file.read_pieces(wanted, zoned, some)

            yield from read_declared_pieces(file.schema.names, columns, name, pieces)

    def write(self, table: pa.Table, sink: Sink, options: ParquetOptions) -> None:
        """Write row group by row group, each made of the same rows whatever the chunks of the table."""
        self.write_pieces([table], sink, options)

    def write_pieces(self, pieces: Iterable[pa.Table], sink: Sink, options: ParquetOptions) -> None:
        """Write row group by row group, each made of the same rows whatever the pieces."""
        rest = (storable(piece, _WHAT) for piece in pieces)
        first = next(rest)
        types = [map_leaves(kind, _stored_type) for kind in first.schema.types]
        schema = pa.schema([pa.field(name, kind) for name, kind in zip(first.column_names, types, strict=True)])
        writer = pq.ParquetWriter(
            arrow_file(sink),
            schema,
            compression=options.compression,
            compression_level=options.compression_level,
            version="2.6",
            write_page_checksum=True,
        )
        with finished(writer):
            at_once = max(1, min(options.row_group_rows, _CELLS // first.num_columns))
            start = 0
            for piece in resized(chain([first], rest), at_once):
                start += piece.num_rows
                columns = in_types_of_file(piece, _WHAT, types, start - piece.num_rows).columns
                del piece
                # One column after the other, so that no more than one is there twice.
                combined = [columns.pop(0).combine_chunks() for _ in types]
                _release_unused(start >= at_once)
                writer.write_table(pa.table(combined, schema=schema), row_group_size=at_once)
                del combined
                _release_unused(start >= at_once)


def _release_unused(is_large: bool) -> None:
    """Have Arrow keep nothing of what reading took beside what writing takes, and the other way round."""
    if is_large:
        pa.default_memory_pool().release_unused()


@contextmanager
def _opened(open_source: Opener, name: str) -> Iterator[ParquetReader]:
    with open_source() as source:
        with report_damage(name, _WHAT):
            file = ParquetReader(source, name)
        with file:
            yield file


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """The type in the file, from which values are read back equal: Parquet has no seconds.

    Dictionaries are written by their values, which Parquet makes dictionaries of by itself.
    """
    t = pa.types
    if t.is_dictionary(kind):
        return _stored_type(kind.value_type)
    if t.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)
    return pa.time32("ms") if t.is_time32(kind) else kind
