"""What lies under the keys of a storage though no declared table accounts for it, and removing it with care.

Only tables that a manifest of ours describes, byte for byte, are ever removed, and only as they were listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.base import Stray
from lakehouse_cli.storage.formatted import MANIFESTS

if TYPE_CHECKING:
    from lakehouse_cli.storage.keyed import Head, KeyedStorage


class SeenKey(Struct, frozen=True):
    """A key as it was when it was listed; one that has changed since is not removed."""

    place: str
    key: str
    head: Head


def find_strays(
    storage: KeyedStorage, place: str, manifests: Iterable[str], suffixes: Collection[str], taken: Collection[Any]
) -> list[Stray]:
    """What no declared table accounts for.

    Args:
        storage: Where to look.
        place: What tells its root from any other.
        manifests: Keys of the manifests of undeclared tables.
        suffixes: Every ending that a table's bytes may have.
        taken: Place and key of what belongs to declared tables, of whatever storage.
    """
    found = []
    for key in manifests:
        head = storage.head_key(key)
        text = storage.get_key(key)
        if head is not None and text is not None and (place, key) not in taken:
            found.append(_undeclared(storage, SeenKey(place, key, head), text, suffixes, taken))
    return found


def _undeclared(
    storage: KeyedStorage, seen: SeenKey, text: bytes, suffixes: Collection[str], taken: Collection[Any]
) -> Stray:
    """A stored table that is not declared: its data and manifest, or why they stay."""
    path = seen.key[len(MANIFESTS) + 1 : -len(".json")]

    def stray(manifest: Manifest | None, keep: str | None, data: SeenKey | None = None) -> Stray:
        shown = data or seen
        uri = storage.shown_key(shown.key)
        name = manifest.table if manifest else None
        size, modified = shown.head.bytes, shown.head.modified_ns
        project = manifest.project if manifest else None
        handle = (seen,) if data is None or keep is not None else (data, seen)
        return Stray("undeclared", storage.spec.name, name, uri, size, modified, keep, handle, project)

    try:
        manifest = Manifest.from_text(text.decode())
    except ValueError as error:
        return stray(None, f"its manifest cannot be read: {error}")
    for key in (path + suffix for suffix in suffixes):
        head = storage.head_key(key)
        if head is None:
            continue
        data = SeenKey(seen.place, key, head)
        if (seen.place, key) in taken:
            return stray(manifest, f"{storage.shown_key(key)} belongs to a declared table now")
        if not _is_that_of(manifest, storage, data):
            return stray(manifest, f"{storage.shown_key(key)} was altered after the run that stored it", data)
        return stray(manifest, None, data)
    return stray(manifest, None)


def _is_that_of(manifest: Manifest, storage: KeyedStorage, data: SeenKey) -> bool:
    if manifest.bytes != data.head.bytes:
        return False
    known = manifest.modified_ns == data.head.stamp != 0
    return known or manifest.content_hash == storage.hash_key(data.key, data.head)


def remove_stray(storage: KeyedStorage, stray: Stray) -> str | None:
    """Remove what was listed; returns why not where it was not, having changed since."""
    if stray.keep is not None:
        return stray.keep
    seen: tuple[SeenKey, ...] = stray.handle
    if any(storage.head_key(each.key) != each.head for each in seen):
        return "it changed since it was listed"
    for each in seen:
        # The data come first: a manifest without data is found again, data without a manifest would not be.
        storage.delete_key(each.key)
    return None


def remove_former(storage: KeyedStorage, keys: Iterable[str], manifest: Manifest) -> None:
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
