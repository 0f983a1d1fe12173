"""Rows of a query's input that lie in a span of time, as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from lakehouse_cli.errors import TransformError
from lakehouse_cli.storage.queries import QueryInput
from lakehouse_cli.storage.relational.contract_sql import Conversion
from lakehouse_cli.storage.relational.dialect import QueryDialect
from lakehouse_cli.text.sql import quote

_ALMOST_A_DAY = timedelta(days=1) - timedelta(microseconds=1)


def rows_within(
    dialect: QueryDialect, name: str, of: QueryInput, conversions: Mapping[str, Conversion], types: Mapping[str, str]
) -> str:
    """Return what is true of the rows in the span of an input, and of no others.

    Args:
        dialect: Of the database.
        name: What the query calls the input.
        of: The input, with a span.
        conversions: How its declared columns come to their types.
        types: SQL type of each column.

    Raises:
        TransformError: It has no such column, or no time in it.
    """
    span = of.span
    assert span is not None  # noqa: S101  # else all rows are read
    if span.column not in types:
        message = f"input `{name}` has no column `{span.column}`, which `within` names"
        raise TransformError(message, hint="name one of its columns")
    declared = {each.name: each.type for each in of.table.columns or ()}
    kind = declared.get(span.column) or dialect.natural(types[span.column])
    if kind is None or kind.id not in ("date32", "timestamp"):
        shown = types[span.column]
        message = f"column `{span.column}` of input `{name}` is {shown}, and no time, as `within` asks for"
        raise TransformError(message, hint="name a column that is a date or a timestamp, or declare it as one")
    bounds = (span.begin, span.end) if kind.timezone else (span.wall_begin, span.wall_end)
    if kind.id == "date32":  # a day lies where its midnight does: from the first that comes on, or after, the bound
        bounds = bounds[0] + _ALMOST_A_DAY, bounds[1] + _ALMOST_A_DAY
    value = conversions[span.column].expression if span.column in conversions else quote(span.column)
    begin, end = (dialect.moment(each.replace(tzinfo=None), kind) for each in bounds)
    return f"{value} >= {begin} AND {value} < {end}"
