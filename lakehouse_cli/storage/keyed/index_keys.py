"""The index of a partitioned table under keys: segments, each put once, of which the lines follow each other.

A run puts many lines at once. The number of a segment is of the run that puts it first, so that none is lost; those
that are small are put together again, and the old ones deleted.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import digests_name
from lakehouse_cli.storage.errors import ChangedError
from lakehouse_cli.storage.keyed.keys import Keys
from lakehouse_cli.storage.partition_digests import REPLACING
from lakehouse_cli.storage.partition_index import PartitionIndex

#: As many partitions, or so many seconds, go into one segment.
_BATCH, _BATCH_SECONDS = 100, 1.0
#: A segment of this size is left as it is; a smaller one is put together with what follows.
_WHOLE = 256 << 10
#: More segments than these are put together to one, for a plan that reads them with few requests.
_MOST = 5
_ENDING = ".jsonl"
# What was read so long ago is looked at again before one partition is asked for.
_FRESH_SECONDS = 1.0
_TIMES = 20


class IndexKeys:
    """One index.

    Args:
        storage: Where the keys are.
        prefix: That they begin with, up to the slash.
    """

    def __init__(self, storage: Keys, prefix: str) -> None:
        self._storage, self.prefix = storage, prefix
        self._digests = f"{prefix}.keys"
        self._lock = threading.RLock()
        self._forget()
        self._pending: list[bytes] = []
        self._pending_since = 0.0

    def _forget(self) -> None:
        self._index = PartitionIndex()
        self._segments: list[str] = []
        self._looked = float("-inf")
        # The segment that this storage put last, with its lines.
        self._tail: tuple[str, bytes] = ("", b"")

    @contextmanager
    def reading(self, *, fresh: bool = True) -> Iterator[PartitionIndex]:
        """Give the index as it is now; it must not be changed.

        Args:
            fresh: Whether others' changes of just now are looked for.

        Raises:
            NewerManifestError: A newer version of the tool wrote it.
        """
        with self._lock:
            if fresh or time.monotonic() - self._looked > _FRESH_SECONDS:
                self._refresh()
            yield self._index

    def _refresh(self) -> None:
        """Read the segments that are not known yet."""
        for _ in range(_TIMES):
            listed = self._list()
            known = {*self._segments}
            new = [key for key in listed if key not in known]
            contents = self._fetch(new)
            if any(content is None for content in contents):
                continue  # put together with others in the meantime
            if new and known and new[0] < self._segments[-1]:
                self._forget()
                continue
            for content in contents:
                self._index.read(content or b"")
            if new:
                for lines in self._pending:  # which come last, as they will be put behind
                    self._index.read(lines)
            self._segments, self._looked = listed, time.monotonic()
            return
        raise ChangedError(f"`{self.prefix}` changed whenever it was read")

    def _list(self) -> list[str]:
        return sorted(key for key in self._storage.keys(f"{self.prefix}/") if key.endswith(_ENDING))

    def _fetch(self, keys: list[str]) -> list[bytes | None]:
        at_once = min(self._storage.concurrency, len(keys))
        if at_once <= 1:
            return [self._storage.get_key(key) for key in keys]
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(self._storage.get_key, keys))

    def append(
        self,
        make: Callable[[PartitionIndex], bytes],
        *,
        wait: bool,
        judge: Callable[[PartitionIndex], object] = lambda _: None,
    ) -> None:
        """Append lines.

        Args:
            make: Makes them of the index as it is.
            wait: Whether they are put at once; else they may wait for others.
            judge: Called with what others put meanwhile, of lines that are put at once; raises where these may not be.

        Raises:
            ChangedError: Others put segments at the same time, again and again.
        """
        with self._lock:
            if wait or time.monotonic() - self._looked > _BATCH_SECONDS:
                self._refresh()
            lines = make(self._index)
            if lines:
                self._index.read(lines)
                self._pending_since = self._pending_since if self._pending else time.monotonic()
                self._pending.append(lines)
            is_full = len(self._pending) >= _BATCH or time.monotonic() - self._pending_since > _BATCH_SECONDS
            if wait or is_full:
                self.flush(judge)

    def drop(self, partitions: Sequence[Partition]) -> None:
        """Say that partitions are gone; an index of none is removed. Raises as `append` does."""
        with self._lock:
            with self.reading() as index:
                records = index.records
                names = [digests_name(each, records[each].content_hash) for each in partitions if each in records]
            self.append(partial(PartitionIndex.lines_without, partitions=partitions), wait=True)
            if self._segments and not self._index.records:
                self._delete(list(self._segments))
                self._forget()
                names.append(REPLACING)
            if names and any(self._storage.keys(f"{self._digests}/")):
                self.drop_digests(names)

    @contextmanager
    def judging(self, judge: Callable[[PartitionIndex], object]) -> Iterator[None]:
        """Let no other thread append meanwhile, once the index as it is now was judged."""
        with self._lock:
            self._refresh()
            judge(self._index)
            yield

    def keep_digests(self, name: str, content: bytes) -> None:
        """Keep bytes beside the index."""
        key = f"{self._digests}/{name}"
        self._storage.put_key(key, io.BytesIO(content), self._storage.head_key(key))

    def digests(self, name: str) -> bytes | None:
        """Return bytes that were kept beside the index; None where there are none."""
        return self._storage.get_key(f"{self._digests}/{name}")

    def drop_digests(self, names: Iterable[str]) -> None:
        """Remove bytes that were kept beside the index."""
        for name in names:
            self._storage.delete_key(f"{self._digests}/{name}")

    def flush(self, judge: Callable[[PartitionIndex], object] = lambda _: None) -> None:
        """Put what waits; raises as `append` does."""
        with self._lock:
            if not self._pending:
                return
            lines = b"".join(self._pending)
            for _ in range(_TIMES):
                tail, before = self._tail
                is_last = bool(self._segments) and self._segments[-1] == tail
                former = before if is_last and len(before) < _WHOLE else b""
                key = self._next()
                try:
                    self._storage.put_key(key, io.BytesIO(former + lines), None)
                except ChangedError:  # another run took the number
                    self._refresh()
                    try:
                        judge(self._index)
                    except BaseException:
                        self._pending.clear()
                        self._forget()
                        raise
                    continue
                if any(each > key for each in self._list()):
                    # Another run may have put all together to one before it saw this.
                    self._refresh()
                    continue
                self._pending.clear()
                self._segments.append(key)
                self._tail = key, former + lines
                if former:
                    self._delete([tail])
                if len(self._segments) > _MOST or self._index.is_mostly_outdated:
                    self._compact()
                return
            raise ChangedError(f"`{self.prefix}` changed whenever it was written")

    def give_up(self) -> Sequence[Partition]:
        """Forget what waits; returns the partitions that it says something of."""
        with self._lock:
            waiting = PartitionIndex()
            waiting.read(b"".join(self._pending))
            self._pending.clear()
            self._forget()
            return tuple(waiting.records)

    def _next(self) -> str:
        last = int(self._segments[-1].rpartition("/")[2].removesuffix(_ENDING)) if self._segments else 0
        return f"{self.prefix}/{last + 1:012}{_ENDING}"

    def _compact(self) -> None:
        """Put all together to one segment, unless another run puts one at this moment."""
        self._refresh()
        key, content, former = self._next(), self._index.compacted(), self._segments
        try:
            self._storage.put_key(key, io.BytesIO(content), None)
        except ChangedError:
            return
        fresh = PartitionIndex()
        fresh.read(content)
        self._index, self._segments, self._tail = fresh, [*former, key], ("", b"")
        self._delete(former)

    def _delete(self, keys: list[str]) -> None:
        for key in keys:
            self._storage.delete_key(key)
        self._segments = [each for each in self._segments if each not in keys]
