"""Which values of DuckDB's types have exact counterparts in declared types, as SQL; see `postgresql_conversions`."""

from __future__ import annotations

import re
from typing import Any

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.relational.contract_sql import Conversion, Fault
from lakehouse_cli.storage_types.duckdb import sql_type

_SIGNED = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64}
_FLOATS = ("FLOAT", "DOUBLE")
_TEXTS = ("VARCHAR", "UUID", "JSON")
_WALL = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_NATURAL = {
    **{name: ColumnType(f"int{bits}") for name, bits in _SIGNED.items() if name != "HUGEINT"},
    **{name: ColumnType(f"uint{bits}") for name, bits in _UNSIGNED.items()},
    **dict.fromkeys(_TEXTS, ColumnType("string")),
    "HUGEINT": ColumnType("int64"),  # a sum of integers is one, whatever they are
    "FLOAT": ColumnType("float32"),
    "DOUBLE": ColumnType("float64"),
    "BOOLEAN": ColumnType("bool"),
    "BLOB": ColumnType("binary"),
    "DATE": ColumnType("date32"),
    "TIME": ColumnType("time64", unit="us"),
    "TIME_NS": ColumnType("time64", unit="ns"),
    "TIMESTAMP": ColumnType("timestamp", unit="us"),
    "TIMESTAMP_S": ColumnType("timestamp", unit="s"),
    "TIMESTAMP_MS": ColumnType("timestamp", unit="ms"),
    "TIMESTAMP_NS": ColumnType("timestamp", unit="ns"),
    _INSTANT: ColumnType("timestamp", unit="us", timezone="UTC"),
    "INTERVAL": ColumnType("duration", unit="us"),
}
_TICKS = {"s": 1_000_000, "ms": 1_000}
_INFINITE = "infinite"


def natural(stored: str) -> ColumnType | None:
    """The type that a column is where none is declared; None where none holds it."""
    if stored.endswith("[]") or stored.startswith(("STRUCT(", "MAP(")):
        import duckdb

        found = _nested(duckdb.type(stored))
        return found if found is not None and _is_same(stored, found) else None
    if stored.startswith("ENUM("):
        return ColumnType("dictionary", fields=(("value", ColumnType("string")),))
    sizes = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", stored)
    if sizes is not None:
        return ColumnType("decimal128", precision=int(sizes[1]), scale=int(sizes[2]))
    return _NATURAL.get(stored)


def _nested(stored: Any) -> ColumnType | None:
    """The type most like one of DuckDB; None where there is none."""
    if stored.id not in ("list", "struct", "map"):
        return natural(str(stored))
    fields = [("item" if stored.id == "list" else name, _nested(child)) for name, child in stored.children]
    known = tuple((name, child) for name, child in fields if child is not None)
    return ColumnType(stored.id, fields=known) if len(known) == len(fields) else None


def conversion(column: str, stored: str, declared: ColumnType) -> Conversion | None:
    """How values of a type of DuckDB become those of a declared type; None where none do.

    Args:
        column: The value, as SQL.
        stored: Its type, as DuckDB shows it.
        declared: What it is to be.
    """
    if declared.id == "dictionary":
        return conversion(column, stored, declared.item)
    if declared.is_nested:
        return Conversion(column) if _is_same(stored, declared) else None
    if declared.id == "string":
        is_text = stored in _TEXTS or stored.startswith("ENUM(")
        return Conversion(f"CAST({column} AS VARCHAR)") if is_text else None
    if declared.id in ("bool", "binary"):
        return Conversion(column) if _is_same(stored, declared) else None
    if declared.is_integer or declared.is_float or declared.id == "decimal128":
        return _number(column, stored, declared)
    return _time(column, stored, declared)


def _is_same(stored: str, declared: ColumnType) -> bool:
    """Whether a type is that in which values of a declared type are stored, without regard to how it is spelled."""
    import duckdb

    return str(duckdb.type(stored)) == str(duckdb.type(sql_type(declared)))


def _number(column: str, stored: str, declared: ColumnType) -> Conversion | None:
    target = sql_type(declared)
    cast = f"TRY_CAST({column} AS {target})"
    beyond = f"({cast} IS NULL)"
    inexact = f"not exact in {declared}"
    is_integer, is_decimal = stored in _SIGNED or stored in _UNSIGNED, stored.startswith("DECIMAL(")
    if declared.is_integer and (is_integer or is_decimal):
        outside = Fault(beyond, f"outside the range of {declared}")
        whole = (Fault(f"{column} <> trunc({column})", "not whole"),) if is_decimal else ()
        return Conversion(cast, (*whole, outside))
    if declared.is_integer and stored in _FLOATS:
        broken = Fault(f"NOT isfinite({column}) OR {column} <> trunc({column})", "not whole")
        outside = Fault(f"(isfinite({column}) AND {beyond})", f"outside the range of {declared}")
        return Conversion(cast, (broken, outside))
    if declared.id == "decimal128" and (is_integer or is_decimal):
        large = Fault(beyond, f"too large for {declared}")
        same = Fault(f"TRY_CAST({cast} AS {stored}) <> {column}", inexact)
        return Conversion(cast, (large, same) if is_decimal else (large,))
    if not declared.is_float:
        return None
    if stored == "FLOAT" or (stored == "DOUBLE" and declared.id == "float64"):
        return Conversion(cast)
    if stored == "DOUBLE":
        narrowed = f"CAST({cast} AS DOUBLE) IS DISTINCT FROM {column}"
        return Conversion(cast, (Fault(narrowed, inexact),))
    if not (is_integer or is_decimal):
        return None
    return _exact_float(column, stored, declared)


def _exact_float(column: str, stored: str, declared: ColumnType) -> Conversion:
    """A whole number, or a decimal, which is one over 10^s.

    A float equals it where 5^s divides that number, and a float equals what is left of it.
    """
    scale = int(stored.rstrip(")").rpartition(",")[2]) if stored.startswith("DECIMAL(") else 0
    digits = f"CAST(replace(CAST({column} AS VARCHAR), '.', '') AS HUGEINT)"
    odd, rest = f"CAST({5**scale} AS HUGEINT)", f"({digits} // CAST({5**scale} AS HUGEINT))"
    value = f"(CAST({rest} AS DOUBLE) / {float(2**scale)!r}::DOUBLE)"
    faults = f"({digits} % {odd} <> 0 OR CAST(CAST({rest} AS DOUBLE) AS HUGEINT) <> {rest})"
    if declared.id == "float32":
        faults = f"({faults} OR CAST(TRY_CAST({value} AS FLOAT) AS DOUBLE) IS DISTINCT FROM {value})"
        value = f"TRY_CAST({value} AS FLOAT)"
    return Conversion(value, (Fault(faults, f"not exact in {declared}"),))


def _time(column: str, stored: str, declared: ColumnType) -> Conversion | None:
    ticks = _TICKS.get(str(declared.unit))
    coarse = f"not exact in {declared}"
    finite = Fault(f"NOT isfinite({column})", _INFINITE)
    target = sql_type(declared)
    if declared.id == "date32" and stored == "DATE":
        return Conversion(column, (finite,))
    if declared.id == "date32" and stored in _WALL:
        midnight = f"(isfinite({column}) AND {column} <> date_trunc('day', {column}))"
        return Conversion(f"CAST({column} AS DATE)", (finite, Fault(midnight, "not at midnight")))
    if declared.id == "timestamp" and not declared.timezone and stored in _WALL:
        cast = f"TRY_CAST({column} AS {target})"
        same = f"(isfinite({column}) AND TRY_CAST({cast} AS {stored}) IS DISTINCT FROM {column})"
        return Conversion(cast, (finite,) if _is_same(stored, declared) else (finite, Fault(same, coarse)))
    if declared.id == "timestamp" and declared.timezone and stored == _INSTANT:
        finer = Fault(f"(isfinite({column}) AND epoch_us({column}) % {ticks} <> 0)", coarse)
        return Conversion(column, (finite, finer) if ticks else (finite,))
    if declared.id in ("time32", "time64") and stored == target:
        full = Fault(f"CAST({column} AS VARCHAR) LIKE '24:%'", "24:00, which is no time of a day")
        finer = Fault(f"microsecond({column}) % {ticks} <> 0", coarse)
        return Conversion(column, (full, finer) if ticks else (full,))
    if declared.id == "duration" and stored == "INTERVAL":
        months = f"(year({column}) <> 0 OR month({column}) <> 0)"
        finer = Fault(f"(NOT {months} AND epoch_us({column}) % {ticks} <> 0)", coarse)
        faults = (Fault(months, "intervals with months"),)
        return Conversion(f"to_microseconds(epoch_us({column}))", (*faults, finer) if ticks else faults)
    return None
