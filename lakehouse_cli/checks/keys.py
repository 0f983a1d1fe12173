"""Values of columns as keys: codes that tell rows apart, exactly where one number is all of a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow.row_hashes import identity, row_hashes
from lakehouse_cli.arrow.types import plain_type
from lakehouse_cli.arrow.values import compute as pc

#: Words of numpy's by the bits of a value.
_WORDS = {8: "u1", 16: "u2", 32: "u4", 64: "u8"}


def key_columns(columns: Sequence[pa.ChunkedArray], *, equal_nulls: bool = False) -> list[pa.ChunkedArray]:
    """Columns whose values are equal exactly where the keys are: NaN equals NaN, and 0.0 equals -0.0.

    Args:
        columns: Of any type.
        equal_nulls: Whether null is a value, equal to other nulls, for which another column says so.
    """
    keys: list[pa.ChunkedArray] = []
    for column in columns:
        plain = identity(column)
        if pa.types.is_floating(plain.type):
            words = pa.int64() if plain.type.bit_width == 64 else pa.int32()
            plain = pa.chunked_array([chunk.view(words) for chunk in plain.chunks], words)
        if equal_nulls:
            keys.append(plain.is_null())
            plain = pc.coalesce(plain, _filler(plain.type))
        keys.append(plain)
    return keys


def _filler(kind: pa.DataType) -> pa.Scalar:
    """Any value of a type."""
    if pa.types.is_boolean(kind):
        return pa.array([False], kind)[0]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.array([""], kind)[0]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([b""], kind)[0]
    width = kind.bit_width // 8
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(width))])[0]


def valid_rows(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray | None:
    """Which rows have no null in any of some columns; None for all."""
    valid = None
    for column in columns:
        if column.null_count:
            valid = column.is_valid() if valid is None else pc.and_(valid, column.is_valid())
    return valid


def is_exact(columns: Sequence[pa.ChunkedArray]) -> bool:
    """Whether the code of a row is all of its key."""
    return len(columns) == 1 and pa.types.is_primitive(columns[0].type) and columns[0].type.bit_width in _WORDS


def shown_keys(keys: pa.Table, kinds: Sequence[pa.DataType], *, equal_nulls: bool = False) -> list[pa.ChunkedArray]:
    """The values of keys as their columns have them.

    Args:
        keys: Kept keys, without the numbers of rows.
        kinds: The types of the columns.
        equal_nulls: As of `key_columns`.
    """
    found = []
    columns = iter(keys.columns)
    for kind in kinds:
        plain = plain_type(kind)
        is_null = next(columns) if equal_nulls else None
        column = next(columns).combine_chunks()
        if column.type != plain and pa.types.is_primitive(plain) and pa.types.is_integer(column.type):
            word = _WORDS[plain.bit_width]
            bits = np.frombuffer(column.buffers()[1], f"i{column.type.bit_width // 8}")
            bits = bits[column.offset :][: len(column)].view(f"u{column.type.bit_width // 8}").astype(word)
            column = pa.Array.from_buffers(plain, len(column), [None, pa.py_buffer(np.ascontiguousarray(bits))])
        shown = pa.chunked_array([column])
        found.append(shown if is_null is None else pc.if_else(is_null, pa.scalar(None, shown.type), shown))
    return found


def codes_of(columns: Sequence[pa.ChunkedArray]) -> Any:
    """A number for each row, the same for equal keys; numpy's uint64, which may share memory with the keys.

    Args:
        columns: From `key_columns`, without null.
    """
    if not is_exact(columns):
        return row_hashes(columns)
    [column] = columns
    word = _WORDS[column.type.bit_width]
    size = column.type.bit_width // 8
    parts = [
        np.frombuffer(chunk.buffers()[1], np.uint8)[chunk.offset * size :][: len(chunk) * size].view(word)
        for chunk in column.chunks
        if len(chunk)
    ]
    if len(parts) == 1:
        return parts[0].astype(np.uint64, copy=False)
    return np.concatenate(parts).astype(np.uint64, copy=False) if parts else np.empty(0, np.uint64)
