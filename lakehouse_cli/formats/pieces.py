"""Tables in pieces, of other sizes than they come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


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
