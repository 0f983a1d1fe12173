"""Digests of the keys of stored partitions, as a process has read them so far, to look up many keys at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import UNFINISHED
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import table_of
from lakehouse_cli.runs.temporary_files import spill_file, spilling
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.digest_capability import KeepsDigests
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.storage.partition_digests import REPLACING, Digests, Recorded, counts

# So many digests are sorted together in memory; more go to a temporary file, and stay apart.
_TOGETHER = 1 << 22
_Stored = tuple[Partition, str]


class _Sorted(NamedTuple):
    """Digests of several partitions, ascending; with the number of the partition of each."""

    high: Any
    low: Any
    owner: Any


class _Found:
    """The digests of one `Unique` that were read."""

    def __init__(self) -> None:
        self.numbers: dict[_Stored, int] = {}
        self.parts: list[_Sorted] = []

    def add(self, new: Mapping[_Stored, Digests]) -> None:
        """Add those of partitions."""
        parts = []
        for stored, each in new.items():
            self.numbers[stored] = len(self.numbers)
            owner = np.full(len(each.high), self.numbers[stored], np.int32)
            parts.append(_Sorted(each.high, each.low, owner))
            if sum(len(part.high) for part in parts) >= _TOGETHER:
                self.parts.append(_on_disk(_merged(parts)))
                parts = []
        if not parts:
            return
        # As many of the last as are not much larger: each is sorted again a few times, and there are few of them.
        size = sum(len(part.high) for part in parts)
        while self.parts and len(self.parts[-1].high) <= 2 * size and len(self.parts[-1].high) + size < _TOGETHER:
            parts.append(self.parts.pop())
            size += len(parts[-1].high)
        self.parts.append(_merged(parts))

    def owners(self, high: Any, low: Any, wanted: Collection[_Stored]) -> Any:
        """Of each digest, the number of a wanted partition that has it; -1 for none."""
        is_wanted = np.zeros(len(self.numbers), bool)
        is_wanted[[self.numbers[each] for each in wanted if each in self.numbers]] = True
        owners = np.full(len(high), -1, np.int64)
        for part in self.parts:
            at = np.searchsorted(part.high, high)
            left = np.flatnonzero(owners < 0)
            while len(left):
                left = left[at[left] < len(part.high)]
                left = left[part.high[at[left]] == high[left]]
                places = at[left]
                hit = (part.low[places] == low[left]) & is_wanted[part.owner[places]]
                owners[left[hit]] = part.owner[places[hit]]
                left = left[~hit]
                at[left] += 1
        return owners


def _merged(parts: list[_Sorted]) -> _Sorted:
    high, low, owner = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(high, kind="stable")
    return _Sorted(high[order], low[order], owner[order])


def _on_disk(part: _Sorted) -> _Sorted:
    mapped = []
    with spilling("keys of other partitions"):
        for each in part:
            file = spill_file()
            file.write(each.tobytes())
            file.flush()
            mapped.append(np.memmap(file, each.dtype, "r"))
    return _Sorted(*mapped)


class StoredKeys:
    """What a process has read of the keys of one table."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, _Found] = {}

    def shared(
        self,
        id_: str,
        own: Digests,
        others: Mapping[Partition, Recorded],
        read: Callable[[Partition, Recorded], Digests | None],
    ) -> tuple[Any, list[Partition]]:
        """Which of some keys other partitions have, by number from 0, ascending, and which partitions these are.

        Args:
            id_: Of the `Unique`.
            own: The keys, in any order.
            others: The partitions that count.
            read: Reads the digests of one.
        """
        with self._lock:
            found = self._found.setdefault(id_, _Found())
            wanted: list[_Stored] = []
            new: dict[_Stored, Digests] = {}
            for partition, record in others.items():
                known = record.keys.get(id_)
                if known is None or own.bounds.may_share(known):
                    stored = partition, record.content_hash
                    wanted.append(stored)
                    if stored not in found.numbers and (digests := read(partition, record)) is not None:
                        new[stored] = digests
            found.add(new)
            owners = found.owners(own.high, own.low, wanted)
            names = [partition for partition, _ in found.numbers]
        rows = np.flatnonzero(owners >= 0)
        return rows, [names[each] for each in owners[rows].tolist()]


_known: WeakKeyDictionary[AssetStorage, dict[str, StoredKeys]] = WeakKeyDictionary()
_known_lock = threading.Lock()


def stored_keys(storage: AssetStorage, unit: Table) -> StoredKeys:
    """What this process has read of the keys of the table that a partition is of."""
    with _known_lock:
        return _known.setdefault(storage, {}).setdefault(unit.base_path, StoredKeys())


class _Replacing(msgspec.Struct, array_like=True):
    run_id: str
    values: list[tuple[str, ...]]


def announce_replaced(storage: AssetStorage, table: Table, run_id: str, replaced: Iterable[Partition]) -> None:
    """Say which stored partitions of a table a run replaces or removes, for those that judge keys in it.

    Raises:
        StorageError: It cannot be written.
    """
    found = storage.capability(KeepsDigests)
    if found is not None:
        said = _Replacing(run_id, [each.values for each in replaced])
        found.keep_digests(table, REPLACING, msgspec.json.encode(said))


def forget_replaced(storage: AssetStorage, table: Table) -> None:
    """Take back what `announce_replaced` said.

    Raises:
        StorageError: It cannot be removed.
    """
    found = storage.capability(KeepsDigests)
    if found is not None:
        found.drop_digests(table, [REPLACING])


def replaced_partitions(storage: AssetStorage, table: Table, run_id: str) -> frozenset[Partition]:
    """The stored partitions that a run replaces or removes, as it said.

    Raises:
        StorageError: It cannot be read.
    """
    found = storage.capability(KeepsDigests)
    content = None if found is None else found.kept_digests(table, REPLACING)
    if content is None:
        return frozenset()
    said = msgspec.json.decode(content, type=_Replacing)
    if said.run_id != run_id:
        return frozenset()
    return frozenset(Partition(table.partitions, values) for values in said.values)


def other_partitions(
    storage: AssetStorage, unit: Table, run_id: str, replaced: Collection[Partition]
) -> tuple[dict[Partition, Recorded], dict[Partition, Recorded]]:
    """The stored partitions by which the keys of one are judged, and those that the run is still to replace.

    Raises:
        StorageError: They cannot be looked at.
    """
    records = partitions(storage, table_of(unit))
    counted: dict[Partition, Recorded] = {}
    left: dict[Partition, Recorded] = {}
    for each, record in records.items():
        if each != unit.partition and record.content_hash != UNFINISHED:
            (counted if counts(each, record, run_id, replaced) else left)[each] = record
    return counted, left
