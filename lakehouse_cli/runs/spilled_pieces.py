"""Pieces of tables in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa

from lakehouse_cli.runs.temporary_files import spill_file, spilling


class SpilledPieces:
    """Tables of one schema that are written to a temporary file, and read from it in that order.

    Args:
        schema: Of all of them.
        what: They hold, in the plural, for messages.

    Raises:
        StorageError: The file cannot be made; of the methods, that it cannot be written or read.
    """

    def __init__(self, schema: pa.Schema, what: str) -> None:
        self._what = what
        with spilling(what):
            self._file = spill_file()
            self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, mode="w"), schema)

    def add(self, piece: pa.Table) -> None:
        """Write a piece, each chunk of it as a batch."""
        with spilling(self._what):
            self._writer.write_table(piece)

    def read(self) -> Iterator[pa.Table]:
        """Read all batches that have rows; nothing can be added any more."""
        with spilling(self._what):
            self._writer.close()
            self._file.seek(0)
            reader = pa.ipc.open_stream(pa.PythonFile(self._file, mode="r"))
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # of what could not be written before
            self._file.close()
