"""The project's own `.lakehouse` folder: what belongs to this machine and not to the project (locks, history).

Files in it may be locked: by the process that works on them, until it releases them or dies of whatever cause.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from msgspec import json
from xxhash import xxh3_128_hexdigest

from lakehouse_cli.text.regular_files import open_regular, read_regular

STATE = ".lakehouse"
_Document = TypeVar("_Document")
_held: set[int] = set()


def state_folder(project: Path, name: str) -> Path:
    """Return the path of a folder of the project's state, whether it exists or not."""
    return project / STATE / name


def make_state_folder(project: Path, name: str) -> Path:
    """Make a folder of the project's state, which keeps itself out of version control.

    If only its `.gitignore` cannot be written, as on a full disk, the next call writes it.

    Raises:
        OSError: It cannot be made; the text names what is in its way.
    """
    folder = state_folder(project, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        in_the_way = next((each for each in (folder.parent, folder) if not each.is_dir()), folder)
        raise OSError(error.errno, f"`{in_the_way.relative_to(project)}` is not a folder") from error
    ignored = folder / ".gitignore"
    with suppress(OSError):
        if not ignored.exists() or not ignored.stat().st_size:
            # Beside the folder, under `.lakehouse`, there may be manifests, which do belong to the project.
            _replace(ignored, b"*\n")
    return folder


def keep(project: Path, name: str, file: str, content: bytes) -> None:
    """As `put`; trouble in writing is no trouble for anybody."""
    with suppress(OSError):
        put(project, name, file, content)


def put(project: Path, name: str, file: str, content: bytes) -> None:
    """Replace a file of a folder of the project's state, whole.

    Args:
        project: The project's folder.
        name: Of the folder of its state.
        file: With an ending.
        content: What it is to hold.

    Raises:
        OSError: It cannot be written.
    """
    path = make_state_folder(project, name) / file
    for left in path.parent.glob(f"{path.stem}.*[0-9]"):  # by a process that was killed while it wrote
        left.unlink()
    _replace(path, content)


def with_hash(document: Any) -> bytes:
    """Encode a document as JSON, behind a line with its hash, by which `kept` knows it again.

    Raises:
        UnicodeEncodeError: A text in it is no text, as the name of a file may be.
    """
    content = json.encode(document)
    return xxh3_128_hexdigest(content).encode() + b"\n" + content


def kept(project: Path, name: str, file: str, kind: type[_Document]) -> _Document | None:
    """The document that was kept `with_hash`; None where it is not there, or not as it was written.

    Args:
        project: The project's folder.
        name: Of the folder of its state.
        file: With an ending.
        kind: What it is.
    """
    with suppress(OSError, ValueError):
        whole = read_regular(state_folder(project, name) / file)
        end = whole.find(b"\n") + 1
        content = memoryview(whole)[end:]  # of ten thousand tables ten megabytes, which are not copied
        # What was damaged is not even looked at: it might be nested deeply, or be of other types.
        if whole[:end].decode() == f"{xxh3_128_hexdigest(content)}\n":
            return json.decode(content, type=kind)
    return None


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_suffix(f".{os.getpid()}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def hold(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file for this process and nobody else.

    Args:
        descriptor: The file, open in any way.
        wait: Whether to wait until it is released; a signal whose handler raises ends the waiting.

    Returns:
        Whether this process has the lock now.

    Raises:
        OSError: The file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _held.add(descriptor)
    return True


def let_go(descriptor: int) -> None:
    """Close a file that may be locked."""
    _held.discard(descriptor)
    with suppress(OSError):
        os.close(descriptor)


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether a process has locked a file; False if unknown."""
    try:
        descriptor = open_regular(path, follow=False)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _close_in_child() -> None:
    """Close what a forked process got from its parent: a worker that outlives a killed run must keep no lock of it."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
