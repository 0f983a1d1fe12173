"""Patterns that say of each place which characters may stand there, as those of codes (`C[0-9]{7}`) and days do.

Texts that all have their length are rows of bytes, each place is a range of bytes, and RE2 is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av

_Judge = Callable[[pa.Array], pa.Array]
# A class of one range, a digit, or a character that stands for itself; how often.
_PLACE = re.compile(r"(?:\[([A-Za-z0-9])-([A-Za-z0-9])\]|(\\d)|\\?([-/:])|(\\\.)|([A-Za-z0-9_ ,@#]))(?:\{(\d{1,2})\})?")
_LONGEST = 64


def fixed_verdict(pattern: str, otherwise: _Judge) -> _Judge:
    """What judges texts by a pattern: byte by byte where it has that form and all texts have its length.

    Args:
        pattern: That is to match the whole of each.
        otherwise: Judges all other texts.
    """
    places = _places(pattern)
    if places is None:
        return otherwise
    width = len(places)
    least, span = (np.array(each, np.uint8) for each in zip(*((low, high - low) for low, high in places), strict=True))

    def judge(values: pa.Array) -> pa.Array:
        data = _rows_of(values, width)
        if data is None:
            return otherwise(values)
        rows = len(values)
        is_bad = (data - np.tile(least, rows)) > np.tile(span, rows)
        if not is_bad.any():
            return values.is_valid()
        return av.from_numpy((~is_bad.reshape(rows, width).any(axis=1)).astype(np.uint8), pa.uint8()).cast(pa.bool_())

    return judge


def _places(pattern: str) -> list[tuple[int, int]] | None:
    """The least and the greatest byte of each place; None for a pattern of another form."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(pattern):
        match = _PLACE.match(pattern, at)
        if match is None or len(found) > _LONGEST:
            return None
        low, high, digit, mark, dot, other, times = match.groups()
        alone = mark or other or (dot and ".")
        low, high = (alone, alone) if alone else ("0", "9") if digit else (low, high)
        found += [(ord(low), ord(high))] * (1 if times is None else int(times))
        at = match.end()
    return found if 0 < len(found) <= _LONGEST else None


def _rows_of(values: pa.Array, width: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]] | None:
    """The bytes of texts that all have one length, one after the other; None where they have not."""
    kind = values.type
    if values.null_count or not len(values) or not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    _, places, data = values.buffers()
    word = np.int32 if pa.types.is_string(kind) else np.int64
    ends = np.frombuffer(places, word)[values.offset : values.offset + len(values) + 1]
    if int(ends[-1]) - int(ends[0]) != width * len(values) or not (np.diff(ends) == width).all():
        return None
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
