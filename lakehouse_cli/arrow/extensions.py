"""Columns of extension types as plain ones: UUIDs as their text, others as what they are stored as."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.maps import map_of, pairs_of, with_inner
from lakehouse_cli.arrow.types import holds

_UUID = "arrow.uuid"
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
# Where the 32 digits stand among the 36 characters.
_PLACES = np.array([*range(8), *range(9, 13), *range(14, 18), *range(19, 23), *range(24, 36)])


def without_extensions(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Make a column without extension types, at whatever depth."""
    if not _holds_extension(column.type):
        return column
    if not column.num_chunks:
        return pa.chunked_array([_plain(pa.nulls(0, column.type))])
    return pa.chunked_array([_plain(chunk) for chunk in column.chunks])


def is_uuid(kind: pa.DataType) -> bool:
    """Whether a type is Arrow's UUID."""
    return isinstance(kind, pa.BaseExtensionType) and getattr(kind, "extension_name", "") == _UUID


@lru_cache(maxsize=1024)
def _holds_extension(kind: pa.DataType) -> bool:
    def is_such(each: pa.DataType) -> bool:
        if pa.types.is_dictionary(each):
            return _holds_extension(each.value_type)
        return isinstance(each, pa.BaseExtensionType)

    return holds(kind, is_such)


def _plain(array: pa.Array) -> pa.Array:
    t, kind = pa.types, array.type
    if is_uuid(kind):
        return _uuid_texts(array.storage)
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(array.storage)
    if not _holds_extension(kind):
        return array
    if t.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(array.indices, _plain(array.dictionary))
    if t.is_map(kind):
        pairs = _plain(pairs_of(array))
        key, value = (field.type for field in pairs.type.value_type)
        return map_of(pairs, pa.map_(key, value))
    return with_inner(array, _plain)


def _uuid_texts(values: pa.Array) -> pa.Array:
    """Spell UUIDs as RFC 9562 does, in lower case."""
    count = len(values)
    data = values.buffers()[1]
    if not count or data is None:
        return pa.nulls(count, pa.large_string())
    raw = np.frombuffer(data, np.uint8, count * 16, values.offset * 16).reshape(count, 16)
    digits = _DIGITS[np.stack([raw >> 4, raw & 15], axis=2).reshape(count, 32)]
    text = np.full((count, 36), ord("-"), np.uint8)
    text[:, _PLACES] = digits
    offsets = np.arange(count + 1, dtype=np.int64) * 36
    valid = None if not values.null_count else av.packed_bits(av.to_numpy(values.is_valid()))
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(text.reshape(-1))]
    return pa.Array.from_buffers(pa.large_string(), count, buffers)
