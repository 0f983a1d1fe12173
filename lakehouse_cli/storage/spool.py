"""A table that arrives piece by piece and can be read any number of times: in memory, or in a temporary file.

What a database gives out is copied here, so that its transaction ends when the rows were read and not when a transform
is done with them; and what it is to store is complete here before its transaction begins.
"""

from __future__ import annotations

import io
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.types import without_rows
from lakehouse_cli.errors import StorageError
from lakehouse_cli.text.causes import system_reason

#: Tables larger than this many bytes are kept on disk.
IN_MEMORY = 16 << 20
_ROWS = 1 << 16
#: Pieces of fewer bytes are joined, so many of them.
_SMALL = 1 << 16
_PIECES = 64


class SpooledTable:
    """A table of any size, of which no more than a few pieces are in memory.

    Its file has no name, so that nothing is left of it when the process ends, by whatever it ends.

    Args:
        in_memory: The bytes beyond which it is kept on disk; None for never.

    Attributes:
        num_rows: How many were added.
    """

    def __init__(self, in_memory: int | None = IN_MEMORY) -> None:
        self.num_rows = 0
        self._in_memory = in_memory
        self._kept: list[pa.Table] = []
        self._small: list[pa.Table] = []
        self._bytes = 0
        self._file: Any = None
        self._writer: Any = None
        self._schema: pa.Schema | None = None

    @property
    def schema(self) -> pa.Schema:
        """Names and types of all pieces; there is one at least."""
        assert self._schema is not None  # noqa: S101  # what has no piece is no table
        return self._schema

    def add(self, piece: pa.Table) -> None:
        """Add a piece, of the schema of the first.

        Raises:
            StorageError: The temporary folder does not take it.
        """
        self._schema = self._schema or piece.schema
        self.num_rows += piece.num_rows
        if not piece.num_rows:
            return
        if piece.nbytes < _SMALL:  # of a million of these, each would take more for itself than for its values
            self._small.append(piece)
            if len(self._small) < _PIECES:
                return
            piece, self._small = pa.concat_tables(self._small).combine_chunks(), []
        elif self._small:
            piece, self._small = pa.concat_tables([*self._small, piece]), []
        self._kept.append(piece)
        self._bytes += piece.nbytes
        if self._in_memory is not None and self._bytes > self._in_memory:
            self._spill()

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="lakehouse-spill-")  # noqa: SIM115  # closed with this
                weakref.finalize(self, _close, self._file)
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, "w"), self.schema, options=options)
            for each in self._kept:
                self._writer.write_table(each, max_chunksize=_ROWS)
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"what is on its way cannot be kept in {tempfile.gettempdir()}: {system_reason(error)}",
                hint="make room there, or name another folder in the variable `TMPDIR`",
            ) from error
        self._kept, self._bytes = [], 0

    def table(self) -> pa.Table:
        """All of it in memory."""
        return pa.concat_tables(
            [without_rows(self.schema), *(self.pieces() if self._file else self._kept), *self._small]
        )

    def pieces(self) -> Iterator[pa.Table]:
        """Give all rows in order, in at least one piece; may be called again, also before that is at its end."""
        kept = [*self._kept, *self._small]
        if self._file is not None:
            yield from _batches(self._file)
        elif not kept:
            yield without_rows(self.schema)
        for piece in kept:
            for start in range(0, piece.num_rows, _ROWS):
                yield piece.slice(start, _ROWS)


def _close(file: Any) -> None:
    with suppress(OSError):  # what a full disk did not take is written once more
        file.close()


class _Reading(io.RawIOBase):
    """A file from its beginning to where it ends now, at a place of its own."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at, self._end = 0, file.tell()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer, short only at the end."""
        view = memoryview(buffer).cast("B")[: self._end - self._at]
        count = os.preadv(self._file.fileno(), [view], self._at)
        self._at += count
        return count


def _batches(file: Any) -> Iterator[pa.Table]:
    """Read the batches of a stream that has no end yet: where the file ends is one."""
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.ipc.open_stream(pa.PythonFile(io.BufferedReader(_Reading(file)), "r"), options=options) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])
