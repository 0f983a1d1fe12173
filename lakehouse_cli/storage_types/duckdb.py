"""DuckDB: tables in a database file of this machine."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from lakehouse_cli.formats.spec import FormatOption
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage_types.names import Names, ascii_lower
from lakehouse_cli.storage_types.spec import StorageType, lock_timeout, schema_option
from lakehouse_cli.text.sql import how_to_cast

_SQL = {
    "int8": "TINYINT",
    "uint8": "UTINYINT",
    "int16": "SMALLINT",
    "uint16": "USMALLINT",
    "int32": "INTEGER",
    "uint32": "UINTEGER",
    "int64": "BIGINT",
    "uint64": "UBIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "bool": "BOOLEAN",
    "string": "VARCHAR",
    "binary": "BLOB",
    "date32": "DATE",
    "time32": "TIME",
    "duration": "INTERVAL",
}
_TIMESTAMPS = {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}


def sql_type(column_type: ColumnType) -> str:
    """Return the type of a column that holds every value of a declared type."""
    match column_type.id:
        case "timestamp":
            return "TIMESTAMPTZ" if column_type.timezone else _TIMESTAMPS[str(column_type.unit)]
        case "time64":
            return "TIME_NS" if column_type.unit == "ns" else "TIME"
        case "decimal128":
            return f"DECIMAL({column_type.precision}, {column_type.scale})"
        case "dictionary":
            return sql_type(column_type.item)
        case "list":
            return f"{sql_type(column_type.item)}[]"
        case "map":
            return f"MAP({', '.join(sql_type(child) for _, child in column_type.fields)})"
        case "struct":
            fields = (f'"{name.replace(chr(34), chr(34) * 2)}" {sql_type(child)}' for name, child in column_type.fields)
            return f"STRUCT({', '.join(fields)})"
    return _SQL[column_type.id]


def cast_hint(declared: ColumnType, returned: ColumnType | None = None) -> str:
    """What to do in a query that returns something else than a declared type.

    Args:
        declared: The type.
        returned: What the query returns; None where that is not known.
    """
    # DuckDB casts not all nested types, and says which only of values.
    is_nested = declared.is_nested or (returned is not None and returned.is_nested)
    return how_to_cast(str(declared), None if is_nested else way_to(declared, returned))


def way_to(declared: ColumnType, returned: ColumnType | None) -> str | None:
    """What to write of a value, ``…``, to make a declared type of it; None where DuckDB has no one way.

    >>> way_to(ColumnType("date32"), ColumnType("int64"))
    'to_timestamp(…)::DATE'
    """
    before, after = _kind(returned), _kind(declared)
    if (way := _WAYS.get((before, after))) is not None:
        return way.replace("DECLARED", sql_type(declared))
    has_cast = not before or before == after or "string" in (before, after) or {before, after} in _CASTS
    return f"::{sql_type(declared)}" if has_cast else None


def _kind(column_type: ColumnType | None) -> str:
    """What the types have in common that DuckDB casts alike."""
    if column_type is None:
        return ""
    if column_type.id == "dictionary":
        return _kind(column_type.item)
    if column_type.is_integer or column_type.id in ("float32", "float64", "decimal128"):
        return "number"
    if column_type.id == "timestamp":
        return "instant" if column_type.timezone else "timestamp"
    if column_type.id in ("time32", "time64"):
        return "time in ns" if column_type.unit == "ns" else "time"
    return column_type.id


# Kinds that DuckDB casts to each other, beside text.
_CASTS = (
    {"number", "bool"},
    {"date32", "timestamp"},
    {"date32", "instant"},
    {"timestamp", "instant"},
    {"time", "time in ns"},
)
# What to write where there is no cast, or one that takes text for escaped bytes.
_WAYS = {
    ("string", "binary"): "encode(…)",
    ("binary", "string"): "decode(…)",
    **{("number", kind): "to_timestamp(…)::DECLARED" for kind in ("date32", "timestamp", "instant")},
    ("number", "duration"): "to_seconds(…)",
    **{(kind, "number"): "epoch_ms(…)" for kind in ("date32", "timestamp", "instant", "time", "duration")},
    ("time in ns", "number"): "epoch_ms(…::TIME)",
    ("timestamp", "time"): "::TIME",
    ("timestamp", "time in ns"): "::TIMESTAMP_NS::TIME_NS",
    ("instant", "time"): "::TIMESTAMP::TIME",
    ("instant", "time in ns"): "::TIMESTAMP_NS::TIME_NS",
    ("time", "duration"): "to_microseconds(epoch_us(…))",
    ("time in ns", "duration"): "to_microseconds(epoch_us(…::TIME))",
    ("duration", "time"): "time '00:00' + …",
    ("duration", "time in ns"): "(time '00:00' + …)::TIME_NS",
}


def held_type(column_type: ColumnType) -> ColumnType:
    """Return the type that DuckDB takes as it is; instants, times of day and durations count microseconds."""
    match column_type.id:
        case "timestamp" if column_type.timezone:
            return ColumnType("timestamp", unit="us", timezone=column_type.timezone)
        case "time32":
            return ColumnType("time64", unit="us")
        case "duration":
            return ColumnType("duration", unit="us")
        case "dictionary":
            return held_type(column_type.item)
    fields = tuple((name, held_type(child)) for name, child in column_type.fields)
    return replace(column_type, fields=fields)


def refusal(column_type: ColumnType) -> str | None:
    """Return why DuckDB cannot hold a type: its instants and intervals count microseconds, its names have no case.

    >>> refusal(ColumnType("timestamp", unit="ns", timezone="UTC"))
    "timestamp[ns, tz=UTC] counts nanoseconds, and DuckDB's instants microseconds; declare timestamp[us, tz=UTC]"
    """
    if column_type.unit == "ns" and (column_type.timezone or column_type.id == "duration"):
        coarser = str(column_type).replace("[ns", "[us")
        what = "instants" if column_type.timezone else "intervals"
        return f"{column_type} counts nanoseconds, and DuckDB's {what} microseconds; declare {coarser}"
    names = [name.casefold() for name, _ in column_type.fields]
    if len(set(names)) < len(names):
        return f"{column_type} has fields that differ in case alone, which DuckDB takes for one"
    if any("\0" in name for name in names):
        return f"{column_type} has a field with a NUL character in its name"
    if column_type.is_nested and any(child.plain.id == "duration" for _, child in column_type.fields):
        return f"{column_type}: durations inside of others cannot be read back exactly; declare int64 there"
    return next((why for _, child in column_type.fields if (why := refusal(child)) is not None), None)


def unread(columns: Iterable[tuple[str, ColumnType | None]]) -> str | None:
    """Return why a query or a relation cannot have a table of these columns, to follow its name; None where it can.

    Args:
        columns: Name and type of each; a type of None is left to DuckDB.
    """
    columns = tuple(columns)
    if not columns:
        return "has no columns"
    if (both := same_to_duckdb(name for name, _ in columns)) is not None:
        return f"has {both}"
    for name, declared in columns:
        # Instants and intervals are handed over where their values let them.
        coarse = declared is not None and declared.unit == "ns" and not declared.is_nested
        why = None if declared is None or coarse else refusal(declared)
        if why is not None:
            return f"has a column that no query can read, `{name}`: {why}"
    return None


def same_to_duckdb(names: Iterable[str]) -> str | None:
    """Return the first two columns that DuckDB takes for one, in words; None where there are none.

    >>> same_to_duckdb(["a", "b", "A"])
    'columns `a` and `A`, which are one to DuckDB'
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(ascii_lower(name))
        seen[ascii_lower(name)] = name
        if other == name:
            return f"two columns called `{name}`"
        if other is not None:
            return f"columns `{other}` and `{name}`, which are one to DuckDB"
    return None


# Which versions there are is DuckDB's to say; what it writes for those before 1.0, as it also offers, they do not open.
COMPATIBLE = FormatOption(
    "storage_compatibility_version",
    None,
    {
        "type": "string",
        "title": "a version of DuckDB from v1.0.0",
        "pattern": r"^(latest|v[1-9][0-9]*\.[0-9]+\.[0-9]+)$",
        "examples": ["v1.4.0", "latest"],
    },
    "The oldest DuckDB that is to open a file that a run makes, from v1.0.0; unset: none older than the one here.",
)
MEMORY_LIMIT = FormatOption(
    "memory_limit",
    None,
    {
        "type": "string",
        "title": "a size in kB, MB, GB, KiB, MiB or GiB",
        "pattern": r"^[0-9]+(\.[0-9]+)? ?(kB|MB|GB|KiB|MiB|GiB)$",
        "examples": ["1GiB"],
    },
    "What DuckDB takes of the memory for the open file, the blocks that it keeps of it included; unset: 80 % of all.",
)
NAMES = Names("DuckDB", needs_columns=True, fold=ascii_lower)

DUCKDB = StorageType(
    "duckdb",
    "lakehouse_cli.storage.relational.duckdb:DuckDBStorage",
    root="file",
    options=(schema_option("main"), lock_timeout("another process that has the file open"), COMPATIBLE, MEMORY_LIMIT),
    refusal=refusal,
    needs=("duckdb",),
    install="pip install 'lakehouse-cli[duckdb]'",
    schema="main",
    names=NAMES,
)
