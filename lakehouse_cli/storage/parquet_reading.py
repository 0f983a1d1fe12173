"""Columns of a Parquet file: every page checked against its checksum, INT96 timestamps as the moments they are.

INT96 (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, "deprecated") holds
nanoseconds of any year, of which Arrow's own default keeps 64 bits: 9999 becomes 1816.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse_cli.arrow_types import is_list
from lakehouse_cli.arrow_values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.storage.arrow_streams import ReadableFile
from lakehouse_cli.storage.stored_types import check_whole

#: What microseconds reach, in seconds from 1970; what nanoseconds reach, in microseconds from 1970.
_MOST_SECONDS, _MOST_MICROSECONDS = 9_223_372_036_853, 9_223_372_036_854_774
_INT96 = "INT96"


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
        self._open: dict[str, Any] = {}
        self.metadata = metadata
        try:
            self.metadata = self._in_unit("us").metadata
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

    def _in_unit(self, unit: str) -> Any:
        """The file with INT96 in a unit."""
        if unit not in self._open:
            self._open[unit] = pq.ParquetFile(
                self._path if self._file is None else self._file.native,
                metadata=self.metadata,
                coerce_int96_timestamp_unit=unit,
                page_checksum_verification=True,
            )
        return self._open[unit]

    @property
    def schema(self) -> pa.Schema:
        """Names and types; of INT96, microseconds."""
        return self._in_unit("us").schema_arrow

    def read(
        self, wanted: Sequence[str], group: int | None = None, zoned: Mapping[str, pa.DataType] | None = None
    ) -> pa.Table:
        """Columns by name, in that order.

        Args:
            wanted: Their names.
            group: One row group; None for all rows.
            zoned: Types by name; where one has a time zone, INT96 are moments in UTC. Others are wall-clock times.

        Raises:
            StorageError: A column that Parquet has no values of; INT96 that no timestamp holds.
        """
        table = self._columns("us", wanted, group)
        for name in self._ancient() & set(wanted):
            moments = self._moments(table.column(name), name, group, (zoned or {}).get(name))
            table = table.set_column(wanted.index(name), name, moments)
        check_whole(table)
        return table

    def _columns(self, unit: str, wanted: Sequence[str], group: int | None) -> pa.Table:
        file, columns = self._in_unit(unit), list(wanted)
        # By the dotted path: more is read than wanted where a name has dots and its beginning is one too.
        found = file.read(columns=columns) if group is None else file.read_row_group(group, columns=columns)
        for name in wanted:
            if name not in found.column_names:
                raise StorageError(
                    f"column `{name}` of `{self._name}` is a group without fields, of which Parquet stores no values",
                    hint="declare the columns to read, without this one",
                )
        return pa.table({each: found.column(each) for each in wanted}) if wanted else found

    def _ancient(self) -> frozenset[str]:
        """The columns with INT96 somewhere in them."""
        schema = self._in_unit("us").schema
        if all(schema.column(at).physical_type != _INT96 for at in range(len(schema))):
            return frozenset()
        finer = self._in_unit("ns").schema_arrow
        return frozenset(one.name for one, other in zip(self.schema, finer, strict=True) if one.type != other.type)

    def _moments(
        self, column: pa.ChunkedArray, name: str, group: int | None, zoned: pa.DataType | None
    ) -> pa.ChunkedArray:
        """INT96 in microseconds, in nanoseconds where they have such and fit."""
        finer = self._columns("ns", [name], group).column(0)
        coarser = self._columns("s", [name], group).column(0)
        pairs = list(zip(*(_leaves(each, column.type, finer.type) for each in (column, finer, coarser)), strict=True))
        if any(_any_beyond(seconds, _MOST_SECONDS) for _, _, seconds in pairs):
            raise self._unfit(name, "is too far from 1970 for timestamp[us]")
        if any(_is_finer(nanoseconds, microseconds) for microseconds, nanoseconds, _ in pairs):
            if any(_any_beyond(microseconds, _MOST_MICROSECONDS) for microseconds, _, _ in pairs):
                raise self._unfit(name, "is outside of the years 1677 to 2262, while others have nanoseconds")
            return finer.cast(_with_zones(finer.type, column.type, zoned))
        return column.cast(_with_zones(column.type, finer.type, zoned))

    def _unfit(self, name: str, why: str) -> StorageError:
        return StorageError(
            f"column `{name}` of `{self._name}` holds an INT96 timestamp that {why}",
            hint="have the file written with another type of timestamps, or leave the column out",
        )


def _leaves(column: pa.ChunkedArray, one: pa.DataType, other: pa.DataType) -> list[pa.ChunkedArray]:
    """The timestamps in a column that were INT96: where its types in two units differ."""
    if one == other:
        return []
    if pa.types.is_struct(one):
        children = zip(column.flatten(), one, other, strict=True)
        return [leaf for child, here, there in children for leaf in _leaves(child, here.type, there.type)]
    if is_list(one):
        return _leaves(pc.list_flatten(column), one.value_type, other.value_type)
    # Of maps, which no column type of the project file holds, nothing is read in the end.
    return [column.cast(pa.int64())] if pa.types.is_timestamp(one) else []


def _any_beyond(counts: pa.ChunkedArray, most: int) -> bool:
    ends = pc.min_max(counts).as_py()
    return ends["min"] is not None and (ends["min"] < -most or ends["max"] > most)


def _is_finer(nanoseconds: pa.ChunkedArray, microseconds: pa.ChunkedArray) -> bool:
    """Whether there are digits below the microsecond, also where the nanoseconds have wrapped around, as this does."""
    rest = pc.subtract(nanoseconds, pc.multiply(microseconds, 1000))
    return bool(pc.any(pc.not_equal(rest, 0)).as_py())


def _with_zones(kind: pa.DataType, other: pa.DataType, zoned: pa.DataType | None) -> pa.DataType:
    """A type in which what was INT96 is in UTC wherever the type beside it has a time zone."""
    if kind == other or zoned is None:
        return kind
    if pa.types.is_struct(kind) and pa.types.is_struct(zoned):
        wanted = {child.name: child.type for child in zoned}
        pairs = zip(kind, other, strict=True)
        return pa.struct([one.with_type(_with_zones(one.type, two.type, wanted.get(one.name))) for one, two in pairs])
    if is_list(kind) and is_list(zoned):
        return pa.list_(kind.value_field.with_type(_with_zones(kind.value_type, other.value_type, zoned.value_type)))
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(zoned) and zoned.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    return kind
