"""Arrow IPC files (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format): every type as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa

from lakehouse_cli.model import Column
from lakehouse_cli.storage.arrow_streams import arrow_file, finished
from lakehouse_cli.storage.base import Format, Sink
from lakehouse_cli.storage.canonical_arrays import canonical, holds_dictionary, with_own_dictionaries
from lakehouse_cli.storage.stored_types import as_declared, check_whole, storable, told_as_damaged, wanted_names

_WHAT = "an Arrow IPC file"
_ROWS = 1 << 16
_CELLS = 1 << 22


class IpcFormat(Format):
    """Reads and writes tables as Arrow IPC files, which Feather files of version 2 are too."""

    def read(
        self,
        open_source: Callable[[], BinaryIO],
        name: str,
        columns: Sequence[Column] | None,
        options: Mapping[str, Any],
    ) -> pa.Table:
        """The declared columns of a file, whatever its compression."""
        del options  # of writing, all of them
        with open_source() as source, told_as_damaged(name, _WHAT):
            stored = pa.ipc.open_file(source).schema.names
        wanted = wanted_names(stored, columns, name)
        included = sorted(stored.index(each) for each in wanted)
        with open_source() as source, told_as_damaged(name, _WHAT):
            reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=included or [0]))
            read = reader.read_all().select(wanted)
            check_whole(read)
        return as_declared(read, columns, name)

    def write(self, table: pa.Table, sink: Sink, options: Mapping[str, Any]) -> None:
        """Write batch by batch, each made of the same rows whatever the chunks of the table."""
        compression = options.get("compression", "zstd")
        written = pa.ipc.IpcWriteOptions(compression=None if compression == "none" else compression)
        table = storable(table, _WHAT)
        with finished(pa.ipc.new_file(arrow_file(sink), table.schema, options=written)) as writer:
            for batch in _batches(table):
                writer.write_batch(batch)


def _batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    # A file has one dictionary for each column, so that a column with one is made as a whole.
    columns = [
        pa.chunked_array([with_own_dictionaries(column)]) if holds_dictionary(column.type) else column
        for column in table.columns
    ]
    rows = max(1, min(_ROWS, _CELLS // len(columns)))
    for start in range(0, table.num_rows, rows):
        parts = [column.slice(start, rows).chunks for column in columns]
        arrays = [canonical(chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)) for chunks in parts]
        yield pa.RecordBatch.from_arrays(arrays, schema=table.schema)
