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

from lakehouse_cli.arrow import values as av
from lakehouse_cli.errors import KEPT_ROWS, FailedRow, FailedRows, WrittenRows, some_rows
from lakehouse_cli.violating_rows.reading import read_made, read_numbered
from lakehouse_cli.violating_rows.writing import ViolatingRows

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
        self.write(map(move, _numbered(failed)))
        self.write_made(_made(failed))
        _remove(failed)

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
                self._every.add_rows(some, [[*map(self._number_of, row.reasons)] for row in some])
        return self._there - before

    def write_made(self, rows: Iterable[FailedRow]) -> None:
        """Write rows that checks made."""
        for ((reason,), names), alike in groupby(rows, key=lambda row: (row.reasons, tuple(row.values))):
            while some := [*islice(alike, _ROWS_AT_ONCE)]:
                self._made += some[: KEPT_ROWS - len(self._made)]
                self._there += len(some)
                if self._every is not None:
                    texts = {name: av.array([row.values[name] for row in some], pa.string()) for name in names}
                    self._every.add_made(pa.table(texts), self._number_of(reason))

    def _number_of(self, reason: str) -> int:
        return self._reasons.setdefault(reason, len(self._reasons))

    def written(self) -> WrittenRows | None:
        """All of them, where there are more than are kept beside the file."""
        if self._every is None or self._there <= KEPT_ROWS:
            return None
        self._every.end_segment()
        return self._every.written([(each, ()) for each in self._reasons])

    def failed(self) -> FailedRows | None:
        """All that were added; None for none."""
        rows = self.first()
        return FailedRows(self._count, tuple(self._names), rows, self.written()) if rows else None

    def first(self) -> tuple[FailedRow, ...]:
        """Those that are kept beside the file."""
        return (*some_rows(self._first, KEPT_ROWS), *self._made)

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
    names = dict.fromkeys(name for each in some for name in each.columns)
    with closing(JoinedRows(hidden)) as joined:
        there = joined.write(_once(map(_numbered, some)))
        for each in some:
            joined.write_made(_made(each))
            _remove(each)
        rows, written = joined.first(), joined.written()
    count = there + sum(each.count - each.kept + _made_count(each) for each in some)
    return FailedRows(count, tuple(names), rows, written)


def _made(failed: FailedRows) -> Iterator[FailedRow]:
    """The rows that checks made."""
    return _read(failed, read_made) or (row for row in failed.rows if row.row is None)


def _made_count(failed: FailedRows) -> int:
    return sum(row.row is None for row in failed.rows) if failed.written is None else failed.written.made


def _numbered(failed: FailedRows) -> Iterator[FailedRow]:
    """All other rows that are kept."""
    return _read(failed, read_numbered) or (row for row in failed.rows if row.row is not None)


def _read(failed: FailedRows, read: Callable[[WrittenRows, Path], Iterator[FailedRow]]) -> Iterator[FailedRow] | None:
    """Rows of the file; None without one."""
    if failed.written is None:
        return None

    def rows(written: WrittenRows) -> Iterator[FailedRow]:
        with suppress(OSError, pa.ArrowException):
            yield from read(written, Path(written.file))

    return rows(failed.written)


def _remove(failed: FailedRows) -> None:
    """Remove the file, where there is one."""
    if failed.written is not None:
        Path(failed.written.file).unlink(missing_ok=True)


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
