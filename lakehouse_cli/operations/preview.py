"""A stored table for people and scripts: its columns, where it lives, and its first rows."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.timestamp_texts import UNITS
from lakehouse_cli.arrow.maps import pairs_of
from lakehouse_cli.arrow.types import from_arrow, holds
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import HIDDEN, UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.page import Page, Value, to_html
from lakehouse_cli.text.terminal import value_text

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = 24 * 60 * 60


class ShownColumn(Struct, frozen=True):
    """One column as it is stored; with what its declaration says of the file, where it has one."""

    name: str
    type: str
    nullable: bool
    description: str | None
    from_: str | int | None
    options: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The column in the document of `lakehouse show -o json`."""
        own = {"name": self.name, "type": self.type, "nullable": self.nullable, "description": self.description}
        return {**own, "from": self.from_, "options": dict(self.options)}


class Answer(Struct, frozen=True):
    """A table to look at.

    Attributes:
        columns: As they are.
        row_count: Rows in all.
        rows: The first ones; values that JSON has no type for as text, moments in UTC.
        local: By column of moments in another time zone, their local times, with the offset.
    """

    columns: tuple[ShownColumn, ...]
    row_count: int
    rows: tuple[dict[str, Any], ...]
    local: Mapping[str, Sequence[str | None]] = field(default_factory=dict)

    def without_values(self, hidden: Collection[str]) -> Self:
        """The same without the values of some columns; null is shown."""
        rows = tuple(hide_values(row, hidden) for row in self.rows)
        return replace(self, rows=rows, local={name: each for name, each in self.local.items() if name not in hidden})

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse sql -o json`."""
        columns = [{"name": column.name, "type": column.type} for column in self.columns]
        return {"columns": columns, "row_count": self.row_count, "rows": list(self.rows)}


class Shown(Answer, frozen=True, kw_only=True):
    """A stored table.

    Attributes:
        name: Its name.
        uri: Where it is.
        partitions: Those that are shown, in order; None of a table without partitions.
        notes: What there is to say of it.
        sensitive: The columns whose values are not shown.
    """

    name: str
    uri: str
    partitions: tuple[Partition, ...] | None = None
    notes: tuple[str, ...] = ()
    sensitive: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Shown {self.name!r}: {plural(self.row_count, 'row')}>"

    def _repr_html_(self) -> str:
        rows = self.without_values(self.sensitive).rows
        page = Page(
            f"`{self.name}` · {self.uri}",
            plural(self.row_count, "row"),
            tuple(Value(column.name) for column in self.columns),
            tuple(tuple(Value(value_text(value)) for value in row.values()) for row in rows),
            notes=self.notes,
        )
        return to_html(page)

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse show -o json`."""
        columns = [column.to_json() for column in self.columns]
        document = {"name": self.name, "uri": self.uri, **super().to_json(), "columns": columns}
        if self.partitions is not None:
            document["partitions"] = [each.key for each in self.partitions]
        return document | ({"notes": list(self.notes)} if self.notes else {})


def shown(table: Table, uri: str, data: pa.Table, count: int, partitions: Sequence[Partition] = ()) -> Shown:
    """Describe a table's stored data, and format the first `count` rows."""
    declared = {column.name: column for column in table.columns or ()}
    columns = []
    for each in data.schema:
        column = declared.get(each.name)
        text = str(from_arrow(each.type) or each.type)
        nullable = table.contract.may_be_null(each.name)
        about = (column.description, column.from_, column.options) if column else (None, None, {})
        columns.append(ShownColumn(each.name, text, nullable, *about))
    there = tuple(partitions) if table.partitions else None
    return Shown(
        *_rows(data, columns, count),
        name=table.name,
        uri=uri,
        partitions=there,
        sensitive=frozenset(table.contract.sensitive),
    )


def answer(data: pa.Table, count: int | None) -> Answer:
    """Describe the result of a query, and format its first `count` rows; all where there is no count."""
    columns = [ShownColumn(f.name, str(from_arrow(f.type) or f.type), True, None, None, {}) for f in data.schema]
    return Answer(*_rows(data, columns, data.num_rows if count is None else count))


def _rows(data: pa.Table, columns: Sequence[ShownColumn], count: int) -> tuple[Any, ...]:
    """The members of an `Answer`.

    Raises:
        UsageError: The number of rows is negative.
    """
    if count < 0:
        raise UsageError(f"{count} rows cannot be shown", hint="the number of rows is 0 or more")
    first = data.slice(0, count)
    local = {f.name: _by_its_clocks(first.column(f.name)) for f in data.schema if _has_clocks(f.type)}
    return tuple(columns), data.num_rows, rows_of(first), local


def hide_values(row: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """A row without the values of some columns; null is shown."""
    return {name: HIDDEN if name in hidden and value is not None else value for name, value in row.items()}


def rows_of(data: pa.Table) -> tuple[dict[str, Any], ...]:
    """Format rows with values that JSON has; others as text."""
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
    if pa.types.is_decimal(column.type):
        return [None if value is None else f"{value:f}" for value in column.to_pylist()]
    if pa.types.is_temporal(column.type):
        if pa.types.is_duration(column.type):
            counts = column.cast(pa.int64()).to_pylist()
            return [None if count is None else f"{count} {column.type.unit}" for count in counts]
        # Python's types have no nanoseconds; Arrow's own text has.
        return list(column.cast(pa.string()).to_pylist())
    if holds(column.type, pa.types.is_temporal):
        return _nested_values(column)
    return [_json_value(value) for value in column.to_pylist()]


def _nested_values(column: pa.ChunkedArray) -> list[Any]:
    """Format structs, lists and maps whose values, at whatever depth, are formatted as columns of them are."""
    import pyarrow as pa

    kind = column.type
    if not len(column):
        return []
    if pa.types.is_struct(kind):
        rows = zip(*map(_values, column.flatten()), strict=True)
        names = [field.name for field in kind]
        valid = column.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if ok else None for row, ok in zip(rows, valid, strict=True)]
    if pa.types.is_map(kind):
        pairs = _nested_values(pa.chunked_array([pairs_of(chunk) for chunk in column.chunks]))
        return [None if row is None else [list(pair.values()) for pair in row] for row in pairs]
    items = iter(_values(pc.list_flatten(column)))
    lengths = pc.list_value_length(column).to_pylist()
    return [None if length is None else [next(items) for _ in range(length)] for length in lengths]


def _has_clocks(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_timestamp(kind) and kind.tz not in (None, "UTC")


def _by_its_clocks(column: pa.ChunkedArray) -> list[str | None]:
    """Format moments as local times of their zone; in UTC where there is none."""
    import pyarrow as pa

    from lakehouse_cli.arrow.conversion.zones import to_wall_clock

    in_utc: list[str | None] = _values(column)
    try:
        local = pa.chunked_array([to_wall_clock(each) for each in column.chunks], pa.timestamp(column.type.unit))
    except pa.ArrowInvalid:  # a zone that this machine does not know
        return in_utc
    per_second = UNITS[column.type.unit]
    counts = zip(local.cast(pa.int64()).to_pylist(), column.cast(pa.int64()).to_pylist(), strict=True)
    offsets = [None if there is None else (there - here) // per_second for there, here in counts]
    return [
        utc
        if offset is None or utc is None or "since" in utc or abs(offset) > _DAY
        else f"{text}{_offset_text(offset)}"
        for text, utc, offset in zip(_texts(local, column.type.unit), in_utc, offsets, strict=True)
    ]


def _offset_text(seconds: int) -> str:
    """Format an offset from UTC as ISO 8601 does: ``+01:00``; with seconds for solar time of long ago."""
    hours, rest = divmod(abs(seconds), 3600)
    text = f"{'-' if seconds < 0 else '+'}{hours:02}:{rest // 60:02}"
    return f"{text}:{rest % 60:02}" if rest % 60 else text


def _texts(column: pa.ChunkedArray, unit: str) -> list[Any]:
    """Format dates or local times; beyond the years that Arrow prints, the count since 1970."""
    import pyarrow as pa

    whole = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
    texts, counts = column.cast(pa.string()).to_pylist(), column.cast(whole).to_pylist()
    return [
        f"{count} {unit} since 1970" if text is not None and text.startswith("<") else text
        for text, count in zip(texts, counts, strict=True)
    ]


def _json_value(value: Any) -> Any:
    """Convert a value to one that JSON has; others to text, bytes to base64."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):  # a map is a list of pairs
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
