"""Hashes of tables by their values, for storages that do not show what bytes they keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from lakehouse_cli.formats.ipc.format import IpcFormat
from lakehouse_cli.formats.ipc.spec import IpcOptions
from lakehouse_cli.storage.hashing import HashingSink

_PLAIN = IpcOptions(compression="none")


class _Nowhere:
    """Takes bytes and drops them."""

    write: Callable[[Any], int] = staticmethod(len)


def digest_of(data: pa.Table) -> tuple[str, int]:
    """The hash of a table, the same in whatever chunks it comes, and how many bytes were hashed."""
    sink = HashingSink(_Nowhere())
    IpcFormat().write(data, sink, _PLAIN)
    return sink.hexdigest(), sink.bytes


def first_difference(one: pa.Table, other: pa.Table) -> int:
    """The first row, from 0, in which two tables of as many rows differ, which they do."""
    low, high = 0, one.num_rows
    while high - low > 1:
        middle = (low + high) // 2
        is_before = digest_of(one.slice(low, middle - low))[0] != digest_of(other.slice(low, middle - low))[0]
        low, high = (low, middle) if is_before else (middle, high)
    return low
