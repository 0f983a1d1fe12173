"""All rows that break a contract, read from their file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec import UNSET

from lakehouse_cli.arrow.conversion.refusal import texts_at
from lakehouse_cli.errors import HIDDEN, FailedRow, WrittenRows

#: What the first column of a stream is called: of rows of the table, and of those that checks made.
ROW, MADE = "row", "made"


def segments(written: WrittenRows) -> Iterator[tuple[int, int]]:
    """Where in the file each time through the data begins and ends, and, last, the places."""
    return zip((0, *written.ends), written.ends, strict=False)


def batches(file: Path, start: int, end: int, first: str = ROW) -> Iterator[pa.RecordBatch]:
    """The batches of the streams in some bytes of a file whose first column is called so."""
    with pa.OSFile(str(file), "rb") as source:
        source.seek(start)
        while source.tell() < end:
            with pa.ipc.open_stream(source) as stream:
                yield from (batch for batch in stream if stream.schema.names[0] == first)


def read_rows(written: WrittenRows, path: Path, hidden: Collection[str] = ()) -> Iterator[FailedRow]:
    """All rows of a file: those of `read_numbered`, and behind them those of `read_made`."""
    yield from read_numbered(written, path, hidden)
    yield from read_made(written, path, hidden)


def read_numbered(written: WrittenRows, path: Path, hidden: Collection[str] = ()) -> Iterator[FailedRow]:
    """The rows of a file that have numbers, in order.

    Args:
        written: What is in it.
        path: Where it is.
        hidden: Columns of which no values are shown.

    Raises:
        OSError: It cannot be read.
    """
    *rows, places = (batches(path, start, end) for start, end in segments(written))
    placed = chain.from_iterable(
        zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in places
    )
    at = next(placed, None)
    found = merge(*(_rows_of(each, hidden) for each in rows), key=lambda row: row[0])
    for row, same in groupby(found, key=lambda row: row[0]):
        reasons: dict[int, None] = {}
        values: dict[str, str | None] = {}
        wrong: dict[str, None] = {}
        place: tuple[Any, ...] = (None, None, None)
        for _, why, some, names, known in same:
            place = known if any(known) else place
            reasons.update(dict.fromkeys(why))
            values |= some
            wrong.update(dict.fromkeys(names))
        given = [(text, written.wrong[each]) for each in reasons if (text := written.reasons[each]) is not None]
        while at is not None and at[0] < row:
            at = next(placed, None)
        line, file, file_row = place if at is None or at[0] != row else at[1:]
        if given:
            wrong.update((name, None) for _, names in given for name in names)
            texts = tuple(dict.fromkeys(text for text, _ in given))
            yield FailedRow(row, line, texts, values, tuple(wrong), file or UNSET, file_row or UNSET)


def read_made(written: WrittenRows, path: Path, hidden: Collection[str] = ()) -> Iterator[FailedRow]:
    """The rows of a file that checks made; as of `read_numbered`."""
    for _, (number,), values, _, _ in _rows_of(batches(path, 0, written.ends[-1], MADE)):
        if (text := written.reasons[number]) is not None:
            # They may have what is hidden under other names.
            shown: dict[str, str | None] = dict.fromkeys(values, HIDDEN) if hidden else values
            yield FailedRow(None, None, (text,), shown, tuple(shown))


def _rows_of(
    found: Iterable[pa.RecordBatch], hidden: Collection[str] = ()
) -> Iterator[tuple[int, list[int], dict[str, str | None], Sequence[str], tuple[Any, ...]]]:
    for batch in found:
        if batch.num_columns > 2 and pa.types.is_list(batch.column(2).type):  # which no value is kept as
            columns = (column.to_pylist() for column in batch.columns)
            for number, why, wrong, names, texts, *place in zip(*columns, strict=True):
                shown = (
                    HIDDEN if name in hidden and text is not None else text
                    for name, text in zip(names, texts, strict=True)
                )
                yield number, why, dict(zip(names, shown, strict=True)), wrong, tuple(place)
            continue
        names = batch.schema.names[2:]
        texts = [_texts(column) for column in batch.columns[2:]]
        for at, name in enumerate(names):
            if name in hidden:
                texts[at] = [None if text is None else HIDDEN for text in texts[at]]
        rows = zip(*texts, strict=True) if texts else ((),) * batch.num_rows
        for number, why, values in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), rows, strict=True):
            yield number, why, dict(zip(names, values, strict=True)), (), (None, None, None)


def _texts(column: pa.Array) -> list[str | None]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return list(column.to_pylist())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return [None if value is None else str(value) for value in column.to_pylist()]
    return texts_at(column, range(len(column)))
