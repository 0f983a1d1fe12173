"""Free memory that allocators would keep for themselves."""

from __future__ import annotations

from functools import cache
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
