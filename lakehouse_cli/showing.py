"""A stored table for people and scripts: its columns, where it lives, and its first rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_cli.arrow_types import from_arrow
from lakehouse_cli.model import Table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """One column as it is stored."""

    name: str
    type: str
    nullable: bool
    description: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A stored table.

    Attributes:
        name: The table.
        uri: Where it lives.
        columns: As they are stored.
        row_count: Rows in all.
        rows: The first ones; values that JSON has no type for as text.
    """

    name: str
    uri: str
    columns: tuple[ShownColumn, ...]
    row_count: int
    rows: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse show -o json`."""
        return {
            "name": self.name,
            "uri": self.uri,
            "columns": [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in self.columns],
            "row_count": self.row_count,
            "rows": list(self.rows),
        }


def shown(table: Table, uri: str, data: pa.Table, count: int) -> Shown:
    """A table's stored data, of which the first `count` rows are shown."""
    declared = {column.name: column for column in table.columns or ()}
    columns = []
    for field in data.schema:
        column = declared.get(field.name)
        text = str(from_arrow(field.type) or field.type)
        nullable = column is None or (column.nullable and column.name not in table.key)
        columns.append(ShownColumn(field.name, text, nullable, (column.description or "") if column else ""))
    return Shown(table.name, uri, tuple(columns), data.num_rows, rows_of(data.slice(0, count)))


def rows_of(data: pa.Table) -> tuple[dict[str, Any], ...]:
    """Rows with values that JSON has; others as text."""
    columns = [_values(data.column(index)) for index in range(data.num_columns)]
    return tuple(dict(zip(data.column_names, row, strict=True)) for row in zip(*columns, strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        # In UTC, as the file has it: the moment is the same, and the ends of the range have no local time.
        moments = _texts(column.cast(pa.timestamp(column.type.unit)), column.type.unit)
        return [None if moment is None else f"{moment}Z" for moment in moments]
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _texts(column, getattr(column.type, "unit", "days"))
    if pa.types.is_temporal(column.type) or pa.types.is_decimal(column.type):
        # Python's types have no nanoseconds; Arrow's own text has.
        return (
            list(column.cast(pa.string()).to_pylist())
            if not pa.types.is_duration(column.type)
            else [
                None if value is None else f"{value} {column.type.unit}"
                for value in column.cast(pa.int64()).to_pylist()
            ]
        )
    return [_json_value(value) for value in column.to_pylist()]


def _texts(column: pa.ChunkedArray, unit: str) -> list[Any]:
    """Dates or wall-clock times as text; beyond the years that calendars are printed for, the count since 1970."""
    import pyarrow as pa

    whole = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
    texts, counts = column.cast(pa.string()).to_pylist(), column.cast(whole).to_pylist()
    return [
        f"{count} {unit} since 1970" if text is not None and text.startswith("<") else text
        for text, count in zip(texts, counts, strict=True)
    ]


def _json_value(value: Any) -> Any:
    """A value as JSON has it; what it has no type for as text, bytes as base64."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
