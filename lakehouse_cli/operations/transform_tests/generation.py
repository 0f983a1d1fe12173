"""Rows made up for a table, which keep its contract."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.model import Column, Table

# Few texts and days, so that rows of several tables meet in a join, and groups have several rows.
_WORDS = ("a", "b", "c", "d", "e f", "É", "7")
_DAYS = 60
_FIRST = date(2024, 1, 1)
_NULLS = 0.15  # of the values of columns that may be null


def generate_rows(table: Table, rows: int, seed: int) -> pa.Table:
    """Make up rows of a table with declared columns; the same ones for the same seed.

    Args:
        table: With columns.
        rows: How many; fewer where the key cannot have so many values.
        seed: Decides the values, together with the table's name.
    """
    random = Random(f"{seed} {table.name}")  # noqa: S311  # nothing secret
    made = [[_value_of(column, table, index, random) for column in table.columns or ()] for index in range(rows)]
    names = [column.name for column in table.columns or ()]
    key = [names.index(name) for name in table.key if name in names]
    unique = {repr([row[index] for index in key]): row for row in reversed(made)} if key else {}
    kept = list(reversed(unique.values())) if key else made
    columns = [[row[index] for row in kept] for index in range(len(names))]
    arrays = [
        _array(values, to_arrow(column.type)) for values, column in zip(columns, table.columns or (), strict=True)
    ]
    return pa.table(dict(zip(names, arrays, strict=True)))


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def _value_of(column: Column, table: Table, index: int, random: Random) -> Any:
    """One value; what else a contract asks of it is to be seen to here."""
    kind = to_arrow(column.type)
    if table.key == (column.name,):
        return _nth(kind, index)
    if table.contract.may_be_null(column.name) and random.random() < _NULLS:
        return None
    return _any(kind, random)


def _any(kind: pa.DataType, random: Random) -> Any:
    t = pa.types
    if t.is_dictionary(kind):
        return _any(kind.value_type, random)
    if t.is_list(kind):
        return [_any(kind.value_type, random) for _ in range(random.randrange(4))]
    if t.is_struct(kind):
        return {field.name: _any(field.type, random) for field in kind}
    if t.is_map(kind):
        keys = {repr(key): key for key in (_any(kind.key_type, random) for _ in range(random.randrange(4)))}
        return [(key, _any(kind.item_type, random)) for key in keys.values()]
    if t.is_floating(kind):
        return round(random.uniform(-50, 150), 2)
    if t.is_integer(kind):
        return random.randrange(0 if t.is_unsigned_integer(kind) else -20, 100)
    return _nth(kind, random.randrange(_DAYS))


def _nth(kind: pa.DataType, index: int) -> Any:
    """A value of a plain type, as far as there are so many another one for each index."""
    for fits, make in _MAKERS:
        if fits(kind):
            return make(kind, index)
    return None


def _text(index: int) -> str:
    return _WORDS[index] if index < len(_WORDS) else f"{_WORDS[index % len(_WORDS)]}{index // len(_WORDS)}"


def _decimal(kind: pa.DataType, index: int) -> Decimal:
    largest = 10 ** min(kind.precision, 6)
    return Decimal(index * 37 % largest).scaleb(-kind.scale)


def _integer(kind: pa.DataType, index: int) -> int:
    return index % int(1 << (kind.bit_width - 1))


_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType, int], Any]], ...] = (
    (pa.types.is_dictionary, lambda kind, index: _nth(kind.value_type, index)),
    (pa.types.is_integer, _integer),
    (pa.types.is_floating, lambda kind, index: index * 0.25),  # noqa: ARG005
    (pa.types.is_decimal, _decimal),
    (pa.types.is_boolean, lambda kind, index: index % 2 == 1),  # noqa: ARG005
    (pa.types.is_string, lambda kind, index: _text(index)),  # noqa: ARG005
    (pa.types.is_binary, lambda kind, index: _text(index).encode()),  # noqa: ARG005
    (pa.types.is_date, lambda kind, index: _FIRST + timedelta(days=index)),  # noqa: ARG005
    (pa.types.is_timestamp, lambda kind, index: datetime(2024, 1, 1) + timedelta(hours=7 * index)),  # noqa: ARG005
    (pa.types.is_time, lambda kind, index: time(index // 60 % 24, index % 60)),  # noqa: ARG005
    (pa.types.is_duration, lambda kind, index: timedelta(seconds=90 * index)),  # noqa: ARG005
)
