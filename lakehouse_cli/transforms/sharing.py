"""One table for several transforms: converted once for each frame type, not once for each transform."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pyarrow as pa

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms.frames import FrameType


class SharedTable:
    """A table as the argument of transforms.

    Must be kept until the transforms that have its frames have returned: as long as it exists, a frame that is changed
    in place copies the changed part first.

    Args:
        data: The table.
        wanted: Names of all frame types that consumers take it as, if known. Once all of them share frames, the Arrow
            data are released.
        content: The record of its content; None if it was neither read nor stored.
    """

    def __init__(self, data: pa.Table, wanted: Collection[str] = (), content: InputRecord | None = None) -> None:
        self.content = content
        self.schema: pa.Schema = data.schema
        self.num_rows: int = data.num_rows
        self.num_columns: int = data.num_columns
        # Known at once, where `nbytes` looks at each buffer; of a slice, all that it keeps in memory counts.
        self.nbytes: int = data.get_total_buffer_size()
        self._data: pa.Table | None = data
        self._wanted = frozenset(wanted)
        self._makers: dict[str, Callable[[], Any]] = {}
        self._lock = threading.Lock()

    def arrow(self) -> pa.Table:
        """The Arrow data.

        Raises:
            LookupError: They were released.
        """
        if self._data is None:
            raise LookupError("the Arrow data were released")
        return self._data

    def frame(self, frame_type: FrameType) -> Any:
        """Make a frame that its receiver may change in place without harm to others."""
        if frame_type.streams:
            return frame_type.from_arrow(self.arrow())
        with self._lock:
            make = self._makers.get(frame_type.name)
            if make is None:
                if self._data is None:
                    raise LookupError(f"{frame_type.name} was not among the types wanted")
                make = frame_type.shared(self._data)
                if make is None:
                    return frame_type.from_arrow(self._data)
                self._makers[frame_type.name] = make
                if self._wanted and self._wanted <= self._makers.keys():
                    self._data = None
        return make()


class StreamedTable:
    """A table as the argument of one transform, read piece by piece as the transform asks for it.

    Args:
        open_pieces: Begins to read it; each call anew. At least one piece comes, which has the columns.
        content: The record of its content.

    Attributes:
        error: What was raised as it was read; None for nothing.
    """

    nbytes = 0

    def __init__(self, open_pieces: Callable[[], Iterator[pa.Table]], content: InputRecord) -> None:
        self.content = content
        self.error: LakehouseError | None = None
        self.num_rows = 0
        self._open = open_pieces
        self._reading = self._read(open_pieces())
        self._first: pa.Table | None = next(self._reading)
        self.schema: pa.Schema = self._first.schema
        self.num_columns = len(self.schema)

    def arrow(self) -> pa.Table:
        """All of it."""
        return pa.concat_tables(self._pieces())

    def frame(self, frame_type: FrameType) -> Any:
        """Make a frame that reads it."""
        return frame_type.from_pieces(self.schema, self._pieces)

    def finish(self) -> None:
        """Read what the transform left, so that all of it is judged.

        Raises:
            LakehouseError: It cannot be read, or is not as declared.
        """
        for _ in self._reading:
            pass

    def _pieces(self) -> Iterator[pa.Table]:
        if self._first is None:  # read a second time
            self._reading = self._read(self._open())
        else:
            yield self._first
            self._first = None
        for piece in self._reading:  # noqa: UP028  # `yield from` would end it too where the transform stops early
            yield piece

    def _read(self, pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
        rows = 0
        try:
            for piece in pieces:
                rows += piece.num_rows
                yield piece
        except LakehouseError as error:
            self.error = error
            raise
        self.num_rows = rows
