"""Rows that only the end of the data names, with what is known of their values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.types import plain_type
from lakehouse_cli.errors import StorageError

if TYPE_CHECKING:
    from lakehouse_cli.contracts.spilled_parts import SpilledParts
    from lakehouse_cli.violating_rows.writing import ViolatingRows


class LateRows:
    """The rows of one finding, taken in any order and given back ascending; to be closed.

    Their values wait in a temporary file, those of a stretch of the data in one part, of which one is in memory at a
    time. Trouble with the file is nobody's: the rows have no values then.

    Args:
        total: How many rows the data have.
        keeps_values: Whether the values are wanted; else they can be had from the data.
    """

    def __init__(self, total: int, *, keeps_values: bool) -> None:
        self._stretch = np.uint64(((1 << 64) - 1) // max(total, 1))
        self._keeps_values = keeps_values
        self._numbers: list[Any] = []
        self._parts: SpilledParts | None = None

    def add(self, rows: Any, values: Callable[[], pa.Table]) -> None:
        """Take rows.

        Args:
            rows: Their 0-based numbers, int64.
            values: Gives what is known of their values.
        """
        self._numbers.append(rows)
        if not self._keeps_values or not len(rows):
            return
        # Each batch of a table may have a dictionary of its own; the number of a row is behind its values.
        known = values()
        plain = [column.cast(plain_type(column.type)) for column in known.columns]
        numbered = pa.table([*plain, av.from_numpy(rows, pa.int64())], names=[*known.column_names, ""])
        try:
            if self._parts is None:
                from lakehouse_cli.contracts.spilled_parts import SpilledParts

                self._parts = SpilledParts(numbered.schema, "the rows that fail")
            self._parts.add(numbered, rows.astype(np.uint64) * self._stretch)
        except StorageError:
            self._keeps_values = False

    def numbers(self) -> Any:
        """The 0-based numbers of all, ascending; int64."""
        self._numbers = [np.sort(np.concatenate([np.empty(0, np.int64), *self._numbers]))]
        return self._numbers[0]

    def read(self, first: int) -> Iterator[tuple[Any, pa.Table | None]]:
        """Those from a number on, ascending: their numbers, and their values where they are known."""
        done = first
        with suppress(StorageError):
            for rows, values in () if self._parts is None or not self._keeps_values else _in_order(self._parts, first):
                done = int(rows[-1]) + 1
                yield rows, values
        rest = self.numbers()
        rest = rest[np.searchsorted(rest, done) :]
        if len(rest):
            yield rest, None

    def close(self) -> None:
        """Remove the file."""
        if self._parts is not None:
            self._parts.close()


def _in_order(parts: SpilledParts, first: int) -> Iterator[tuple[Any, pa.Table]]:
    """The numbers and values of rows from one on, part by part."""
    for part in parts.parts:
        rows = pa.Table.from_batches(parts.batches(part), parts.schema)
        numbers = av.to_numpy(rows.columns[-1])
        order = np.argsort(numbers, kind="stable")
        order = order[np.searchsorted(numbers[order], first) :]
        if len(order):
            values = rows.select(range(rows.num_columns - 1))
            yield numbers[order], values.take(av.from_numpy(order, pa.int64()))


def write_late(
    every: ViolatingRows,
    late: Sequence[tuple[int, LateRows]],
    pieces: Iterable[pa.Table],
    first: Collection[str],
) -> None:
    """Write rows that only the end named: whole ones of the pieces, of others what is known of them.

    Args:
        every: Takes them.
        late: They, with the numbers of their reasons.
        pieces: Those of the data that can be had, from the first on.
        first: The columns to keep of more than are kept.
    """
    before = 0
    numbers = [(reason, rows.numbers()) for reason, rows in late]
    for piece in pieces:
        found, end = [], before + piece.num_rows
        for reason, rows in numbers:
            start, stop = np.searchsorted(rows, (before, end))
            if start < stop:
                found.append((reason, rows[start:stop] - before))
        if found:
            every.add(piece, before, found, first)
        before = end
    for reason, those in late:
        every.end_segment()
        for rows, values in those.read(before):
            every.add(values, 0, [(reason, np.arange(len(rows)))], first, rows)
