"""Rows whose key an earlier row has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.row_hashes import identity, row_hashes
from lakehouse_cli.arrow.values import compute as pc

# Rows that are compared at once.
_AT_ONCE = 1 << 19


def repeated_many(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """List the 0-based rows, ascending, whose values an earlier row has; rows with a null are passed over.

    Rows of one hash are compared by their values: a hash that two keys share is never taken for a repeated key.
    It takes some 20 bytes a row, and more for rows of one hash only.
    """
    keys = [identity(column) for column in columns]
    rows = None
    if any(key.null_count for key in keys):
        valid = keys[0].is_valid()
        for key in keys[1:]:
            valid = pc.and_(valid, key.is_valid())
        rows = pc.indices_nonzero(valid)
        keys = [key.filter(valid) for key in keys]
    hashes = row_hashes(keys)
    found = [_repeated([key.take(part) for key in keys], part) for part in _alike(hashes)]
    positions = np.sort(np.concatenate([np.empty(0, np.int64), *(av.to_numpy(each) for each in found)]))
    repeated = av.from_numpy(positions, pa.int64())
    return repeated if rows is None else rows.take(repeated).cast(pa.int64())


def _alike(hashes: Any) -> Iterator[pa.Array]:
    """Positions of the hashes that are there more than once, all of one hash together, ascending among themselves."""
    ordered = np.sort(hashes)
    if not (ordered[1:] == ordered[:-1]).any():
        return
    positions = np.argsort(hashes)
    ordered = hashes[positions]
    follows = np.concatenate([[False], ordered[1:] == ordered[:-1]])
    is_alike = follows | np.append(follows[1:], False)
    positions, firsts = positions[is_alike], np.flatnonzero(~follows[is_alike])
    start = 0
    while start < len(positions):
        after = np.searchsorted(firsts, start + _AT_ONCE)
        end = firsts[after] if after < len(firsts) else len(positions)
        yield av.from_numpy(np.sort(positions[start:end]), pa.int64())
        start = end


def _repeated(keys: Sequence[pa.ChunkedArray], rows: pa.Array) -> pa.ChunkedArray:
    """Those of some rows, by number, whose key an earlier one of them has."""
    names = [f"k{position}" for position in range(len(keys))]
    first = pa.table([*keys, rows], names=[*names, "row"]).group_by(names).aggregate([("row", "min")])["row_min"]
    return rows.filter(pc.invert(pc.is_in(rows, value_set=first.combine_chunks())))
