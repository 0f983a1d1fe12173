"""One table for several transforms: converted once for each frame type, not once for each transform."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.memory import release_unused
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.formats.native import NativeFile
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms.frames import FrameType, ReadRows

# Values of a column that Python has at once.
_AT_ONCE = 1 << 16


def _values(column: pa.ChunkedArray) -> Iterator[Any]:
    for start in range(0, len(column), _AT_ONCE):
        yield from column.slice(start, _AT_ONCE).to_pylist()


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
        # Arrow needed more to read it than it takes.
        release_unused(self.nbytes)
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

    def values(self, name: str) -> Iterator[Any]:
        """The values of a column, as Python has them.

        Raises:
            LookupError: The data were released.
        """
        if self._data is not None:
            yield from _values(self._data.column(name))
            return
        make = next(iter(self._makers.values()), None)
        if make is None:
            raise LookupError("the data were released")
        yield from make()[name]

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
                    frame = make()  # from data that are its own by now
                    release_unused(self.nbytes)
                    return frame
            return make()

    def release(self) -> None:
        """Let go of the data and of all frames, once the transforms that have them have returned."""
        with self._lock:
            self._data = None
            self._makers.clear()
        release_unused(self.nbytes)


class _OneAtATime(Iterator[pa.Table]):
    """Pieces that several threads ask for: an engine that has enough may still be reading when the rest is judged."""

    def __init__(self, pieces: Generator[pa.Table]) -> None:
        self._pieces = pieces
        self._lock = threading.Lock()

    def __next__(self) -> pa.Table:
        with self._lock:
            return next(self._pieces)

    def close(self) -> None:
        """Read no more of them."""
        with self._lock:
            self._pieces.close()


class StreamedTable:
    """A table as the argument of one transform, read piece by piece as the transform asks for it.

    Args:
        open_pieces: Begins to read it; each call anew. At least one piece comes, which has the columns.
        content: The record of its content.
        file: The file that it is, for engines that read such by themselves; None for none.
        is_judged: Whether nothing of it is left to judge that no transform reads.
        of_columns: Begins to read some of its columns; None where that would be as long as reading all.
        of_rows: Reads rows of it by their numbers, also at other workers of the cluster; None where others must be read
            before.

    Attributes:
        error: What was raised as it was read; None for nothing.
    """

    nbytes = 0

    def __init__(
        self,
        open_pieces: Callable[[], Iterator[pa.Table]],
        content: InputRecord,
        file: NativeFile | None = None,
        *,
        is_judged: bool = False,
        of_columns: Callable[[Collection[str]], Iterator[pa.Table]] | None = None,
        of_rows: ReadRows | None = None,
    ) -> None:
        self.content = content
        self.error: LakehouseError | None = None
        self.file = file
        # Nothing is left to be judged, or to be counted for the record of it.
        self._is_done = is_judged and content.rows >= 0
        self._is_judged = is_judged
        self.num_rows = content.rows if self._is_done else 0 if file is None else file.rows
        self._open = open_pieces
        self._of_columns, self._of_rows = of_columns, of_rows
        self._lock = threading.Lock()
        self._reading: _OneAtATime | None = None
        self._begun: Iterator[pa.Table] | None = None
        if file is None:
            self._reading = _OneAtATime(self._read(open_pieces()))
            first = next(self._reading)
            self._begun = chain([first], self._reading)
        self.schema: pa.Schema = first.schema if file is None else file.schema
        self.num_columns = len(self.schema)

    def arrow(self) -> pa.Table:
        """All of it."""
        return pa.concat_tables(self.pieces())

    def values(self, name: str) -> Iterator[Any]:
        """The values of a column, as Python has them."""
        for piece in self.pieces():
            yield from _values(piece.column(name))

    def frame(self, frame_type: FrameType) -> Any:
        """Make a frame that reads it."""
        found = None if self.file is None else frame_type.from_file(self.file)
        if found is not None:
            return found
        if frame_type.reads_columns and self._of_columns is not None:
            return frame_type.from_columns(self.schema, self.columns)
        if frame_type.reads_rows and self._of_rows is not None:
            return frame_type.from_rows(self.schema, self.pieces, self._of_rows)
        return frame_type.from_pieces(self.schema, self.pieces)

    def finish(self) -> None:
        """Read what the transform left, where it is to be judged.

        Raises:
            LakehouseError: It cannot be read, is not as declared, or changed meanwhile.
        """
        if self._reading is not None:
            for _ in () if self._is_done else self._reading:
                pass
            self._reading.close()
        if self.file is not None:
            self.file.check()

    def pieces(self) -> Iterator[pa.Table]:
        """Read it from its beginning, also while others read it."""
        with self._lock:
            begun, self._begun = self._begun, None
        for piece in begun or self._read(self._open()):  # noqa: UP028  # `yield from` would end what was begun too
            yield piece

    def columns(self, names: Collection[str]) -> Iterator[pa.Table]:
        """Read some of its columns from their beginning; at least one."""
        if self._of_columns is None or not names or len(names) == self.num_columns:
            return self.pieces()
        return self._read(self._of_columns(names))

    def _read(self, pieces: Iterator[pa.Table]) -> Generator[pa.Table]:
        rows = 0
        try:
            for piece in pieces:
                rows += piece.num_rows
                yield piece
        except LakehouseError as error:
            self.error = error
            raise
        finally:
            if isinstance(pieces, Generator):
                pieces.close()
        self.num_rows = rows
        self._is_done = self._is_judged
