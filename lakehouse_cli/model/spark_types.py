"""Which column types Spark holds, every value of them."""

from __future__ import annotations

from lakehouse_cli.model.column_type import ColumnType

# What comes as another type that has all values: `dictionary` as its values, and `s` and `ms` as microseconds.
_NOT_HELD = frozenset(("uint8", "uint16", "uint32", "uint64", "time32", "time64"))


def not_in_spark(column_type: ColumnType) -> str | None:
    """The type that Spark does not hold: the one given, or one inside of it; None where it holds them.

    >>> from lakehouse_cli.model.column_type import parse_column_type
    >>> not_in_spark(parse_column_type("list<uint8>")), not_in_spark(parse_column_type("timestamp[s]"))
    ('uint8', None)
    """
    if column_type.id in _NOT_HELD or column_type.unit == "ns":
        return str(column_type)
    return next(filter(None, (not_in_spark(child) for _, child in column_type.fields)), None)


def refusal(column: str, refused: str) -> tuple[str, str]:
    """Say that Spark does not hold a column of an input, and what to do."""
    if refused.startswith("uint"):
        instead = "int64, or decimal128(20, 0)"
    elif refused.startswith("time") and not refused.startswith("timestamp"):
        instead = "string"
    else:
        instead = refused.replace("[ns", "[us")
    return (
        f"Spark has no {refused}, which column `{column}` holds",
        f"declare {instead} in its place, or annotate the parameter with pyarrow.Table",
    )
