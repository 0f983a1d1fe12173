"""Arrow IPC files (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format): every type as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain

import pyarrow as pa

from lakehouse_cli.arrow.types import holds
from lakehouse_cli.formats.arrow_streams import ReadableFile, arrow_file, finished
from lakehouse_cli.formats.base import Format, Opener, Sink
from lakehouse_cli.formats.canonical_arrays import canonical, with_own_dictionaries
from lakehouse_cli.formats.ipc.spec import IpcOptions
from lakehouse_cli.formats.pieces import resized
from lakehouse_cli.formats.stored_types import (
    check_whole,
    read_declared,
    read_declared_pieces,
    report_damage,
    storable,
)
from lakehouse_cli.model import Column

_WHAT = "an Arrow IPC file"
_ROWS = 1 << 16
_CELLS = 1 << 22


class IpcFormat(Format[IpcOptions]):
    """Reads and writes tables as Arrow IPC files, which Feather files of version 2 are too."""

    holds_count = True

    def read(self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: IpcOptions) -> pa.Table:
        """Read the declared columns of a file, whatever its compression."""
        del options  # of writing, all of them
        stored = _schema(open_source, name).names
        return read_declared(stored, columns, name, partial(self._read, open_source, name, stored))

    def _read(self, open_source: Opener, name: str, stored: Sequence[str], wanted: list[str]) -> pa.Table:
        included = sorted(stored.index(each) for each in wanted)
        # Arrow reads all where none are to be included.
        reading = pa.ipc.IpcReadOptions(included_fields=included or ([0] if stored else []))
        with _lent(open_source, name) as file:
            table = pa.ipc.open_file(file.native, options=reading).read_all().select(wanted)
            check_whole(table, name)
            return table

    def read_pieces(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: IpcOptions
    ) -> Iterator[pa.Table]:
        """Read batch by batch; all at once where there are dictionaries, which a column has one of."""
        schema = _schema(open_source, name)
        if any(holds(kind, pa.types.is_dictionary) for kind in schema.types):
            yield self.read(open_source, name, columns, options)
            return
        stored = schema.names

        def pieces(wanted: list[str]) -> Iterator[pa.Table]:
            with _lent(open_source, name) as file:
                reader = pa.ipc.open_file(file.native)
                try:
                    for at in range(reader.num_record_batches):
                        yield table_of([reader.get_batch(at)], wanted)
                    if not reader.num_record_batches:
                        yield table_of([], wanted)
                finally:  # also where it is left early
                    del reader

        def table_of(batches: list[pa.RecordBatch], wanted: list[str]) -> pa.Table:
            table = pa.Table.from_batches(batches, schema).select(wanted)
            check_whole(table, name)
            return table

        yield from read_declared_pieces(stored, columns, name, pieces)

    def count_rows(self, open_source: Opener, name: str, options: IpcOptions) -> int | None:
        """Count by batches, of which only the narrowest column is read."""
        del options
        schema = _schema(open_source, name)
        if not schema.names:
            return 0
        narrowest = min(range(len(schema)), key=lambda at: _width(schema.field(at).type))
        reading = pa.ipc.IpcReadOptions(included_fields=[narrowest])
        with _lent(open_source, name) as file:
            reader = pa.ipc.open_file(file.native, options=reading)
            try:
                return sum(int(reader.get_batch(at).num_rows) for at in range(reader.num_record_batches))
            finally:
                del reader

    def write(self, table: pa.Table, sink: Sink, options: IpcOptions) -> None:
        """Write batch by batch, each made of the same rows whatever the chunks of the table."""
        self.write_pieces([table], sink, options)

    def write_pieces(self, pieces: Iterable[pa.Table], sink: Sink, options: IpcOptions) -> None:
        """Write batch by batch, each made of the same rows whatever the pieces."""
        rest = (storable(piece, _WHAT) for piece in pieces)
        first = next(rest)
        compression = None if options.compression == "none" else options.compression
        written = pa.ipc.IpcWriteOptions(compression=compression)
        with finished(pa.ipc.new_file(arrow_file(sink), first.schema, options=written)) as writer:
            for batch in _batches(chain([first], rest), first.schema):
                writer.write_batch(batch)


@contextmanager
def _lent(open_source: Opener, name: str) -> Iterator[ReadableFile]:
    # Of what is not compressed, the table refers to the bytes as they were read.
    with open_source() as source, report_damage(name, _WHAT), ReadableFile(source, keeps_pieces=True) as file:
        yield file


def _schema(open_source: Opener, name: str) -> pa.Schema:
    """Names and types, without which no column can be read.

    Raises:
        StorageError: The file is damaged, or has a column of a type that Arrow's C++ library does not know.
    """
    with _lent(open_source, name) as file:
        schema = pa.ipc.open_file(file.native).schema
        schema.names  # noqa: B018  # which may be no text
        return schema


def _width(kind: pa.DataType) -> int:
    """Bits of a value; of one that may have any number of them, more than the others have."""
    try:
        return int(kind.bit_width)
    except ValueError:
        return 1 << 20


def _batches(pieces: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    if any(holds(kind, pa.types.is_dictionary) for kind in schema.types):
        # A file has one dictionary for each column, so that a column with one is made as a whole.
        table = pa.concat_tables(pieces)
        columns = [
            pa.chunked_array([with_own_dictionaries(column)]) if holds(column.type, pa.types.is_dictionary) else column
            for column in table.columns
        ]
        pieces = [pa.Table.from_arrays(columns, schema=schema)]
    for piece in resized(pieces, max(1, min(_ROWS, _CELLS // len(schema)))):
        chunks = [column.chunks for column in piece.columns]
        arrays = [canonical(each[0] if len(each) == 1 else pa.concat_arrays(each)) for each in chunks]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
