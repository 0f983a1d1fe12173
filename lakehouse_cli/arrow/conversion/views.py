"""Views of texts and bytes, from which Arrow's kernels take no rows, as the types that they are views of."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa

from lakehouse_cli.arrow.types import map_leaves


def without_views(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace views of texts and bytes, at every depth but that below views of lists.

    Views of lists stay: rows are taken from them, and Arrow's cast to plain lists leaves out the last offset.
    """
    target = type_without_views(column.type)
    return column if target == column.type else column.cast(target)


@lru_cache(maxsize=1024)
def type_without_views(kind: pa.DataType) -> pa.DataType:
    """Replace views in a type; by large texts, which hold as many bytes as views do."""
    return map_leaves(kind, _without_view)


def _without_view(kind: pa.DataType) -> pa.DataType:
    t = pa.types
    if t.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _without_view(kind.value_type), kind.ordered)
    return pa.large_string() if t.is_string_view(kind) else pa.large_binary() if t.is_binary_view(kind) else kind
