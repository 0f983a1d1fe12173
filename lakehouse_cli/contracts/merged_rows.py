"""The rows that break a contract by several judgements of one table, as of one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from pathlib import Path

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.contracts.violating_rows import ViolatingRows, read_rows
from lakehouse_cli.errors import KEPT_ROWS, FailedRow, FailedRows, some_rows

# Rows that are written at once.
_AT_ONCE = 1 << 12


class MergedRows:
    """Takes rows of judgements one after the other; to be closed.

    Args:
        hidden: Columns of which no values are written.
    """

    def __init__(self, hidden: Collection[str]) -> None:
        self._every = ViolatingRows.here(hidden)
        self._reasons: dict[tuple[str, tuple[str, ...]], int] = {}
        self._first: Sequence[FailedRow] = ()
        self._columns: dict[str, None] = {}
        self._count = 0
        self._is_complete = True

    def add(self, failed: FailedRows, before: int = 0) -> None:
        """Take the rows of a judgement, which are those behind all that were taken of this pass over the table.

        Args:
            failed: The rows; their file is removed.
            before: How many rows of the table stand before those that it numbers.
        """
        self._count += failed.count
        self._is_complete = self._is_complete and failed.kept == failed.count
        self._columns.update(dict.fromkeys(failed.columns))
        self._first = some_rows(_joined([*self._first, *_moved(failed.rows, before)]), KEPT_ROWS)
        if self._every is not None and failed.written is None:
            self._write(self._every, _moved(failed.rows, before))
        elif self._every is not None and failed.written is not None:
            path = Path(failed.written.file)
            self._write(self._every, _moved(read_rows(failed.written, path), before))
            path.unlink(missing_ok=True)

    def end_pass(self) -> None:
        """Begin with the rows of another judgement of all of the table."""
        if self._every is not None:
            self._every.end_segment()

    def _write(self, every: ViolatingRows, rows: Iterable[FailedRow]) -> None:
        def kind(row: FailedRow) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
            return row.reasons if row.row is None else None, tuple(row.values)

        for (made_by, names), alike in groupby(rows, key=kind):
            while some := [*islice(alike, _AT_ONCE)]:
                values = {name: [row.values[name] for row in some] for name in names}
                if made_by is None:
                    every.add_texts([row.row or 0 for row in some], [self._numbers(row) for row in some], values)
                else:
                    texts = {name: av.array(each, pa.string()) for name, each in values.items()}
                    every.add_made(pa.table(texts), *self._numbers(some[0]))

    def _numbers(self, row: FailedRow) -> list[int]:
        wrong = chain([row.wrong], iter(lambda: (), None))
        return [self._reasons.setdefault(each, len(self._reasons)) for each in zip(row.reasons, wrong, strict=False)]

    def failed(self) -> FailedRows | None:
        """The rows of all; None where there are none."""
        if not self._count:
            return None
        is_short = self._is_complete and self._count <= KEPT_ROWS
        written, count = None, len(self._first) if is_short else self._count
        if self._every is not None and len(self._first) < count:
            written = self._every.written([*self._reasons])
        if self._is_complete and written is not None:
            count = written.count
        return FailedRows(count, tuple(self._columns), tuple(self._first), written)

    def close(self) -> None:
        """Remove the file, where nobody took it."""
        if self._every is not None:
            self._every.close()


def _moved(rows: Iterable[FailedRow], before: int) -> Iterator[FailedRow]:
    return (row if row.row is None else replace(row, row=before + row.row) for row in rows)


def _joined(rows: Sequence[FailedRow]) -> list[FailedRow]:
    """Rows in order, those of no number last, with all that is wrong with each."""
    joined: list[FailedRow] = []
    for row in sorted(rows, key=lambda row: (row.row is None, row.row or 0)):
        if joined and row.row is not None and joined[-1].row == row.row:
            last = joined.pop()
            reasons, wrong = (
                tuple(dict.fromkeys(each)) for each in (last.reasons + row.reasons, last.wrong + row.wrong)
            )
            row = replace(last, reasons=reasons, values=last.values | row.values, wrong=wrong)
        joined.append(row)
    return joined
