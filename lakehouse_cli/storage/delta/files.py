"""The files of Delta Lake tables: Parquet, written by Arrow, in the types that Delta has."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from lakehouse_cli.arrow.types import holds
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.arrow_streams import arrow_file, finished
from lakehouse_cli.formats.pieces import resized
from lakehouse_cli.formats.stored_types import in_types_of_file
from lakehouse_cli.model import Table
from lakehouse_cli.runs.exits import undo_at_exit
from lakehouse_cli.storage.delta.log import DataFile, filesystem
from lakehouse_cli.storage.hashing import HashingSink
from lakehouse_cli.storage.local.folders import make_folder, open_folder, remove_made
from lakehouse_cli.storage.local.publishing import replacing
from lakehouse_cli.storage_types.delta import NAMES

#: What messages call what is written.
WHAT = "a Delta table"
_ROW_GROUP = 131_072
_BUFFER = 8 << 20
_WIDER = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64()}


class _Pieces:
    """A stream of delta-rs behind a buffer, past which a piece as large would go as what it refuses, no bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _BUFFER // 2):
            self._stream.write(view[start : start + _BUFFER // 2])
        return len(view)


@contextmanager
def new_file(
    place: str, name: str, files: pyarrow.fs.FileSystem, *, local: bool, durable: bool = True
) -> Iterator[HashingSink]:
    """Open a data file to be written, which no version has yet: whole or not there in a folder.

    Args:
        place: Of the table.
        name: Of the file.
        files: Where it goes.
        local: Whether that is a folder, of which delta-rs would leave a part of the file where it is killed.
        durable: Whether to wait until it is on disk there.
    """
    if local:
        with (
            open_folder(os.path.realpath(place), "") as folder,
            replacing(folder, name, mode=None, durable=durable) as file,
        ):
            yield file
    else:
        with files.open_output_stream(name, buffer_size=_BUFFER) as stream:
            yield HashingSink(_Pieces(stream))


class FileAside:
    """A data file that no version has yet.

    Of a folder, it is removed where the process exits before `forget` is called.

    Args:
        place: Of the table.
        settings: Of the storage.
        local: Whether the place is a folder, which is made where it is not there.
        is_alone: Whether nothing else is written to the table meanwhile, so that a folder that was made goes with it;
            else the commit waits until it is on disk, with others.

    Attributes:
        made: Folders that were made.
        forget: Has it stay where the process exits.
    """

    def __init__(self, place: str, settings: Mapping[str, str], *, local: bool, is_alone: bool) -> None:
        self._place, self._local, self._is_alone = place, local, is_alone
        self.made = make_folder(place) if local else set[str]()
        self._files = filesystem(place, settings)
        self.name = f"part-00000-{uuid.uuid4()}-c000.zstd.parquet"
        self.forget: Callable[[], None] = undo_at_exit(self.discard) if local else lambda: None

    def write(self, pieces: Iterable[pa.Table], schema: pa.Schema) -> tuple[DataFile, str]:
        """Write it, whole or not at all in a folder; return what it is, and its hash."""
        with new_file(self._place, self.name, self._files, local=self._local, durable=self._is_alone) as sink:
            file = write_file(sink, self.name, pieces, schema)
        return file, sink.hexdigest()

    def discard(self) -> None:
        """Remove it."""
        with suppress(Exception):
            self._files.delete_file(self.name)
        if self._is_alone:
            remove_made(self._place, self.made)


def write_file(sink: HashingSink, name: str, pieces: Iterable[pa.Table], schema: pa.Schema) -> DataFile:
    """Write a data file, row group by row group, each of the same rows whatever the pieces.

    Args:
        sink: From `new_file`.
        name: Of the file.
        pieces: What is stored.
        schema: From `file_schema`.
    """
    # Without Arrow's own schema in it: what it says would be believed before what Delta says.
    writer = pq.ParquetWriter(
        arrow_file(sink), schema, compression="zstd", version="2.6", write_page_checksum=True, store_schema=False
    )
    with finished(writer):
        count = 0
        for piece in resized(pieces, _ROW_GROUP):
            rows = in_types_of_file(piece, WHAT, schema.types, count)
            writer.write_table(rows.cast(schema).combine_chunks(), row_group_size=_ROW_GROUP)
            count += piece.num_rows
    return DataFile(name, sink.bytes, count, time.time_ns() // 1_000_000)


def file_schema(table: Table, schema: pa.Schema) -> pa.Schema:
    """Return the names and types under which a table's columns are stored, from where they are read back equal.

    Raises:
        StorageError: A name or a type that Delta Lake has not.
    """
    for name, why in NAMES.column_problems(schema.names):
        hint = "give the column another name in the contract and in the transform"
        raise StorageError(f"column `{name}` {why}", hint=hint, location=table.where("columns"))
    return pa.schema([pa.field(field.name, _stored_type(field.type)) for field in schema])


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """Return what a type becomes in the table, from where it is read back equal."""
    t = pa.types
    if kind in _WIDER:
        return _WIDER[kind]
    if t.is_dictionary(kind):
        return _stored_type(kind.value_type)
    if t.is_timestamp(kind) and kind.unit != "ns":
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if t.is_list(kind):
        return pa.list_(pa.field("element", _stored_type(kind.value_type)))
    if t.is_map(kind):
        if _has_wall_clock(kind):
            hint = "declare its timestamps with tz=UTC: delta-rs makes no such table without"
            raise StorageError(f"Delta Lake has no {kind}", hint=hint)
        return pa.map_(_stored_type(kind.key_type), _stored_type(kind.item_type))
    if t.is_struct(kind):
        return pa.struct([pa.field(child.name, _stored_type(child.type)) for child in kind])
    if kind == pa.uint64() or t.is_time(kind) or t.is_duration(kind) or t.is_timestamp(kind):
        raise StorageError(f"Delta Lake has no {kind}", hint="declare the column with another type, or leave it out")
    return kind


def has_wall_clock(schema: pa.Schema) -> bool:
    """Return whether there are times without a zone, which Delta has only of late: a table must declare the feature."""
    return any(_has_wall_clock(kind) for kind in schema.types)


def _has_wall_clock(kind: pa.DataType) -> bool:
    return holds(kind, lambda each: pa.types.is_timestamp(each) and each.tz is None)
