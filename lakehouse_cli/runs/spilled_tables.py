"""Tables by number, of which no more than some bytes are in memory."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO

import pyarrow as pa

from lakehouse_cli.runs.temporary_files import spill_file, spilling


class SpilledTables:
    """Tables that several threads put and take in whatever order; those beyond a size are in a temporary file.

    Args:
        what: They hold, in the plural, for messages.
        in_memory: The bytes beyond which they are on disk; None for never.
    """

    def __init__(self, what: str, in_memory: int | None = 16 << 20) -> None:
        self._what = what
        self._room = in_memory
        self._kept: dict[int, pa.Table] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def put(self, number: int, table: pa.Table) -> None:
        """Keep a table under a number.

        Raises:
            StorageError: The temporary folder does not take it.
        """
        # A type of our own would come back as what it is stored as.
        has_own = any(isinstance(kind, pa.ExtensionType) for kind in table.schema.types)
        with self._lock:
            if self._room is None or has_own or table.nbytes <= self._room:
                self._kept[number] = table
                self._room = None if self._room is None else self._room - table.nbytes
                return
            with spilling(self._what):
                if self._file is None:
                    self._file = spill_file()
                    weakref.finalize(self, _close, self._file)
                start = self._file.seek(0, os.SEEK_END)
                with pa.ipc.new_stream(pa.PythonFile(self._file, "w"), table.schema) as writer:
                    writer.write_table(table)
                self._file.flush()
                self._places[number] = start, self._file.tell() - start

    def get(self, number: int) -> pa.Table:
        """Return the table of a number.

        Raises:
            StorageError: It cannot be read.
        """
        if number in self._kept:
            return self._kept[number]
        assert self._file is not None  # noqa: S101  # it was put there
        start, size = self._places[number]
        buffer = pa.allocate_buffer(size)
        with spilling(self._what):
            view, done = memoryview(buffer).cast("B"), 0
            while done < size:  # one call reads no more than 2 GiB
                done += os.preadv(self._file.fileno(), [view[done:]], start + done)
        return pa.ipc.open_stream(buffer).read_all()

    def take(self, number: int) -> pa.Table:
        """As `get`, once: in memory there is room for another then."""
        table = self.get(number)
        with self._lock:
            if self._kept.pop(number, None) is not None and self._room is not None:
                self._room += table.nbytes
        return table


def joined(pieces: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Join pieces to tables of some bytes and more; none of them is without rows."""
    waiting: list[pa.Table] = []
    for piece in pieces:
        waiting += [piece] if piece.num_rows else []
        if sum(each.nbytes for each in waiting) >= size:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # what a full disk did not take is written once more
        file.close()
