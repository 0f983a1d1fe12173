"""SQLite: tables in a database file of this machine."""

from __future__ import annotations

from lakehouse_cli.formats.spec import FormatOption
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage_types.names import Names, ascii_lower
from lakehouse_cli.storage_types.spec import StorageType, lock_timeout


def sql_type(column_type: ColumnType) -> str:
    """The declared type of a column, by which SQLite chooses its affinity and this tool knows durations again."""
    if column_type.id == "dictionary":
        return sql_type(column_type.item)
    if column_type.is_integer:
        return "INTEGER"
    if column_type.is_float:
        return "REAL"
    if column_type.id == "duration":
        return f"DURATION_{str(column_type.unit).upper()}"
    return {"bool": "BOOLEAN", "binary": "BLOB"}.get(column_type.id, "TEXT")


def refusal(column_type: ColumnType) -> str | None:
    """Return why SQLite cannot hold a type: its integers are signed, its values plain.

    >>> refusal(ColumnType("uint64"))
    'uint64 goes beyond its integers, which have 64 bits and a sign; declare int64 or decimal128(20, 0)'
    """
    if column_type.id == "uint64":
        return "uint64 goes beyond its integers, which have 64 bits and a sign; declare int64 or decimal128(20, 0)"
    if column_type.is_nested:
        return f"{column_type} is nested; keep it as JSON text in a string"
    return next((why for _, child in column_type.fields if (why := refusal(child)) is not None), None)


EPOCH_UNIT = FormatOption(
    "epoch_unit",
    None,
    {"enum": ["s", "ms", "us", "ns", "julian", "none"]},
    "What numbers in columns declared as timestamps count: the time since 1970 in this unit, or (SQLite alone) Julian "
    "days, in UTC.",
    by_column=("timestamp",),
)
NAMES = Names("SQLite", own_prefix="sqlite_", has_schemas=False, needs_columns=True, fold=ascii_lower)

SQLITE = StorageType(
    "sqlite",
    "lakehouse_cli.storage.relational.sqlite:SQLiteStorage",
    root="file",
    options=(lock_timeout("another connection that is writing"), EPOCH_UNIT),
    refusal=refusal,
    schema="main",
    names=NAMES,
)
