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
from lakehouse_cli.violating_rows.writing import ViolatingRows, published_rows, remove

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
        self._there = self._others = 0  # rows that were written, and more that there are

    def add(self, failed: FailedRows, move: Callable[[FailedRow], FailedRow]) -> None:
        """Add the rows that follow, and remove their file.

        Args:
            failed: They.
            move: Gives a row its number among all, and its place.
        """
        self.write(map(move, _numbered(failed)))
        self.add_rest(failed)
        remove(failed)

    def add_rest(self, failed: FailedRows) -> None:
        """Write rows that checks made, of some whose others are written; count those that are not kept."""
        self._others += failed.count - failed.kept
        self._names.update(dict.fromkeys(failed.columns))
        self.write_made(_made(failed))

    def write(self, rows: Iterator[FailedRow]) -> None:
        """Write rows that have numbers, in order."""
        while some := [*islice(rows, _ROWS_AT_ONCE)]:
            for row in some:
                is_new = len(self._first) < 2 * KEPT_ROWS and any(self._seen[each] < _SOME for each in row.reasons)
                if is_new or len(self._first) < KEPT_ROWS:
                    self._first.append(row)
                    self._seen.update(row.reasons)
            self._there += len(some)
            if self._every is not None:
                self._every.add_rows(some, [[*map(self._number_of, row.reasons)] for row in some])

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

    def _written(self) -> WrittenRows | None:
        """All of them, where there are more than are kept beside the file."""
        if self._every is None or self._there <= KEPT_ROWS:
            return None
        self._every.end_segment()
        return self._every.written([(each, ()) for each in self._reasons])

    def failed(self) -> FailedRows | None:
        """All of them; None for none."""
        rows = (*some_rows(self._first, KEPT_ROWS), *self._made)
        return FailedRows(self._there + self._others, tuple(self._names), rows, self._written()) if rows else None

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
    with closing(JoinedRows(hidden)) as joined:
        joined.write(_once(map(_numbered, some)))
        for each in some:
            joined.add_rest(each)
            remove(each)
        return joined.failed()


def moved_rows(failed: FailedRows, move: Callable[[FailedRow], FailedRow], hidden: Collection[str]) -> FailedRows:
    """Rows with other numbers; arguments as of `JoinedRows` and its `add`."""
    with closing(JoinedRows(hidden)) as joined:
        joined.add(failed, move)
        return joined.failed() or failed


def rows_of_checks(kept: FailedRows, counts: Counter[str], hidden: Collection[str]) -> FailedRows | None:
    """Those of rows that are kept which violate some checks; None where these are others than are looked for.

    Args:
        kept: The rows; their file stays.
        counts: By name of the check, how many there are.
        hidden: Columns of which no values are written.
    """
    seen: Counter[str] = Counter()
    begins = {name: f"check `{name}`" for name in counts}

    def of(rows: Iterator[FailedRow]) -> Iterator[FailedRow]:
        for row in rows:
            names = {each: name for each in row.reasons for name, text in begins.items() if each.startswith(text)}
            seen.update({*names.values()})
            if names:
                yield replace(row, reasons=tuple(names))

    with closing(JoinedRows(hidden)) as joined:
        joined.write(of(_numbered(kept)))
        joined.write_made(of(_made(kept)))
        return joined.failed() if seen == counts else None


def keep_published(table: str, failed: FailedRows | None, hidden: Collection[str]) -> None:
    """Keep rows of a table that is published all the same, with those that were kept of it before."""
    published = published_rows()
    if published is not None and failed is not None:
        before = published.pop(table, None)
        published[table] = merged_rows([*filter(None, (before, failed))], hidden) or failed


def _made(failed: FailedRows) -> Iterator[FailedRow]:
    """The rows that checks made."""
    return _read(failed, read_made) or (row for row in failed.rows if row.row is None)


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
