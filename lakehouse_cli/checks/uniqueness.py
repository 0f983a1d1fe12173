"""Rows that share their values with others, exact over any number of pieces, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.ordering import sort_rows
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.keys import codes_of, is_exact
from lakehouse_cli.errors import KEPT_ROWS

if TYPE_CHECKING:
    from lakehouse_cli.contracts.spilled_parts import SpilledParts

_ROW = "row"
# Rows that are written to parts at once.
_AT_ONCE = 1 << 20
# Of the multiplication that spreads codes over the parts (Fibonacci hashing).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Uniqueness:
    """Counts the rows that share a key, and finds the first of them; to be closed.

    Keys wait in memory up to a limit, and in a temporary file beyond it, equal ones in one part.

    Args:
        limit: Bytes that may wait in memory.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[tuple[pa.Table, Any]] = []
        self._bytes = 0
        self._spilled: SpilledParts | None = None
        self._stack = ExitStack()

    def add(self, keys: Sequence[pa.ChunkedArray], rows: Any) -> None:
        """Add rows that follow.

        Args:
            keys: From `lakehouse_cli.checks.keys.key_columns`, without null.
            rows: Their 0-based numbers: a range, or an array of numpy's of int64.
        """
        table = pa.table(list(keys), names=[str(at) for at in range(len(keys))])
        if not table.num_rows:
            return
        if is_exact(keys):
            codes = codes_of(keys)
            if any(chunk.buffers()[1].parent is not None for chunk in keys[0].chunks):
                codes = codes.copy()  # of a batch whose columns are in memory, or not, together
            table = pa.table([av.from_numpy(codes.view(np.int64), pa.int64())], names=["0"])
        self._pieces.append((table, rows))
        self._bytes += table.nbytes + (0 if isinstance(rows, range) else rows.nbytes)
        if self._bytes > self._limit:
            self._spill()

    def merge(self, other: Uniqueness) -> None:
        """Add the rows of another part of the table, whose numbers follow; it is empty then."""
        if other._spilled is not None:
            for part in other._spilled.parts:
                for batch in other._spilled.batches(part):
                    table = pa.Table.from_batches([batch])
                    self._pieces.append((table.drop_columns([_ROW]), av.to_numpy(table[_ROW])))
                    self._bytes += table.nbytes
                    if self._bytes > self._limit:
                        self._spill()
        self._pieces += other._pieces
        self._bytes += other._bytes
        other._pieces, other._bytes = [], 0
        if self._bytes > self._limit:
            self._spill()

    def _spill(self) -> None:
        pieces, self._pieces, self._bytes = self._pieces, [], 0
        for table, rows in pieces:
            numbered = table.append_column(_ROW, pa.chunked_array([_row_numbers(rows)]))
            if self._spilled is None:
                from lakehouse_cli.contracts.spilled_parts import SpilledParts

                self._spilled = self._stack.enter_context(closing(SpilledParts(numbered.schema, "values of its rows")))
            for start in range(0, numbered.num_rows, _AT_ONCE):
                part = numbered.slice(start, _AT_ONCE).cast(self._spilled.schema)
                self._spilled.add(part, _codes(part.columns[:-1]) * _SPREAD)

    def shared(self) -> tuple[int, pa.Table | None]:
        """How many rows share their key with others, and the first of them; nothing can be added any more.

        Returns:
            Their number; the keys of the first, as they are kept, with the numbers of their rows as the last column.
        """
        if self._spilled is not None:
            self._spill()
            count, first = 0, None
            for part in self._spilled.parts:
                more, rows = _shared(lambda part=part: self._numbered(part))  # type: ignore[misc]
                count += more
                if rows is not None:
                    first = _first(rows if first is None else pa.concat_tables([first, rows]))
            return count, first
        codes, at = np.empty(sum(table.num_rows for table, _ in self._pieces), np.uint64), 0
        for table, _ in self._pieces:
            codes[at : at + table.num_rows] = _codes(table.columns)
            at += table.num_rows
        codes.sort()
        if not (codes[1:] == codes[:-1]).any():
            return 0, None
        del codes
        return _shared(lambda: ((table, _row_numbers(rows)) for table, rows in self._pieces))

    def _numbered(self, part: int) -> Iterator[tuple[pa.Table, pa.Array]]:
        assert self._spilled is not None  # noqa: S101  # the caller looks
        for batch in self._spilled.batches(part):
            if batch.num_rows:
                table = pa.Table.from_batches([batch])
                yield table.drop_columns([_ROW]), table[_ROW].combine_chunks()

    def close(self) -> None:
        """Remove what was spilled."""
        self._pieces = []
        self._stack.close()


def _row_numbers(rows: Any) -> pa.Array:
    numbers = np.arange(rows.start, rows.stop, dtype=np.int64) if isinstance(rows, range) else rows
    return av.from_numpy(numbers, pa.int64())


def _codes(columns: Sequence[pa.ChunkedArray]) -> Any:
    return codes_of(columns)


def _shared(read: Callable[[], Iterator[tuple[pa.Table, pa.Array]]]) -> tuple[int, pa.Table | None]:
    """Count the rows of a part that share their key, by their codes first, and by the keys where these are more.

    Memory is bounded by the number of different keys.
    """
    known, counts = np.empty(0, np.uint64), np.empty(0, np.int64)
    exact = True
    for table, _ in read():
        exact = is_exact(table.columns)
        more, numbers = np.unique(_codes(table.columns), return_counts=True)
        every = np.concatenate([known, more])
        known, places = np.unique(every, return_inverse=True)
        counts = np.bincount(places, np.concatenate([counts, numbers]), len(known)).astype(np.int64)
    several = known[counts > 1]
    if not len(several):
        return 0, None
    if exact:
        return int(counts[counts > 1].sum()), _first_rows(read, several, None)
    groups: pa.Table | None = None
    for table, _ in read():
        candidates = table.filter(_flags(_codes(table.columns), several))
        counted = candidates.append_column("n", av.from_numpy(np.ones(candidates.num_rows, np.int64), pa.int64()))
        groups = counted if groups is None else pa.concat_tables([groups, counted])
        groups = (
            groups.group_by(table.column_names).aggregate([("n", "sum")]).rename_columns([*table.column_names, "n"])
        )
    assert groups is not None  # noqa: S101  # there are candidates
    groups = groups.filter(pc.greater(groups["n"], av.scalar(1, pa.int64())))
    count = pc.sum(groups["n"]).as_py() or 0
    return count, _first_rows(read, several, groups.drop_columns(["n"])) if count else None


def _first_rows(read: Callable[[], Iterator[tuple[pa.Table, pa.Array]]], codes: Any, keys: pa.Table | None) -> pa.Table:
    """The first rows with one of some codes, and with one of some keys where these are given."""
    found: list[pa.Table] = []
    for table, rows in read():
        numbered = table.append_column(_ROW, pa.chunked_array([rows])).filter(_flags(_codes(table.columns), codes))
        if keys is not None and numbered.num_rows:
            numbered = numbered.join(keys, table.column_names, join_type="left semi")
        found.append(_first(numbered))
        if sum(each.num_rows for each in found) >= KEPT_ROWS:
            break
    return _first(pa.concat_tables(found))


def _first(rows: pa.Table) -> pa.Table:
    return sort_rows(rows, [_ROW]).slice(0, KEPT_ROWS)


def _flags(codes: Any, wanted: Any) -> pa.Array:
    """Which codes are among some that are sorted."""
    places = np.searchsorted(wanted, codes).clip(max=len(wanted) - 1)
    return av.from_numpy((wanted[places] == codes).astype(np.uint8), pa.uint8()).cast(pa.bool_())
