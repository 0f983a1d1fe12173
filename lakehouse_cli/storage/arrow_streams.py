"""A sink as Arrow's writers want it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa

from lakehouse_cli.storage.base import Sink


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


def arrow_file(sink: Sink) -> pa.PythonFile:
    """What Arrow writes to; closing it leaves the sink open."""
    return pa.PythonFile(Unclosed(sink), mode="w")
