"""Between Arrow's values and the five kinds that SQLite has: integers, reals, texts, blobs and null.

Times and decimals are kept as texts, which sort and read as people and SQLite's own functions expect
(https://www.sqlite.org/lang_datefunc.html); durations as integers, their unit in the column's declared type.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from math import isfinite
from typing import Any

import pyarrow as pa
import xxhash

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.domains import refuse_moments
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, InexactError, refuse_where
from lakehouse_cli.arrow.conversion.refused_column import RefusedColumn
from lakehouse_cli.arrow.conversion.timestamp_texts import UNITS as PER_SECOND
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.relational.session import Digest
from lakehouse_cli.storage.spool import SpooledTable
from lakehouse_cli.storage_types.sqlite import sql_type

# Without references between equal objects, which depend on more than the values do.
_MARSHAL_VERSION = 2
_DURATIONS = {f"DURATION_{unit.upper()}": unit for unit in ("s", "ms", "us", "ns")}
_DAYS = -719_162, 2_932_896
_MICROSECONDS = _DAYS[0] * 86_400_000_000, (_DAYS[1] + 1) * 86_400_000_000 - 1
_TRUTH = {(int, 0): False, (int, 1): True, (str, "f"): False, (str, "t"): True}
_MS_PER_DAY = 86_400_000
_JULIAN_MS_OF_1970 = 210_866_760_000_000
_LAST_JULIAN_MS = 464_269_060_799_999
#: The digits of a decimal number that a float always gives back, and that SQLite's shell shows.
_REAL_DIGITS = 15
# More than a float and a power of ten have: what is divided here is exact.
_DIGITS = 400
_AFFINITIES = (
    *(("INT", pa.int64()), ("CHAR", pa.string()), ("CLOB", pa.string()), ("TEXT", pa.string())),
    *(("BLOB", pa.binary()), ("REAL", pa.float64()), ("FLOA", pa.float64()), ("DOUB", pa.float64())),
)


def check_stored(column: pa.ChunkedArray) -> None:
    """Check that SQLite keeps all values of a column; raises InexactError where it does not."""
    if pa.types.is_floating(column.type):
        refuse_where(pc.is_nan(column), "NaN, which SQLite makes null", hint="make them null")
    refuse_moments(column, _DAYS, _MICROSECONDS, "outside of the years 1 to 9999")


def stored_type(declared: ColumnType, *, negative_zeros: bool) -> str:
    """Return the type of a column in SQLite that keeps the values.

    One called ``REAL`` keeps whole numbers as integers, of which zero has no sign. With ``BLOB`` in its name a type
    leaves values as they are (https://www.sqlite.org/datatype3.html#determination_of_column_affinity).
    """
    return f"{sql_type(declared)} BLOB" if negative_zeros else sql_type(declared)


def with_negative_zeros(data: SpooledTable) -> set[str]:
    """Return the names of the columns that have a zero with a sign."""
    floats = {field.name for field in data.schema if pa.types.is_floating(field.type)}
    pieces = data.pieces() if floats else ()
    return {name for piece in pieces for name in floats if _has_negative_zero(piece[name])}


def _has_negative_zero(column: pa.ChunkedArray) -> bool:
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


def understood(values: Sequence[Any], declared: str, *, is_whole: bool) -> pa.ChunkedArray | Sequence[Any]:
    """Return what a column holds, by the type it was declared with in SQLite, where its values agree with that.

    Args:
        values: As SQLite has them.
        declared: Its type in the words of the table's maker, which bind nobody.
        is_whole: Whether these are all of them: where others may follow, nulls alone say nothing.
    """
    unit = _DURATIONS.get(declared)
    kinds = set(map(type, values)) - {type(None)}
    if unit is not None and kinds <= {int}:
        return pa.chunked_array([av.array(values, pa.duration(unit))])
    if declared.upper() in ("BOOLEAN", "BOOL") and kinds <= {int} and not set(values) - {0, 1, None}:
        return pa.chunked_array([av.array([None if v is None else bool(v) for v in values], pa.bool_())])
    if not kinds and not is_whole:
        return values
    if not kinds:
        kind = next((kind for part, kind in _AFFINITIES if part in declared.upper()), pa.string())
        return pa.chunked_array([pa.nulls(len(values), kind)])
    if kinds == {bytes}:
        return pa.chunked_array([av.array(values, pa.large_binary())])
    if kinds == {float}:
        return pa.chunked_array([av.array(values, pa.float64())])
    return values


def values_as_bool(values: Any) -> Any:
    """Take 0 and 1, ``f`` and ``t`` for false and true, which have no type in SQLite; others stay, to be refused."""
    if isinstance(values, pa.ChunkedArray):
        return values
    return [_TRUTH.get((type(value), value), value) if type(value) in (int, str) else value for value in values]


def reals_as_decimals(values: Any) -> Any:
    """Take reals for the decimals that SQLite shows: a `DECIMAL(10, 2)` of SQLite has no other numbers with digits.

    A real with more than 15 digits may stand for another decimal than it was made of; it stays a float.
    """
    if isinstance(values, pa.ChunkedArray) and not pa.types.is_floating(values.type):
        return values
    values = values.to_pylist() if isinstance(values, pa.ChunkedArray) else values
    return [_shown_decimal(value) if type(value) is float and isfinite(value) else value for value in values]


def _shown_decimal(value: float) -> Decimal | float:
    number = Decimal(repr(value))
    return number if len(number.normalize().as_tuple().digits) <= _REAL_DIGITS else value


def numbers_as_timestamps(values: Any, declared: ColumnType, unit: str | None) -> Any:
    """Take numbers for timestamps; texts among them are read as they are without.

    Args:
        values: As `understood` gives them.
        declared: A timestamp; where it has no time zone, it is the wall-clock time in UTC.
        unit: What numbers count, by `EPOCH_UNIT`; None where nobody said, so that they are refused.
    """
    if isinstance(values, pa.ChunkedArray) and not pa.types.is_floating(values.type):
        return values
    values = values.to_pylist() if isinstance(values, pa.ChunkedArray) else values
    numbers = [row for row, value in enumerate(values) if type(value) in (int, float)]
    if not numbers:
        return values
    kind = to_arrow(declared)
    counts: list[int | None] = [None] * len(values)
    if unit is not None:
        for row in numbers:
            counts[row] = _count(values[row], str(declared.unit), unit)
    refused = [row for row in numbers if counts[row] is None]
    others = [None if type(value) in (int, float) else value for value in values]
    if refused:
        counted = "Julian days" if unit == "julian" else f"{unit} since 1970"
        refusal = InexactError(
            "numbers where timestamps are declared"
            if unit is None
            else f"not exact as {declared}, taken for {counted}",
            av.array(refused, pa.int64()),
            hint="say what they count, such as seconds: `epoch_unit: s` in the column, or in the storage's `options`"
            if unit is None
            else "declare a finer unit, or correct `epoch_unit`",
            shown=[str(values[row]) for row in refused[:EXAMPLES]],
            noun=unit is None,
        )
        texts = (str(value) if type(value) in (int, float) else None for value in values)
        return RefusedColumn(refusal, pa.chunked_array([av.array([*texts], pa.string())]), others)
    moments = av.array(counts, pa.int64()).cast(kind)
    try:
        rest = convert_values(others, kind, nan_is_null=False)
    except InexactError:
        return others  # to be refused as they are where there are no numbers
    return pa.chunked_array([pc.coalesce(moments, av.joined(rest))])


def _count(value: int | float, wanted: str, unit: str) -> int | None:
    """Count the wanted unit since 1970; None where that is no whole number, or no number of 64 bits."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if unit == "julian":
        # As SQLite itself understands a Julian day: to the millisecond, in the years 0 to 9999.
        milliseconds = int(value * _MS_PER_DAY + 0.5)
        if not value >= 0 or milliseconds > _LAST_JULIAN_MS:
            return None
        number, per = Decimal(milliseconds - _JULIAN_MS_OF_1970), PER_SECOND["ms"]
    else:
        number, per = Decimal(repr(value)), PER_SECOND[unit]
    with localcontext(prec=_DIGITS):
        scaled = number * PER_SECOND[wanted] / per
        whole = int(scaled)
        return whole if whole == scaled and -(1 << 63) <= whole < 1 << 63 else None


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
