"""Transforms on `polars.LazyFrame` (optional): read as its engine asks for rows, and computed as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source
from polars.selectors import by_name

from lakehouse_cli.arrow.types import without_rows
from lakehouse_cli.formats.native import NativeFile
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import LAZY
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.polars_frame import PolarsFrame

_ROWS = 1 << 16
# What the engine takes of a source at once, of which it holds many.
_ROWS_AHEAD = 1 << 13


class LazyFrame(FrameType):
    """Lazy frames, which stream where their engine does."""

    name = LAZY
    streams = True
    orders_rows = False
    reads_columns = True
    reads_files = frozenset(("parquet", "ipc"))

    def __init__(self) -> None:
        self._frames = PolarsFrame()

    def from_arrow(self, table: pa.Table) -> Any:
        """The table, lazy."""
        return self._frames.from_arrow(table).lazy()

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """As `from_columns`, where all of them are read."""
        return self.from_columns(schema, lambda _: open_pieces())

    def from_columns(self, schema: pa.Schema, open_columns: Callable[[Collection[str]], Iterator[pa.Table]]) -> Any:
        """A source that reads piece by piece, no more columns and rows than are asked for."""

        def read(
            columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            assert predicate is None  # noqa: S101  # none comes past the map below
            left = rows
            for piece in _small(open_columns(schema.names if columns is None else columns)):
                frame = self._frames.from_arrow(piece if columns is None else piece.select(columns))
                frame = frame if left is None else frame.head(left)
                left = left if left is None else left - len(frame)
                yield frame
                if left == 0:
                    return

        source = register_io_source(read, schema=self._frames.from_arrow(without_rows(schema)).schema)
        # The engine filters above it, on all cores. Predicates would come pickled, which those with functions of Python
        # can only be by one more package.
        return source.map_batches(_itself, predicate_pushdown=False, projection_pushdown=True, streamable=True)

    def from_file(self, file: NativeFile) -> Any:
        """A scan of the file, where it finds the types and values that Arrow does."""
        if file.format == "parquet" and file.has_nan():
            return None
        scan = pl.scan_parquet if file.format == "parquet" else pl.scan_ipc
        # A name alone may be taken for a pattern.
        found = scan(file.path, glob=False, hive_partitioning=False).select(by_name(*file.schema.names))
        wanted = self._frames.from_arrow(without_rows(file.schema)).schema
        return found if found.collect_schema() == wanted else None

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The frame, computed."""
        return self._frames.to_arrow(frame.collect(engine="streaming"), columns)

    def to_pieces(self, frame: Any, columns: Sequence[Column] | None) -> Iterator[pa.Table]:
        """The frame, computed as its pieces are asked for."""
        has_any = False
        for part in frame.collect_batches(chunk_size=_ROWS, maintain_order=True, lazy=True, engine="streaming"):
            yield self._frames.to_arrow(part, columns)
            has_any = True
        if not has_any:
            yield self._frames.to_arrow(frame.collect_schema().to_frame(), columns)

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is polars.LazyFrame."""
        del returned
        return issubclass(annotation, pl.LazyFrame)


def _itself(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def _small(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    for piece in pieces:
        for start in range(0, max(piece.num_rows, 1), _ROWS_AHEAD):
            yield piece.slice(start, _ROWS_AHEAD)
