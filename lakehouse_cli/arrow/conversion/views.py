"""Views of texts and bytes, from which Arrow's kernels take no rows, as the types that they are views of."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa


def without_views(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values without views of texts and bytes, at every depth but that below views of lists.

    Views of lists stay: rows are taken from them, and Arrow's cast to plain lists leaves out the last offset.
    """
    target = type_without_views(column.type)
    return column if target == column.type else column.cast(target)


@lru_cache(maxsize=1024)
def type_without_views(kind: pa.DataType) -> pa.DataType:
    """The type that holds the same values without views; texts as large ones, which hold as many bytes as views do."""
    t = pa.types
    if t.is_string_view(kind):
        return pa.large_string()
    if t.is_binary_view(kind):
        return pa.large_binary()
    if t.is_dictionary(kind):
        return pa.dictionary(kind.index_type, type_without_views(kind.value_type), kind.ordered)
    if t.is_struct(kind):
        return pa.struct([_field(child) for child in kind])
    if t.is_fixed_size_list(kind):
        return pa.list_(_field(kind.value_field), kind.list_size)
    if t.is_list(kind):
        return pa.list_(_field(kind.value_field))
    if t.is_large_list(kind):
        return pa.large_list(_field(kind.value_field))
    return kind


def _field(child: pa.Field) -> pa.Field:
    return child.with_type(type_without_views(child.type))
