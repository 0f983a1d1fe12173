"""Python's files as Arrow's readers and writers want them."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa

from lakehouse_cli.storage.base import Sink

_PATIENCE_S = 5.0


class Unclosed:
    """A sink that stays open when the writer in front of it is closed."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self.write = sink.write

    def flush(self) -> None:
        """Nothing: who opened the sink flushes it."""

    def close(self) -> None:
        """Leave the sink to the caller."""


@contextmanager
def finished(writer: Any) -> Iterator[Any]:
    """A writer that is closed where nothing failed; where something did, what its closing says is of no interest."""
    try:
        yield writer
    except BaseException:
        with suppress(pa.ArrowException, OSError):
            writer.close()
        raise
    writer.close()


class _Lent:
    """A file that Arrow reads from, which lives until Arrow has let go of it."""

    closed = False

    def __init__(self, file: Any) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


class ReadableFile:
    """A file for Arrow's readers, whose threads may hold it for a moment after all is read.

    A thread that lets go of what belongs to Python when Python has ended aborts the process (exit code 134).

    Attributes:
        native: What Arrow reads from; None once it is released.
    """

    def __init__(self, file: Any) -> None:
        lent = _Lent(file)
        self.native: pa.PythonFile | None = pa.PythonFile(lent, mode="r")
        self._held = weakref.ref(lent)

    def release(self) -> None:
        """Wait until no thread of Arrow's holds the file; who calls this has closed and dropped the readers."""
        self.native = None
        deadline = time.monotonic() + _PATIENCE_S
        while self._held() is not None and time.monotonic() < deadline:
            time.sleep(0.0005)


def arrow_file(sink: Sink) -> pa.PythonFile:
    """What Arrow writes to; closing it leaves the sink open."""
    return pa.PythonFile(Unclosed(sink), mode="w")
