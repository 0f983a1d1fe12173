"""Files that engines read by themselves, for no more columns and rows than a query needs.

Only where they find in it what Arrow does, and where nothing is left to judge by then: types are as declared, and the
footer says that no value is null or infinite that must not be. They do not look at the checksums of pages: the bytes of
the file must be those that were seen before.

The least and greatest float in a footer are not those of the column (`ColumnOrder` in
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift): NaN, which to engines is greater
than all numbers, is not among them, and zeros have whatever sign. Polars leaves out row groups by them, and must not
read a file that has NaN. DuckDB can be told (`transforms.queries`).

Of Arrow IPC only what lakehouse wrote: polars believes such a file, so that a damaged one may have values that Arrow
refuses, or end the process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec import Struct

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.model import Column

if TYPE_CHECKING:
    import pyarrow.parquet as pq

# Types that no engine takes for others.
_TYPES = frozenset(
    (
        *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float32(), pa.float64(), pa.string(), pa.binary(), pa.date32()),
        *(pa.timestamp("us"), pa.timestamp("us", "UTC")),
    )
)
# Those that polars finds in an Arrow file besides.
_TYPES_IN_IPC = _TYPES.union(pa.timestamp(unit, zone) for unit in ("ms", "ns") for zone in (None, "UTC"))
_ROWS = 1 << 16
_CODECS = frozenset(("UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"))
# What engines take for a pattern, or for something else than a path.
_MARKS = frozenset("*?[]{}:")
# Days and microseconds from 1970 of 1 January of the years 1 and 9999: within them, no value is an engine's infinity.
_BETWEEN = {"INT32": (-719_162, 2_932_532), "INT64": (-62_135_596_800_000_000, 253_370_764_800_000_000)}


def reads_alike(kind: pa.DataType) -> bool:
    """Whether no engine takes values of this type, in a Parquet file, for others."""
    return kind in _TYPES or pa.types.is_decimal128(kind)


class NativeFile(Struct, frozen=True):
    """A file in a local folder of which an engine reads what it needs.

    Attributes:
        format: ``parquet`` or ``ipc``.
        path: Of the file.
        schema: The columns to read, which is what Arrow would find.
        rows: How many it has.
        check: Raises a StorageError where it has changed since it was looked at.
    """

    format: str
    path: str
    schema: pa.Schema
    rows: int
    check: Callable[[], None]

    @property
    def floats(self) -> list[str]:
        """The columns of floats."""
        return [field.name for field in self.schema if pa.types.is_floating(field.type)]

    def has_nan(self) -> bool:
        """Read all floats of a Parquet file; also true where that is not possible, which who reads it reports."""
        import pyarrow.parquet as pq

        names = self.floats
        try:
            with pq.ParquetFile(self.path, pre_buffer=False) as file:
                batches = file.iter_batches(_ROWS, columns=names) if names else ()
                return any(pc.any(pc.is_nan(column)).as_py() for batch in batches for column in batch.columns)
        except (pa.ArrowException, OSError):
            return True


def native_parquet(
    path: str, columns: Sequence[Column] | None, check: Callable[[], None], *, is_judged: bool
) -> NativeFile | None:
    """Look at a Parquet file; None where Arrow must read it.

    Args:
        path: Of the file.
        columns: The declared ones.
        check: Of `NativeFile`.
        is_judged: Whether its nulls were judged when it was stored.
    """
    if not columns or _MARKS & set(path):
        return None
    import pyarrow.parquet as pq  # of which most runs have no need, with OpenSSL and the clients of object stores

    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            return _native(path, file, columns, check, is_judged=is_judged)
    except (pa.ArrowException, OSError):
        return None  # reported by who reads it


def native_ipc(path: str, columns: Sequence[Column] | None, rows: int, check: Callable[[], None]) -> NativeFile | None:
    """Look at an Arrow IPC file that lakehouse wrote; None where Arrow must read it.

    Args:
        path: Of the file.
        columns: The declared ones.
        rows: How many it has.
        check: Of `NativeFile`.
    """
    if not columns or _MARKS & set(path):
        return None
    try:
        with pa.OSFile(path) as file:
            found = pa.ipc.open_file(file).schema
    except (pa.ArrowException, OSError):
        return None  # reported by who reads it
    schema = pa.schema([(column.name, to_arrow(column.type)) for column in columns])
    for field in schema:
        if found.get_all_field_indices(field.name) != [found.get_field_index(field.name)]:
            return None
        if found.field(field.name).type != field.type:
            return None
        if not (field.type in _TYPES_IN_IPC or pa.types.is_decimal128(field.type)):
            return None
    return NativeFile("ipc", path, schema, rows, check)


def _native(
    path: str, file: pq.ParquetFile, columns: Sequence[Column], check: Callable[[], None], *, is_judged: bool
) -> NativeFile | None:
    metadata, found = file.metadata, file.schema_arrow
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:
        return None
    places = {metadata.schema.column(at).path: at for at in range(metadata.num_columns)}
    lowered = [name.lower() for name in found.names]
    for column in columns:
        kind = to_arrow(column.type)
        at = places.get(column.name)
        if at is None or lowered.count(column.name.lower()) != 1 or found.field(column.name).type != kind:
            return None
        if not reads_alike(kind):
            return None
        stored = metadata.schema.column(at)
        logical = {pa.string(): "STRING", pa.binary(): "NONE"}.get(kind)
        if stored.physical_type == "INT96" or logical not in (None, stored.logical_type.type):
            return None
        may_be_null = column.nullable or is_judged
        if not all(_is_plain(group.column(at), kind, may_be_null=may_be_null) for group in groups):
            return None
    schema = pa.schema([(column.name, to_arrow(column.type)) for column in columns])
    return NativeFile("parquet", path, schema, metadata.num_rows, check)


def _is_plain(chunk: Any, kind: pa.DataType, *, may_be_null: bool) -> bool:
    """Whether the footer shows that a column chunk has no values that engines see otherwise, or that must not be."""
    if chunk.compression not in _CODECS:
        return False
    statistics = chunk.statistics
    if not may_be_null and (statistics is None or not statistics.has_null_count or statistics.null_count):
        return False
    if not pa.types.is_temporal(kind):
        return True
    if statistics is None or not statistics.has_min_max:
        return statistics is not None and statistics.has_null_count and statistics.null_count == chunk.num_values
    least, greatest = _BETWEEN[chunk.physical_type]
    return bool(least <= statistics.min_raw and statistics.max_raw <= greatest)
