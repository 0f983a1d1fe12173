"""Bytes under keys: what a storage of them is asked for, and nothing of tables."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterable
from typing import BinaryIO

from lakehouse_cli.formats.base import Opener
from lakehouse_cli.storage.errors import ChangedError
from lakehouse_cli.storage.format_storage import FormatStorage
from lakehouse_cli.storage.keyed.head import Head
from lakehouse_cli.text.regular_files import hash_of


class Keys(FormatStorage):
    """A place of bytes under keys; a base, see `KeyedStorage`."""

    @abstractmethod
    def head_key(self, key: str) -> Head | None:
        """Return what is under a key; None where nothing is."""

    @abstractmethod
    def get_key(self, key: str) -> bytes | None:
        """Return the bytes under a key; None where nothing is."""

    @abstractmethod
    def put_key(self, key: str, data: BinaryIO, seen: Head | None) -> Head:
        """Put bytes under a key, all or nothing, and only over what was seen there.

        Args:
            key: Where.
            data: What, from where it stands to its end; seekable.
            seen: What was there when it was looked at, None for nothing.

        Returns:
            What `head_key` returns now.

        Raises:
            ChangedError: Something else is there by now. A storage that cannot know puts them anyway.
        """

    @abstractmethod
    def delete_key(self, key: str) -> None:
        """Remove a key, if there."""

    @abstractmethod
    def keys(self, prefix: str) -> Iterable[str]:
        """Return all keys that begin with a prefix, which ends in ``/``."""

    def heads(self, prefix: str) -> Iterable[tuple[str, Head | None]]:
        """Return all keys that begin with a prefix, as `keys`, with what a listing shows of them; None for nothing."""
        return ((key, None) for key in self.keys(prefix))

    def opener(self, key: str, seen: Head) -> Opener:
        """Return what opens the bytes under a key, the same each time; to override where they can be read in parts.

        Args:
            key: Where they are.
            seen: What was seen there. Where it is something else by now, opening or reading raises ChangedError.
        """
        data = self.get_key(key)
        if data is None or self.head_key(key) != seen:
            raise ChangedError(f"`{key}` was replaced while it was read")
        return lambda: io.BytesIO(data)

    def hash_key(self, key: str, seen: Head) -> str:
        """Return the xxh3-128 of the bytes under a key, hexadecimal; raises ChangedError as `opener` does."""
        with self.opener(key, seen)() as file:
            return hash_of(file)
