"""Which column types polars holds."""

from __future__ import annotations

import re

from lakehouse_cli.model.column_type import ColumnType

# Whole hours it knows by the names of zones, from Etc/GMT+12 to Etc/GMT-14.
_OFFSET = r"[+-]\d\d:(?!00)\d\d|-1[34]:00"


def not_in_polars(column_type: ColumnType) -> str | None:
    """The type that polars does not hold: the one given, or one inside of it; None where it holds them.

    >>> from lakehouse_cli.model.column_type import parse_column_type
    >>> not_in_polars(parse_column_type("list<timestamp[us, tz=+05:30]>")), not_in_polars(parse_column_type("int8"))
    ('timestamp[us, tz=+05:30]', None)
    """
    if re.fullmatch(_OFFSET, column_type.timezone or ""):
        return str(column_type)
    return next(filter(None, (not_in_polars(child) for _, child in column_type.fields)), None)


def refusal(column: str, refused: str) -> tuple[str, str]:
    """Say that polars does not hold a column of an input, and what to do."""
    return (
        f"polars has no {refused}, which column `{column}` holds",
        f"declare {refused.partition('=')[0]}=UTC] in its place, or annotate the parameter with pyarrow.Table",
    )
