"""Python's files as Arrow's readers and writers want them."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from traceback import clear_frames
from typing import Any, TypeVar

import pyarrow as pa

from lakehouse_cli.formats.base import Sink

_PATIENCE_S = 5.0
_T = TypeVar("_T")


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
    """Close a writer in the end; after a failure, errors of closing it are ignored."""
    try:
        yield writer
    except BaseException:
        with suppress(pa.ArrowException, OSError):
            writer.close()
        raise
    writer.close()


class _Lent:
    """A file for one reader of Arrow's, which knows whether Arrow still uses it."""

    closed = False

    def __init__(self, file: Any, read: Callable[[int], memoryview]) -> None:
        self.read = read
        # A source that is only read from one end to the other has neither.
        self.seek, self.tell = getattr(file, "seek", None), getattr(file, "tell", None)

    def close(self) -> None:
        """Leave the file to the caller."""


class ReadableFile:
    """A Python file for Arrow's readers, to be left when they are dropped: it waits for Arrow's threads.

    A thread of Arrow's lets go of the file, and of each piece it was given, a moment after the reader has returned.
    For that it takes Python's lock; where Python ends meanwhile, the process is aborted (exit code 134).

    Args:
        file: Stays open.
        keeps_pieces: Whether what was read refers to the file's bytes, so that they are not waited for.

    Attributes:
        native: What Arrow reads from; no variable may hold it, nor a reader, when the file is left.
    """

    def __init__(self, file: Any, *, keeps_pieces: bool = False) -> None:
        held: list[weakref.ref[Any]] = []

        def read(size: int) -> memoryview:
            piece = memoryview(file.read(size))
            if not keeps_pieces:
                held.append(weakref.ref(piece))
            return piece

        lent = _Lent(file, read)
        held.append(weakref.ref(lent))
        self.native = pa.PythonFile(lent, mode="r")
        self._held = held

    def __enter__(self) -> ReadableFile:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        while error is not None:
            # The variables of what failed may hold a reader.
            clear_frames(error.__traceback__)
            error = error.__context__
        self.native = None
        deadline, pause = time.monotonic() + _PATIENCE_S, 0.0005
        while any(each() is not None for each in self._held) and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, 0.01)  # where it takes long, others want the processor

    def lend(self, thing: _T) -> _T:
        """Wait for something else too that is given to the reader, such as a function that it calls."""
        self._held.append(weakref.ref(thing))
        return thing


def arrow_file(sink: Sink) -> pa.PythonFile:
    """Wrap a sink for Arrow's writers; closing it leaves the sink open."""
    return pa.PythonFile(Unclosed(sink), mode="w")
