"""Two tables of any size compared: their rows go to temporary files, in parts by their hashes, compared one by one.

The rows that are matched with each other, by the key or as a whole, have one hash and are in one part. So the counts of
the parts add up, and of their examples the first by their row numbers are those of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.row_hashes import identity, row_hashes
from lakehouse_cli.arrow.types import plain_type
from lakehouse_cli.contracts.spilled_parts import SpilledParts
from lakehouse_cli.operations.comparing.results import RowDifference, SchemaDifference
from lakehouse_cli.operations.comparing.rows import (
    NOT_IDENTIFYING,
    Notes,
    compare_rows,
    compare_schemas,
    match_rows,
    matching_key,
)

# Bytes of a table that is compared in memory.
_IN_MEMORY = 1 << 25
# Bytes of rows that are sorted into parts at once.
_AT_ONCE = 1 << 25
# The column of a part that has the 0-based numbers of the rows, behind those that are compared.
_ROW = "row"


class Compared(NamedTuple):
    """Two tables compared.

    Attributes:
        schema: The difference of columns.
        difference: That of rows.
        rows_before: Number of rows before.
        rows: Number of rows after.
    """

    schema: SchemaDifference
    difference: RowDifference
    rows_before: int
    rows: int


class _Side:
    """One of the tables, of which the beginning is read at once.

    Args:
        open_pieces: Begins to read it, at least one piece.

    Attributes:
        schema: Its columns.
        rows: How many there are; known once it was read.
    """

    def __init__(self, open_pieces: Callable[[], Iterator[pa.Table]]) -> None:
        self._open = open_pieces
        self._small: pa.Table | None = None
        self.rows = 0
        self._head: list[pa.Table] = []
        self._rest: Iterator[pa.Table] | None = open_pieces()
        size = 0
        for piece in self._rest:
            self._head.append(piece)
            size += piece.nbytes
            if size > _IN_MEMORY:
                break
        else:
            self._small = pa.concat_tables(self._head)
        self.schema: pa.Schema = self._head[0].schema

    @property
    def is_small(self) -> bool:
        return self._small is not None

    def _pieces(self) -> Iterator[pa.Table]:
        """All of it: the first time what was begun, as a database or a bucket is read no faster for that."""
        if self._small is not None:
            yield self._small
            return
        rest, self._rest = self._rest, None
        while self._head:
            yield self._head.pop(0)
        yield from self._open() if rest is None else rest

    def table(self) -> pa.Table:
        return pa.concat_tables(self._pieces())

    def chunks(self) -> Iterator[pa.Table]:
        """Its rows, so many at once as are sorted into parts at once."""
        self.rows = 0
        chunk: list[pa.Table] = []
        size = 0
        for piece in self._pieces():
            self.rows += piece.num_rows
            for part in _cut(piece):
                chunk.append(part)
                size += part.nbytes
                if size >= _AT_ONCE:
                    yield pa.concat_tables(chunk)
                    chunk, size = [], 0
        if chunk:
            yield pa.concat_tables(chunk)


def _cut(piece: pa.Table) -> Iterator[pa.Table]:
    rows = max(1, piece.num_rows // max(1, piece.nbytes // _AT_ONCE))
    return (piece.slice(start, rows) for start in range(0, piece.num_rows, rows))


def compare_pieces(
    before: Callable[[], Iterator[pa.Table]], after: Callable[[], Iterator[pa.Table]], key: Sequence[str], limit: int
) -> Compared:
    """Compare two tables that are read piece by piece, as `compare_schemas` and `compare_rows` do.

    In memory are small ones, and those in which a column has another type in each: whether its values can be compared
    is known at their end.

    Args:
        before: Begins to read one; each call anew. At least one piece comes.
        after: Likewise.
        key: Columns that identify a row.
        limit: How many examples of each kind to give.
    """
    one, other = _Side(before), _Side(after)
    schema = compare_schemas(one.schema, other.schema)
    names = [name for name in one.schema.names if name in other.schema.names]
    alike = all(plain_type(one.schema.field(name).type) == plain_type(other.schema.field(name).type) for name in names)
    if (one.is_small and other.is_small) or not alike or not names:
        left, right = one.table(), other.table()
        return Compared(schema, compare_rows(left, right, key, limit), left.num_rows, right.num_rows)
    matching, notes = matching_key(key, names, names)
    found = _in_parts(one, other, names, matching, limit, notes)
    if found is None:
        found = _in_parts(one, other, names, (), limit, NOT_IDENTIFYING)
        assert found is not None  # noqa: S101  # whole rows can always be matched
    return Compared(schema, found, one.rows, other.rows)


def _in_parts(
    one: _Side, other: _Side, names: list[str], key: tuple[str, ...], limit: int, notes: Notes
) -> RowDifference | None:
    """Compare rows part by part; None where the key is there twice."""
    at = [names.index(name) for name in key] or list(range(len(names)))
    with closing(_spilled(one, names, at)) as before, closing(_spilled(other, names, at)) as after:
        total = RowDifference(key)
        added, removed, changed = _First(limit), _First(limit), _First(limit)
        for part in before.parts:
            left, left_rows = _read(before, part, names)
            right, right_rows = _read(after, part, names)
            found = match_rows(left, right, key, limit)
            if found is None:
                return None
            total = _sum(total, found.difference, names)
            added.add(right_rows[found.added], found.difference.examples_added)
            removed.add(left_rows[found.removed], found.difference.examples_removed)
            changed.add(right_rows[found.changed], found.difference.examples_changed)
        return replace(
            total,
            examples_added=added.examples(),
            examples_removed=removed.examples(),
            examples_changed=changed.examples(),
            notes=notes,
        )


def _spilled(side: _Side, names: list[str], at: list[int]) -> SpilledParts:
    """Write the rows of a table in parts by the columns at some positions."""
    fields = [pa.field(str(number), plain_type(side.schema.field(name).type)) for number, name in enumerate(names)]
    spilled = SpilledParts(pa.schema([*fields, pa.field(_ROW, pa.int64())]), "the rows to be compared")
    try:
        start = 0
        for chunk in side.chunks():
            columns = [chunk.column(name).cast(field.type) for name, field in zip(names, fields, strict=True)]
            rows = pa.chunked_array([av.from_numpy(np.arange(start, start + chunk.num_rows), pa.int64())])
            hashes = row_hashes([known for number in at for known in _without_nulls(columns[number])])
            spilled.add(pa.Table.from_arrays([*columns, rows], schema=spilled.schema), hashes)
            start += chunk.num_rows
    except BaseException:
        spilled.close()
        raise
    return spilled


def _without_nulls(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """What a column is hashed by: the same for values that are compared as equal."""
    yield pc.is_null(column)
    if pa.types.is_null(column.type):
        return
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    column = identity(column)
    yield column.fill_null(_zero(column.type)) if column.null_count else column


def _zero(kind: pa.DataType) -> pa.Scalar:
    """A value that stands for nulls: all its bytes are 0."""
    if pa.types.is_fixed_size_binary(kind) or not (
        pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind)
    ):
        width = kind.byte_width if pa.types.is_fixed_size_binary(kind) else 0
        return pa.scalar(b"\0" * width, kind)
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(32))])[0]


def _read(spilled: SpilledParts, part: int, names: list[str]) -> tuple[pa.Table, Any]:
    """A part, and the numbers of its rows."""
    table = pa.Table.from_batches(spilled.batches(part), spilled.schema)
    return table.drop_columns([_ROW]).rename_columns(names), table.column(_ROW).to_numpy()


def _sum(one: RowDifference, other: RowDifference, names: list[str]) -> RowDifference:
    counts = {name: one.columns.get(name, 0) + other.columns.get(name, 0) for name in names}
    return replace(
        one,
        added=one.added + other.added,
        removed=one.removed + other.removed,
        changed=one.changed + other.changed,
        columns={name: count for name, count in counts.items() if count},
        numeric=other.numeric,
    )


class _First:
    """The first examples of one kind.

    Args:
        limit: How many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._numbered: list[tuple[int, Any]] = []

    def add(self, rows: Any, examples: Iterable[Any]) -> None:
        """Take those of a part, with their numbers in the table."""
        both = [*self._numbered, *zip(rows.tolist(), examples, strict=True)]
        self._numbered = sorted(both, key=itemgetter(0))[: self._limit]

    def examples(self) -> tuple[Any, ...]:
        """Those of all parts, in the order of their rows."""
        return tuple(example for _, example in self._numbered)
