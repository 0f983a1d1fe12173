"""Tables in pieces, of other sizes than they come in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import pyarrow as pa

_Result = TypeVar("_Result")

#: Rows or bytes of a piece that is not joined with others.
_ROWS, _BYTES = 1 << 13, 1 << 20


def joined(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Make one piece of small ones that follow each other and have one schema.

    Each takes as long to judge and to write as a hundred rows, and as much memory while it waits.
    """
    waiting: list[pa.Table] = []
    rows = size = 0
    for piece in pieces:
        is_large = piece.num_rows >= _ROWS or piece.nbytes >= _BYTES
        if waiting and (is_large or not piece.schema.equals(waiting[0].schema, check_metadata=True)):
            yield _one(waiting)
            rows = size = 0
        waiting.append(piece)
        rows, size = rows + piece.num_rows, size + piece.nbytes
        del piece
        if rows >= _ROWS or size >= _BYTES:
            yield _one(waiting)
            rows = size = 0
    if waiting:
        yield _one(waiting)


def _one(waiting: list[pa.Table]) -> pa.Table:
    """One table of some, which are no longer waiting then."""
    if len(waiting) == 1:
        return waiting.pop()
    table = pa.concat_tables(waiting)
    waiting.clear()
    try:
        return table.combine_chunks()
    except pa.ArrowInvalid:  # the index of a dictionary is too small for the values of all
        return table


def numbered(pieces: Iterable[pa.Table], rows: range) -> Iterator[pa.Table]:
    """Take the rows of some numbers alone, of pieces that have all; no more pieces are asked for than have them."""
    before = 0
    for piece in pieces:
        start, stop = max(rows.start - before, 0), min(rows.stop - before, piece.num_rows)
        if start < stop:
            yield piece.slice(start, stop - start)
        before += piece.num_rows
        if before >= rows.stop:
            return


def resized(pieces: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Make pieces of so many rows each, the last of fewer, whatever those are of that come; none where no row comes.

    Args:
        pieces: Of one schema.
        rows: At least 1.
    """
    waiting: list[pa.Table] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += piece.num_rows
        if count < rows:
            continue
        table = pa.concat_tables(waiting) if len(waiting) > 1 else piece
        del piece
        waiting.clear()
        while count >= rows:
            # Nothing here refers to what is given out, so that its memory is free as soon as it was used.
            waiting, table, count = [table.slice(0, rows)], table.slice(rows), count - rows
            yield waiting.pop()
        waiting = [table] if count else []
    if count:
        yield pa.concat_tables(waiting)


def in_order(submitted: Iterable[Future[_Result]], most: int | None) -> Iterator[_Result]:
    """Wait for pieces of work in their order, and give up those that nobody asks for any more.

    Args:
        submitted: Submits one when it is asked for it.
        most: How many are submitted ahead; None for all at once.
    """
    waiting: deque[Future[_Result]] = deque()
    try:
        for each in submitted:
            waiting.append(each)
            if most is not None and len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for each in waiting:
            each.cancel()
