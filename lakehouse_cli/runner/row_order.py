"""Rows of a result in the order of their key, where the engine that computed them gives another each time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pyarrow as pa

from lakehouse_cli.contracts.keys import increases
from lakehouse_cli.errors import TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.runner.external_sort import sort_pieces

# Bytes of rows in order that are held, lest one follows that is not.
_HELD = 1 << 24


def by_key(pieces: Iterator[pa.Table], table: Table) -> pa.Table | Iterator[pa.Table]:
    """Put rows in the order of the table's key: sorted, unless they come in it.

    Args:
        pieces: As they were computed.
        table: With a key.

    Returns:
        All rows, sorted, in pieces where they are many; or the pieces as they came, which raise a TransformError where
        rows out of order follow so many in order that these are not held any more.
    """
    held: list[pa.Table] = []
    size = 0
    order = _Order(table.key)
    for piece in pieces:
        held.append(piece)
        size += piece.nbytes
        if not order.has(piece):
            return chain(held, pieces)  # the contract reports it
        if not order.goes_on(piece):
            return sort_pieces(chain(held, pieces), table.key, table.name)
        if size > _HELD:
            return chain(held, _checked(pieces, order, table))
    return iter(held)


def _checked(pieces: Iterator[pa.Table], order: _Order, table: Table) -> Iterator[pa.Table]:
    for piece in pieces:
        if order.has(piece) and not order.goes_on(piece):
            names = ", ".join(table.key)
            raise TransformError(
                f"result of {table.computed_by}: its first rows come in the order of the key, and later ones do not",
                hint=f"set `order_by: [{names}]`, which sorts them all, or sort them in the transform",
            )
        yield piece


class _Order:
    def __init__(self, key: tuple[str, ...]) -> None:
        self._key = list(key)
        self._last: pa.Table | None = None

    def has(self, piece: pa.Table) -> bool:
        """Whether a piece has the columns of the key, of types that have an order."""
        names = piece.column_names
        return all(names.count(name) == 1 and _has_order(piece.schema.field(name).type) for name in self._key)

    def goes_on(self, piece: pa.Table) -> bool:
        """Whether the rows of a piece are in order, and behind all before."""
        if not piece.num_rows:
            return True
        keys = piece.select(self._key)
        joined = keys if self._last is None else pa.concat_tables([self._last, keys])
        self._last = keys.slice(keys.num_rows - 1)
        return increases(joined)


def _has_order(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_null(kind))
