"""All rows that break a contract, written as they are found."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import suppress
from contextvars import ContextVar
from heapq import merge
from itertools import chain, groupby, islice, zip_longest
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import texts_at
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import HIDDEN, FailedRow, FailedRows, WrittenRows
from lakehouse_cli.model.row_place import FileLine, RowPlace
from lakehouse_cli.violating_rows.reading import MADE, ROW, batches, segments

#: How many values of a row are kept.
WIDEST = 200
# Rows that are written at once, and of which places are looked up at once.
_AT_ONCE = 1 << 16
_PLACES_AT_ONCE = 1 << 18
# Rows whose places are looked up: each time, the file is read from its beginning.
_PLACED = 1 << 20
# The columns of a stream of rows not all of whose values are kept.
_CELLS = (ROW, "why", "wrong", "names", "values", "line", "file", "file_row")
#: Takes secrets out of a text.
Hide = Callable[[str], str]
#: The rows of tables that are published though they violate checks, by table.
PublishedRows = dict[str, FailedRows]
_KEEPING: ContextVar[tuple[Callable[[], Path], Hide, PublishedRows] | None] = ContextVar("_KEEPING", default=None)


class keeping_rows:  # noqa: N801  # used as a function is; a class, as it is entered for every table
    """Have all rows that break a contract meanwhile be kept.

    Those of tables that are published all the same are in what it gives, until the caller takes them out.

    Args:
        prefix: Gives what the paths of files begin with, asked once there are rows; None for nowhere.
        hide: Takes secrets out of a text, before it is written.
    """

    def __init__(self, prefix: Callable[[], Path] | None, hide: Hide) -> None:
        self._published: PublishedRows = {}
        self._keeping = None if prefix is None else (prefix, hide, self._published)

    def __enter__(self) -> PublishedRows:
        self._token = _KEEPING.set(self._keeping)
        return self._published

    def __exit__(self, *_: object) -> None:
        _KEEPING.reset(self._token)
        for each in self._published.values():
            remove(each)


def published_rows() -> PublishedRows | None:
    """As `keeping_rows` gives them; None where nothing is kept."""
    keeping = _KEEPING.get()
    return None if keeping is None else keeping[-1]


def remove(failed: FailedRows) -> None:
    """Remove the file of rows, where there is one."""
    if failed.written is not None:
        with suppress(OSError):
            Path(failed.written.file).unlink()


class Cells(NamedTuple):
    """Values of a column that have one reason.

    Attributes:
        number: Of the reason.
        column: Its name.
        rows: Their 1-based rows, ascending.
        values: They, as text; None for one that is not kept.
        lines: On which their rows begin, from 1; None where it is not known.
    """

    number: int
    column: str
    rows: Sequence[int]
    values: Sequence[str | None]
    lines: Sequence[int | None]


class ViolatingRows:
    """Writes rows, each with the numbers of its reasons; trouble with the file ends that, and is nobody's.

    Args:
        prefix: Gives what the path of the file begins with.
        hide: Takes secrets out of a text.
        hidden: Columns of which no values are written.
    """

    def __init__(self, prefix: Callable[[], Path], hide: Hide, hidden: Collection[str] = ()) -> None:
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
        return None if keeping is None else cls(*keeping[:2], hidden)

    def add(
        self,
        data: pa.Table | None,
        before: int,
        found: Sequence[tuple[int, Any]],
        first: Collection[str] = (),
        numbers: Any = None,
    ) -> None:
        """Write rows of a piece.

        Args:
            data: The piece; None where nothing is known of its values.
            before: The number of rows before it.
            found: Reasons by number, each with the 0-based positions of its rows, ascending; int64.
            first: The columns to keep of more than are kept.
            numbers: The 0-based number of each row, ascending, where they do not follow each other.
        """
        for some, ends, reasons, _ in _by_row(found):
            why = _lists(ends, av.from_numpy(reasons, pa.int32()))
            values = () if data is None else self._values(data, av.from_numpy(some, pa.int64()), first)
            rows = av.from_numpy((some + before if numbers is None else numbers[some]) + 1, pa.int64())
            self._write([(ROW, rows), ("why", why), *values])

    def add_made(self, data: pa.Table, reason: int) -> None:
        """Write rows that a check made, with the number of their reason."""
        for at in range(0, data.num_rows, _AT_ONCE):
            some = data.slice(at, _AT_ONCE)
            self._made[reason] += len(some)
            why = _lists(np.arange(len(some) + 1), av.from_numpy(np.full(len(some), reason, np.int32), pa.int32()))
            values = self._values(some, av.array(range(len(some)), pa.int64()), ())
            self._write([(MADE, pa.nulls(len(some), pa.int64())), ("why", why), *values])

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
        reasons = _lists(_ends(why), av.array([*chain.from_iterable(why)], pa.int32()))
        self._write([(ROW, av.array(rows, pa.int64())), ("why", reasons), *columns])

    def add_cells(self, found: Sequence[Cells]) -> None:
        """Write rows of a piece, each with the values alone that are wrong, of no reason twice."""
        names = av.array([each.column for each in found], pa.string())
        of = np.repeat(np.arange(len(found)), [len(each.rows) for each in found])
        values = _array(chain.from_iterable(each.values for each in found))
        there = np.array([value is not None for each in found for value in each.values], bool)
        lines = av.array([*chain.from_iterable(each.lines for each in found)], pa.int64())
        for rows, ends, reasons, order in _by_row([(each.number, np.array(each.rows, np.int64)) for each in found]):
            is_there = there[order]
            shown, ends_shown = order[is_there], np.append(0, np.cumsum(is_there))[ends]
            self._write_cells(
                av.from_numpy(rows, pa.int64()),
                _lists(ends, av.from_numpy(reasons, pa.int32())),
                _lists(ends, names.take(av.from_numpy(of[order], pa.int64()))),
                _lists(ends_shown, names.take(av.from_numpy(of[shown], pa.int64()))),
                _lists(ends_shown, values.take(av.from_numpy(shown, pa.int64()))),
                lines.take(av.from_numpy(order[ends[:-1]], pa.int64())),
            )

    def add_rows(self, rows: Sequence[FailedRow], reasons: Sequence[Sequence[int]]) -> None:
        """Write rows that have numbers, in order, each with those of its reasons."""
        names = chain.from_iterable(row.values for row in rows)
        values = chain.from_iterable(row.values.items() for row in rows)
        shown = _array(HIDDEN if value is not None and name in self._hidden else value for name, value in values)
        ends = _ends([row.values for row in rows])
        self._write_cells(
            av.array([row.row for row in rows], pa.int64()),
            _lists(_ends(reasons), av.array([*chain.from_iterable(reasons)], pa.int32())),
            _lists(_ends([row.wrong for row in rows]), _array(chain.from_iterable(row.wrong for row in rows))),
            _lists(ends, _array(names)),
            _lists(ends, shown),
            av.array([row.line for row in rows], pa.int64()),
            av.array([row.file or None for row in rows], pa.string()),
            av.array([row.file_row or None for row in rows], pa.int64()),
        )

    def _write_cells(self, rows: pa.Array, *columns: pa.Array | None) -> None:
        kinds = (*(None,) * 4, pa.int64(), pa.string(), pa.int64())
        given = zip_longest(columns, kinds)
        nulls = [pa.nulls(len(rows), kind) if column is None else column for column, kind in given]
        self._write([*zip(_CELLS, (rows, *nulls), strict=True)])

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
            self._write([*zip((ROW, "line", "file", "file_row"), arrays, strict=True)])

    def _numbers(self) -> Iterator[Iterator[int]]:
        assert self._path is not None  # noqa: S101  # the caller looks
        for start, end in zip((0, *self._ends), self._ends, strict=False):
            yield chain.from_iterable(batch.column(0).to_pylist() for batch in batches(self._path, start, end))

    def _write(self, columns: Sequence[tuple[str, pa.Array]]) -> None:
        if self._is_broken:
            return
        arrays = [array if name == "names" else _without_secrets(array, self._hide) for name, array in columns]
        batch = pa.record_batch(arrays, names=[name for name, _ in columns])
        try:
            if self._path is None:
                from lakehouse_cli.runs.local_state import make_state_folder

                prefix = self._prefix()
                folder = make_state_folder(prefix.parents[2], prefix.parent.name)
                handle, path = tempfile.mkstemp(prefix=prefix.name, dir=folder)
                os.close(handle)
                self._path, self._sink = Path(path), pa.OSFile(path, "wb")
            if self._writer is None or batch.schema != self._schema:
                self._end_stream()
                options = pa.ipc.IpcWriteOptions(compression="zstd")
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

    def complete(
        self,
        failed: FailedRows | None,
        reasons: Sequence[str],
        find_places: Callable[[Sequence[int]], Mapping[int, RowPlace]] | None = None,
    ) -> FailedRows | None:
        """Add the file to the first rows, where these are not all.

        Args:
            failed: They.
            reasons: By number.
            find_places: As of `add_places`, of rows without lines.
        """
        if failed is None or failed.count == len(failed.rows):
            return failed
        self.end_segment()
        if find_places is not None:
            self.add_places(find_places)
        written = self.written([(each, ()) for each in reasons])
        return failed if written is None else replace(failed, count=max(failed.count, written.count), written=written)

    def _count(self, counts: Any) -> int:
        """How many rows have a reason, given which are any."""
        assert self._path is not None  # noqa: S101  # the caller looks
        found = [
            [
                np.asarray(av.to_numpy(batch.column(0)))[np.unique(parents[counts[reasons]])]
                for batch in batches(self._path, start, end)
                for parents, reasons in [_reasons(batch.column(1))]
            ]
            for start, end in zip((0, *self._ends), self._ends[:-1], strict=False)
        ]
        first, *others = filter(None, found)
        return sum(map(len, first)) if not others else len(np.unique(np.concatenate([*first, *chain(*others)])))

    def copy(self, written: WrittenRows, sent: BinaryIO) -> WrittenRows | None:
        """Write what another process sent; returns what is in the file, which is the caller's from now on.

        Raises:
            OSError: It does not come as a whole.
        """
        with pa.PythonFile(sent, "r") as file:
            for _, end in segments(written):
                while file.tell() < end:
                    for batch in pa.ipc.open_stream(file):
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


def _by_row(found: Sequence[tuple[int, Any]]) -> Iterator[tuple[Any, Any, Any, Any]]:
    """The rows of reasons, many at once: which, where those of each end, their reasons, and the places of these."""
    rows = np.concatenate([np.empty(0, np.int64), *(each for _, each in found)])
    reasons = np.repeat(np.array([reason for reason, _ in found], np.int32), [len(each) for _, each in found])
    order = np.lexsort((reasons, rows)) if len(found) > 1 else np.arange(len(rows))
    reasons = reasons[order]
    rows, starts = np.unique(rows[order], return_index=True)
    starts = np.append(starts, len(reasons))
    for at in range(0, len(rows), _AT_ONCE):
        ends = starts[at : at + _AT_ONCE + 1]
        inside = slice(ends[0], ends[-1])
        yield rows[at : at + _AT_ONCE], ends - ends[0], reasons[inside], order[inside]


def _ends(lists: Iterable[Sized]) -> Any:
    return np.cumsum([0, *map(len, lists)])


def _lists(ends: Any, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(av.from_numpy(ends.astype(np.int32), pa.int32()), values)


def _array(texts: Iterable[str | None]) -> pa.Array:
    return av.array([*texts], pa.string())


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _is_plain(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(
        t.is_string(kind) or t.is_large_string(kind) or t.is_integer(kind) or t.is_floating(kind) or t.is_boolean(kind)
        or t.is_date32(kind) or t.is_timestamp(kind) or t.is_decimal128(kind)
    )  # fmt: skip


def _reasons(lists: pa.ListArray) -> tuple[Any, Any]:
    """The reasons of rows one after the other, with the positions of their rows."""
    return av.to_numpy(pc.list_parent_indices(lists)), av.to_numpy(lists.flatten())


def _without_secrets(column: pa.Array, hide: Hide) -> pa.Array:
    if pa.types.is_list(column.type):
        return pa.ListArray.from_arrays(column.offsets, _without_secrets(column.values, hide))
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    texts = column.to_pylist()
    joined = "\0".join(filter(None, texts))
    if hide(joined) == joined:
        return column
    return av.array([None if text is None else hide(text) for text in texts], column.type)
