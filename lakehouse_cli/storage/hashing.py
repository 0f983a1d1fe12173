"""A sink that hashes the bytes of a table as they are written."""

from __future__ import annotations

import xxhash

from lakehouse_cli.formats.base import Sink


class HashingSink:
    """A sink that counts and hashes (xxh3-128) what passes through it.

    Args:
        sink: Where it goes.

    Attributes:
        bytes: How many passed so far.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._hash = xxhash.xxh3_128()
        self.bytes = 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Pass data on; returns their size in bytes."""
        self._sink.write(data)
        self._hash.update(data)
        size = memoryview(data).nbytes
        self.bytes += size
        return size

    def hexdigest(self) -> str:
        """The hash of all written so far, hexadecimal."""
        return self._hash.hexdigest()
