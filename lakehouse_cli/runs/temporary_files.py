"""Temporary files without a name, and temporary folders, for data beyond memory or between processes."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePath
from shutil import rmtree
from typing import IO

from lakehouse_cli.errors import StorageError
from lakehouse_cli.runs.exits import undisturbed, undo_at_exit
from lakehouse_cli.runs.local_state import hold, let_go
from lakehouse_cli.text.causes import system_reason

_PREFIX = "lakehouse-spill-"
# Of a folder that is not yet locked.
_NEW = "lakehouse-new-spill-"
# Seconds in which a folder that was made is surely locked.
_LOCKED_WITHIN = 60


def spill_file() -> IO[bytes]:
    """Open a temporary file that goes as it is closed, and with the process however that ends."""
    return tempfile.TemporaryFile(prefix=_PREFIX)


@contextmanager
def spilling(what: str, below: str | None = None) -> Iterator[None]:
    """Say of a file from `spill_file` that cannot be made, written or read what it is for, and what to do.

    Args:
        what: Is in it, in the plural: ``keys``.
        below: The folder that it is in, where that is another than that of temporary files.

    Raises:
        StorageError: Where an OSError was raised.
    """
    try:
        yield
    except OSError as error:
        # Arrow's own text repeats the number of the error around what the system says.
        reason = OSError(error.errno, os.strerror(error.errno)) if error.errno else error
        folder = below or tempfile.gettempdir()
        otherwise = (
            ""
            if folder != tempfile.gettempdir()
            else ", or set the environment variable TMPDIR to a folder that has some"
        )
        too_large = error.errno == errno.EFBIG  # in whatever folder
        raise StorageError(
            f"{what} do not fit into memory, and not into {folder} either: {system_reason(reason)}",
            hint="raise the limit on file sizes (`ulimit -f`)" if too_large else f"make room in {folder}{otherwise}",
        ) from error


@contextmanager
def spill_folder(below: str | None = None) -> Iterator[str]:
    """Make a folder that goes at the end; those that killed processes left go now.

    Args:
        below: Where it is made, hidden, for all who may work there; by default where temporary files are.
    """
    if below is not None:
        Path(below).mkdir(parents=True, exist_ok=True)
    remove_abandoned(below)
    with undisturbed():
        new = tempfile.mkdtemp(prefix=f".{_NEW}" if below else _NEW, dir=below)
        folder = new.replace(_NEW, _PREFIX)
        forget = undo_at_exit(partial(_remove_used, new, folder))
    descriptor = os.open(new, os.O_RDONLY)
    try:
        with suppress(OSError):  # without locks, nobody takes it for abandoned
            hold(descriptor, wait=False)
        if below is not None:
            Path(new).chmod(Path(below).stat().st_mode & 0o777)
        Path(new).rename(folder)
        yield folder
    finally:
        for each in (new, folder):
            rmtree(each, ignore_errors=True)
        forget()
        let_go(descriptor)


def is_temporary(path: PurePath) -> bool:
    """Whether a path is in such a folder."""
    return any(part.startswith(_PREFIX) for part in path.parts)


def names_temporary(text: str) -> bool:
    """Whether a text holds the path of something in such a folder."""
    return f"{os.sep}{_PREFIX}" in text


def _remove_used(*folders: str) -> None:
    """Remove folders in which threads may still be making files: not any more where the name is another."""
    for folder in filter(os.path.isdir, folders):
        gone = f"{folder}-gone"
        with suppress(OSError):
            Path(folder).rename(gone)
        rmtree(gone, ignore_errors=True)


def remove_abandoned(below: str | None = None) -> None:
    """Remove the folders that killed processes left; argument as of `spill_folder`."""
    for folder in Path(below or tempfile.gettempdir()).glob(f"{'.' if below else ''}lakehouse-*spill-*"):
        with suppress(OSError):
            if _NEW in folder.name and time.time() - folder.lstat().st_mtime < _LOCKED_WITHIN:
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if hold(descriptor, wait=False):
                    rmtree(folder, ignore_errors=True)
            finally:
                let_go(descriptor)
