"""Transforms on tables batch by batch: `pyarrow.RecordBatchReader`, or an iterator of `pyarrow.RecordBatch`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.memory import copied
from lakehouse_cli.arrow.types import to_arrow, without_rows
from lakehouse_cli.errors import Interrupted, TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import READER
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.input_reader import InputReading, loses_rows, reading_of


class ReaderFrame(FrameType):
    """Readers, which give each batch once; a transform may return one, or yield batches."""

    name = READER
    streams = True

    def from_arrow(self, table: pa.Table) -> Any:
        """A reader of the table's batches."""
        return self.from_pieces(table.schema, lambda: iter([table]))

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """A reader of the batches of each piece, as it comes."""
        return InputReading(schema, (batch for piece in open_pieces() for batch in piece.to_batches())).open()

    def guard(self, frame: Any, parameter: str) -> Callable[[], BaseException | None]:
        """What tells whether the reader was read behind its end, or interrupted."""
        reading = reading_of(frame)
        assert reading is not None  # noqa: S101  # `from_pieces` made it

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
        reader, found = _reader_of(frame)
        loses = loses_rows(reader)
        if _was_read(frame, reader) or (loses and frame is reader):
            raise _read_before(found)
        schema = frame.schema if isinstance(frame, pa.RecordBatchReader) else None
        has_rows = has_batches = False
        is_ours = reading_of(frame) is not None
        for batch in frame:
            has_batches = True
            if not isinstance(batch, pa.RecordBatch | pa.Table):
                raise TransformError(
                    f"a value of type {type(batch).__name__} is yielded where pyarrow.RecordBatch is expected",
                    hint="make batches, as with `pyarrow.RecordBatch.from_pylist` or `from_pandas`",
                )
            schema = batch.schema
            if not batch.num_rows:
                continue
            piece = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
            # What makes the batches may write the next one where this one is: it is kept, and written, later.
            yield piece if is_ours else copied(piece)
            has_rows = True
        if has_rows:
            return
        if loses is None and not has_batches:
            raise _read_before(found)
        if schema is None and columns is None:
            raise TransformError(
                "no batch is yielded, so that nobody knows the columns",
                hint="declare `columns:`, or yield one batch without rows",
            )
        declared = pa.schema([(column.name, to_arrow(column.type)) for column in columns or ()])
        yield without_rows(declared if schema is None else schema)

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is pyarrow.RecordBatchReader."""
        del returned
        return issubclass(annotation, pa.RecordBatchReader)


def _reader_of(frame: Any) -> tuple[Any, str]:
    """The reader that a result is, or that a generator expression goes through, and what it is called."""
    if not inspect.isgenerator(frame):
        return frame, "reader that is returned"
    if inspect.getgeneratorstate(frame) == inspect.GEN_CLOSED:
        return None, "generator that is returned"
    return inspect.getgeneratorlocals(frame).get(".0"), "reader that the returned generator goes through"


def _was_read(frame: Any, reader: Any) -> bool:
    """Whether a result has lost rows to somebody who read it, as far as anybody can know before it is read."""
    reading = reading_of(reader)
    if inspect.isgenerator(frame):
        return inspect.GEN_CLOSED in (inspect.getgeneratorstate(frame), reading and reading.state)
    return reading is not None and reading.state != inspect.GEN_CREATED


def _read_before(found: str) -> TransformError:
    return TransformError(
        f"the {found} was read before, and gives each batch once: rows would be missing",
        hint="yield the batches as they are read, or annotate the input with `pyarrow.Table` to read it twice",
    )
