"""Rows in the order of columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import pyarrow as pa

from lakehouse_cli.arrow.types import from_arrow, plain_column
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.text.close_names import did_you_mean

# Rows of which it is seen at once whether they are sorted.
_ROWS = 1 << 16


def sort_rows(data: pa.Table, names: Sequence[str]) -> pa.Table:
    """Sort rows by columns, ascending; NaN comes after all numbers, null after all, and equal rows stay as they are.

    Args:
        data: A table.
        names: Of columns; the first that is nested, which Arrow does not sort by, and those behind it do not count.
    """
    names = sortable(data.schema, names)
    if not names:
        return data
    rows = _order(sort_keys(data, names))
    # Most have the order already, and what is taken apart is there twice.
    return data if _is_ascending(rows) else data.take(rows)


def sortable(schema: pa.Schema, names: Sequence[str]) -> list[str]:
    """The first of some columns that Arrow sorts by, up to one that is nested."""
    return list(takewhile(lambda name: not pa.types.is_nested(schema.field(name).type), names))


def are_sorted(data: pa.Table, names: Sequence[str]) -> bool:
    """Whether `sort_rows` would leave all rows where they are; the columns are not nested, at least one."""
    keys = sort_keys(data, names)
    return all(_is_ascending(_order(keys.slice(start, _ROWS + 1))) for start in range(0, data.num_rows, _ROWS))


def _order(keys: pa.Table) -> pa.Array:
    return pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])


def _is_ascending(rows: pa.Array) -> bool:
    return bool(pc.all(pc.less(rows[:-1], rows[1:])).as_py())


def sort_keys(data: pa.Table, names: Sequence[str]) -> pa.Table:
    """The columns to sort by as Arrow can, named by their positions."""
    return pa.table([plain_column(data.column(name)) for name in names], names=list(map(str, range(len(names)))))


def order_problem(schema: pa.Schema, names: Sequence[str]) -> tuple[int, str, str] | None:
    """Which column that `order_by` names is not there or has no order, what is wrong, and what to do."""
    for index, name in enumerate(names):
        if name not in schema.names:
            hint = did_you_mean(name, schema.names) or "name columns of the result"
            return index, f"`order_by` names `{name}`, which is not in the result", hint
        kind = from_arrow(schema.field(name).type)
        if kind is not None and kind.is_nested:
            hint = "order by columns that are no lists, structs or maps"
            return index, f"`order_by` names `{name}`, and {kind} has no order", hint
    return None
