"""Between Arrow's values and the five kinds that SQLite has: integers, reals, texts, blobs and null.

Times and decimals are kept as texts, which sort and read as people and SQLite's own functions expect
(https://www.sqlite.org/lang_datefunc.html); durations as integers, their unit in the column's declared type.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import xxhash

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import refuse_where
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.relational.fitting import refuse_moments
from lakehouse_cli.storage.relational.session import Digest
from lakehouse_cli.storage_types.sqlite import sql_type

# Without references between equal objects, which depend on more than the values do.
_MARSHAL_VERSION = 2
_DURATIONS = {f"DURATION_{unit.upper()}": unit for unit in ("s", "ms", "us", "ns")}
_DAYS = -719_162, 2_932_896
_MICROSECONDS = _DAYS[0] * 86_400_000_000, (_DAYS[1] + 1) * 86_400_000_000 - 1
_AFFINITIES = (
    *(("INT", pa.int64()), ("CHAR", pa.string()), ("CLOB", pa.string()), ("TEXT", pa.string())),
    *(("BLOB", pa.binary()), ("REAL", pa.float64()), ("FLOA", pa.float64()), ("DOUB", pa.float64())),
)


def check_stored(column: pa.ChunkedArray) -> None:
    """Check that SQLite keeps all values of a column; raises InexactError where it does not."""
    if pa.types.is_floating(column.type):
        refuse_where(pc.is_nan(column), "NaN, which SQLite makes null", hint="make them null")
    refuse_moments(column, _DAYS, _MICROSECONDS, "outside of the years 1 to 9999")


def stored_type(column: pa.ChunkedArray, declared: ColumnType) -> str:
    """Return the type of a column in SQLite that keeps the values.

    One called ``REAL`` keeps whole numbers as integers, of which zero has no sign. With ``BLOB`` in its name a type
    leaves values as they are (https://www.sqlite.org/datatype3.html#determination_of_column_affinity).
    """
    return f"{sql_type(declared)} BLOB" if _has_negative_zero(column) else sql_type(declared)


def _has_negative_zero(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(column.type):
        return False
    bits, sign = (pa.int32(), -(1 << 31)) if column.type == pa.float32() else (pa.int64(), -(1 << 63))
    return any(pc.any(pc.equal(chunk.view(bits), av.scalar(sign, bits))).as_py() for chunk in column.chunks)


def rows_of(batch: pa.RecordBatch) -> Iterable[tuple[Any, ...]]:
    """Return the rows of a batch as SQLite takes them."""
    return zip(*(_values(column) for column in batch.columns), strict=True)


def _values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_decimal(kind):
        return [None if value is None else f"{value:f}" for value in column.to_pylist()]
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            column = column.cast(pa.timestamp(kind.unit, "UTC"))  # as texts, instants sort in one zone alone
        column = column.cast(pa.string())
    elif pa.types.is_duration(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    values: list[Any] = column.to_pylist()
    return values


def understood(values: Sequence[Any], declared: str) -> pa.ChunkedArray | Sequence[Any]:
    """Return what a column holds, by the type it was declared with in SQLite, where its values agree with that.

    Args:
        values: As SQLite has them.
        declared: Its type in the words of whoever made the table, which bind nobody.
    """
    unit = _DURATIONS.get(declared)
    kinds = set(map(type, values)) - {type(None)}
    if unit is not None and kinds <= {int}:
        return pa.chunked_array([av.array(values, pa.duration(unit))])
    if declared.upper() in ("BOOLEAN", "BOOL") and kinds <= {int} and not set(values) - {0, 1, None}:
        return pa.chunked_array([av.array([None if v is None else bool(v) for v in values], pa.bool_())])
    if not kinds:
        kind = next((kind for part, kind in _AFFINITIES if part in declared.upper()), pa.string())
        return pa.chunked_array([pa.nulls(len(values), kind)])
    if kinds == {bytes}:
        return pa.chunked_array([av.array(values, pa.large_binary())])
    if kinds == {float}:
        return pa.chunked_array([av.array(values, pa.float64())])
    return values


def digest_of(signature: str, batches: Iterable[Sequence[tuple[Any, ...]]]) -> Digest:
    """Hash rows, in their order."""
    content = xxhash.xxh3_128(signature.encode())
    count = size = 0
    for rows in batches:
        data = marshal.dumps(list(rows), _MARSHAL_VERSION)
        content.update(data)
        count += len(rows)
        size += len(data)
    return Digest(content.hexdigest(), count, size)
