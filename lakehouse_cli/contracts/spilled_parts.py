"""Rows of a table of any size in a temporary file, apart by their hashes, so that each part is looked at by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.memory import copied
from lakehouse_cli.runs.temporary_files import spill_file, spilling

# Bits of a hash that say which part its row is in.
_BITS = 8
# Bytes of rows that wait to be written: each time, all parts are.
_WAITING = 1 << 24


class SpilledParts:
    """Rows that are written to a temporary file; those of one hash are in one part, in the order in which they came.

    Args:
        schema: Of the rows; dictionaries are refused, as each batch may have one of its own.
        what: They are, in the plural, for messages.
        waiting: Bytes of rows that may be in memory until they are written, where that is less than usual.

    Attributes:
        parts: Their numbers.

    Raises:
        StorageError: The file cannot be made; of the methods, that it cannot be written or read.
    """

    def __init__(self, schema: pa.Schema, what: str, waiting: int = _WAITING) -> None:
        self.schema = schema
        self.parts = range(1 << _BITS)
        self._what = what
        self._written = 0
        self._room = min(waiting, _WAITING)
        self._waiting: list[tuple[pa.Table, Any]] = []
        self._bytes = 0
        self._reader: pa.ipc.RecordBatchFileReader | None = None
        with spilling(what):
            self._file = spill_file()
            self._writer = pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), schema)

    def add(self, rows: pa.Table, hashes: Any) -> None:
        """Write rows that follow.

        Args:
            rows: Of the schema.
            hashes: A numpy array of uint64, one for each row.
        """
        parts = (hashes >> np.uint64(64 - _BITS)).astype(np.uint8)
        step = max(rows.num_rows * _WAITING // max(rows.nbytes, 1), 1)
        for start in range(0, rows.num_rows, step):
            some = copied(rows.slice(start, step))
            self._waiting.append((some, parts[start : start + step]))
            self._bytes += some.nbytes
            if self._bytes > self._room:
                self._write()

    def _write(self) -> None:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        rows = pa.concat_tables([each for each, _ in waiting]).combine_chunks()
        parts = np.concatenate([each for _, each in waiting])
        del waiting
        ordered = rows.take(av.from_numpy(np.argsort(parts, kind="stable"), pa.int64()))
        with spilling(self._what):
            start = 0
            for count in np.bincount(parts, minlength=len(self.parts)).tolist():
                batches = ordered.slice(start, count).combine_chunks().to_batches()
                self._writer.write_batch(batches[0] if count else _empty(self.schema))
                start += count
        self._written += 1

    def batches(self, part: int) -> Iterator[pa.RecordBatch]:
        """Read a part; nothing can be added any more."""
        reader = self._opened()
        for number in range(part, self._written * len(self.parts), len(self.parts)):
            with spilling(self._what):
                yield reader.get_batch(number)

    def _opened(self) -> pa.ipc.RecordBatchFileReader:
        if self._reader is None:
            if self._waiting:
                self._write()
            with spilling(self._what):
                self._writer.close()
                self._file.seek(0)
                self._reader = pa.ipc.open_file(pa.PythonFile(self._file, mode="r"))
        return self._reader

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # of what could not be written before
            self._file.close()


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)
