"""The quick way: Arrow's parallel reader, for the types that it reads exactly.

Whatever it stumbles over, or could have taken for something it is not, is left to the careful way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyarrow import json as arrow_json

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.arrow_streams import ReadableFile
from lakehouse_cli.formats.compression import BLOCK
from lakehouse_cli.formats.csv.codec import decode
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.jsonl.lines import DECODER, Opened
from lakehouse_cli.model import Column

_TEXT = pa.string()


def read_fast(
    opened: Opened, columns: Sequence[Column], cells: Sequence[CsvOptions], seen: set[str] | None = None
) -> pa.Table | None:
    """Read the declared columns; None where the file must be read with more care.

    Args:
        opened: The file, or some of its lines.
        columns: As declared.
        cells: How the values of each column are spelled.
        seen: Takes the names that are somewhere in some lines; None where all must be somewhere in the file.
    """
    types = [to_arrow(column.type) for column in columns]
    if not columns or any(pa.types.is_nested(kind) for kind in types):
        return None
    names = [column.name for column in columns]
    kinds = map(_native, types, cells)
    native = pa.schema([pa.field(name, kind) for name, kind in zip(names, kinds, strict=True)])
    source = _Counted(opened.json_lines())
    try:
        with ReadableFile(source) as file:
            read = arrow_json.read_json(
                file.native,
                read_options=arrow_json.ReadOptions(block_size=BLOCK),
                parse_options=arrow_json.ParseOptions(explicit_schema=native, unexpected_field_behavior="ignore"),
            ).select(names)
        # Its reader takes bytes for text that are none.
        read.validate(full=True)
    except (pa.ArrowException, OSError, StorageError):
        return None
    if read.num_rows != source.lines or _may_be_no_objects(read) or not _all_seen(opened, read, seen):
        return None
    done = []
    for values, kind, spelled in zip(read.columns, types, cells, strict=True):
        typed = _typed(values, kind, spelled)
        if typed is None:
            return None
        done.append(typed)
    return pa.Table.from_arrays(done, schema=pa.schema(list(zip(names, types, strict=True))))


def _native(kind: pa.DataType, cells: CsvOptions) -> pa.DataType:
    t = pa.types
    if t.is_timestamp(kind) and cells.epoch_unit is not None:
        # Bare numbers; where they are in quotes, or fractions, the careful way is taken.
        return pa.int64()
    exact = t.is_integer(kind) or t.is_floating(kind) or t.is_boolean(kind)
    return kind if exact else _TEXT


def _typed(values: pa.ChunkedArray, kind: pa.DataType, cells: CsvOptions) -> pa.ChunkedArray | None:
    """The declared type, from what was read; None where a text does not fit, or a number may have been too large."""
    if values.type == kind:
        return None if pa.types.is_floating(kind) and pc.any(pc.is_inf(values)).as_py() else values
    chunks = [decode(chunk if chunk.type == _TEXT else chunk.cast(_TEXT), kind, cells) for chunk in values.chunks]
    if any(new.null_count != old.null_count for new, old in zip(chunks, values.chunks, strict=True)):
        return None
    column = pa.chunked_array(chunks, kind)
    return column.unify_dictionaries() if pa.types.is_dictionary(kind) else column


def _may_be_no_objects(read: pa.Table) -> bool:
    """Whether some row has no value at all, as it would where its line is not an object but the word null."""
    empty = read.column(0).is_null()
    for values in read.columns[1:]:
        empty = pc.and_(empty, values.is_null())
    return bool(pc.any(empty).as_py())


def _all_seen(opened: Opened, read: pa.Table, seen: set[str] | None) -> bool:
    """Whether every name is somewhere in the file, or the caller looks for it: one without values may be missing."""
    empty = {name for name in read.column_names if read.column(name).null_count == read.num_rows}
    if seen is not None:
        seen.update(set(read.column_names) - empty)
        empty -= seen
    if not empty:
        return True
    first = next(opened.objects(DECODER), None)
    named = set() if first is None else first[1].keys()
    if seen is None:
        return first is not None and empty <= named
    seen.update(empty & named)
    return True


class _Counted:
    """A readable file over pieces, which counts the lines that are read from it.

    It ends each read with a line, so that Arrow parses what one read returns as one block: where the first value of a
    block is null, Arrow's parser ends the process.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self._ended = self._begins = True
        self.lines = 0

    def read(self, size: int) -> bytes:
        """Read the next lines, or a part of a longer one, at most `size` bytes; none at the end.

        Raises:
            StorageError: A block begins with null, or may.
        """
        while len(self._rest) < size and b"\n" not in self._rest and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        if not self._rest:
            return b""
        end = self._rest.rfind(b"\n", 0, size) + 1 or size
        data, self._rest = self._rest[:end], self._rest[end:]
        self.lines += data.count(b"\n") + self._ended
        self._ended = data.endswith(b"\n")
        if self._begins and data.lstrip().startswith(b"n"):
            raise StorageError("a block begins with null")
        if not self._ended and b"\r" in data:
            raise StorageError(
                "a block may begin within what was read, as Arrow also ends lines with a carriage return"
            )
        self._begins = self._ended or data.isspace()
        self.lines -= self._ended
        return data
