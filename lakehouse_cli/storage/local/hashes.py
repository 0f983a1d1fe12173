"""The content of local files: hashed once, and never mistaken for that of another file in the same place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from lakehouse_cli.storage.errors import ChangedError
from lakehouse_cli.storage.local.stat_cache import Stamp, stat_cache
from lakehouse_cli.text.regular_files import hash_of, open_regular, opened_regular


class FileHashes:
    """The hashes of files, kept for as long as `stat` shows that these are unchanged.

    Args:
        project: The folder of the project that keeps them; None where every file is hashed each time.
    """

    def __init__(self, project: Path | None) -> None:
        self._kept = None if project is None else stat_cache(project)

    def known(self, path: str, stamp: Stamp) -> str | None:
        """The hash of a file that was seen to have a stamp, if it is known; nothing is read for it."""
        kept = None if self._kept is None else self._kept.get(f"hash {path}", (stamp,))
        return kept if isinstance(kept, str) else None

    def known_now(self) -> Callable[[str, os.stat_result], str | None]:
        """As `known`, for very many files that are looked at together."""
        if self._kept is None:
            return lambda _, __: None
        values = self._kept.current()

        def known(path: str, status: os.stat_result) -> str | None:
            kept = values.get("hash " + path)
            if kept is None or len(kept[0]) != 1:
                return None
            (stamp,), hash_ = kept
            now = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            return hash_ if stamp == now and isinstance(hash_, str) else None

        return known

    def of(self, path: str, stamp: Stamp) -> str:
        """The hash of a file that was seen to have a stamp.

        Raises:
            ChangedError: It has another one by now.
            OSError: It cannot be read.
        """
        if (kept := self.known(path, stamp)) is not None:
            return kept
        is_racy = stamp.is_racy
        with open_unchanged(path, stamp) as file:
            hash_ = hash_of(file)
            _refuse_changed(os.fstat(file.fileno()), stamp)
        if not is_racy and self._kept is not None:
            self._kept.put(f"hash {path}", (stamp,), hash_)
        return hash_

    def read_into(self, view: memoryview, path: str, hash_: str) -> None:
        """Read a small file, which is no link, as a whole; it had a hash, and this size.

        Raises:
            ChangedError: It is another by now.
            OSError: It cannot be read.
        """
        descriptor, status = opened_regular(path, follow=False)
        try:
            stamp, size = Stamp.of(status), os.readv(descriptor, [view])
            _refuse_changed(os.fstat(descriptor), stamp)
        finally:
            os.close(descriptor)
        if not size == stamp.size == len(view) or (self.known(path, stamp) or hash_of(BytesIO(view))) != hash_:
            raise ChangedError(path)

    def keep(self, path: str, status: os.stat_result | None, hash_: str, *, flush: bool) -> None:
        """Keep the hash of a file that was just put in place, if its stamp proves that nobody wrote to it since.

        Other processes see it once it was flushed.

        It proves so where the file was put in place at a later tick of the clock than its last write: each later write
        changes its modification time.
        """
        if self._kept is not None and status is not None and status.st_mtime_ns < status.st_ctime_ns:
            self._kept.put(f"hash {path}", (Stamp.of(status),), hash_, flush=flush)

    def flush(self) -> None:
        """Let other processes see what was kept."""
        if self._kept is not None:
            self._kept.flush()

    @contextmanager
    def reading(self, path: str, stamp: Stamp) -> Iterator[str]:
        """Give the hash of a file that was seen to have a stamp, and be sure that what the block reads is that.

        Raises:
            ChangedError: It changed before the block ended, or failed.
            OSError: It cannot be read.
        """
        is_racy = stamp.is_racy
        hash_ = self.of(path, stamp)

        def check() -> None:
            refuse_changed(path, stamp)
            if is_racy and self.of(path, stamp) != hash_:
                raise ChangedError(path)

        try:
            yield hash_
        except GeneratorExit:  # nobody wants more of it
            check()
            raise
        except Exception:
            refuse_changed(path, stamp)  # what is half one file and half another may well be no table
            raise
        check()


def open_unchanged(path: str, stamp: Stamp) -> BinaryIO:
    """Open a file that was seen to have a stamp.

    Raises:
        ChangedError: It is gone, or has another one by now.
    """
    try:
        file = open(path, "rb", opener=lambda *_: open_regular(path))  # noqa: SIM115  # the caller closes it
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ChangedError(path) from error
    try:
        _refuse_changed(os.fstat(file.fileno()), stamp)
    except BaseException:
        file.close()
        raise
    return file


def refuse_changed(path: str, stamp: Stamp) -> None:
    """Look at a file again that was seen to have a stamp.

    Raises:
        ChangedError: It is gone, or has another one by now.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise ChangedError(path) from error
    _refuse_changed(status, stamp)


def _refuse_changed(status: os.stat_result, stamp: Stamp) -> None:
    if Stamp.of(status) != stamp:
        raise ChangedError("the file changed while it was read")
