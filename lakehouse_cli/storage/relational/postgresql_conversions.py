"""Which values of PostgreSQL's types have exact counterparts in declared types, as SQL.

An INSERT would cast: it rounds what has more digits or is not whole. Here each value is asked whether it stays
the same. CASE keeps the server from evaluating what fails on other values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.relational.contract_sql import Conversion, Fault
from lakehouse_cli.storage_types.postgresql import sql_type

_INTEGERS = {"smallint": 16, "integer": 32, "bigint": 64}
_FLOATS = ("real", "double precision")
_TEXTS = ("text", "character varying", "character", "bpchar", "name", "uuid", "json", "jsonb")
_WALL, _INSTANT, _TIME = "timestamp without time zone", "timestamp with time zone", "time without time zone"
_NATURAL = {
    "smallint": ColumnType("int16"),
    "integer": ColumnType("int32"),
    "bigint": ColumnType("int64"),
    "real": ColumnType("float32"),
    "double precision": ColumnType("float64"),
    "boolean": ColumnType("bool"),
    "bytea": ColumnType("binary"),
    "date": ColumnType("date32"),
    **dict.fromkeys(_TEXTS, ColumnType("string")),
    _TIME: ColumnType("time64", unit="us"),
    _WALL: ColumnType("timestamp", unit="us"),
    _INSTANT: ColumnType("timestamp", unit="us", timezone="UTC"),
    "interval": ColumnType("duration", unit="us"),
}
_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}
#: The last that counts microseconds since 1970 in 64 bits; the server counts from 2000.
_LAST = "294247-01-10 04:00:54.775806"
#: The greatest float below 2^63, and the least and greatest of 32 bits.
_BELOW_INT64 = "9223372036854774784"
_FLOAT32_MAX, _FLOAT32_MIN = "3.4028234663852886e38", "1.401298464324817e-45"
_NO_NUMBER = "('NaN', 'Infinity', '-Infinity')"
_DIGITS = 38
#: Binary digits behind the point that the smallest float has.
_FLOAT_SCALE = 1074


def plain(stored: str) -> str:
    """A type without its modifiers: ``numeric(10,2)`` is ``numeric``."""
    return re.sub(r"\([^)]*\)", "", stored)


def natural(stored: str) -> ColumnType | None:
    """The type that a column is where none is declared; None where none holds it."""
    if stored.endswith("[]"):
        item = natural(stored.removesuffix("[]"))
        return None if item is None or item.id == "duration" else ColumnType("list", fields=(("item", item),))
    if (sizes := _sizes(stored)) is not None:
        return ColumnType("decimal128", precision=sizes[0], scale=sizes[1])
    return _NATURAL.get(plain(stored))


def conversion(column: str, stored: str, declared: ColumnType) -> Conversion | None:
    """How values of a type of the server become those of a declared type; None where none do.

    Args:
        column: The value, as SQL.
        stored: Its type, as the server shows it.
        declared: What it is to be.
    """
    if declared.id == "dictionary":
        return conversion(column, stored, declared.item)
    if declared.id == "list":
        return _of_lists(column, stored, declared) if stored.endswith("[]") else None
    kind = plain(stored)
    found: Iterator[Fault] | None
    if declared.is_integer:
        found = _integers(column, kind, declared)
    elif declared.is_float:
        found = _floats(column, kind, declared)
    elif declared.id == "decimal128":
        found = _decimals(column, kind, stored, declared)
    elif declared.id == "string":
        found = iter(()) if kind in _TEXTS else None
    elif declared.id in ("bool", "binary"):
        found = iter(()) if kind == sql_type(declared) else None
    else:
        found = _times(column, kind, declared)
    if found is None:
        return None
    expression = column if stored == sql_type(declared) else f"({column})::{sql_type(declared)}"
    return Conversion(expression, tuple(found))


def _of_lists(column: str, stored: str, declared: ColumnType) -> Conversion | None:
    item = conversion("item", stored.removesuffix("[]"), declared.item)
    if item is None:
        return None
    faults = [Fault(f"array_ndims({column}) > 1", "arrays of several dimensions")]
    faults += [
        Fault(
            f"EXISTS (SELECT FROM unnest({column}) AS items(item) WHERE item IS NOT NULL AND ({fault.condition}))",
            fault.quality,
        )
        for fault in item.faults
    ]
    expression = column if stored == sql_type(declared) else f"({column})::{sql_type(declared)}"
    return Conversion(expression, tuple(faults))


def _integers(column: str, kind: str, declared: ColumnType) -> Iterator[Fault] | None:
    bits, signed = int(declared.id.lstrip("uint")), not declared.id.startswith("u")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    outside = f"outside {declared} ({low} to {high})"
    if kind in _INTEGERS:
        most = (1 << _INTEGERS[kind] - 1) - 1
        fits = low <= -most - 1 and most <= high
        return iter(() if fits else (Fault(f"{column}::numeric NOT BETWEEN {low} AND {high}", outside),))
    if kind == "numeric":
        number = f"{column}::text NOT IN {_NO_NUMBER}"
        whole = Fault(f"CASE WHEN {number} THEN {column} <> trunc({column}) ELSE true END", "not whole")
        return iter((whole, Fault(f"CASE WHEN {number} THEN {column} NOT BETWEEN {low} AND {high} END", outside)))
    if kind in _FLOATS:
        wide = f"{column}::float8"
        number = f"{wide}::text NOT IN {_NO_NUMBER}"
        whole = Fault(f"CASE WHEN {number} THEN {wide} <> trunc({wide}) ELSE true END", "not whole")
        # One more than the greatest is a power of two and so a float, which the greatest itself need not be.
        within = f"{wide} >= '{low}'::float8 AND {wide} < '{high + 1}'::float8"
        return iter((whole, Fault(f"CASE WHEN {number} THEN NOT ({within}) END", outside)))
    return None


def _floats(column: str, kind: str, declared: ColumnType) -> Iterator[Fault] | None:
    inexact = f"not exact in {declared}"
    narrow = declared.id == "float32"
    if kind == "real" or (kind == "double precision" and not narrow):
        return iter(())
    if kind == "double precision":
        return iter((Fault(_beyond_float32(column), inexact),))
    if kind not in (*_INTEGERS, "numeric"):
        return None
    beyond = f"({_beyond_float64(f'{column}::numeric')})"
    if narrow:
        beyond = f"CASE WHEN {beyond} THEN true ELSE {_beyond_float32(f'{column}::float8')} END"
    return iter((Fault(beyond, inexact),))


def _beyond_float64(number: str) -> str:
    """Whether no float of 64 bits equals a `numeric`.

    With as few digits behind the point as it has, a fraction of s digits is a whole odd number over 2^s, or none over a
    power of two at all. Of whole numbers those beyond `bigint` are refused.
    """
    scale = f"min_scale({number})"
    shifted = f"({number} * power(2::numeric, {scale}))"
    return (
        f"CASE WHEN {number}::text IN {_NO_NUMBER} THEN false"
        f" WHEN {scale} > {_FLOAT_SCALE} THEN true"
        f" WHEN {scale} > 0 THEN {shifted} <> trunc({shifted}) OR abs({shifted}) > {1 << 53}"
        f" WHEN {number} NOT BETWEEN -{_BELOW_INT64} AND {_BELOW_INT64} THEN true"
        f" ELSE {number}::float8::bigint <> {number} END"
    )


def _beyond_float32(number: str) -> str:
    """Whether no float of 32 bits equals one of 64, which the server would refuse to cast, or round."""
    return (
        f"CASE WHEN {number}::text IN {_NO_NUMBER} OR {number} = 0 THEN false"
        f" WHEN abs({number}) NOT BETWEEN '{_FLOAT32_MIN}'::float8 AND '{_FLOAT32_MAX}'::float8 THEN true"
        f" ELSE {number}::real::float8 <> {number} END"
    )


def _decimals(column: str, kind: str, stored: str, declared: ColumnType) -> Iterator[Fault] | None:
    precision, scale = int(declared.precision or 0), int(declared.scale or 0)
    limit = 10 ** (precision - scale)
    large = f"too large for {declared}"
    if kind in _INTEGERS:
        return iter((Fault(f"abs({column}::numeric) >= {limit}", large),))
    if kind != "numeric":
        return None
    sizes = _sizes(stored)
    if sizes is not None and sizes[1] <= scale and sizes[0] - sizes[1] <= precision - scale:
        return iter((Fault(f"{column}::text = 'NaN'", f"not exact in {declared}"),))
    number = f"{column}::text NOT IN {_NO_NUMBER}"
    inexact = f"CASE WHEN {number} THEN round({column}, {scale}) <> {column} ELSE true END"
    return iter(
        (
            Fault(inexact, f"not exact in {declared}"),
            Fault(f"CASE WHEN {number} THEN abs({column}) >= {limit} END", large),
        )
    )


def _times(column: str, kind: str, declared: ColumnType) -> Iterator[Fault] | None:
    infinite = "infinite, or outside the range of Arrow's"
    if declared.id == "date32" and kind == "date":
        return iter((Fault(f"NOT isfinite({column})", "infinite"),))
    if declared.id == "date32" and kind == _WALL:
        midnight = f"CASE WHEN isfinite({column}) THEN {column} <> date_trunc('day', {column}) ELSE true END"
        return iter((Fault(midnight, "not at midnight"),))
    ticks = _TICKS.get(str(declared.unit), 1)
    coarse = f"not exact in {declared}"
    if declared.id == "timestamp" and kind == (_INSTANT if declared.timezone else _WALL):
        # Earlier than the server's first are none.
        outside = Fault(f"NOT isfinite({column}) OR {column} > '{_LAST}'", f"{infinite} timestamps")
        unit = {"s": "second", "ms": "milliseconds"}.get(str(declared.unit))
        finer = f"CASE WHEN isfinite({column}) THEN {column} <> date_trunc('{unit}', {column}) END"
        return iter((outside, Fault(finer, coarse)) if unit else (outside,))
    if declared.id in ("time32", "time64") and kind == _TIME:
        finer = f"(extract(epoch FROM {column}) * 1000000)::bigint % {ticks} <> 0"
        full = Fault(f"{column} = '24:00'", "24:00, which is no time of a day")
        return iter((full, Fault(finer, coarse)) if ticks > 1 else (full,))
    if declared.id == "duration" and kind == "interval":
        months = f"extract(year FROM {column}) <> 0 OR extract(month FROM {column}) <> 0"
        seconds = f"extract(epoch FROM {column})"
        wide = f"CASE WHEN {months} THEN false ELSE abs({seconds}) > 9223372036854 END"
        finer = f"CASE WHEN {months} OR abs({seconds}) > 9223372036854 THEN false"
        finer += f" ELSE ({seconds} * 1000000)::bigint % {ticks} <> 0 END"
        faults = (Fault(months, "intervals with months"), Fault(wide, f"too long for {declared}"))
        return iter((*faults, Fault(finer, coarse)) if ticks > 1 else faults)
    return None


def _sizes(stored: str) -> tuple[int, int] | None:
    """Digits, and digits behind the point, of a `numeric` that a decimal can be declared as; else None."""
    found = re.fullmatch(r"numeric\((\d+),(\d+)\)", stored)
    if found is None or not int(found[2]) <= int(found[1]) <= _DIGITS:
        return None
    return int(found[1]), int(found[2])
