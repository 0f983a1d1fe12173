"""Columns of a Parquet file: every page checked against its checksum, INT96 timestamps as the moments they are.

INT96 (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, "deprecated") holds
nanoseconds of any year, of which Arrow's own default keeps 64 bits: 9999 becomes 1816.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse_cli.arrow.conversion.domains import at_rows
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, InexactError, true_rows
from lakehouse_cli.arrow.conversion.timestamp_texts import timestamp_text
from lakehouse_cli.arrow.maps import map_of, pairs_of
from lakehouse_cli.arrow.types import is_list
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.arrow_streams import ReadableFile
from lakehouse_cli.formats.parquet.row_groups import groups_within, rows_of_groups
from lakehouse_cli.formats.pieces import numbered
from lakehouse_cli.formats.stored_types import check_whole, in_column
from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.text.counts import count_text, plural

#: What microseconds reach, in seconds from 1970; what nanoseconds reach, in microseconds from 1970.
_MOST_SECONDS, _MOST_MICROSECONDS = 9_223_372_036_853, 9_223_372_036_854_774
_INT96 = "INT96"
# What is read at once of a row group: rows and bytes, at most.
_ROWS, _BYTES = 1 << 15, 1 << 24


class ParquetReader:
    """An open Parquet file.

    Args:
        source: A path, or a file that stays open.
        name: The file as messages show it.
        metadata: Of the file, where they are known already.
    """

    def __init__(self, source: Any, name: str, metadata: Any = None) -> None:
        self._path = source if isinstance(source, str) else None
        self._file = None if isinstance(source, str) else ReadableFile(source)
        self._name = name
        self._open: dict[tuple[str, int], Any] = {}
        self.metadata = metadata
        try:
            self.metadata = self._in_unit("us").metadata
            _check_counts(self.metadata)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __enter__(self) -> ParquetReader:
        return self

    def __exit__(self, *failure: Any) -> None:
        while self._open:
            self._open.popitem()[1].close()
        if self._file is not None:
            self._file.__exit__(*failure)

    def _in_unit(self, unit: str, buffer_size: int = 0) -> Any:
        """The file with INT96 in a unit; without a size of buffers, a column of a row group is read at once."""
        if (unit, buffer_size) not in self._open:
            self._open[unit, buffer_size] = pq.ParquetFile(
                self._path if self._file is None else self._file.native,
                metadata=self.metadata,
                coerce_int96_timestamp_unit=unit,
                page_checksum_verification=True,
                # Else Arrow reads ahead what it is asked for: all columns of a row group.
                pre_buffer=not buffer_size,
                buffer_size=buffer_size,
            )
        return self._open[unit, buffer_size]

    @property
    def schema(self) -> pa.Schema:
        """Names and types; of INT96, microseconds."""
        return self._in_unit("us").schema_arrow

    def read(
        self, wanted: Sequence[str], group: int | None = None, zoned: Mapping[str, pa.DataType] | None = None
    ) -> pa.Table:
        """Read columns by name, in that order.

        Args:
            wanted: Their names.
            group: One row group; None for all rows.
            zoned: Types by name; where one has a time zone, INT96 are moments in UTC. Others are wall-clock times.

        Raises:
            StorageError: A column that Parquet has no values of; INT96 that no timestamp holds.
        """
        table = self._columns("us", wanted, group)
        for name in self._ancient() & set(wanted):
            finer, coarser = (self._columns(unit, [name], group) for unit in ("ns", "s"))
            before = sum(self.metadata.row_group(at).num_rows for at in range(group or 0))
            moments = self._moments(table, finer, coarser, name, before, (zoned or {}).get(name))
            table = table.set_column(wanted.index(name), name, moments)
        check_whole(table, self._name)
        return table

    def read_pieces(
        self, wanted: Sequence[str], zoned: Mapping[str, pa.DataType], some: TimeSpan | range | None = None
    ) -> Iterator[pa.Table]:
        """Read columns piece by piece, at least one: row groups, and large ones in batches; else as `read`.

        The unit of INT96 may be another one in each piece; where no type is declared for it, row groups are read whole.
        Of a span of time, row groups are left out that surely have no row in it; of numbers of rows, all other rows.
        """
        if not self.metadata.num_row_groups:
            yield self.read(wanted, None, zoned)
            return
        within = (
            groups_within(self.metadata, some) if isinstance(some, TimeSpan) else range(self.metadata.num_row_groups)
        )
        groups = rows_of_groups(self.metadata, some) if isinstance(some, range) else dict.fromkeys(within)
        if not groups:
            yield self._selected(self.schema.empty_table(), wanted)
        for group, rows in groups.items():
            pieces = self._group(wanted, group, zoned)
            yield from pieces if rows is None else numbered(pieces, rows)

    def _group(self, wanted: Sequence[str], group: int, zoned: Mapping[str, pa.DataType]) -> Iterator[pa.Table]:
        is_plain = bool(wanted) and self._ancient() & set(wanted) <= zoned.keys()
        rows = self._rows_at_once(group)
        if not is_plain or self.metadata.row_group(group).num_rows <= rows:
            yield self.read(wanted, group, zoned)
        else:
            yield from self._batches(wanted, group, rows, zoned)

    def _rows_at_once(self, group: int) -> int:
        described = self.metadata.row_group(group)
        count: int = described.num_rows
        size: int = max(described.total_byte_size, count * described.num_columns * 8, 1)
        return max(1, min(_ROWS, _BYTES * count // size))

    def _batches(
        self, wanted: Sequence[str], group: int, rows: int, zoned: Mapping[str, pa.DataType]
    ) -> Iterator[pa.Table]:
        ancient = sorted(self._ancient() & set(wanted))
        batches = self._iterated("us", wanted, group, rows)
        others = [self._iterated(unit, ancient, group, rows) for unit in ("ns", "s") if ancient]
        before = sum(self.metadata.row_group(at).num_rows for at in range(group))
        count = 0
        while True:
            try:
                batch = next(batches, None)
                beside = [pa.Table.from_batches([next(each)]) for each in others if batch is not None]
            except (pa.ArrowException, OSError):
                self._columns("us", wanted, group)  # which says in what column
                raise
            if batch is None:
                break
            piece = self._selected(pa.Table.from_batches([batch]), wanted)
            for name in ancient:
                moments = self._moments(piece, beside[0], beside[1], name, before + count, zoned[name])
                piece = piece.set_column(wanted.index(name), name, moments)
            count += batch.num_rows
            check_whole(piece, self._name)
            yield piece
        self._check_rows(count, group)

    def _iterated(self, unit: str, wanted: Sequence[str], group: int, rows: int) -> Iterator[pa.RecordBatch]:
        file = self._in_unit(unit, buffer_size=max(1 << 14, min(1 << 17, _BYTES // self.metadata.num_columns)))
        batches: Iterator[pa.RecordBatch] = file.iter_batches(rows, row_groups=[group], columns=list(wanted))
        return batches

    def _columns(self, unit: str, wanted: Sequence[str], group: int | None) -> pa.Table:
        try:
            found = self._found(unit, wanted, group)
        except (pa.ArrowException, OSError):
            for name in wanted:  # Arrow does not say which it was
                with in_column(name, self._name):
                    self._found(unit, [name], group)
            raise
        self._check_rows(found.num_rows, group)
        return self._selected(found, wanted)

    def _check_rows(self, count: int, group: int | None) -> None:
        rows = (self.metadata if group is None else self.metadata.row_group(group)).num_rows
        if count != rows:  # Arrow believes the number of values in a footer, which has no checksum
            raise pa.ArrowInvalid(f"it has {plural(count, 'row')}, and its footer says {count_text(rows)}")

    def _selected(self, found: pa.Table, wanted: Sequence[str]) -> pa.Table:
        for name in wanted:
            if name not in found.column_names:
                raise StorageError(
                    f"column `{name}` of `{self._name}` is a group without fields, of which Parquet stores no values",
                    hint="declare the columns to read, without this one",
                )
        return pa.table({each: found.column(each) for each in wanted}) if wanted else found

    def _found(self, unit: str, wanted: Sequence[str], group: int | None) -> pa.Table:
        file, columns = self._in_unit(unit), list(wanted)
        # By the dotted path: more is read than wanted where a name has dots and its beginning is one too.
        return file.read(columns=columns) if group is None else file.read_row_group(group, columns=columns)

    def _ancient(self) -> frozenset[str]:
        """The columns with INT96 somewhere in them."""
        schema = self._in_unit("us").schema
        if all(schema.column(at).physical_type != _INT96 for at in range(len(schema))):
            return frozenset()
        finer = self._in_unit("ns").schema_arrow
        return frozenset(one.name for one, other in zip(self.schema, finer, strict=True) if one.type != other.type)

    def _moments(
        self, table: pa.Table, finer: pa.Table, coarser: pa.Table, name: str, before: int, zoned: pa.DataType | None
    ) -> pa.ChunkedArray:
        """INT96 in microseconds; in nanoseconds wherever a field has such.

        Args:
            table: The rows, with INT96 in microseconds.
            finer: The same in nanoseconds.
            coarser: The same in seconds.
            name: Of the column.
            before: How many rows of the file come before these.
            zoned: The declared type; None for none.
        """
        columns = [each.column(name) for each in (table, finer, coarser)]
        if not len(columns[0]):
            return columns[0]
        try:
            in_us, in_ns, in_s = (pa.concat_arrays(each.chunks) for each in columns)
            return pa.chunked_array([_merged(in_us, in_ns, in_s, zoned)])
        except InexactError as refusal:
            rows = [] if refusal.rows is None else refusal.rows[:EXAMPLES].to_pylist()
            shown = zip(rows, refusal.shown or (), strict=False)
            error = StorageError(
                f"column `{name}` of `{self._name}` holds an INT96 timestamp that is {refusal.quality}"
                f" ({', '.join(f'row {count_text(before + row + 1)}: {text}' for row, text in shown)})",
                hint="have the file written with another type of timestamps, or leave the column out",
            )
            error.shown_data = tuple(refusal.shown or ())
            raise error from None


def _check_counts(metadata: Any) -> None:
    """Refuse a footer, which has no checksum, whose numbers of rows contradict each other: Arrow reads fewer rows.

    Raises:
        ArrowInvalid: They do.
    """
    rows = sum(metadata.row_group(at).num_rows for at in range(metadata.num_row_groups))
    if rows != metadata.num_rows:
        raise pa.ArrowInvalid(
            f"its row groups hold {plural(rows, 'row')} in all, and its footer says {count_text(metadata.num_rows)}"
        )


def _merged(microseconds: pa.Array, nanoseconds: pa.Array, seconds: pa.Array, zoned: pa.DataType | None) -> pa.Array:
    """What was INT96, read in three units, in the one that holds it: each field of structs by itself.

    Args:
        microseconds: A column or what is inside of it, of one layout in all three units.
        nanoseconds: With values that have wrapped around where they are too far from 1970.
        seconds: The same.
        zoned: The declared type; where it has a time zone, what was INT96 are moments in UTC.

    Raises:
        InexactError: No unit holds all values.
    """
    kind, t = microseconds.type, pa.types
    if kind == nanoseconds.type:
        return microseconds
    if t.is_timestamp(kind):
        moments = _in_exact_unit(microseconds, nanoseconds, seconds)
        is_zoned = getattr(zoned, "tz", None) is not None
        return moments.cast(pa.timestamp(moments.type.unit, "UTC")) if is_zoned else moments
    if t.is_struct(kind):
        wanted = {child.name: child.type for child in zoned} if zoned is not None and t.is_struct(zoned) else {}
        inner = [
            _merged(microseconds.field(at), nanoseconds.field(at), seconds.field(at), wanted.get(child.name))
            for at, child in enumerate(kind)
        ]
        type_: pa.DataType = pa.struct([child.with_type(made.type) for child, made in zip(kind, inner, strict=True)])
    elif t.is_map(kind):
        zoned = pa.list_(zoned.field(0).type) if zoned is not None and t.is_map(zoned) else None
        pairs = _merged(pairs_of(microseconds), pairs_of(nanoseconds), pairs_of(seconds), zoned)
        key, value = (field.type for field in pairs.type.value_type)
        return map_of(pairs, pa.map_(key, value))
    elif is_list(kind):
        item = zoned.value_type if zoned is not None and is_list(zoned) else None
        try:
            inner = [_merged(microseconds.values, nanoseconds.values, seconds.values, item)]
        except InexactError as refusal:
            raise at_rows(refusal, microseconds, microseconds.values) from None
        field = kind.value_field.with_type(inner[0].type)
        size = kind.list_size if t.is_fixed_size_list(kind) else -1
        type_ = pa.large_list(field) if t.is_large_list(kind) else pa.list_(field, size)
    else:
        return microseconds
    return pa.Array.from_buffers(type_, len(microseconds), microseconds.buffers()[: type_.num_buffers], children=inner)


def _in_exact_unit(microseconds: pa.Array, nanoseconds: pa.Array, seconds: pa.Array) -> pa.Array:
    _refuse(_beyond(seconds, _MOST_SECONDS), seconds, "too far from 1970 for timestamp[us]")
    rest = pc.subtract(nanoseconds.cast(pa.int64()), pc.multiply(microseconds.cast(pa.int64()), 1000))
    is_fine = pc.not_equal(rest, 0)  # also where the nanoseconds have wrapped around, as this does
    if not pc.any(is_fine).as_py():
        return microseconds
    is_far = _beyond(microseconds, _MOST_MICROSECONDS)
    _refuse(pc.and_(is_far, is_fine), microseconds, "outside of the years 1677 to 2262 and has nanoseconds")
    _refuse(is_far, microseconds, "outside of the years 1677 to 2262, while others have nanoseconds")
    return nanoseconds


def _beyond(moments: pa.Array, most: int) -> pa.Array:
    counts = moments.cast(pa.int64())
    return pc.or_(pc.less(counts, -most), pc.greater(counts, most))


def _refuse(bad: pa.Array, moments: pa.Array, quality: str) -> None:
    rows = true_rows(bad)
    if len(rows):
        counts = moments.take(rows[:EXAMPLES]).cast(pa.int64()).to_pylist()
        shown = [timestamp_text(count, moments.type.unit, zoned=False) for count in counts]
        raise InexactError(quality, rows, shown=shown)
