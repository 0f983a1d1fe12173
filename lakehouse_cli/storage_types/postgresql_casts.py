"""What to write in a query of PostgreSQL to make a declared type of another, which it has few casts for."""

from __future__ import annotations

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage_types.postgresql import sql_type


def way_to(declared: ColumnType, returned: ColumnType | None) -> str | None:
    """What to write of a value, ``…``, or behind it, to make a declared type of it; None where there is no one way.

    Args:
        declared: The type.
        returned: What the value is; None where no column type is that.

    >>> way_to(ColumnType("int64"), ColumnType("date32"))
    'extract(epoch from …)::bigint'
    """
    before, after = _kind(returned), _kind(declared)
    if before == after or (before, after) in _CASTS or (before == "string" and after not in ("binary", "list")):
        return f"::{sql_type(declared)}"
    if after == "string" and before != "binary":
        return "::text"
    way = _WAYS.get((before, after))
    return None if way is None else way.replace("DECLARED", sql_type(declared))


def _kind(column_type: ColumnType | None) -> str:
    """What the types have in common that PostgreSQL casts alike."""
    if column_type is None:
        return ""
    if column_type.id == "dictionary":
        return _kind(column_type.item)
    if column_type.is_integer or column_type.id in ("float32", "float64", "decimal128"):
        return "number"
    if column_type.id == "timestamp":
        return "instant" if column_type.timezone else "timestamp"
    return "time" if column_type.id in ("time32", "time64") else column_type.id


# Beside those of text.
_CASTS = frozenset(
    [
        *(
            (before, after)
            for before in ("date32", "timestamp", "instant")
            for after in ("date32", "timestamp", "instant")
        ),
        ("timestamp", "time"),
        ("instant", "time"),
        ("time", "duration"),
        ("duration", "time"),
    ]
)
_WAYS = {
    # A cast takes text for escaped bytes, and writes bytes in hexadecimal.
    ("string", "binary"): "convert_to(…, 'UTF8')",
    ("binary", "string"): "convert_from(…, 'UTF8')",
    ("number", "bool"): "… <> 0",
    ("bool", "number"): "::integer::DECLARED",
    ("number", "instant"): "to_timestamp(…)",
    **{("number", kind): "(to_timestamp(…) at time zone 'UTC')::DECLARED" for kind in ("date32", "timestamp")},
    ("number", "duration"): "make_interval(secs => …)",
    **{
        (kind, "number"): "extract(epoch from …)::DECLARED"
        for kind in ("date32", "timestamp", "instant", "time", "duration")
    },
}
