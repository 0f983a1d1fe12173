"""Transforms on tables batch by batch: `pyarrow.RecordBatchReader`, or an iterator of `pyarrow.RecordBatch`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow as pa

from lakehouse_cli.arrow.types import to_arrow, without_rows
from lakehouse_cli.errors import Interrupted, TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import READER
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.input_reader import InputReading


class ReaderFrame(FrameType):
    """Readers, which give each batch once; a transform may return one, or yield batches."""

    name = READER
    streams = True

    def __init__(self) -> None:
        self._inputs: WeakKeyDictionary[Any, InputReading] = WeakKeyDictionary()

    def from_arrow(self, table: pa.Table) -> Any:
        """A reader of the table's batches."""
        return self.from_pieces(table.schema, lambda: iter([table]))

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """A reader of the batches of each piece, as it comes."""
        reading = InputReading(schema, (batch for piece in open_pieces() for batch in piece.to_batches()))
        reader = reading.open()
        self._inputs[reader] = reading
        return reader

    def guard(self, frame: Any, parameter: str) -> Callable[[], BaseException | None]:
        """What tells whether the reader was read behind its end, or interrupted."""
        reading = self._inputs[frame]

        def fault() -> BaseException | None:
            if reading.is_read_again:
                return TransformError(
                    f"`{parameter}` is read a second time, and a reader gives each batch once: rows would be missing",
                    hint=f"read `{parameter}` once, or annotate it with `pyarrow.Table` to read it more than once",
                )
            return reading.error if isinstance(reading.error, Interrupted) else None

        return fault

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """All that it gives."""
        return pa.concat_tables(self.to_pieces(frame, columns))

    def to_pieces(self, frame: Any, columns: Sequence[Column] | None) -> Iterator[pa.Table]:
        """What it gives, batch by batch; where that is nothing, its columns, by themselves or as declared.

        Raises:
            TransformError: What was read of it before is missing; or another value than a batch.
        """
        if (found := self._read_before(frame)) is not None:
            raise TransformError(
                f"the {found} was read before, and gives each batch once: rows would be missing",
                hint="yield the batches as they are read, or annotate the input with `pyarrow.Table` to read it twice",
            )
        empty = without_rows(frame.schema) if isinstance(frame, pa.RecordBatchReader) else None
        has_rows = False
        for batch in frame:
            if not isinstance(batch, pa.RecordBatch | pa.Table):
                raise TransformError(
                    f"a value of type {type(batch).__name__} is yielded where pyarrow.RecordBatch is expected",
                    hint="make batches, as with `pyarrow.RecordBatch.from_pylist` or `from_pandas`",
                )
            piece = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
            if piece.num_rows:
                yield piece
                has_rows = True
            empty = piece.slice(0, 0)
        if has_rows:
            return
        if empty is None and columns is None:
            raise TransformError(
                "no batch is yielded, so that nobody knows the columns",
                hint="declare `columns:`, or yield one batch without rows",
            )
        declared = pa.schema([(column.name, to_arrow(column.type)) for column in columns or ()])
        yield without_rows(declared) if empty is None else empty

    def _read_before(self, frame: Any) -> str | None:
        """What has lost rows to somebody who read it, in words; None as far as anybody can know."""
        if not inspect.isgenerator(frame):
            return "reader that is returned" if self._state(frame) not in (None, inspect.GEN_CREATED) else None
        if inspect.getgeneratorstate(frame) == inspect.GEN_CLOSED:
            return "generator that is returned"
        # What a generator expression goes through.
        source = inspect.getgeneratorlocals(frame).get(".0")
        is_read = self._state(source) == inspect.GEN_CLOSED
        return "reader that the returned generator goes through" if is_read else None

    def _state(self, reader: Any) -> str | None:
        """How far the reader of an input was read, as of a generator; None for anything else."""
        reading = self._inputs.get(reader) if isinstance(reader, pa.RecordBatchReader) else None
        return None if reading is None else inspect.getgeneratorstate(reading.batches)

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is pyarrow.RecordBatchReader."""
        del returned
        return issubclass(annotation, pa.RecordBatchReader)
