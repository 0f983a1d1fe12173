"""Bytes under keys as they are searched for strays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.formatted import MANIFESTS
from lakehouse_cli.storage.keyed.head import Head, Keys
from lakehouse_cli.storage.strays import Place, Trace

#: What tells a root from any other, a key, and what was told of it when it was listed.
SeenKey = tuple[str, str, Head]


class KeyedPlace(Place):
    """A storage of bytes under keys.

    Args:
        storage: Where to look.
        place: What tells its root from any other.
        suffixes: Every ending that a table's bytes may have.
    """

    def __init__(self, storage: Keys, place: str, suffixes: Collection[str] = ()) -> None:
        self.name = storage.spec.name
        self._storage = storage
        self._place = place
        self._suffixes = suffixes

    def manifests(self, declared: Collection[str]) -> Iterator[tuple[str, Trace, bytes]]:
        """By the path of the table."""
        for key in sorted(self._storage.manifest_keys()):
            table = key[len(MANIFESTS) + 1 : -len(".json")]
            trace = None if table in declared else self._trace(key)
            text = self._storage.get_key(key) if trace is not None else None
            if trace is not None and text is not None:
                yield table, trace, text

    def _trace(self, key: str) -> Trace | None:
        head = self._storage.head_key(key)
        if head is None:
            return None
        own = self._place, key
        return Trace(self._storage.shown_key(key), head.bytes, head.modified_ns, own, (*own, head))

    def data(self, table: str, trace: Trace, manifest: Manifest) -> Iterator[Trace]:
        """What is under the path with each ending."""
        del trace, manifest
        yield from filter(None, (self._trace(table + suffix) for suffix in self._suffixes))

    def is_described(self, manifest: Manifest, data: Trace) -> bool:
        """By the version, else by the hash."""
        return self._storage.is_described(manifest, *data.state[1:])

    def is_unchanged(self, state: SeenKey) -> bool:
        """By what is told of the key."""
        return self._storage.head_key(state[1]) == state[2]

    def remove(self, state: SeenKey) -> None:
        """Remove the key."""
        self._storage.delete_key(state[1])


def remove_former(storage: Keys, keys: Iterable[str], manifest: Manifest) -> None:
    """Remove what a table was stored as before, under another ending: the bytes that its manifest describes.

    Args:
        storage: Where.
        keys: Where it may be, the key that it is stored under now not among them.
        manifest: Of what was stored before. What is not this, byte for byte, is not ours and stays.
    """
    for key in keys:
        head = storage.head_key(key)
        if head is not None and head.bytes == manifest.bytes and storage.hash_key(key, head) == manifest.content_hash:
            storage.delete_key(key)
