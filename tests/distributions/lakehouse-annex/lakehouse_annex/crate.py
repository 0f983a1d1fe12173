"""Arrow's stream, packed with zlib."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import BinaryIO

import pyarrow as pa

from lakehouse_annex.spec import CrateOptions
from lakehouse_cli.errors import MissingDataError
from lakehouse_cli.formats.base import Format, Sink
from lakehouse_cli.model import Column


class CrateFormat(Format[CrateOptions]):
    """Reads and writes crates."""

    def read(
        self,
        open_source: Callable[[], BinaryIO],
        name: str,
        columns: Sequence[Column] | None,
        options: CrateOptions,
    ) -> pa.Table:
        """The declared columns of a crate, of the types it was packed with."""
        del options  # of writing
        with open_source() as source:
            table = pa.ipc.open_stream(zlib.decompress(source.read())).read_all()
        wanted = table.column_names if columns is None else [column.name for column in columns]
        for missing in set(wanted) - set(table.column_names):
            raise MissingDataError(f"`{name}` has no column `{missing}`")
        return table.select(wanted)

    def write(self, table: pa.Table, sink: Sink, options: CrateOptions) -> None:
        """Pack a table."""
        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        sink.write(zlib.compress(stream.getvalue(), options.level))
