"""Arrays whose buffers are the same where their values are.

What lies under a null, beside a slice or in an unused entry of a dictionary differs between equal arrays, and Arrow's
own files would keep the difference. The layout is that of https://arrow.apache.org/docs/format/Columnar.html.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.maps import pairs_of
from lakehouse_cli.arrow.values import compute as pc


def with_own_dictionaries(column: pa.ChunkedArray) -> pa.Array:
    """Make one canonical array of a column, whose dictionaries hold values once, in the order of first appearance."""
    return canonical(av.joined(column), encode=True)


def canonical(array: pa.Array, *, encode: bool = False) -> pa.Array:
    """Rebuild the buffers so that the values alone decide them.

    Args:
        array: Of one of the types of `lakehouse_cli.arrow.types`.
        encode: Whether dictionaries are made anew; else they are taken to be canonical.
    """
    t, kind, length = pa.types, array.type, len(array)
    if t.is_dictionary(kind):
        if encode:
            array = array.dictionary_decode().dictionary_encode().cast(kind)
        return pa.DictionaryArray.from_arrays(canonical(array.indices), array.dictionary)
    present = None if array.null_count == 0 else av.to_numpy(array.is_valid())
    validity = None if present is None else av.packed_bits(present)
    if t.is_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        items = canonical(array.flatten(), encode=encode)
        return pa.Array.from_buffers(kind, length, [validity, _offsets(lengths)], array.null_count, children=[items])
    if t.is_map(kind):
        pairs = pairs_of(array)
        lengths = pc.fill_null(pc.list_value_length(pairs), 0)
        entries = canonical(pairs.flatten(), encode=encode)
        return pa.Array.from_buffers(kind, length, [validity, _offsets(lengths)], array.null_count, children=[entries])
    if t.is_struct(kind):
        children = [_child(array.field(at), present, encode=encode) for at in range(kind.num_fields)]
        return pa.Array.from_buffers(kind, length, [validity], array.null_count, children=children)
    if t.is_string(kind) or t.is_binary(kind):
        lengths = pc.fill_null(pc.binary_length(array), 0)
        buffers = [validity, _offsets(lengths), _joined_bytes(array)]
        return pa.Array.from_buffers(kind, length, buffers, array.null_count)
    return pa.Array.from_buffers(kind, length, [validity, _fixed_width(array, present)], array.null_count)


def _child(values: pa.Array, present: Any, *, encode: bool) -> pa.Array:
    """A field of structs, null where the struct is."""
    if present is not None:
        values = values.take(av.from_numpy(np.arange(len(values)), pa.int64(), present))
    return canonical(values, encode=encode)


def _offsets(lengths: pa.Array) -> pa.Buffer:
    counts = av.to_numpy(lengths)
    return pa.py_buffer(np.concatenate(([0], np.cumsum(counts))).astype("<i4"))


def _joined_bytes(array: pa.Array) -> pa.Buffer:
    """The bytes of all the values that are there, one after another."""
    array = array.drop_null() if array.null_count else array
    _, offsets, data = array.buffers()
    if not len(array) or data is None:
        return pa.py_buffer(b"")
    ends = np.frombuffer(offsets, dtype="<i4")
    first, last = int(ends[array.offset]), int(ends[array.offset + len(array)])
    return data.slice(first, last - first)


def _fixed_width(array: pa.Array, present: Any) -> pa.Buffer:
    """The values, zero where null."""
    if not len(array):
        return pa.py_buffer(b"")
    if pa.types.is_boolean(array.type):
        return av.packed_bits(av.to_numpy(pc.fill_null(array, False)))
    width = array.type.bit_width // 8
    buffer = array.buffers()[1].slice(array.offset * width, len(array) * width)
    if present is None:
        return buffer
    values = np.frombuffer(buffer, dtype=np.uint8).reshape(len(array), width).copy()
    values[~present] = 0
    return pa.py_buffer(values.reshape(-1))
