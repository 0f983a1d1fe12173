"""The index of a partitioned table as a file, to which threads, processes and runs append one after the other."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from secrets import token_hex

from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import digests_name
from lakehouse_cli.storage.local.folders import Folder, naming
from lakehouse_cli.storage.local.publishing import replacing
from lakehouse_cli.storage.local.stat_cache import Stamp
from lakehouse_cli.storage.partition_digests import REPLACING
from lakehouse_cli.storage.partition_index import PartitionIndex, hashes_of
from lakehouse_cli.text.regular_files import open_regular


class IndexFile:
    """One index, read as far as it is known to be written.

    Args:
        open_folder: Opens the folder that it is in, which is made where it is to be written.
        path: Of the file.
    """

    def __init__(self, open_folder: Callable[[bool], AbstractContextManager[Folder]], path: str) -> None:
        self._open_folder, self._path, self._name = open_folder, path, path.rpartition("/")[2]
        self._digests = f"{self._name.removesuffix('.jsonl')}.keys"
        self._lock = threading.RLock()
        self._index = PartitionIndex()
        # Of the file that was read, how it begins, and how much of it was read.
        self._identity: tuple[int, int] | None = None
        self._begin = b""
        self._size = 0
        # What `stat` showed of it when all of it was read.
        self._stamp: Stamp | None = None

    @contextmanager
    def reading(self) -> Iterator[PartitionIndex]:
        """Give the index as it is now; one without records where there is none. It must not be changed.

        Raises:
            NewerManifestError: A newer version of the tool wrote it.
            OSError: It cannot be read.
        """
        with self._lock:
            if self._is_unchanged():
                yield self._index
                return
            try:
                with self._open_folder(False) as folder, naming(folder.path):
                    descriptor = open_regular(self._name, follow=False, folder=folder.descriptor)
            except FileNotFoundError:
                self._forget()
            else:
                try:
                    self._refresh(descriptor)
                finally:
                    os.close(descriptor)
            yield self._index

    def _is_unchanged(self) -> bool:
        """Whether it is the file that was read, to its end: what is appended makes it longer."""
        with suppress(OSError):
            return self._stamp is not None and Stamp.of(os.lstat(self._path)) == self._stamp
        return False

    def former_hashes(self, partition: Partition | None) -> frozenset[str]:
        """The hashes that a partition had before the last, as far as they were not compacted away.

        Raises:
            OSError: It cannot be read.
        """
        with self._lock, self._open_folder(False) as folder, naming(folder.path):
            descriptor = open_regular(self._name, follow=False, folder=folder.descriptor)
            try:
                return hashes_of(partition, _read(descriptor, 0, os.fstat(descriptor).st_size))
            finally:
                os.close(descriptor)

    def _forget(self) -> None:
        self._index, self._identity, self._begin, self._size = PartitionIndex(), None, b"", 0
        self._stamp = None

    def _refresh(self, descriptor: int) -> None:
        """Read what was appended since, up to the end of the last line."""
        status, self._stamp = os.fstat(descriptor), None
        identity = status.st_dev, status.st_ino
        if identity != self._identity or status.st_size < self._size or self._begins_otherwise(descriptor):
            self._forget()
        if status.st_size == self._size:
            self._stamp = Stamp.of(status)
            return
        content = _read(descriptor, self._size, status.st_size)
        whole = content[: content.rfind(b"\n") + 1]
        self._index.read(whole)
        if not self._size:
            self._begin = whole.partition(b"\n")[0]
        self._identity, self._size = identity, self._size + len(whole)
        if self._size == status.st_size:
            self._stamp = Stamp.of(status)

    def _begins_otherwise(self, descriptor: int) -> bool:
        """Whether it is another file, which the system gave the number of the one that was read."""
        return os.pread(descriptor, len(self._begin), 0) != self._begin

    @contextmanager
    def appending(self) -> Iterator[Appending]:
        """Give what appends to the index, while nobody else does.

        Raises:
            NewerManifestError: A newer version of the tool wrote it.
            OSError: It cannot be written.
        """
        with self._lock, self._open_folder(True) as folder, naming(folder.path):
            descriptor, is_new = self._locked(folder)
            try:
                self._refresh(descriptor)
                yield Appending(self._index, descriptor, is_new=is_new)
                self._refresh(descriptor)
                if self._index.is_mostly_outdated:
                    self._compact(folder)
            finally:
                os.close(descriptor)

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Say that partitions are gone; an index of none is removed.

        Raises:
            NewerManifestError: A newer version of the tool wrote it.
            OSError: It cannot be written.
        """
        with self.reading() as index:
            if not index.lines:
                return
        with self.appending() as appending, self._open_folder(False) as folder:
            dropped = [each for each in partitions if each in appending.index.records]
            records = appending.index.records
            names = [digests_name(each, records[each].content_hash) for each in dropped]
            appending.append(appending.index.lines_without(dropped), durable=False)
            if len(dropped) == len(records):
                os.unlink(self._name, dir_fd=folder.descriptor)
                names.append(REPLACING)
            self.drop_digests(names)

    def keep_digests(self, name: str, content: bytes) -> None:
        """Keep bytes beside the index; raises OSError where they cannot be written."""
        aside = f".{name}.{token_hex(8)}"
        with self._digests_folder(make=True) as folder:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
            try:
                with open(descriptor, "wb") as file:
                    file.write(content)
                os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(aside, dir_fd=folder)
                raise

    def digests(self, name: str) -> bytes | None:
        """Return bytes that were kept beside the index; None where there are none."""
        with suppress(FileNotFoundError), self._digests_folder(make=False) as folder:
            descriptor = open_regular(name, follow=False, folder=folder)
            with open(descriptor, "rb") as file:
                return file.read()
        return None

    def drop_digests(self, names: Iterable[str]) -> None:
        """Remove bytes that were kept beside the index, and the folder where nothing is left in it."""
        with suppress(FileNotFoundError), self._digests_folder(make=False) as folder:
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
        with suppress(OSError), self._open_folder(False) as above:
            os.rmdir(self._digests, dir_fd=above.descriptor)

    @contextmanager
    def _digests_folder(self, *, make: bool) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._open_folder(make) as above, naming(f"{above.path}/{self._digests}"):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(self._digests, dir_fd=above.descriptor)
            folder = os.open(self._digests, flags, dir_fd=above.descriptor)
            try:
                yield folder
            finally:
                os.close(folder)

    def _locked(self, folder: Folder) -> tuple[int, bool]:
        """Open the file that has the name, locked; whether it was made."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        while True:
            descriptor = os.open(self._name, flags, 0o666, dir_fd=folder.descriptor)
            try:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                status = os.fstat(descriptor)
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.stat(self._name, dir_fd=folder.descriptor), status):
                        return descriptor, status.st_size == 0
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # it was written anew in the instant before it was locked

    def _compact(self, folder: Folder) -> None:
        """Write it anew; who waits for its lock notices."""
        with suppress(OSError), replacing(folder, self._name, mode=None) as file:
            file.write(self._index.compacted())


class Appending:
    """Appends to an index that is locked.

    Attributes:
        index: As it is; what is appended is not in it.
        is_new: Whether the file was empty, or just made.
    """

    def __init__(self, index: PartitionIndex, descriptor: int, *, is_new: bool) -> None:
        self.index, self.is_new = index, is_new
        self._descriptor = descriptor

    def append(self, lines: bytes, *, durable: bool) -> None:
        """Append lines.

        Args:
            lines: Whole ones.
            durable: Whether to wait until they are on disk.

        Raises:
            OSError: They could not be written; those before them are as they were.
        """
        end = os.fstat(self._descriptor).st_size
        if end and os.pread(self._descriptor, 1, end - 1) != b"\n":
            lines = b"\n" + lines  # what a killed run began stays alone
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._descriptor, view) :]
            if durable:
                os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, end)
            raise


def _read(descriptor: int, begin: int, end: int) -> bytes:
    pieces = []
    while begin < end and (piece := os.pread(descriptor, end - begin, begin)):
        pieces.append(piece)
        begin += len(piece)
    return b"".join(pieces)
