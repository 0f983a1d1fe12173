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
        whole = count - count % rows
        for start in range(0, whole, rows):
            yield table.slice(start, rows)
        waiting, count = [table.slice(whole)] if whole < count else [], count - whole
    if count:
        yield pa.concat_tables(waiting)
