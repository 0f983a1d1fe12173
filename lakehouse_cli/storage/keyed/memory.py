"""Tables in the memory of this process, for tests and demonstrations: gone when it ends."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable
from typing import BinaryIO

from lakehouse_cli.storage.errors import ChangedError
from lakehouse_cli.storage.keyed.base import KeyedStorage
from lakehouse_cli.storage.keyed.head import Head

_turn = threading.Lock()
_versions = itertools.count(1)
_things: dict[str, dict[str, tuple[bytes, Head]]] = {}


class MemoryStorage(KeyedStorage):
    """What has the same URL is the same memory, as long as the process lives."""

    of_one_process = True

    @property
    def _here(self) -> dict[str, tuple[bytes, Head]]:
        return _things.setdefault(self._place, {})

    def head_key(self, key: str) -> Head | None:
        """Return what is under a key; None where nothing is."""
        found = self._here.get(key)
        return None if found is None else found[1]

    def get_key(self, key: str) -> bytes | None:
        """Return the bytes under a key; None where nothing is."""
        found = self._here.get(key)
        return None if found is None else found[0]

    def put_key(self, key: str, data: BinaryIO, seen: Head | None) -> Head:
        """Put bytes under a key, over what was seen there."""
        content = data.read()
        with _turn:
            if self.head_key(key) != seen:
                raise ChangedError(f"`{key}` changed")
            head = Head(len(content), time.time_ns(), str(next(_versions)))
            self._here[key] = content, head
            return head

    def delete_key(self, key: str) -> None:
        """Remove a key, if there."""
        self._here.pop(key, None)

    def keys(self, prefix: str) -> Iterable[str]:
        """Return all keys that begin with a prefix."""
        return [key for key in tuple(self._here) if key.startswith(prefix)]
