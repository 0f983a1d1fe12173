"""Metadata of the bytes under a key."""

from __future__ import annotations

import xxhash
from msgspec import Struct

_SECOND = 1_000_000_000


class Head(Struct, frozen=True):
    """What a storage knows of the bytes under a key without reading them.

    Attributes:
        bytes: How many.
        modified_ns: When they were put there, nanoseconds since 1970; 0 where that is not known.
        version: A text that is another whenever the bytes are others, such as an ETag; None where there is none.
    """

    bytes: int
    modified_ns: int = 0
    version: str | None = None

    @property
    def stamp(self) -> int:
        """The time, to the second, and in place of the rest of it the version: two that differ are of two contents.

        Servers report times in whole seconds, in which a table may be stored twice.
        """
        if self.version is None:
            return self.modified_ns
        return self.modified_ns // _SECOND * _SECOND + xxhash.xxh3_64_intdigest(self.version.encode()) % _SECOND
