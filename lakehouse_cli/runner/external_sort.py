"""Rows of any number in the order of columns: sorted runs on disk, merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain

import pyarrow as pa

from lakehouse_cli.arrow.ordering import are_sorted, sort_keys, sort_rows, sortable
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.runs.spilled_pieces import SpilledPieces

# Bytes of rows that are sorted in memory.
_IN_MEMORY = 1 << 26
# Bytes of a batch of a run, of which one is in memory at a time.
_BATCH = 1 << 20
# Runs that are merged at once.
_AT_ONCE = 64


def are_many(rows: pa.Table) -> bool:
    """Whether rows are more than are sorted in memory."""
    return bool(rows.nbytes > _IN_MEMORY)


def sort_pieces(pieces: Iterator[pa.Table], names: Sequence[str], table: str) -> pa.Table | Iterator[pa.Table]:
    """Sort rows as `sort_rows` does.

    Args:
        pieces: At least one; where they are not of one schema, they break a contract, and are given as they come.
        names: Of columns; the first that is nested, and those behind it, do not count.
        table: Its name, for messages.

    Returns:
        All rows where they are few, or came sorted in one piece; else pieces of them.

    Raises:
        StorageError: Those that do not fit into memory do not fit on the disk either; pieces raise it too.
    """
    first, second = next(pieces), next(pieces, None)
    names = sortable(first.schema, names)
    if second is None and (not names or are_sorted(first, names)):
        return first
    pieces = chain([first] if second is None else [first, second], pieces)
    if not names:
        return pieces
    empty = first.slice(0, 0)
    del first, second
    run: list[pa.Table] = []
    size = 0
    with ExitStack() as stack:
        runs = _Runs(stack, names, f"the rows of `{table}` to be sorted")
        for piece in pieces:
            if piece.schema != empty.schema:
                return chain(runs.merged(stack.pop_all()) if runs else (), run, [piece], pieces)
            for part in _parts(piece):
                if size and size + part.nbytes > _IN_MEMORY:
                    runs.add(pa.concat_tables(run))
                    run, size = [], 0
                run.append(part)
                size += part.nbytes
        if not runs:
            return sort_rows(pa.concat_tables([empty, *run]), names)
        if run:
            runs.add(pa.concat_tables(run))
        return runs.merged(stack.pop_all())


def _parts(piece: pa.Table) -> Iterator[pa.Table]:
    """Cut a piece that is larger than what is sorted in memory; none without rows, whatever its dictionaries take."""
    if piece.num_rows <= 1 or not are_many(piece):
        if piece.num_rows:
            yield piece
        return
    half = piece.num_rows // 2
    yield from _parts(piece.slice(0, half))
    yield from _parts(piece.slice(half))


class _Runs:
    """Sorted rows on disk: earlier ones of equal rows are in the earlier run."""

    def __init__(self, stack: ExitStack, names: Sequence[str], what: str) -> None:
        self._stack = stack
        self._names = names
        self._what = what
        self._runs: list[SpilledPieces] = []

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, rows: pa.Table) -> None:
        self._runs.append(self._written(iter([sort_rows(rows, self._names)])))

    def _written(self, pieces: Iterator[pa.Table]) -> SpilledPieces:
        run: SpilledPieces | None = None
        for piece in pieces:
            if run is None:
                run = self._stack.enter_context(closing(SpilledPieces(piece.schema, self._what)))
            rows = max(1, _BATCH * piece.num_rows // max(piece.nbytes, 1))
            for start in range(0, piece.num_rows, rows):
                run.add(piece.slice(start, rows).combine_chunks())
        assert run is not None  # noqa: S101  # a run has rows
        return run

    def merged(self, stack: ExitStack) -> Iterator[pa.Table]:
        """All rows, sorted; what is on disk goes with the last of them."""
        with stack:
            self._stack = stack
            while len(self._runs) > _AT_ONCE:
                first, self._runs = self._runs[:_AT_ONCE], self._runs[_AT_ONCE:]
                self._runs.insert(0, self._written(_merged(first, self._names)))
                for run in first:
                    run.close()
            yield from _merged(self._runs, self._names)


class _Head:
    """The rows of a run that are in memory."""

    def __init__(self, pieces: Iterator[pa.Table], names: Sequence[str]) -> None:
        self._pieces = pieces
        self._names = names
        self.advance()

    def advance(self) -> bool:
        """Read the next rows; whether there are any."""
        self.rows = next(self._pieces, None)
        if self.rows is not None:
            self.keys = sort_keys(self.rows, self._names)
            self.last = self.keys.slice(self.rows.num_rows - 1)
        return self.rows is not None

    def pop(self, count: int) -> pa.Table:
        """Take the first rows."""
        assert self.rows is not None  # noqa: S101  # else it is no head any more
        first, self.rows, self.keys = self.rows.slice(0, count), self.rows.slice(count), self.keys.slice(count)
        return first


def _merged(runs: Sequence[SpilledPieces], names: Sequence[str]) -> Iterator[pa.Table]:
    heads = [_Head(run.read(), names) for run in runs]
    while heads:
        # No row that is still on disk comes before the least of the last rows in memory.
        lasts = pa.concat_tables([head.last for head in heads])
        sort_by = [(name, "ascending") for name in lasts.column_names]
        least = pc.sort_indices(lasts, sort_keys=sort_by)[0].as_py()
        bound = lasts.slice(least, 1)
        counts = [_count_before(head.keys, bound, equal=at <= least) for at, head in enumerate(heads)]
        yield sort_rows(pa.concat_tables([head.pop(count) for head, count in zip(heads, counts, strict=True)]), names)
        if not heads[least].advance():
            del heads[least]


def _count_before(keys: pa.Table, bound: pa.Table, *, equal: bool) -> int:
    """Count the rows, which are sorted, that come before a row, or are equal to it."""
    verdict = None
    for column, value in zip(reversed(keys.columns), reversed(bound.columns), strict=True):
        before, same = _compared(column, value[0])
        if verdict is None:
            verdict = pc.or_(before, same) if equal else before
        else:
            verdict = pc.or_(before, pc.and_(same, verdict))
    return int(pc.sum(verdict).as_py() or 0)


def _compared(column: pa.ChunkedArray, value: pa.Scalar) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Which values come before one, and which are equal to it: NaN comes after all numbers, null after all."""
    if not value.is_valid:
        return column.is_valid(), column.is_null()
    is_nan = pc.is_nan(value).as_py() if pa.types.is_floating(value.type) else False
    before = pc.invert(pc.is_nan(column)) if is_nan else pc.less(column, value)
    same = pc.is_nan(column) if is_nan else pc.equal(column, value)
    return pc.fill_null(before, False), pc.fill_null(same, False)
