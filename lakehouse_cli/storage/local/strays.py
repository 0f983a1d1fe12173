"""A local folder as it is searched for strays: nothing outside the root, and no link is followed.

Files aside that a killed run left are known by their names, which are of our making, and as nobody holds them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from stat import S_ISREG
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model.manifest import Manifest, ManifestError
from lakehouse_cli.model.unit import unit_path
from lakehouse_cli.runs.local_state import is_held
from lakehouse_cli.storage.format_storage import INDEX_SUFFIX, MANIFESTS
from lakehouse_cli.storage.local.folders import Folder, LinkedFolderError, open_folder
from lakehouse_cli.storage.local.paths import endings_there
from lakehouse_cli.storage.local.publishing import ASIDE_SUFFIX, aside_begin, remove_unheld, sync_all
from lakehouse_cli.storage.strays import CHANGED, Endings, IndexedManifest, Place, Trace, undeclared_units
from lakehouse_cli.text.regular_files import hash_file, hash_of, open_regular, read_regular

if TYPE_CHECKING:
    from lakehouse_cli.storage.local.index_file import IndexFile

_ASIDE = re.compile(rf"\..+\.\d+-\d+{re.escape(ASIDE_SUFFIX)}", re.DOTALL)
_MANIFEST = ".json"
#: The identity of a file, under whatever name: device and inode.
Identity = tuple[int, int]


class Seen(Struct, frozen=True):
    """A file as it was when it was listed; one that has changed since is not removed."""

    path: str
    device: int
    inode: int
    bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: str, folder: Folder | None = None) -> Seen | None:
        """A regular file, the link itself looked at, by its name in a folder that is open; None for anything else."""
        try:
            status = os.lstat(path) if folder is None else os.lstat(os.path.basename(path), dir_fd=folder.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not S_ISREG(status.st_mode):
            return None
        return cls(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    @property
    def identity(self) -> Identity:
        """Device and inode."""
        return self.device, self.inode


class FilePlace(Place):
    """A storage's folder.

    Args:
        name: Of the storage.
        shown: The root as the user wrote it.
        root: The root with links resolved: which folder that is, is the user's choice.
        endings: Every ending that a file may have had.
        divided: The dimensions of the declared tables that are stored by partition, by path.
    """

    def __init__(
        self,
        name: str,
        shown: str,
        root: str,
        endings: Endings | None = None,
        divided: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._divided = divided or {}
        self.name = name
        self._shown = shown.rstrip("/")
        self._root = root
        self._manifests = f"{root}/{MANIFESTS}"
        self._endings = endings or Endings()

    def unfinished(self) -> Iterator[Trace]:
        """Files aside that nobody holds, beside data and beside manifests."""
        for folder, folders, names in os.walk(self._root, onerror=_raise):
            # Repositories and virtual environments, where the root is the project's own folder.
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from self._aside(folder, names)
        for folder, names in self._walk_manifests():
            yield from self._aside(folder, names)

    def _aside(self, folder: str, names: Iterable[str]) -> Iterator[Trace]:
        for name in filter(_ASIDE.fullmatch, sorted(names)):
            seen = Seen.of(f"{folder}/{name}")
            if seen is not None and not is_held(seen.path):
                yield self._trace(seen)

    def manifests(self, declared: Collection[str]) -> Iterator[tuple[str, Trace, str | bytes]]:
        """By the path of the table."""
        for folder, names in self._walk_manifests():
            for name in sorted(name for name in names if name.endswith(_MANIFEST) and not name.startswith(".")):
                table = os.path.relpath(f"{folder}/{name}", self._manifests).removesuffix(_MANIFEST)
                seen = None if table in declared else Seen.of(f"{folder}/{name}")
                if seen is not None:
                    yield table, self._trace(seen), read_regular(seen.path, follow=False)
            for name in sorted(name for name in names if name.endswith(INDEX_SUFFIX) and not name.startswith(".")):
                yield from self._units(f"{folder}/{name}")

    def _units(self, path: str) -> Iterator[tuple[str, Trace, str]]:
        table = os.path.relpath(path, self._manifests).removesuffix(INDEX_SUFFIX)
        with self._index(table).reading() as index:
            for unit, state, text in undeclared_units(table, index, self._divided.get(table)):
                yield unit, Trace(self._uri(path), len(text), 0, state, state), text

    def _index(self, table: str) -> IndexFile:
        from lakehouse_cli.storage.local.index_file import IndexFile  # not loaded where no table has partitions

        folder, _, name = f"{MANIFESTS}/{table}{INDEX_SUFFIX}".rpartition("/")
        return IndexFile(lambda make: open_folder(self._root, folder, make=make), f"{self._root}/{folder}/{name}")

    def _walk_manifests(self) -> Iterator[tuple[str, list[str]]]:
        if os.path.isdir(self._manifests) and os.path.realpath(self._manifests) == self._manifests:
            for folder, folders, names in os.walk(self._manifests, onerror=_raise):
                folders.sort()
                yield folder, names

    def data(self, table: str, trace: Trace, manifest: Manifest) -> Iterator[Trace]:
        """The file under each ending; where there is none, one of an ending that is not known."""
        base = f"{self._root}/{table}"
        folder, _, stem = base.rpartition("/")
        if os.path.realpath(folder) != os.path.normpath(folder):
            yield replace(trace, refusal="its folder is behind a link")
            return
        there = partial(endings_there, base)
        found = [base + suffix for suffix in self._endings.of(manifest, there) if os.path.lexists(base + suffix)]
        for path in found:
            seen = Seen.of(path)
            yield self._trace(seen) if seen is not None else self._refused(path, f"{self._uri(path)} is not a file")
        if not found and os.path.isdir(folder):
            others = (name for name in sorted(os.listdir(folder)) if name == stem or name.startswith(f"{stem}."))
            for path in (f"{folder}/{name}" for name in others):
                yield self._refused(path, f"its data may be {self._uri(path)}, of an ending that is not known")
                return

    def is_described(self, manifest: Manifest, data: Trace) -> bool:
        """By size and hash."""
        return data.bytes == manifest.bytes and hash_file(data.state.path) == manifest.content_hash

    def is_unchanged(self, state: Seen | IndexedManifest) -> bool:
        """Also the folder, in whose place there may be a link now."""
        if isinstance(state, IndexedManifest):
            with self._index(state.path).reading() as index:
                return state.is_in(index)
        with suppress(LinkedFolderError), self._open_folder(state) as folder:
            return Seen.of(state.path, folder) == state
        return False

    def remove(self, state: Seen | IndexedManifest) -> str | None:
        """Remove a file from the very folder in which it is still as it was; one aside only if nobody holds it."""
        if isinstance(state, IndexedManifest):
            self._index(state.path).drop([state.partition])
            self._remove_empty(state)
            return None
        name = os.path.basename(state.path)
        with suppress(LinkedFolderError), self._open_folder(state) as folder:
            if Seen.of(state.path, folder) == state:
                if _ASIDE.fullmatch(name):
                    return None if remove_unheld(name, folder) else "a run is writing it"
                os.unlink(name, dir_fd=folder.descriptor)
                sync_all([folder.path])
                return None
        return CHANGED

    def _remove_empty(self, state: IndexedManifest) -> None:
        """Remove the folders that a partition was in, as far as there is nothing left in them."""
        folder = unit_path(state.path, state.partition).rpartition("/")[0]
        with suppress(OSError):
            while folder and folder != state.path:
                with open_folder(self._root, folder.rpartition("/")[0]) as above:
                    os.rmdir(folder.rpartition("/")[2], dir_fd=above.descriptor)
                folder = folder.rpartition("/")[0]

    def _open_folder(self, seen: Seen) -> AbstractContextManager[Folder]:
        return open_folder(self._root, os.path.relpath(os.path.dirname(seen.path), self._root))

    def _uri(self, path: str) -> str:
        relative = os.path.relpath(path, self._root)
        return relative if self._shown in ("", ".") else f"{self._shown}/{relative}"

    def _trace(self, seen: Seen) -> Trace:
        return Trace(self._uri(seen.path), seen.bytes, seen.modified_ns, seen.identity, seen)

    def _refused(self, path: str, why: str) -> Trace:
        status = os.lstat(path)
        return Trace(self._uri(path), status.st_size, status.st_mtime_ns, None, None, why)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def left_aside(manifest_path: str, content_hash: str) -> Manifest | None:
    """The manifest of stored data that a killed run left aside of where it belongs; None where there is none.

    Args:
        manifest_path: Where it belongs.
        content_hash: Of the data as they are now.

    Raises:
        OSError: The folder cannot be looked at.
    """
    folder, begin = os.path.dirname(manifest_path), aside_begin(manifest_path)
    for name in sorted(os.listdir(folder)):
        path = f"{folder}/{name}"
        if name.startswith(begin) and _ASIDE.fullmatch(name) and not is_held(path):
            with suppress(OSError, ManifestError):
                manifest = Manifest.from_text(read_regular(path, follow=False))
                if manifest.content_hash == content_hash:
                    return manifest
    return None


def remove_former(folder: Folder, names: Iterable[str], manifest: Manifest) -> None:
    """Remove what a table was stored as before, under another ending: the file that its manifest describes.

    Args:
        folder: Where it may be.
        names: What it may be called, the name that it has now not among them.
        manifest: Of what was stored before. A file that is not this, byte for byte, is not ours and stays.
    """
    for name in names:
        # What cannot be removed does no harm: no table is read from it.
        with suppress(OSError), open(open_regular(name, follow=False, folder=folder.descriptor), "rb") as file:
            if os.fstat(file.fileno()).st_size == manifest.bytes and hash_of(file) == manifest.content_hash:
                os.unlink(name, dir_fd=folder.descriptor)
