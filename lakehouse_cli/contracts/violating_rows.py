"""All rows that break a contract, in a file that grows as they are found, and read from it again.

The file is streams of Arrow's, one after the other: of the rows that were found piece by piece, of those that only the
end named, of their places in files. A stream has one schema; where the next rows have another, another stream begins.
Rows that are not the table's, as a check made them, have streams of their own among the others.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from heapq import merge
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import texts_at
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import HIDDEN, DataError, FailedRow, WrittenRows
from lakehouse_cli.model.row_place import FileLine, RowPlace

#: How many values of a row are kept.
WIDEST = 200
# Rows that are written at once, and of which places are looked up at once.
_AT_ONCE = 1 << 16
_PLACES_AT_ONCE = 1 << 18
# Rows whose places are looked up: each time, the file is read from its beginning.
_PLACED = 1 << 20
# What the first column of a stream is called.
_ROW, _MADE = "row", "made"
_SEGMENTS = 3
# Bytes of a file up to which it is sent: about a million rows.
_SENT = 32 << 20
#: Takes secrets out of a text.
Hide = Callable[[str], str]
_KEEPING: ContextVar[tuple[Path, Hide] | None] = ContextVar("_KEEPING", default=None)


@contextmanager
def keeping_rows(prefix: Path | None, hide: Hide) -> Iterator[None]:
    """Have all rows that break a contract meanwhile be kept.

    Args:
        prefix: What the paths of files begin with; None for nowhere.
        hide: Takes secrets out of a text, before it is written.
    """
    token = _KEEPING.set(None if prefix is None else (prefix, hide))
    try:
        yield
    finally:
        _KEEPING.reset(token)


class ViolatingRows:
    """Writes rows, each with the numbers of its reasons; trouble with the file ends that, and is nobody's.

    Args:
        prefix: What the path of the file begins with.
        hide: Takes secrets out of a text.
        hidden: Columns of which no values are written.
    """

    def __init__(self, prefix: Path, hide: Hide, hidden: Collection[str] = ()) -> None:
        self._prefix = prefix
        self._hide = hide
        self._hidden = hidden
        self._path: Path | None = None
        self._sink: Any = None
        self._writer: Any = None
        self._schema: pa.Schema | None = None
        self._ends: list[int] = []
        self._made: Counter[int] = Counter()  # rows that checks made, by the number of their reason
        self._is_broken = False

    @classmethod
    def here(cls, hidden: Collection[str]) -> ViolatingRows | None:
        """One for this context, without the values of some columns; None where nothing is kept."""
        keeping = _KEEPING.get()
        return None if keeping is None else cls(*keeping, hidden)

    def add(
        self, data: pa.Table | None, before: int, found: Sequence[tuple[int, Any]], first: Collection[str] = ()
    ) -> None:
        """Write rows of a piece.

        Args:
            data: The piece; None where its values are not there any more.
            before: The number of rows before it.
            found: Reasons by number, each with the 0-based positions of its rows, ascending; int64.
            first: The columns to keep of more than are kept.
        """
        rows = np.concatenate([np.empty(0, np.int64), *(each for _, each in found)])
        reasons = np.repeat(np.array([reason for reason, _ in found], np.int32), [len(each) for _, each in found])
        if len(found) > 1:
            order = np.lexsort((reasons, rows))
            rows, reasons = rows[order], reasons[order]
        rows, starts = np.unique(rows, return_index=True)
        starts = np.append(starts, len(reasons))
        for at in range(0, len(rows), _AT_ONCE):
            some, ends = rows[at : at + _AT_ONCE], starts[at : at + _AT_ONCE + 1]
            why = _lists(ends - ends[0], reasons[ends[0] : ends[-1]])
            values = () if data is None else self._values(data, av.from_numpy(some, pa.int64()), first)
            numbers = av.from_numpy(some + before + 1, pa.int64())
            self._write([(_ROW, numbers), ("why", why), *values])

    def add_made(self, data: pa.Table, reason: int) -> None:
        """Write rows that a check made, with the number of their reason."""
        for at in range(0, data.num_rows, _AT_ONCE):
            some = data.slice(at, _AT_ONCE)
            self._made[reason] += len(some)
            why = _lists(np.arange(len(some) + 1), np.full(len(some), reason))
            values = self._values(some, av.array(range(len(some)), pa.int64()), ())
            self._write([(_MADE, pa.nulls(len(some), pa.int64())), ("why", why), *values])

    def add_texts(
        self, rows: Sequence[int], why: Sequence[Sequence[int]], values: Mapping[str, Sequence[str | None]]
    ) -> None:
        """Write rows whose values are texts.

        Args:
            rows: Their 1-based numbers, ascending.
            why: The numbers of the reasons of each.
            values: By column.
        """
        data = pa.table({name: av.array(texts, pa.string()) for name, texts in values.items()})
        columns = self._values(data, av.array(range(len(rows)), pa.int64()), ())
        reasons = _lists(np.cumsum([0, *map(len, why)]), np.array([*chain.from_iterable(why)]))
        self._write([(_ROW, av.array(rows, pa.int64())), ("why", reasons), *columns])

    def _values(self, data: pa.Table, rows: pa.Array, first: Collection[str]) -> Iterator[tuple[str, pa.Array]]:
        """The values of some rows: plain ones as they are, others as text, those that are not shown as stars."""
        names = sorted(data.column_names, key=lambda name: name not in first)[:WIDEST]
        for name in data.column_names if len(names) == data.num_columns else names:
            column = data.column(name)
            with suppress(pa.ArrowException):  # of what is no array, such as indices beyond a dictionary
                if name in self._hidden:
                    stars, null = (av.scalar(each, pa.string()) for each in (HIDDEN, None))
                    yield name, _one(pc.if_else(column.take(rows).is_valid(), stars, null))
                elif _is_plain(column.type):
                    yield name, _one(column.take(rows))
                else:
                    yield name, av.array(texts_at(column, rows.to_pylist()), pa.string())

    def end_segment(self) -> None:
        """Begin the next kind of what is in the file."""
        self._end_stream()
        self._ends.append(0 if self._sink is None else self._sink.tell())

    def add_places(self, find: Callable[[Sequence[int]], Mapping[int, RowPlace]]) -> None:
        """Write where the rows stand in files, of no more than the first million.

        Args:
            find: Gives the places of rows, by their 1-based numbers.
        """
        if self._path is None or self._is_broken:
            return
        self._sink.flush()
        numbers = (row for row, _ in groupby(merge(*self._numbers())))
        for _ in range(0, _PLACED, _PLACES_AT_ONCE):
            places = sorted(find([*islice(numbers, _PLACES_AT_ONCE)]).items())
            if not places:
                return
            lines = [place.line if isinstance(place, FileLine) else place for _, place in places]
            files = [place.file if isinstance(place, FileLine) else None for _, place in places]
            rows = [place.row_without_line if isinstance(place, FileLine) else None for _, place in places]
            arrays = (
                av.array([row for row, _ in places], pa.int64()),
                av.array(lines, pa.int64()),
                av.array(files, pa.string()),
                av.array(rows, pa.int64()),
            )
            self._write([*zip((_ROW, "line", "file", "file_row"), arrays, strict=True)])

    def _numbers(self) -> Iterator[Iterator[int]]:
        assert self._path is not None  # noqa: S101  # the caller looks
        for start, end in zip((0, *self._ends), self._ends, strict=False):
            yield chain.from_iterable(batch.column(0).to_pylist() for batch in _batches(self._path, start, end))

    def _write(self, columns: Sequence[tuple[str, pa.Array]]) -> None:
        if self._is_broken:
            return
        arrays = [_without_secrets(array, self._hide) for _, array in columns]
        batch = pa.record_batch(arrays, names=[name for name, _ in columns])
        try:
            if self._path is None:
                from lakehouse_cli.runs.local_state import make_state_folder

                folder = make_state_folder(self._prefix.parents[2], self._prefix.parent.name)
                handle, path = tempfile.mkstemp(prefix=self._prefix.name, dir=folder)
                os.close(handle)
                self._path, self._sink = Path(path), pa.OSFile(path, "wb")
            if self._writer is None or batch.schema != self._schema:
                self._end_stream()
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._schema = batch.schema
                self._writer = pa.ipc.new_stream(self._sink, batch.schema, options=options)
            self._writer.write_batch(batch)
        except (OSError, pa.ArrowException):
            self._is_broken = True

    def _end_stream(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            try:
                writer.close()
            except (OSError, pa.ArrowException):
                self._is_broken = True

    def written(self, reasons: Sequence[tuple[str, Sequence[str]] | None]) -> WrittenRows | None:
        """What is in the file, which is the caller's from now on; None where not all rows are.

        Args:
            reasons: By number, each with the columns that it is about; None for one that is none after all.
        """
        if self._path is None or self._is_broken:
            return None
        while len(self._ends) < _SEGMENTS:
            self.end_segment()
        if self._is_broken:
            return None
        self._sink.close()
        made = sum(rows for reason, rows in self._made.items() if reasons[reason] is not None)
        count = self._count(np.array([each is not None for each in reasons])) + made
        path, self._path = self._path, None
        texts = tuple(None if each is None else each[0] for each in reasons)
        wrong = tuple(() if each is None else tuple(each[1]) for each in reasons)
        return WrittenRows(str(path), tuple(self._ends), texts, wrong, count, made)

    def _count(self, counts: Any) -> int:
        """How many rows have a reason, given which are any."""
        assert self._path is not None  # noqa: S101  # the caller looks
        early, late = (
            [
                np.asarray(av.to_numpy(batch.column(0)))[np.unique(parents[counts[reasons]])]
                for batch in _batches(self._path, start, end)
                for parents, reasons in [_reasons(batch.column(1))]
            ]
            for start, end in [(0, self._ends[0]), (self._ends[0], self._ends[1])]
        )
        return sum(map(len, early)) if not late else len(np.unique(np.concatenate([*early, *late])))

    def copy(self, written: WrittenRows) -> WrittenRows | None:
        """Write what another process sent; returns what is in the file, which is the caller's from now on."""
        for start, end in _segments(written):
            for first in (_ROW, _MADE):
                for batch in _batches(written.content or b"", start, end, first):
                    self._write([*zip(batch.schema.names, batch.columns, strict=True)])
            self.end_segment()
        if self._path is None or self._is_broken:
            return None
        self._sink.close()
        path, self._path = self._path, None
        return replace(written, file=str(path), ends=tuple(self._ends), content=UNSET)

    def close(self) -> None:
        """Remove the file, where it is not the caller's."""
        path, self._path = self._path, None
        if path is not None:
            self._end_stream()
            with suppress(OSError):
                self._sink.close()
                path.unlink()


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _is_plain(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(
        t.is_string(kind) or t.is_large_string(kind) or t.is_integer(kind) or t.is_floating(kind) or t.is_boolean(kind)
        or t.is_date32(kind) or t.is_timestamp(kind) or t.is_decimal128(kind)
    )  # fmt: skip


def _lists(ends: Any, reasons: Any) -> pa.ListArray:
    """Reasons as lists, given where each begins, and where the last ends."""
    return pa.ListArray.from_arrays(
        av.from_numpy(ends.astype(np.int32), pa.int32()), av.from_numpy(reasons.astype(np.int32), pa.int32())
    )


def _reasons(lists: pa.ListArray) -> tuple[Any, Any]:
    """The reasons of rows one after the other, with the positions of their rows."""
    return av.to_numpy(pc.list_parent_indices(lists)), av.to_numpy(lists.flatten())


def send(error: DataError) -> None:
    """Let an error have the file of its rows as bytes, as it travels to another machine; without one too large."""
    if error.failed is None or error.failed.written is None:
        return
    path, sent = Path(error.failed.written.file), None
    with suppress(OSError):
        if path.stat().st_size <= _SENT:
            sent = replace(error.failed.written, content=path.read_bytes())
        path.unlink()
    error.failed = replace(error.failed, written=sent)


def receive(error: DataError, prefix: Path, hide: Hide) -> None:
    """Let an error that was sent have its rows in a file here; `prefix` and `hide` as of `keeping_rows`."""
    if error.failed is None or error.failed.written is None:
        return
    with closing(ViolatingRows(prefix, hide)) as here:
        error.failed = replace(error.failed, written=here.copy(error.failed.written))


def _segments(written: WrittenRows) -> Iterator[tuple[int, int]]:
    return zip((0, *written.ends), written.ends, strict=False)


def _batches(file: Path | bytes, start: int, end: int, first: str = _ROW) -> Iterator[pa.RecordBatch]:
    """The batches of the streams in some bytes of a file whose first column is called so."""
    with pa.BufferReader(file) if isinstance(file, bytes) else pa.OSFile(str(file), "rb") as source:
        source.seek(start)
        while source.tell() < end:
            with pa.ipc.open_stream(source) as stream:
                yield from (batch for batch in stream if stream.schema.names[0] == first)


def _without_secrets(column: pa.Array, hide: Hide) -> pa.Array:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    texts = column.to_pylist()
    joined = "\0".join(filter(None, texts))
    if hide(joined) == joined:
        return column
    return av.array([None if text is None else hide(text) for text in texts], column.type)


def read_rows(written: WrittenRows, path: Path, hidden: Collection[str] = ()) -> Iterator[FailedRow]:
    """All rows of a file, in order; behind them those that checks made.

    Args:
        written: What is in it.
        path: Where it is.
        hidden: Columns of which no values are shown.

    Raises:
        OSError: It cannot be read.
    """
    *rows, places = (_batches(path, start, end) for start, end in _segments(written))
    placed = chain.from_iterable(
        zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in places
    )
    at = next(placed, None)
    found = merge(*(_rows_of(each, hidden) for each in rows), key=lambda row: row[0])
    for row, same in groupby(found, key=lambda row: row[0]):
        reasons: dict[int, None] = {}
        values: dict[str, str | None] = {}
        for _, why, some in same:
            reasons.update(dict.fromkeys(why))
            values |= some
        given = [(text, written.wrong[each]) for each in reasons if (text := written.reasons[each]) is not None]
        while at is not None and at[0] < row:
            at = next(placed, None)
        line, file, file_row = (None, None, None) if at is None or at[0] != row else at[1:]
        if given:
            wrong = tuple(dict.fromkeys(name for _, names in given for name in names))
            texts = tuple(dict.fromkeys(text for text, _ in given))
            yield FailedRow(row, line, texts, values, wrong, file or UNSET, file_row or UNSET)
    for _, (number,), values in _rows_of(_batches(path, 0, written.ends[-1], _MADE)):
        if (text := written.reasons[number]) is not None:
            # They may have what is hidden under other names.
            shown: dict[str, str | None] = dict.fromkeys(values, HIDDEN) if hidden else values
            yield FailedRow(None, None, (text,), shown, tuple(shown))


def _rows_of(
    batches: Iterable[pa.RecordBatch], hidden: Collection[str] = ()
) -> Iterator[tuple[int, list[int], dict[str, str | None]]]:
    for batch in batches:
        names = batch.schema.names[2:]
        texts = [_texts(column) for column in batch.columns[2:]]
        for at, name in enumerate(names):
            if name in hidden:
                texts[at] = [None if text is None else HIDDEN for text in texts[at]]
        rows = zip(*texts, strict=True) if texts else ((),) * batch.num_rows
        for number, why, values in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), rows, strict=True):
            yield number, why, dict(zip(names, values, strict=True))


def _texts(column: pa.Array) -> list[str | None]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return list(column.to_pylist())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return [None if value is None else str(value) for value in column.to_pylist()]
    return texts_at(column, range(len(column)))
