"""Metadata of the bytes under a key, and the protocol of a storage that is searched for strays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import xxhash
from msgspec import Struct

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.model.manifest import Manifest

_SECOND = 1_000_000_000


class Head(Struct, frozen=True):
    """What is told of the bytes under a key without reading them.

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
        """The time, to the second, and in place of the rest of it the version: two that differ tell two contents apart.

        Servers tell times in whole seconds, in which a table may be stored twice.
        """
        if self.version is None:
            return self.modified_ns
        return self.modified_ns // _SECOND * _SECOND + xxhash.xxh3_64_intdigest(self.version.encode()) % _SECOND


class Keys(Protocol):
    """What a search for strays asks of a storage of bytes under keys."""

    spec: StorageSpec

    def head_key(self, key: str) -> Head | None:
        """What is under a key; None where nothing is."""

    def get_key(self, key: str) -> bytes | None:
        """The bytes under a key; None where nothing is."""

    def delete_key(self, key: str) -> None:
        """Remove a key, if there."""

    def hash_key(self, key: str, seen: Head) -> str:
        """The xxh3-128 of the bytes under a key, hexadecimal."""

    def manifest_keys(self) -> Iterable[str]:
        """The keys of all manifests."""

    def shown_key(self, key: str) -> str:
        """A key under the root as the project file spells it."""

    def is_described(self, manifest: Manifest, key: str, found: Head) -> bool:
        """Whether a manifest is that of the bytes under a key."""
