"""Rows that share their values with others, exact over any number of pieces, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.memory import copied
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
#: Keys with the numbers of their rows, piece by piece.
_Pieces: TypeAlias = Iterator[tuple[pa.Table, pa.Array]]


class Uniqueness:
    """Counts the rows that share a key, and finds the first of them; to be closed.

    Keys wait in memory up to a limit, and in a temporary file beyond it, equal ones in one part. The piece that came
    last waits as well, so that a table which is in memory as a whole is not written.

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
            table = pa.table([av.from_numpy(codes_of(keys).view(np.int64), pa.int64())], names=["0"])
        size = table.nbytes + (0 if isinstance(rows, range) else rows.nbytes)
        if self._pieces and self._bytes + size > self._limit:
            self._spill()
        self._pieces.append((copied(table) if size <= self._limit else table, rows))
        self._bytes += size

    def _spill(self) -> None:
        for table, rows in self._waiting():
            numbered = table.append_column(_ROW, pa.chunked_array([rows]))
            if self._spilled is None:
                from lakehouse_cli.contracts.spilled_parts import SpilledParts

                parts = SpilledParts(numbered.schema, "values of its rows", self._limit)
                self._spilled = self._stack.enter_context(closing(parts))
            self._spilled.add(numbered.cast(self._spilled.schema), codes_of(table.columns) * _SPREAD)
        self._pieces, self._bytes, self._limit = [], 0, 0

    def shared(self, reject: Callable[[Any, pa.Table], None] | None = None) -> tuple[int, pa.Table | None]:
        """How many rows share their key with others, and the first of them; nothing can be added any more.

        Args:
            reject: Takes the numbers of all of them, with the keys as they are kept.

        Returns:
            Their number; the keys of the first, as they are kept, with the numbers of their rows as the last column.
        """
        if self._spilled is None:
            repeated = _repeated(self._waiting(), sum(table.num_rows for table, _ in self._pieces))
            if not len(repeated) or self._bytes <= self._limit:
                return _shared(self._waiting, repeated, reject)
        self._spill()
        assert self._spilled is not None  # noqa: S101  # by now
        count, first = 0, None
        for part in self._spilled.parts:
            more, rows = _shared(partial(self._read, part), _repeated(self._read(part), _AT_ONCE), reject)
            count += more
            if rows is not None:
                first = _first(rows if first is None else pa.concat_tables([first, rows]))
        return count, first

    def _waiting(self) -> _Pieces:
        for table, rows in self._pieces:
            for start in range(0, table.num_rows, _AT_ONCE):
                yield table.slice(start, _AT_ONCE), _row_numbers(rows[start : start + _AT_ONCE])

    def _read(self, part: int) -> _Pieces:
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


def _repeated(pieces: _Pieces, room: int) -> Any:
    """The codes that are there more than once, ascending.

    Args:
        pieces: Of keys.
        room: For so many codes at first. Where there are more, each is kept no more than twice.
    """
    codes, size = np.empty(room, np.uint64), 0
    for table, _ in pieces:
        end = size + table.num_rows
        if end > len(codes):
            size = _thin(codes[:size])
            end = size + table.num_rows
            if 2 * end > len(codes):  # else it would soon be sorted again
                codes = np.concatenate([codes[:size], np.empty(2 * end, np.uint64)])
        codes[size:end] = codes_of(table.columns)
        size = end
    codes = codes[: _thin(codes[:size])]
    return codes[1:][codes[1:] == codes[:-1]]


def _thin(codes: Any) -> int:
    """Sort codes in place, the first of them each no more than twice; returns how many these are."""
    codes.sort()
    is_third = codes[2:] == codes[:-2]
    if not is_third.any():
        return len(codes)
    kept = codes[2:][~is_third]
    codes[2 : 2 + len(kept)] = kept
    return 2 + len(kept)


def _shared(
    read: Callable[[], _Pieces], codes: Any, reject: Callable[[Any, pa.Table], None] | None
) -> tuple[int, pa.Table | None]:
    """Count the rows with one of some codes that share their key, and find the first; `reject` takes all.

    Args:
        read: Gives the keys of each code, rows ascending.
        codes: That are there more than once, ascending.
        reject: As of `Uniqueness.shared`.
    """
    keys = _shared_keys(read(), codes) if len(codes) else None
    if not len(codes) or (keys is not None and not keys.num_rows):
        return 0, None
    count, known = 0, 0
    first: list[pa.Table] = []
    for table, rows in read():
        numbered = table.append_column(_ROW, pa.chunked_array([rows])).filter(_flags(table, codes))
        if keys is not None and numbered.num_rows:
            numbered = numbered.join(keys, table.column_names, join_type="left semi")
        count += numbered.num_rows
        if reject is not None:
            reject(numbered[_ROW], numbered.drop_columns([_ROW]))
        if known < KEPT_ROWS:
            first.append(_first(numbered))
            known += first[-1].num_rows
    return count, _first(pa.concat_tables(first))


def _shared_keys(pieces: _Pieces, codes: Any) -> pa.Table | None:
    """The keys of some codes that rows share; None where each code is of one key."""
    groups: pa.Table | None = None
    for table, _ in pieces:
        if is_exact(table.columns):
            return None
        candidates = table.filter(_flags(table, codes))
        counted = candidates.append_column("n", av.from_numpy(np.ones(candidates.num_rows, np.int64), pa.int64()))
        groups = counted if groups is None else pa.concat_tables([groups, counted])
        groups = (
            groups.group_by(table.column_names).aggregate([("n", "sum")]).rename_columns([*table.column_names, "n"])
        )
    if groups is None or groups.num_rows == len(codes):
        return None
    return groups.filter(pc.greater(groups["n"], av.scalar(1, pa.int64()))).drop_columns(["n"])


def _first(rows: pa.Table) -> pa.Table:
    return sort_rows(rows, [_ROW]).slice(0, KEPT_ROWS)


def _flags(table: pa.Table, wanted: Any) -> pa.Array:
    """Which keys have one of some codes that are sorted."""
    codes = codes_of(table.columns)
    places = np.searchsorted(wanted, codes).clip(max=len(wanted) - 1)
    return av.from_numpy((wanted[places] == codes).astype(np.uint8), pa.uint8()).cast(pa.bool_())
