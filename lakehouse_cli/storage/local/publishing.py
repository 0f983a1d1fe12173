"""Writing a file so that it is whole or not there: aside, flushed, synced, then put in place in one step.

A file being written is locked by its writer, so that what a killed process left behind differs from what another
run is writing now, whatever process ids have been used again meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from msgspec import Struct

from lakehouse_cli.runs.exits import undisturbed, undo_at_exit
from lakehouse_cli.runs.local_state import hold, let_go
from lakehouse_cli.storage.hashing import HashingSink
from lakehouse_cli.storage.local.folders import Folder, naming
from lakehouse_cli.text.regular_files import open_regular

ASIDE_SUFFIX = ".lakehouse-tmp"
#: How many files are waited for at once.
_SYNCS = 8
# How many are open for it.
_OPEN = 64
# What is no larger is gathered and written at once. Of files up to this size a system is asked to forget what it holds
# of them, which has it write what it has not yet written. macOS has no such call.
_SMALL = 1 << 16
_begin_writing = getattr(os, "posix_fadvise", None)
# What a disk says that has not taken what was written.
_NOT_TAKEN = frozenset((errno.EIO, errno.ENOSPC, errno.EDQUOT))
_counter = itertools.count()


class _Buffered:
    """A file that is open for writing, to which what is small goes together."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._waiting = bytearray()

    def write(self, data: Any, /) -> int:
        view = memoryview(data)
        if len(self._waiting) + view.nbytes > _SMALL:
            self.flush()
        if view.nbytes > _SMALL:
            self._write(view.cast("B"))
        else:
            self._waiting += view
        return view.nbytes

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, bytearray()
        self._write(memoryview(waiting))

    def _write(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self.descriptor, view) :]


class HashingFile(HashingSink):
    """The same in front of a file.

    Attributes:
        modified_ns: When the file was last written, nanoseconds since 1970; 0 before `settle`.
        status: Of the file once it was put in place, where it was settled; None before, and else.
    """

    def __init__(self, file: _Buffered) -> None:
        super().__init__(file)
        self._file = file
        self.modified_ns = 0
        self.status: os.stat_result | None = None

    def flush(self) -> None:
        """Have the system take what was written."""
        self._file.flush()

    def settle(self) -> None:
        """See when the file was last written; nothing more is."""
        self.flush()
        self.modified_ns = os.fstat(self._file.descriptor).st_mtime_ns


class replacing:  # noqa: N801  # used as a function is; a class, as it is entered for every file that is written
    """Write a file aside; put it in its place when the block ends without an exception.

    Args:
        folder: Where it is to be.
        name: What it is to be called there.
        mode: The permissions it is to have; None for those of any new file.
        durable: Whether to wait until the data are on disk. Without it a power failure may leave an unreadable file.
            With it, it may bring back the old one until `sync_all` was called with its folder.
        together: Until it is closed, what else is put in place belongs to this; the process is not left in between.

    Raises:
        OSError: The file cannot be written; what has its name is as it was.
    """

    def __init__(
        self, folder: Folder, name: str, *, mode: int | None, durable: bool = True, together: ExitStack | None = None
    ) -> None:
        self._folder, self._name, self._mode = folder, name, mode
        self._durable, self._together = durable, together

    def __enter__(self) -> HashingFile:
        with undisturbed():
            self._aside, self._descriptor = _create_aside(self._folder, self._name)
            self._forget = undo_at_exit(partial(os.unlink, self._aside, dir_fd=self._folder.descriptor))
        self._sink = HashingFile(_Buffered(self._descriptor))
        return self._sink

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        try:
            if error is None:
                self._put()
        except BaseException as failure:
            error = failure
            raise
        finally:
            if error is not None:
                with suppress(OSError):
                    os.unlink(self._aside, dir_fd=self._folder.descriptor)
            self._forget()
            os.close(self._descriptor)

    def _put(self) -> None:
        self._sink.flush()
        if self._mode is not None:
            os.fchmod(self._descriptor, self._mode & 0o7777)
        if self._durable:
            os.fsync(self._descriptor)
        if self._together is not None:
            self._together.enter_context(undisturbed())
        within = self._folder.descriptor
        with undisturbed(), naming(self._folder.path):
            os.replace(self._aside, self._name, src_dir_fd=within, dst_dir_fd=within)
        if self._sink.modified_ns:
            self._sink.status = os.fstat(self._descriptor)


def aside_begin(path: str) -> str:
    """What the name of a file begins with that is written aside of `path`, before the process and a counter."""
    # A name may be 255 bytes; a long one is cut, the process and the counter keep it unique.
    stem = path.rpartition("/")[2].encode()[:180].decode(errors="ignore")
    return f".{stem}."


def _create_aside(folder: Folder, name: str) -> tuple[str, int]:
    while True:
        aside = f"{aside_begin(name)}{os.getpid()}-{next(_counter)}{ASIDE_SUFFIX}"
        with naming(folder.path):
            descriptor = os.open(
                aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder.descriptor
            )
        try:
            with suppress(OSError):  # a file system without locks; then nobody can take it for a leftover either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return aside, descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # Another run took it for a leftover in the instant before it was locked.
        os.close(descriptor)


def sync_all(paths: Sequence[str], *, strict: bool = False) -> None:
    """Wait until files, and which files are in folders, are on disk; where the file system cannot do that, go on.

    Side by side, which the file system's journal takes as one: a tenth of the time of one after the other.

    Args:
        paths: The files and folders.
        strict: Whether what the disk did not take is an error.

    Raises:
        OSError: The disk is full, or fails, where that is asked for.
    """
    if len(paths) > _SYNCS:
        from concurrent.futures import ThreadPoolExecutor

        with suppress(RuntimeError), ThreadPoolExecutor(_SYNCS) as pool:  # the system may allow no thread
            _sync(paths, pool.map, strict=strict)
            return
    _sync(paths, map, strict=strict)


def _sync(paths: Sequence[str], side_by_side: Callable[..., Iterable[OSError | None]], *, strict: bool) -> None:
    for start in range(0, len(paths), _OPEN):
        opened: list[int] = []
        try:
            # First all of them begin to be written, so that the journal has them as one where the first is waited for.
            for path in paths[start : start + _OPEN]:
                with _not_taken(raised=strict):
                    opened.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC))
                    if _begin_writing is not None:
                        _begin_writing(opened[-1], 0, _SMALL, os.POSIX_FADV_DONTNEED)
            errors = list(side_by_side(_wait_for, [opened[at::_SYNCS] for at in range(_SYNCS)]))
            if strict and (error := next(filter(None, errors), None)) is not None:
                raise error
        finally:
            for descriptor in opened:
                os.close(descriptor)


def _wait_for(descriptors: Sequence[int]) -> OSError | None:
    """Wait for files one after the other; returns what the disk said that did not take one."""
    found = None
    for descriptor in descriptors:
        try:
            with _not_taken(raised=True):
                os.fsync(descriptor)
        except OSError as error:
            found = error
    return found


class _not_taken(Struct):  # noqa: N801  # as `naming`
    """Go on where some network file system cannot sync a folder, or a file is gone again."""

    raised: bool

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        return isinstance(error, OSError) and not (self.raised and error.errno in _NOT_TAKEN)


def remove_leftovers(folder: Folder) -> None:
    """Remove the files that killed processes left half-written in a folder; those being written are locked."""
    with suppress(OSError):
        listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder.descriptor)
        try:
            names = os.listdir(listed)
        finally:
            os.close(listed)
        for name in names:
            if name.endswith(ASIDE_SUFFIX) and name.startswith("."):
                with suppress(OSError):
                    remove_unheld(name, folder)


def remove_unheld(name: str, folder: Folder) -> bool:
    """Remove a file unless its writer holds it; whether it was removed.

    Raises:
        OSError: It cannot be opened, locked or removed.
    """
    descriptor = open_regular(name, follow=False, folder=folder.descriptor)
    try:
        if is_free := hold(descriptor, wait=False):
            os.unlink(name, dir_fd=folder.descriptor)
        return is_free
    finally:
        let_go(descriptor)
