"""Which of SQLite's values are those of declared types, as SQL.

Each value has a type of its own there. Texts of dates, times and decimals are taken in the form in which they are
stored (`sqlite_values`), or as SQLite's own functions write them; a modifier makes these compute instead of repeat.

What values become has the affinity of the declared type, so that SQLite compares them as what they are: it makes a
number a text before it compares it with a date, and a text a number before it compares it with an integer. Decimals,
which are texts, have a collation that compares numbers.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.relational.contract_sql import Conversion, Fault

_NATURAL = {
    "integer": ColumnType("int64"),
    "real": ColumnType("float64"),
    "text": ColumnType("string"),
    "blob": ColumnType("binary"),
    "null": ColumnType("string"),
}
#: The collation of decimals; see `compare_decimals`.
DECIMALS = "lakehouse_decimals"
#: By a part of a column's declared type: its affinity (https://www.sqlite.org/datatype3.html).
_AFFINITIES = (
    *(("INT", "INTEGER"), ("CHAR", "TEXT"), ("CLOB", "TEXT"), ("TEXT", "TEXT")),
    *(("BLOB", "BLOB"), ("REAL", "REAL"), ("FLOA", "REAL"), ("DOUB", "REAL")),
)
_FRACTION = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_INT64 = 63
#: As SQL: the least and the greatest float that SQLite takes for an integer of 64 bits.
_LEAST, _MOST = "-9223372036854775808.0", "9223372036854774784.0"


def natural(stored: str) -> ColumnType | None:
    """The type that a column is where none is declared, by the one type of all its values; None for several."""
    return _NATURAL.get(stored)


def compare_decimals(one: str, other: str) -> int:
    """Compare texts as a collation: numbers by what they are, before all others.

    >>> compare_decimals("10.20", "2.2"), compare_decimals("1.10", "1.1"), compare_decimals("-1.10", "")
    (1, 0, -1)
    """
    first, second = _rank(one), _rank(other)
    return (first > second) - (first < second)


def _rank(text: str) -> tuple[bool, Decimal, str]:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return True, Decimal(0), text
    return (False, number, "") if number.is_finite() else (True, Decimal(0), text)


def conversion(column: str, stored: str, declared: ColumnType) -> Conversion | None:
    """How values become those of a declared type; None where none do.

    Args:
        column: The value, as SQL.
        stored: The type that its column was declared with in SQLite, or of its values.
        declared: What it is to be.
    """
    if declared.id == "dictionary":
        return conversion(column, stored, declared.item)
    found = _conversion(column, declared)
    if found is None or declared.id == "binary":
        return found
    kept = "INTEGER" if declared.is_integer or declared.id in ("bool", "duration") else "TEXT"
    kept = "REAL" if declared.is_float else kept
    affinity = _affinity(stored)
    # The value itself, where its column makes the same of it: SQLite has indexes of columns alone.
    is_same = affinity == kept or (affinity == "NUMERIC" and kept == "INTEGER")
    if not is_same or (found.expression != column and declared.id in ("timestamp", "time32", "time64")):
        expression = f"CAST({found.expression} AS {kept})"
    else:
        expression = column
    if declared.id == "decimal128":
        expression += f" COLLATE {DECIMALS}"
    return Conversion(expression, found.faults)


def _affinity(stored: str) -> str:
    upper = stored.upper()
    return next((affinity for part, affinity in _AFFINITIES if part in upper), "NUMERIC" if stored else "BLOB")


def _conversion(column: str, declared: ColumnType) -> Conversion | None:
    if declared.is_integer:
        return _integer(column, declared)
    match declared.id:
        case "float64":
            return _float(column)
        case "bool":
            return Conversion(column, (_others(column, "integer"), Fault(f"{column} NOT IN (0, 1)", "neither 0 nor 1")))
        case "string":
            return Conversion(column, (_others(column, "text"),))
        case "binary":
            return Conversion(column, (_others(column, "blob"),))
        case "duration":
            return Conversion(column, (_others(column, "integer"),))
        case "decimal128":
            return _decimal(column, declared)
        case "date32":
            wrong = f"typeof({column}) <> 'text' OR date({column}, '+0 days') IS NOT {column} OR {column} < '0001'"
            return Conversion(column, (Fault(wrong, "no dates such as 2024-01-31"),))
        case "timestamp":
            return _moment(column, declared, "datetime", 19, "2024-01-31 12:00:00")
        case "time32" | "time64":
            return _moment(column, declared, "time", 8, "12:00:00")
    return None  # SQLite knows no float of 32 bits


def _others(column: str, kind: str) -> Fault:
    return Fault(f"typeof({column}) NOT IN ('{kind}', 'null')", f"no {kind}")


def _integer(column: str, declared: ColumnType) -> Conversion:
    bits, signed = int(declared.id.lstrip("uint")), not declared.id.startswith("u")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    whole = (
        f"CASE typeof({column}) WHEN 'integer' THEN 0"
        f" WHEN 'real' THEN {column} NOT BETWEEN {_LEAST} AND {_MOST} OR {column} <> CAST({column} AS INTEGER)"
        " ELSE 1 END"
    )
    faults = [Fault(whole, "not whole")]
    if bits <= _INT64:
        faults.append(
            Fault(f"CAST({column} AS INTEGER) NOT BETWEEN {low} AND {high}", f"outside {declared} ({low} to {high})")
        )
    return Conversion(column, tuple(faults))


def _float(column: str) -> Conversion:
    exact = (
        f"CASE typeof({column}) WHEN 'real' THEN 0"
        f" WHEN 'integer' THEN CAST({column} AS REAL) > {_MOST} OR CAST(CAST({column} AS REAL) AS INTEGER) <> {column}"
        " ELSE 1 END"
    )
    return Conversion(column, (Fault(exact, "not exact in float64"),))


def _decimal(column: str, declared: ColumnType) -> Conversion:
    scale, whole = int(declared.scale or 0), int(declared.precision or 0) - int(declared.scale or 0)
    digits = f"ltrim({column}, '-')"
    fraction = f"substr({digits}, instr({digits}, '.') + 1)" if scale else "''"
    front = f"substr({digits}, 1, instr({digits}, '.') - 1)" if scale else digits
    text = (
        f"{column} NOT GLOB '{'*.' if scale else ''}*' OR length({fraction}) <> {scale} OR {fraction} GLOB '*[^0-9]*'"
        f" OR length({front}) = 0 OR {front} GLOB '*[^0-9]*' OR (length({front}) > 1 AND {front} LIKE '0%')"
        f" OR {column} LIKE '--%'"
    )
    form = f"{'0' * max(whole > 0, 1)}.{'0' * scale}" if scale else "0"
    wrong = f"CASE typeof({column}) WHEN 'integer' THEN 0 WHEN 'text' THEN {text} ELSE 1 END"
    large = (
        f"length(ltrim(CASE typeof({column}) WHEN 'integer' THEN ltrim({column}, '-') ELSE {front} END, '0')) > {whole}"
    )
    zeros = f"{column} || '.{'0' * scale}'" if scale else f"CAST({column} AS TEXT)"
    return Conversion(
        f"CASE typeof({column}) WHEN 'integer' THEN {zeros} ELSE {column} END",
        (
            Fault(wrong, f"no decimals such as {form}, as printf('%.{scale}f', …) writes them"),
            Fault(large, f"too large for {declared}"),
        ),
    )


def _moment(column: str, declared: ColumnType, function: str, length: int, example: str) -> Conversion:
    """Of texts with the digits of the declared unit, or with none behind the seconds."""
    digits, zone = _FRACTION[str(declared.unit)], "Z" if declared.timezone else ""
    front = f"substr({column}, 1, {length})"
    known = f"substr({column}, {length + 1}) = '{zone}'"
    if digits:
        known = f"({known} OR substr({column}, {length + 1}) GLOB '.{'[0-9]' * digits}{zone}')"
    wrong = f"typeof({column}) <> 'text' OR {function}({front}, '+0 days') IS NOT {front} OR NOT {known}"
    if function == "datetime":
        wrong += f" OR {column} < '0001'"
    expression = column
    if digits:
        is_short = f"length({column}) = {length + len(zone)}"
        expression = f"CASE WHEN {is_short} THEN {front} || '.{'0' * digits}{zone}' ELSE {column} END"
    return Conversion(expression, (Fault(wrong, f"not of the form {example}{zone}"),))
