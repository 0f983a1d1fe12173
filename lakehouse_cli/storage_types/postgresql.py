"""PostgreSQL: tables in a database of a server."""

from __future__ import annotations

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage_types.names import Names
from lakehouse_cli.storage_types.spec import StorageType, lock_timeout, schema_option

_SQL = {
    "int8": "smallint",
    "uint8": "smallint",
    "int16": "smallint",
    "uint16": "integer",
    "int32": "integer",
    "uint32": "bigint",
    "int64": "bigint",
    "uint64": "numeric(20,0)",
    "float32": "real",
    "float64": "double precision",
    "bool": "boolean",
    "string": "text",
    "binary": "bytea",
    "date32": "date",
    "time32": "time without time zone",
    "time64": "time without time zone",
    "duration": "interval",
}


def sql_type(column_type: ColumnType) -> str:
    """The type of a column that holds every value of a declared type, but for those out of PostgreSQL's range."""
    if column_type.id == "timestamp":
        return "timestamp with time zone" if column_type.timezone else "timestamp without time zone"
    if column_type.id == "decimal128":
        return f"numeric({column_type.precision},{column_type.scale})"
    if column_type.id == "dictionary":
        return sql_type(column_type.item)
    if column_type.id == "list":
        return f"{sql_type(column_type.item)}[]"
    return _SQL[column_type.id]


def refusal(column_type: ColumnType) -> str | None:
    """Why PostgreSQL cannot hold a type: its times count microseconds, its arrays are rectangular, it has no structs.

    >>> refusal(ColumnType("timestamp", unit="ns"))
    'timestamp[ns] counts nanoseconds, and PostgreSQL microseconds; declare timestamp[us]'
    """
    if column_type.unit == "ns":
        coarser = str(column_type).replace("[ns", "[us")
        return f"{column_type} counts nanoseconds, and PostgreSQL microseconds; declare {coarser}"
    if column_type.id == "map":
        return f"{column_type} has no counterpart in PostgreSQL; keep it as JSON text in a string"
    if column_type.id == "struct":
        return f"{column_type} has no counterpart in PostgreSQL; declare its fields as columns, or keep it as JSON text"
    if column_type.id == "list":
        item = column_type.item.plain
        if item.is_nested:
            return f"{column_type}: arrays of PostgreSQL hold plain values; keep it as JSON text"
        if item.id == "duration":
            return f"{column_type}: arrays of durations cannot be read back exactly; declare list<int64>"
    return next((why for _, child in column_type.fields if (why := refusal(child)) is not None), None)


#: Longer names are cut by the server, without a word.
NAMES = Names("PostgreSQL", longest=63)

POSTGRESQL = StorageType(
    "postgresql",
    "lakehouse_cli.storage.relational.postgresql:PostgreSQLStorage",
    root="url",
    schemes=("postgresql", "postgres"),
    url_encoded=True,
    options=(schema_option(None), lock_timeout("somebody who keeps a table locked")),
    refusal=refusal,
    needs=("adbc_driver_postgresql",),
    install="pip install 'lakehouse-cli[postgresql]'",
    schema="public",
    names=NAMES,
)
