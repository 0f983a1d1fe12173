"""Reading files: regular ones only, since a pipe may never say anything and a device never end."""

from __future__ import annotations

import errno
import os
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

from lakehouse_cli.text.counts import count_text

#: More is read of no file that is read whole.
MAX_BYTES = 100_000_000
_NOT_REGULAR = "it is not a regular file"


def open_regular(path: str | os.PathLike[str], *, follow: bool = True, folder: int | None = None) -> int:
    """Open a file for reading, without waiting for a writer; returns the descriptor.

    Args:
        path: The file.
        follow: Whether it may be a link.
        folder: The descriptor of the folder that its path is relative to; None for the current one.

    Raises:
        OSError: It cannot be opened, or is a folder, a pipe, a device or a socket.
    """
    return opened_regular(path, follow=follow, folder=folder)[0]


def opened_regular(
    path: str | os.PathLike[str], *, follow: bool = True, folder: int | None = None
) -> tuple[int, os.stat_result]:
    """As `open_regular`; returns what is known of the file besides."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ENXIO:  # what the system says of a socket
            raise
        raise OSError(errno.EINVAL, _NOT_REGULAR, os.fspath(path)) from error
    status = os.fstat(descriptor)
    mode = status.st_mode
    if S_ISREG(mode):
        return descriptor, status
    os.close(descriptor)
    if S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, _NOT_REGULAR, os.fspath(path))


def read_regular(path: str | os.PathLike[str], limit: int = MAX_BYTES, *, follow: bool = True) -> bytes:
    """Read a whole file.

    Args:
        path: The file.
        limit: How many bytes it may have.
        follow: Whether it may be a link.

    Raises:
        OSError: It cannot be read, is larger, or is a folder, a pipe, a device or a socket.
    """
    descriptor, status = opened_regular(path, follow=follow)
    size = status.st_size
    try:
        if size <= limit and len(content := os.read(descriptor, size + 1)) == size > 0:
            return content
        # One byte more than allowed: the file may grow meanwhile. Of some files the system does not know the size.
        os.lseek(descriptor, 0, os.SEEK_SET)
        pieces, left = [], limit + 1
        while left > 0 and (piece := os.read(descriptor, min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
    finally:
        os.close(descriptor)
    if left <= 0:
        raise OSError(errno.EFBIG, f"it is larger than {count_text(limit // 1_000_000)} MB", os.fspath(path))
    return b"".join(pieces)


def hash_file(path: str | os.PathLike[str]) -> str:
    """The xxh3-128 of a file, hexadecimal.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    with open(open_regular(path), "rb") as file:
        return hash_of(file)


def hash_of(file: BinaryIO) -> str:
    """The xxh3-128 of an open file, from its position to its end, hexadecimal."""
    from xxhash import xxh3_128  # loaded only where files are hashed

    digest = xxh3_128()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
