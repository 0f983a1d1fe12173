"""What lies in a local folder though no declared table accounts for it, and removing it with care.

Two things are ours: files aside that a killed run left (their names are of our making and nobody holds them), and
tables that a manifest of ours describes, byte for byte. Nothing else is ever removed, nothing outside the root, and no
link is followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from stat import S_ISREG

from msgspec import Struct

from lakehouse_cli.local_state import hold, is_held, let_go
from lakehouse_cli.model.manifest import Manifest, ManifestError
from lakehouse_cli.regular_files import open_regular, read_regular
from lakehouse_cli.storage.base import Stray
from lakehouse_cli.storage.folders import Folder, LinkedFolderError, open_folder
from lakehouse_cli.storage.publishing import ASIDE_SUFFIX, aside_begin, hash_file, hash_of, sync_all

_ASIDE = re.compile(rf"\..+\.\d+-\d+{re.escape(ASIDE_SUFFIX)}", re.DOTALL)
_MANIFEST = ".json"
#: What tells one file from any other, under whatever name: device and inode.
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


class Root(Struct, frozen=True):
    """A storage's folder as it is searched.

    Attributes:
        storage: Its name.
        shown: The root as the user wrote it.
        real: The root with links resolved: which folder that is, is the user's choice.
        manifests: Where manifests lie, relative to the root.
        suffixes: Every ending that a table's file may have had.
    """

    storage: str
    shown: str
    real: str
    manifests: str
    suffixes: tuple[str, ...]

    def uri(self, path: str) -> str:
        """A path under the root as messages show it."""
        relative = os.path.relpath(path, self.real)
        shown = self.shown.rstrip("/")
        return relative if shown in ("", ".") else f"{shown}/{relative}"


def find_strays(root: Root, declared: Collection[str], taken: Collection[Identity]) -> Iterator[Stray]:
    """What no declared table accounts for.

    Args:
        root: Where to look.
        declared: Paths of the tables declared in this storage.
        taken: Files of declared tables, of whatever storage; left alone and not listed.

    Raises:
        OSError: A folder or a file cannot be looked at.
    """
    yield from _unfinished(root)
    for path, name in _manifests(root):
        seen = Seen.of(path)
        if seen is not None and name not in declared and seen.identity not in taken:
            yield _undeclared(root, seen, name, taken)


def _unfinished(root: Root) -> Iterator[Stray]:
    for folder, names in _folders(root):
        for name in names:
            if not _ASIDE.fullmatch(name):
                continue
            seen = Seen.of(f"{folder}/{name}")
            if seen is not None and not is_held(seen.path):
                yield Stray(
                    "unfinished", root.storage, None, root.uri(seen.path), seen.bytes, seen.modified_ns, None, (seen,)
                )


def _folders(root: Root) -> Iterator[tuple[str, list[str]]]:
    """The folders under the root that may hold tables, and those of the manifests; links not followed."""
    for folder, folders, names in os.walk(root.real, onerror=_raise):
        # Repositories and virtual environments, where the root is the project's own folder.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield folder, sorted(names)
    for folder, _, names in _walk_manifests(root):
        yield folder, sorted(names)


def _manifests(root: Root) -> Iterator[tuple[str, str]]:
    for folder, _, names in _walk_manifests(root):
        for name in sorted(names):
            if name.endswith(_MANIFEST) and not name.startswith("."):
                path = f"{folder}/{name}"
                yield path, os.path.relpath(path, f"{root.real}/{root.manifests}").removesuffix(_MANIFEST)


def _walk_manifests(root: Root) -> Iterator[tuple[str, list[str], list[str]]]:
    top = f"{root.real}/{root.manifests}"
    if os.path.isdir(top) and os.path.realpath(top) == top:
        for folder, folders, names in os.walk(top, onerror=_raise):
            folders.sort()
            yield folder, folders, names


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _undeclared(root: Root, manifest_file: Seen, path: str, taken: Collection[Identity]) -> Stray:
    """A stored table that is not declared: its data and manifest, or why they stay."""
    try:
        manifest = _parsed(manifest_file.path)
    except ManifestError as error:
        return _kept(root, manifest_file, None, f"its manifest cannot be read: {error}")
    folder = os.path.dirname(f"{root.real}/{path}")
    if os.path.realpath(folder) != os.path.normpath(folder):
        return _kept(root, manifest_file, manifest, "its folder is behind a link")
    kept: Stray | None = None
    files = [f"{root.real}/{path}{suffix}" for suffix in root.suffixes]
    for file in filter(os.path.lexists, files):
        data = Seen.of(file)
        if data is None:
            kept = _kept(root, manifest_file, manifest, f"{root.uri(file)} is not a file", file)
        elif data.identity in taken:
            kept = _kept(root, manifest_file, manifest, f"{root.uri(file)} belongs to a declared table now")
        elif data.bytes != manifest.bytes or hash_file(file) != manifest.content_hash:
            kept = _kept(
                root, manifest_file, manifest, f"{root.uri(file)} was altered after the run that stored it", file
            )
        else:
            both = (data, manifest_file)
            size, modified = data.bytes, data.modified_ns
            uri = root.uri(file)
            return Stray("undeclared", root.storage, manifest.table, uri, size, modified, None, both, manifest.project)
    if kept is None:
        others = _of_unknown_ending(folder, os.path.basename(path))
        if others:
            told = f"its data may be {root.uri(others[0])}, of an ending that is not known"
            kept = _kept(root, manifest_file, manifest, told, others[0])
    if kept is not None:
        return kept
    uri, size, modified = root.uri(manifest_file.path), manifest_file.bytes, manifest_file.modified_ns
    handle = (manifest_file,)
    return Stray("undeclared", root.storage, manifest.table, uri, size, modified, None, handle, manifest.project)


def _kept(root: Root, file: Seen, manifest: Manifest | None, why: str, data: str | None = None) -> Stray:
    """What a manifest tells of and stays; shown is where its data are, as far as that is known."""
    table, project = (manifest.table, manifest.project) if manifest else (None, None)
    shown, size, modified = file.path, file.bytes, file.modified_ns
    if data is not None:
        status = os.lstat(data)
        shown, size, modified = data, status.st_size, status.st_mtime_ns
    return Stray("undeclared", root.storage, table, root.uri(shown), size, modified, why, (file,), project)


def _of_unknown_ending(folder: str, stem: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    return [f"{folder}/{name}" for name in sorted(os.listdir(folder)) if name == stem or name.startswith(f"{stem}.")]


def _parsed(path: str) -> Manifest:
    return Manifest.from_text(read_regular(path, follow=False))


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
                manifest = _parsed(path)
                if manifest.content_hash == content_hash:
                    return manifest
    return None


def remove_stray(stray: Stray, root: str) -> str | None:
    """Remove what was listed; returns why not where it was not: it changed since, or somebody works on it.

    Args:
        stray: From `find_strays`.
        root: Where it was looked for, links resolved.
    """
    if stray.keep is not None:
        return stray.keep
    files: tuple[Seen, ...] = stray.handle
    try:
        with ExitStack() as opened:
            folders = [
                opened.enter_context(open_folder(root, os.path.relpath(os.path.dirname(file.path), root)))
                for file in files
            ]
            if any(Seen.of(file.path, folder) != file for file, folder in zip(files, folders, strict=True)):
                return "it changed since it was listed"
            if stray.kind == "unfinished":
                return _remove_unheld(os.path.basename(files[0].path), folders[0])
            for file, folder in zip(files, folders, strict=True):
                # The data come first: a manifest without data is found again, data without one would not be.
                os.unlink(os.path.basename(file.path), dir_fd=folder.descriptor)
                sync_all([folder.path])
    except LinkedFolderError:
        return "it changed since it was listed"
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
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


def _remove_unheld(name: str, folder: Folder) -> str | None:
    descriptor = open_regular(name, follow=False, folder=folder.descriptor)
    try:
        if not hold(descriptor, wait=False):
            return "a run is writing it"
        os.unlink(name, dir_fd=folder.descriptor)
    finally:
        let_go(descriptor)
    return None
