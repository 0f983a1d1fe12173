"""Values that must be in a column of another table, exact in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.ordering import sort_rows
from lakehouse_cli.arrow.types import without_rows
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.keys import codes_of, key_columns, valid_rows
from lakehouse_cli.errors import KEPT_ROWS

if TYPE_CHECKING:
    from lakehouse_cli.contracts.spilled_parts import SpilledParts

# Bytes of the other table's values that are kept in memory.
_IN_MEMORY = 1 << 26
_AT_ONCE = 1 << 20
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class References:
    """The rows whose values another table does not have; to be closed.

    The other table's values are in memory, where they are few, and each piece is judged as it comes. Else both tables'
    go to temporary files, equal ones in one part.

    Args:
        own: Whether the values are looked for in the table itself, which is known at its end.
    """

    def __init__(self, *, own: bool = False) -> None:
        self._own = own
        self._known: pa.Array | None = None
        self._parents: SpilledParts | None = None
        self._children: SpilledParts | None = None
        self._stack = ExitStack()

    def read(self, pieces: Iterable[Sequence[pa.ChunkedArray]]) -> None:
        """Read the columns of the other table, piece by piece."""
        held: list[pa.ChunkedArray] = []
        size = 0
        for columns in pieces:
            keys = key_columns(columns)
            valid = valid_rows(keys)
            key = _joined(keys if valid is None else [each.filter(valid) for each in keys])
            key = pa.chunked_array([pc.unique(key)], key.type)
            held.append(key)
            size += key.nbytes
            if self._own or size > _IN_MEMORY:
                for each in held:
                    self._parents = self._spill(self._parents, pa.table({"key": each}))
                held, size = [], 0
        if self._parents is not None:
            for each in held:
                self._parents = self._spill(self._parents, pa.table({"key": each}))
        elif held:
            self._known = pc.unique(pa.chunked_array([chunk for each in held for chunk in each.chunks]))

    def verdict(self, columns: Sequence[pa.ChunkedArray], start: int) -> pa.ChunkedArray:
        """Which rows are good; null where a value is null. All are as long as the other table is in files."""
        keys = key_columns(columns)
        valid = valid_rows(keys)
        if self._own or self._parents is not None:
            kept = keys if valid is None else [each.filter(valid) for each in keys]
            rows = np.arange(start, start + len(keys[0]))
            if valid is not None:
                rows = rows[av.to_numpy(valid)]
            table = pa.table({"key": _joined(kept), "row": av.from_numpy(rows, pa.int64())})
            self._children = self._spill(self._children, table)
            good = pc.or_(keys[0].is_valid(), keys[0].is_null())
        elif self._known is None:
            good = pc.and_(keys[0].is_valid(), keys[0].is_null())
        else:
            key = _joined(keys)
            good = pc.is_in(key, value_set=self._known.cast(key.type))
        return good if valid is None else pc.if_else(valid, good, av.scalar(None, pa.bool_()))

    def missing(self, reject: Callable[[Any, pa.Table], None] | None = None) -> tuple[int, pa.Table | None]:
        """How many rows `verdict` did not know of, and the first: `key` and `row`; nothing can be added any more.

        Args:
            reject: Takes the numbers of all of them, with the column `key`.
        """
        if self._children is None:
            return 0, None
        count, first = 0, without_rows(self._children.schema)
        for part in self._children.parts:
            known = pc.unique((_read(self._parents, part) if self._parents is not None else first.slice(0, 0))["key"])
            for batch in self._children.batches(part):
                bad = pa.Table.from_batches([batch.filter(pc.invert(pc.is_in(batch["key"], value_set=known)))])
                count += bad.num_rows
                if reject is not None:
                    reject(bad["row"], bad.select(["key"]))
                first = sort_rows(pa.concat_tables([first, bad.slice(0, KEPT_ROWS)]), ["row"]).slice(0, KEPT_ROWS)
        return count, first

    def _spill(self, parts: SpilledParts | None, table: pa.Table) -> SpilledParts:
        if parts is None:
            from lakehouse_cli.contracts.spilled_parts import SpilledParts

            parts = self._stack.enter_context(closing(SpilledParts(table.schema, "values of its rows")))
        for at in range(0, table.num_rows, _AT_ONCE):
            some = table.slice(at, _AT_ONCE)
            parts.add(some, codes_of([some["key"]]) * _SPREAD)
        return parts

    def close(self) -> None:
        """Remove what was spilled."""
        self._known = None
        self._stack.close()


def _read(parts: SpilledParts, part: int) -> pa.Table:
    batches: Iterator[pa.RecordBatch] = parts.batches(part)
    return pa.Table.from_batches(batches, parts.schema)


def _joined(keys: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """The key of each row as one value: its own, or the texts of several, each after its length."""
    if len(keys) == 1:
        [key] = keys
        return key.cast(pa.large_string()) if pa.types.is_string(key.type) else key
    parts: list[Any] = []
    for key in keys:
        text = _text(key)
        parts += [pc.binary_length(text).cast(pa.large_string()).cast(pa.large_binary()), text]
    return pc.binary_join_element_wise(*parts, av.scalar(b" ", pa.large_binary()))


def unjoined(key: pa.ChunkedArray, kinds: Sequence[pa.DataType]) -> pa.Table:
    """The keys that `verdict` joined, column by column, as `key_columns` gives them; `kinds` are the columns' types."""
    if len(kinds) == 1:
        return pa.table([key], names=["0"])
    texts: list[list[bytes]] = [[] for _ in kinds]
    for joined in key.to_pylist():
        at = 0
        for each in texts:
            begin = joined.index(b" ", at) + 1
            at = begin + int(joined[at : begin - 1])
            each.append(joined[begin:at])
            at += 1
    columns = [_of_text(av.array(each, pa.large_binary()), kind) for each, kind in zip(texts, kinds, strict=True)]
    return pa.table(columns, names=[str(at) for at in range(len(kinds))])


def _of_text(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Undo `_text`."""
    [like] = key_columns([pa.chunked_array([], kind)])
    if pa.types.is_binary(like.type) or pa.types.is_large_binary(like.type):
        return text
    if pa.types.is_temporal(like.type):
        words = pa.int32() if like.type.bit_width == 32 else pa.int64()
        return text.cast(pa.large_string()).cast(words).cast(like.type)
    return text.cast(pa.large_string()).cast(like.type)


def _text(key: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bytes that are equal exactly where the values are."""
    kind = key.type
    if pa.types.is_temporal(kind):
        key = key.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        key = key.cast(pa.large_string())
    return key.cast(pa.large_binary())
