"""The rows of a Delta table: its data files, each read as the protocol of the table says.

By itself delta-rs offers two ways. Its engine wraps INT96 around, gives the empty text for an empty partition value and
does not keep the order of rows; its dataset knows neither deleted rows nor mapped columns, and its files are let go of
by threads of Arrow's that abort the process where Python ends before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import unquote

import deltalake
import numpy as np
import pyarrow as pa
from deltalake.fs import DeltaStorageHandler
from msgspec import Struct

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.types import is_list, without_rows
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.parquet.reading import ParquetReader
from lakehouse_cli.formats.parquet.row_groups import groups_within
from lakehouse_cli.formats.pieces import in_order
from lakehouse_cli.formats.stored_types import report_damage
from lakehouse_cli.model.time_span import TimeSpan

_AT_ONCE_HERE, _AT_ONCE_FAR = 4, 16
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_ID, _PHYSICAL_NAME = b"delta.columnMapping.id", b"delta.columnMapping.physicalName"
_ID_IN_FILE = b"PARQUET:field_id"
#: Features that are heeded here, or that do not change how rows are read.
_KNOWN = frozenset(
    (
        "columnMapping",
        "deletionVectors",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
        "variantType",
        "variantType-preview",
    )
)
#: Binary partition values as delta-rs writes them; others write the bytes as text.
_ESCAPED = re.compile(rb"(?:\\u00[0-9A-Fa-f]{2})+")


class _DataFile(Struct, frozen=True):
    """A data file of a version.

    Attributes:
        path: Under the table's folder.
        row: Its number among the files.
        kept: Of its rows, which are not deleted; None for all.
        metadata: Of the Parquet file.
    """

    path: str
    row: int
    kept: pa.BooleanArray | None
    metadata: Any = None


def rows_of(stream: Any) -> pa.Table:
    """What delta-rs says of a table; by `pyarrow.table` it would be too, after a look whether it is of pandas."""
    return pa.RecordBatchReader.from_stream(stream).read_all()


class DeltaReader:
    """Reads a table at a version.

    Args:
        table: As delta-rs has it.
        place: Its folder, or the URL of its prefix.
        settings: How delta-rs gets there; empty for a folder.
        name: The table as messages show it.
        added: Those of its files that are read, as delta-rs lists them; None for all.
    """

    def __init__(
        self,
        table: deltalake.DeltaTable,
        place: str,
        settings: Mapping[str, str],
        name: str,
        added: pa.Table | None = None,
    ) -> None:
        self._table = table
        self._name = name
        self._place = place
        self._schema = pa.schema(table.schema().to_arrow())
        self._mapping = table.metadata().configuration.get("delta.columnMapping.mode", "none")
        self._partitions = frozenset(table.metadata().partition_columns)
        self._is_whole = added is None
        self._added = rows_of(table.get_add_actions(flatten=True)) if added is None else added
        paths, sizes = self._added["path"].to_pylist(), self._added["size_bytes"].to_pylist()
        sized = dict(zip(map(unquote, paths), sizes, strict=True))
        self._handler = DeltaStorageHandler(place, dict(settings), sized) if settings else None

    def read_pieces(self, names: Sequence[str], ahead: int | None, span: TimeSpan | None = None) -> Iterator[pa.Table]:
        """Give columns by name; rows file by file as the log lists them, each in its order, by row groups.

        Args:
            names: Of the columns.
            ahead: How many row groups are read before they are asked for; None for all.
            span: Of whose rows alone those are read that may lie in it; None for all.

        Yields:
            A table of their types without rows, then the row groups.

        Raises:
            StorageError: A table with features that are not read.
            ArrowException: Data files that are not as the table's schema says.
        """
        protocol = self._table.protocol()
        unknown = sorted(set(protocol.reader_features or ()) - _KNOWN)
        if unknown:
            raise StorageError(
                f"{self._name} has features of Delta Lake that are not read: {', '.join(unknown)}",
                hint="have it written without them, or exported as Parquet",
            )
        yield without_rows(pa.schema([pa.field(name, _plain(self._schema.field(name).type)) for name in names]))
        with ThreadPoolExecutor(_AT_ONCE_FAR if self._handler is not None else _AT_ONCE_HERE) as pool:
            files = list(pool.map(self._with_metadata, self._files(span)))
            groups = [(file, at) for file in files for at in self._groups(file, span)]
            yield from in_order((pool.submit(self._read_group, names, file, at) for file, at in groups), ahead)

    def _groups(self, file: _DataFile, span: TimeSpan | None) -> Sequence[int]:
        if span is None or self._mapping != "none" or span.column in self._partitions:
            return range(file.metadata.num_row_groups)
        return groups_within(file.metadata, span)

    def _files(self, span: TimeSpan | None) -> list[_DataFile]:
        deletions: dict[str, pa.BooleanArray] = {}
        if "deletionVectors" in (self._table.protocol().reader_features or ()):
            for batch in rows_of(self._table.deletion_vectors()).to_batches():
                kept = batch.column("selection_vector")
                urls = batch.column("filepath").to_pylist()
                deletions.update({url: kept.slice(at, 1).flatten() for at, url in enumerate(urls)})
        root = self._table.table_uri.rstrip("/")
        paths = self._added["path"].to_pylist()
        files = [_DataFile(unquote(path), at, deletions.pop(f"{root}/{path}", None)) for at, path in enumerate(paths)]
        if deletions and self._is_whole:
            raise StorageError(f"{self._name} has deleted rows of a file that it does not list")
        return files if span is None else [file for file in files if self._may_hold(file.row, span)]

    def _may_hold(self, row: int, span: TimeSpan) -> bool:
        """Whether a file may have rows in a span of time, by its partition or by what the log says of its values."""
        name = span.column
        if name in self._partitions:
            ends = [f"partition.{name}"] * 2
        elif self._mapping == "none" and "." not in name:  # the log calls columns as files do; fields have dots
            ends = [f"min.{name}", f"max.{name}"]
        else:
            return True
        least, greatest = (_seconds(self._added, each, row) for each in ends)
        return least is None or greatest is None or span.may_hold(least, greatest)

    def _open(self, file: _DataFile) -> ParquetReader:
        handler = self._handler
        source = f"{self._place}/{file.path}" if handler is None else handler.open_input_file(file.path)
        return ParquetReader(source, f"{self._name}/{file.path}", file.metadata)

    def _with_metadata(self, file: _DataFile) -> _DataFile:
        with _naming_damage(f"{self._name}/{file.path}"), self._open(file) as reader:
            return _DataFile(file.path, file.row, file.kept, reader.metadata)

    def _read_group(self, names: Sequence[str], file: _DataFile, group: int) -> pa.Table:
        rows = file.metadata.row_group(group).num_rows
        shown, asked = f"{self._name}/{file.path}", frozenset(names)
        with self._open(file) as reader:
            pairs = zip(reader.schema, _matches(reader.schema, self._schema, self._mapping), strict=True)
            in_files = [each for each in self._schema if each.name in asked - self._partitions]
            _refuse_other_case(reader.schema, in_files, self._mapping, shown)
            wanted = {field.name: each.name for each, field in pairs if field is not None and field.name in asked}
            with _naming_damage(shown):
                found = reader.read(list(wanted.values()), group)
        stored = dict(zip(wanted, found.columns, strict=True))
        columns = [self._column(self._schema.field(name), stored, file.row, rows) for name in names]
        piece = pa.Table.from_arrays(columns, names=list(names))
        if file.kept is None:
            return piece
        start = sum(file.metadata.row_group(at).num_rows for at in range(group))
        return piece.filter(_padded(file.kept.slice(start, rows), rows))

    def _column(
        self, field: pa.Field, stored: Mapping[str, pa.ChunkedArray], row: int, rows: int
    ) -> pa.ChunkedArray | pa.Array:
        """Return a column of some rows of a file, in the table's type: of the file, of its partition, or null."""
        target = _plain(field.type)
        if field.name in self._partitions:
            value = self._added[f"partition.{field.name}"].slice(row, 1).combine_chunks()
            return _repeated(_unescaped(value) if pa.types.is_binary(value.type) else value, rows).cast(target)
        column = stored.get(field.name)
        if column is None:
            return pa.nulls(rows, target)
        renamed = _renamed(column.type, field.type, self._mapping)
        if renamed != column.type:
            column = pa.chunked_array([chunk.view(renamed) for chunk in column.chunks], renamed)
        return column.cast(target)


def _seconds(added: pa.Table, name: str, row: int) -> float | None:
    """What the log says of a file, in seconds from 1970; None for no date or timestamp."""
    if name not in added.column_names:
        return None
    kind, value = added.schema.field(name).type, added[name].slice(row, 1)
    if pa.types.is_date(kind):
        value = value.cast(pa.timestamp("s"))
    elif not pa.types.is_timestamp(kind):
        return None
    number = value.cast(pa.int64())[0].as_py()
    return None if number is None else number / _PER_SECOND[value.type.unit]


_naming_damage = partial(
    report_damage, what="a Parquet file", hint="restore the file, or the table to a version that does without it"
)


def _refuse_other_case(stored: Iterable[pa.Field], declared: Sequence[pa.Field], mapping: str, file: str) -> None:
    """Refuse a file in whose column only the case of letters differs from the table's, at any depth.

    Delta ignores case, but nobody knows whether such a file was written for this column.
    """
    stored = list(stored)
    matches = _matches(stored, declared, mapping)
    present = {each.name for each in matches if each is not None}
    lacking = {_name_in_files(each, mapping).lower(): each for each in declared if each.name not in present}
    for each, field in zip(stored, matches, strict=True):
        other = lacking.get(each.name.lower())
        if field is not None:
            _refuse_other_case(_children(each.type), _children(field.type), mapping, file)
        elif other is not None:
            raise StorageError(
                f"`{file}` has a column `{each.name}` where the table has `{other.name}`: only their case differs",
                hint="have the table's data files written anew, with the names of its schema",
            )


def _children(kind: pa.DataType) -> list[pa.Field]:
    """Return the fields of a struct, or of those in lists and maps, whose own fields have a name of no meaning."""
    if pa.types.is_struct(kind):
        return [kind.field(at) for at in range(kind.num_fields)]
    if pa.types.is_map(kind):
        return [pa.field(name, each) for name, each in (("key", kind.key_type), ("value", kind.item_type))]
    return [pa.field("item", kind.value_type)] if is_list(kind) else []


def _name_in_files(field: pa.Field, mapping: str) -> str:
    name: bytes = (field.metadata or {}).get(_PHYSICAL_NAME, b"")
    return str(field.name) if mapping == "none" else name.decode()


def _matches(stored: Iterable[pa.Field], declared: Iterable[pa.Field], mapping: str) -> list[pa.Field | None]:
    """Return the fields of a table that the fields of a file are; None where the table has one no longer."""
    by_name, by_number = {}, {}
    for field in declared:
        by_name[_name_in_files(field, mapping)] = field
        by_number[(field.metadata or {}).get(_ID)] = field
    numbers = [(each.metadata or {}).get(_ID_IN_FILE) if mapping == "id" else None for each in stored]
    pairs = zip(stored, numbers, strict=True)
    return [by_name.get(each.name) if number is None else by_number.get(number) for each, number in pairs]


def _renamed(stored: pa.DataType, declared: pa.DataType, mapping: str) -> pa.DataType:
    """Return a type of a file with the names that the table has for its fields; others get one that none has."""
    if mapping == "none":
        return stored
    if pa.types.is_struct(stored) and pa.types.is_struct(declared):
        fields = []
        for each, field in zip(stored, _matches(stored, declared, mapping), strict=True):
            if field is None:
                fields.append(pa.field(f"\0{each.name}", each.type))
            else:
                fields.append(pa.field(field.name, _renamed(each.type, field.type, mapping)))
        return pa.struct(fields)
    if pa.types.is_map(stored) and pa.types.is_map(declared):
        key, value = (
            _renamed(getattr(stored, each), getattr(declared, each), mapping) for each in ("key_type", "item_type")
        )
        return pa.map_(key, value)
    if is_list(stored) and is_list(declared):
        value = pa.field("item", _renamed(stored.value_type, declared.value_type, mapping))
        return pa.large_list(value) if pa.types.is_large_list(stored) else pa.list_(value)
    return stored


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without the metadata of its fields, all of which may be null, as nothing is cast to one that may not."""
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(child.name, _plain(child.type)) for child in kind])
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


def _unescaped(value: pa.Array) -> pa.Array:
    """Return a binary partition value, as it was before delta-rs wrote it."""
    return av.array(
        [
            bytes.fromhex(each.decode().replace("\\u00", "")) if _ESCAPED.fullmatch(each or b"") else each
            for each in value.to_pylist()
        ],
        value.type,
    )


def _repeated(value: pa.Array, rows: int) -> pa.Array:
    """Return one value for a number of rows."""
    return value.take(pa.Array.from_buffers(pa.int32(), rows, [None, pa.py_buffer(np.zeros(rows, "<i4"))]))


def _padded(kept: pa.BooleanArray, rows: int) -> pa.BooleanArray:
    """Which rows are kept, of all rows: a deletion vector may end before they do."""
    more = rows - len(kept)
    rest = pa.Array.from_buffers(pa.bool_(), more, [None, pa.py_buffer(b"\xff" * (more // 8 + 1))])
    return pa.concat_arrays([kept, rest]) if more else kept
