"""The rows that break a contract, found in several files or by several judgements, as of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from heapq import merge
from itertools import groupby, islice
from pathlib import Path

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.errors import KEPT_ROWS, FailedRow, FailedRows, WrittenRows, some_rows
from lakehouse_cli.violating_rows import ViolatingRows, read_rows

# Rows of each reason that are kept beside the file, of the first ones.
_SOME = 20
# Rows that are taken at once.
_ROWS_AT_ONCE = 1 << 12


class JoinedRows:
    """The rows of data that follow each other, such as files, as of one.

    Args:
        hidden: Columns of which no values are written.
    """

    def __init__(self, hidden: Collection[str] = ()) -> None:
        self._every = ViolatingRows.here(hidden)
        self._reasons: dict[str, int] = {}
        self._seen: Counter[str] = Counter()
        self._names: dict[str, None] = {}
        self._first: list[FailedRow] = []
        self._made: list[FailedRow] = []
        self._count = 0
        self._there = 0

    def add(self, failed: FailedRows, move: Callable[[FailedRow], FailedRow]) -> None:
        """Add the rows that follow, and remove their file.

        Args:
            failed: They.
            move: Gives a row its number among all, and its place.
        """
        self._count += failed.count
        self._names.update(dict.fromkeys(failed.columns))
        self._made += _made(failed)[: KEPT_ROWS - len(self._made)]
        self.write(map(move, _numbered(failed)))

    def write(self, rows: Iterator[FailedRow]) -> int:
        """Write rows that have numbers, in order; returns how many there are."""
        before = self._there
        while some := [*islice(rows, _ROWS_AT_ONCE)]:
            for row in some:
                is_new = len(self._first) < 2 * KEPT_ROWS and any(self._seen[each] < _SOME for each in row.reasons)
                if is_new or len(self._first) < KEPT_ROWS:
                    self._first.append(row)
                    self._seen.update(row.reasons)
            self._there += len(some)
            if self._every is not None:
                reasons = [[self._reasons.setdefault(each, len(self._reasons)) for each in row.reasons] for row in some]
                self._every.add_rows(some, reasons)
        return self._there - before

    def written(self) -> WrittenRows | None:
        """All of them, where there are more than are kept beside the file."""
        if self._every is None or self._there <= KEPT_ROWS:
            return None
        self._every.end_segment()
        return self._every.written([(each, ()) for each in self._reasons])

    def failed(self) -> FailedRows | None:
        """All that were added; None for none."""
        rows = (*some_rows(self._first, KEPT_ROWS), *self._made)
        return FailedRows(self._count, tuple(self._names), rows, self.written()) if rows else None

    def close(self) -> None:
        """Remove what was written, where nobody took it."""
        if self._every is not None:
            self._every.close()


def merged_rows(some: Sequence[FailedRows], hidden: Collection[str] = ()) -> FailedRows | None:
    """The rows of several judgements of the same data as of one, each once; their files are removed.

    Args:
        some: Of each judgement; of rows beyond those that are kept, it is not known in which more is wrong.
        hidden: Columns of which no values are written.
    """
    if len(some) < 2:
        return next(iter(some), None)
    made = [row for each in some for row in _made(each)]
    kept = [*_once([row for row in each.rows if row.row is not None] for each in some)]
    names = dict.fromkeys(name for each in some for name in each.columns)
    known = sum(each.kept for each in some) - len(made)
    written = None
    if any(each.written is not None for each in some):
        with closing(JoinedRows(hidden)) as joined:
            there = joined.write(_once(map(_numbered, some)))
            written = joined.written()
    else:
        there = len(kept)
    count = sum(each.count for each in some) - known + there
    return FailedRows(count, tuple(names), some_rows((*kept, *made), KEPT_ROWS), written)


def _made(failed: FailedRows) -> list[FailedRow]:
    """The rows that checks made."""
    return [row for row in failed.rows if row.row is None]


def _numbered(failed: FailedRows) -> Iterator[FailedRow]:
    """All other rows that are kept; their file is removed."""
    if failed.written is None:
        yield from (row for row in failed.rows if row.row is not None)
        return
    path = Path(failed.written.file)
    try:
        with suppress(OSError, pa.ArrowException):
            yield from read_rows(failed.written, path)
    finally:
        path.unlink(missing_ok=True)


def _once(some: Iterable[Iterable[FailedRow]]) -> Iterator[FailedRow]:
    """Rows in order, each once, with all that is wrong with it."""
    for _, same in groupby(merge(*some, key=_number), key=_number):
        first, *others = same
        for each in others:
            first = replace(
                first,
                line=first.line or each.line,
                reasons=tuple(dict.fromkeys((*first.reasons, *each.reasons))),
                values=first.values | each.values,
                wrong=tuple(dict.fromkeys((*first.wrong, *each.wrong))),
                file=first.file or each.file,
                file_row=first.file_row or each.file_row,
            )
        yield first


def _number(row: FailedRow) -> int:
    assert row.row is not None  # noqa: S101  # the others are kept apart
    return row.row
