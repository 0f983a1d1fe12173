"""Hashes of rows by their values, made column by column without Python objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.maps import pairs_of, with_inner
from lakehouse_cli.arrow.values import compute as pc

# Rows that are hashed at once: what is made of them stays in the processor's cache.
_AT_ONCE = 1 << 15
# Bytes of a text that are hashed word by word over many rows; longer ones are hashed one by one.
_LONGEST = 64
# Finalizer of SplitMix64 (http://xoshiro.di.unimi.it/splitmix64.c): each bit of a word depends on all.
_SHIFTS = tuple(map(np.uint64, (30, 27, 31)))
_FACTORS = tuple(map(np.uint64, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)))
_SEED = np.uint64(0x9E3779B97F4A7C15)
# What keeps the first n bytes of a word, by n.
_KEPT = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


def identity(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Make values whose bytes are equal exactly where the values are one key: 0.0 and -0.0 are, and so is NaN.

    Dictionaries become their values, and what is nested becomes text.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return identity(column.cast(kind.value_type))
    if pa.types.is_floating(kind):
        plain = pc.add(column, av.scalar(0.0, kind))
        is_nan = pc.is_nan(plain)
        return pc.if_else(is_nan, av.scalar(float("nan"), kind), plain) if pc.any(is_nan).as_py() else plain
    if pa.types.is_nested(kind):
        texts = [[None if value is None else repr(value) for value in exact_values(chunk)] for chunk in column.chunks]
        return pa.chunked_array([av.array(each, pa.large_string()) for each in texts], pa.large_string())
    return column


def exact_values(array: pa.Array) -> list[Any]:
    """Values as Python compares and prints them exactly: of times, which it would cut or lacks, the counts."""
    values: list[Any] = _counted(array).to_pylist()
    return values


def _counted(array: pa.Array) -> pa.Array:
    t, kind = pa.types, array.type
    if t.is_dictionary(kind):
        return _counted(array.dictionary_decode())
    if t.is_map(kind):
        return with_inner(pairs_of(array), _counted)
    if t.is_nested(kind):
        return with_inner(array, _counted)
    if t.is_temporal(kind):
        return array.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    return pc.add(array, av.scalar(0.0, kind)) if t.is_float32(kind) or t.is_float64(kind) else array


def row_hashes(columns: Sequence[pa.ChunkedArray]) -> Any:
    """Hash rows: equal ones alike, others rarely so.

    Args:
        columns: From `identity`, without nulls, at least one.

    Returns:
        A numpy array of uint64, one for each row.
    """
    table = pa.table(list(columns), names=list(map(str, range(len(columns)))))
    hashes = np.full(table.num_rows, _SEED, np.uint64)
    start = 0
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        part = hashes[start : start + batch.num_rows]
        for column in batch.columns:
            _add(part, column)
        start += batch.num_rows
    return hashes


def _add(hashes: Any, values: pa.Array) -> None:
    kind, t = values.type, pa.types
    if t.is_boolean(kind):
        values = values.cast(pa.uint8())
    elif not (t.is_primitive(kind) or t.is_decimal(kind)):
        _add_bytes(hashes, values.cast(pa.large_binary()))
        return
    width = values.type.bit_width // 8
    data = np.frombuffer(values.buffers()[1], np.uint8)[values.offset * width :][: len(values) * width]
    if width < 8:
        _mix(hashes, data.view(f"u{width}"))
        return
    for word in data.view(np.uint64).reshape(-1, width // 8).T:
        _mix(hashes, word)


def _mix(hashes: Any, words: Any) -> None:
    hashes ^= words
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        hashes ^= hashes >> shift
        hashes *= factor
    hashes ^= hashes >> _SHIFTS[2]


def _add_bytes(hashes: Any, values: pa.Array) -> None:
    offsets = np.frombuffer(values.buffers()[1], np.int64)[values.offset :][: len(values) + 1]
    begin, end = int(offsets[0]), int(offsets[-1])
    data = np.zeros(end - begin + 8, np.uint8)  # the last word may reach beyond the last text
    if end > begin:
        data[:-8] = np.frombuffer(values.buffers()[2], np.uint8)[begin:end]
    starts, lengths = offsets[:-1] - begin, np.diff(offsets)
    _mix(hashes, lengths.view(np.uint64))
    words = np.ndarray((len(data) - 7,), np.uint64, data, strides=(1,))
    at = 0
    rows = np.flatnonzero((lengths > 0) & (lengths <= _LONGEST))
    while len(rows):
        left = lengths[rows] - at
        part = hashes[rows]
        _mix(part, words[starts[rows] + at] & _KEPT[np.minimum(left, 8)])
        hashes[rows] = part
        rows, at = rows[left > 8], at + 8
    for row in np.flatnonzero(lengths > _LONGEST):
        text = data[starts[row] : starts[row] + lengths[row]].tobytes()
        _mix(hashes[row : row + 1], np.uint64(xxhash.xxh3_64_intdigest(text)))
