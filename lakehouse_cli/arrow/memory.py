"""Memory of Arrow data: whose it is, and that it goes back to the system."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import pyarrow as pa

# Bytes that are worth the time to give them back to the system.
_LARGE = 1 << 26


def release_unused(size: int) -> bool:
    """Give free memory back to the system, where so many bytes were freed that it is worth the time; returns whether.

    Arrow's allocator has what Arrow freed, the C library's what Python and numpy did.
    """
    if size <= _LARGE:
        return False
    pa.default_memory_pool().release_unused()
    if (trim := _malloc_trim()) is not None:
        trim(0)
    return True


@cache
def _malloc_trim() -> Any:
    """The C library's own function; None where it has none."""
    import ctypes

    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


def owned(table: pa.Table) -> pa.Table:
    """Copy the columns that may be in memory of a frame that user code still holds.

    Text and bytes are not: pandas and polars write neither in place.
    """
    memory = pa.default_cpu_memory_manager()
    columns = [
        column
        if _is_text(column.type)
        else pa.chunked_array([chunk.copy_to(memory) for chunk in column.chunks], column.type)
        for column in table.columns
    ]
    return pa.table(columns, schema=table.schema)


def copied(table: pa.Table) -> pa.Table:
    """Copy a table into memory of its own: a slice of one keeps the whole in memory, and so may a column of a batch."""
    return pa.concat_tables([table, table.slice(0, 0)]).combine_chunks()


@lru_cache(maxsize=1024)
def _is_text(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_string(kind) or t.is_binary(kind) or t.is_large_string(kind) or t.is_large_binary(kind))
