"""Maps as the lists of pairs that they are, for which Arrow's kernels are made, and maps of such lists."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.types import holds
from lakehouse_cli.arrow.values import compute as pc


@lru_cache(maxsize=1024)
def holds_map(kind: pa.DataType) -> bool:
    """Whether a type is, or has inside of it, a map."""
    return holds(kind, pa.types.is_map)


def pairs_of(maps: pa.Array) -> pa.ListArray:
    """View maps as lists of structs of ``key`` and ``value``; an entry that is null has the key null."""
    keys, items = maps.values.flatten()
    pair = pa.struct([pa.field("key", keys.type), pa.field("value", items.type)])
    entries = pa.StructArray.from_arrays([keys, items], fields=list(pair))
    buffers = maps.buffers()[:2]
    return pa.Array.from_buffers(pa.list_(pair), len(maps), buffers, maps.null_count, maps.offset, children=[entries])


def map_of(pairs: pa.ListArray, kind: pa.DataType) -> pa.Array:
    """View lists of structs of two fields, none of them null, as maps of a type that has the types of these fields."""
    entries = pa.StructArray.from_arrays(pairs.values.flatten(), fields=[kind.key_field, kind.item_field])
    buffers = pairs.buffers()[:2]
    return pa.Array.from_buffers(kind, len(pairs), buffers, pairs.null_count, pairs.offset, children=[entries])


def with_inner(array: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Change the fields of structs, or the items of lists of any layout, and keep what they are in."""
    t, kind = pa.types, array.type
    if t.is_struct(kind):
        children = [change(array.field(at)) for at in range(kind.num_fields)]
        fields = [field.with_type(child.type) for field, child in zip(kind, children, strict=True)]
        return pa.StructArray.from_arrays(children, fields=fields, mask=array.is_null())
    items = change(array.values)
    field = kind.value_field.with_type(items.type)
    if t.is_fixed_size_list(kind):
        to = pa.list_(field, kind.list_size)
    elif t.is_list(kind) or t.is_large_list(kind):
        to = (pa.list_ if t.is_list(kind) else pa.large_list)(field)
    else:
        to = (pa.list_view if t.is_list_view(kind) else pa.large_list_view)(field)
    buffers = array.buffers()[: to.num_buffers]
    return pa.Array.from_buffers(to, len(array), buffers, array.null_count, array.offset, children=[items])


def repeated_keys(pairs: pa.ListArray) -> pa.Array:
    """Find the rows of `pairs_of` that have a key twice: 0-based, ascending, each once."""
    keys = pc.struct_field(pairs.flatten(), [0])
    if pa.types.is_dictionary(keys.type):
        keys = keys.dictionary_decode()
    if len(keys) < 2:
        return av.array([], pa.int64())
    codes = av.to_numpy(keys.dictionary_encode(null_encoding="encode").indices).astype(np.int64)
    lengths = av.to_numpy(pc.fill_null(pc.list_value_length(pairs), 0))
    owners = np.repeat(np.arange(len(lengths)), lengths)
    both = owners * (int(codes.max()) + 1) + codes
    _, first = np.unique(both, return_index=True)
    again = np.ones(len(both), bool)
    again[first] = False
    return av.from_numpy(np.unique(owners[again]).astype(np.int64), pa.int64())
