"""All that is wrong with the values of a column: a conversion stops at the first way in which some do not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import InexactError, true_rows

Values = TypeVar("Values", bound=pa.ChunkedArray | Sequence[Any])


def convert_or_refuse(
    convert: Callable[[Values], pa.ChunkedArray], values: Values
) -> tuple[pa.ChunkedArray | None, list[InexactError]]:
    """Convert a column; where values are refused, convert the others to find what else is.

    Each value is refused once, as it would be by itself, so that it makes no difference where a column is split.

    Args:
        convert: Raises `InexactError` for the first way in which values do not fit.
        values: Of Arrow or Python.

    Returns:
        The converted column, None where a value is refused; and all refusals, by the first row of each.
    """
    refusals: list[InexactError] = []
    rest: Values | None = values
    while rest is not None:
        try:
            converted = convert(rest)
        except InexactError as refusal:
            following = without(rest, refusal.rows)
            if refusal.rows is None and refusals and isinstance(rest, pa.ChunkedArray):
                refusal.rows = true_rows(rest.is_valid())  # those that were not refused before
            refusals.append(refusal)
            rest = following
        else:
            if not refusals:
                return converted, []
            break
    return None, sorted(refusals, key=_first_row)


def _first_row(refusal: InexactError) -> int:
    return 0 if refusal.rows is None or not len(refusal.rows) else int(refusal.rows[0].as_py())


def without(values: Values, rows: pa.Array | None) -> Values | None:
    """Make some rows of a column null.

    Args:
        values: Of Arrow or Python.
        rows: 0-based positions; None for all that are not null.

    Returns:
        None where nothing else is in it, or Arrow cannot say what.
    """
    if rows is None or not len(rows):
        return None
    if not isinstance(values, pa.ChunkedArray):
        refused = set(rows.to_pylist())
        return [None if row in refused else value for row, value in enumerate(values)]  # type: ignore[return-value]
    is_kept = np.ones(len(values), bool)
    is_kept[av.to_numpy(rows)] = False
    chunks, start = [], 0
    for chunk in values.chunks:
        end = start + len(chunk)
        # By their positions, as Arrow would cast decimals to choose between them and null.
        taken = av.from_numpy(np.arange(len(chunk)), pa.int64(), is_kept[start:end])
        try:
            chunks.append(chunk.take(taken))
        except pa.ArrowNotImplementedError:
            return None
        start = end
    rest: Values = pa.chunked_array(chunks, values.type)
    return rest
