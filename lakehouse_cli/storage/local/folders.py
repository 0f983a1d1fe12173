"""Folders held open, in which files are made, replaced and removed whatever their paths lead to meanwhile.

A path is walked anew for every system call that is given it, and any writer of a folder can put a link in place of one
on the way. A folder that is open stays the one that was opened.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from stat import S_ISDIR, S_ISLNK
from types import TracebackType

from msgspec import Struct

# `O_PATH`, where there is such a thing, needs no permission to list the folder.
_OPEN = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LinkedFolderError(OSError):
    """A folder is a link, or is no longer what was opened; its `filename` is the path."""


class Folder:
    """A folder that is open until the end of a `with` block, or until nothing refers to it.

    Attributes:
        path: The path that it was opened by.
        descriptor: For the `dir_fd` of system calls.
        made: The folders that got an entry as it was made, for `sync_all`.
        is_kept: Whether it stays open after the block: others may be in it, of any thread.
    """

    def __init__(self, steps: list[str], descriptor: int, made: set[str]) -> None:
        """Take it over.

        Args:
            steps: The paths of the root, and of each folder on the way from there, the last its own.
            descriptor: What it was opened as.
            made: The folders that got an entry.
        """
        self.path, self.descriptor, self.made = steps[-1], descriptor, made
        self.is_kept = False
        self._above = steps[:-1]
        self._status = os.fstat(descriptor)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.is_kept:
            self._close()

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def refuse_moved(self) -> None:
        """Make sure that the path still leads here, and not by a link in the folder's place.

        Raises:
            LinkedFolderError: It does not.
        """
        with suppress(FileNotFoundError, NotADirectoryError):
            if os.path.samestat(os.lstat(self.path), self._status):
                return
        raise LinkedFolderError(errno.ELOOP, os.strerror(errno.ELOOP), self.path)

    def is_reached(self) -> bool:
        """Whether it is what would be opened anew, step by step: none on the way is a link, and the last is this."""
        try:
            if all(S_ISDIR(os.lstat(each).st_mode) for each in self._above):
                return os.path.samestat(os.lstat(self.path), self._status)
        except OSError:
            pass
        return False


def make_folder(folder: str) -> set[str]:
    """Make a folder and those above it; returns the folders that got an entry, for `sync_all`.

    Raises:
        OSError: It cannot be made.
    """
    changed = set()
    missing = folder
    while missing and not os.path.isdir(missing):
        missing = os.path.dirname(missing)
        changed.add(missing)
    os.makedirs(folder, exist_ok=True)
    return changed


def remove_made(folder: str, changed: set[str]) -> None:
    """Remove what `make_folder` made, as far as there is nothing in it.

    Args:
        folder: As it was given.
        changed: What it returned.
    """
    for each in sorted({folder, *changed}, key=len, reverse=True)[: len(changed)]:
        with suppress(OSError):
            os.rmdir(each)


def open_folder(root: str, path: str, *, make: bool = False) -> Folder:
    """Open a folder, step by step from a root; no link is followed.

    Args:
        root: A folder without links on the way to it.
        path: Relative to the root; empty for the root itself.
        make: Whether to make it where it is missing, and those above.

    Raises:
        LinkedFolderError: The root, or a folder on the way, is a link.
        OSError: It cannot be opened, or made.
    """
    steps, made = [root], set[str]()
    try:
        descriptor = _open(root, None, root)
    except FileNotFoundError:
        if not make:
            raise
        made |= make_folder(root)
        descriptor = _open(root, None, root)
    try:
        for name in filter(None, path.split("/")):
            above = steps[-1]
            steps.append(f"{above.rstrip('/')}/{name}")
            try:
                inner = _open(name, descriptor, steps[-1])
            except FileNotFoundError:
                if not make:
                    raise
                with naming(above), suppress(FileExistsError):  # another thread may have made it just now
                    os.mkdir(name, dir_fd=descriptor)
                made.add(above)
                inner = _open(name, descriptor, steps[-1])
            os.close(descriptor)
            descriptor = inner
        return Folder(steps, descriptor, made)
    except BaseException:
        os.close(descriptor)
        raise


def _open(name: str, folder: int | None, path: str) -> int:
    try:
        return os.open(name, _OPEN, dir_fd=folder)
    except OSError as error:
        error.filename = path
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            with suppress(FileNotFoundError, NotADirectoryError):
                if S_ISLNK(os.lstat(name, dir_fd=folder).st_mode):
                    raise LinkedFolderError(errno.ELOOP, os.strerror(errno.ELOOP), path) from None
        raise


class naming(Struct):  # noqa: N801  # used as a function is; a class, as it is entered for every file that is written
    """Have an error of the system name the whole path of a file, which it was given by its name in a folder."""

    folder: str

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, OSError) and isinstance(error.filename, str):
            error.filename = f"{self.folder}/{error.filename}"
