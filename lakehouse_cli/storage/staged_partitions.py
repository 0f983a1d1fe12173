"""The partitions of a table that wait until all of their run have passed, over those that are stored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from xxhash import xxh3_128_hexdigest

from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import digests_name
from lakehouse_cli.model.unit import table_of
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.digest_capability import KeepsDigests
from lakehouse_cli.storage.local.folders import open_folder
from lakehouse_cli.storage.local.index_file import IndexFile
from lakehouse_cli.storage.partition_capability import contents, partitions
from lakehouse_cli.storage.partition_digests import OwnKeys

if TYPE_CHECKING:
    from lakehouse_cli.storage.partition_index import PartitionRecord

# The content hash of a stored partition that is to be removed.
_DROPPED = "dropped"


class StagedPartitions:
    """What waits of one table: an index in the folder of the run, which all its processes append to.

    Args:
        inner: Where the table is stored.
        folder: Of the run.
        name: Of the table, and of no other one.
    """

    def __init__(self, inner: AssetStorage, folder: str, name: str) -> None:
        self._inner = inner
        path = f"{folder}/{xxh3_128_hexdigest(name.encode())}.jsonl"
        self._file = IndexFile(lambda make: open_folder(folder, "", make=make), path)
        # What was stored, how much waited, and both as one, when they were looked at last.
        self._seen: tuple[object, int, Mapping[Partition, PartitionRecord]] | None = None

    def add(self, unit: Table, manifest: Manifest, keys: OwnKeys | None = None) -> Manifest:
        """Let a partition wait, once its keys were judged by those of all that are stored or wait.

        Returns:
            The manifest, with what its checks found by then.

        Raises:
            ContractError: Other partitions have keys of it.
        """
        assert unit.partition is not None  # noqa: S101  # of units alone
        with self._file.appending() as appending:
            index = appending.index
            if keys is not None:
                records = {**partitions(self._inner, table_of(unit)), **index.records}
                there = {each: record for each, record in records.items() if record.content_hash != _DROPPED}
                manifest = keys.judged_anew(unit, manifest, there, partial(self.digests, unit))
                self._file.keep_digests(digests_name(unit.partition, manifest.content_hash), keys.content)
            appending.append(index.lines_for([(unit.partition, manifest)]), durable=False)
        return manifest

    def drop(self, unit: Table) -> None:
        """Hide a stored partition, which is to be removed."""
        self.add(unit, Manifest("", (), 0, 0, 0, _DROPPED, "", "", "", ""))

    def digests(self, table: Table, name: str) -> bytes | None:
        """The digests of keys that have a name, of a partition that waits or is stored."""
        kept = self._inner.capability(KeepsDigests)
        found = self._file.digests(name)
        return found if found is not None or kept is None else kept.kept_digests(table, name)

    def records(self, table: Table) -> Mapping[Partition, PartitionRecord]:
        """What is recorded of each partition, in order."""
        stored = partitions(self._inner, table)
        with self._file.reading() as index:
            if self._seen is None or self._seen[0] is not stored or self._seen[1] != index.lines:
                found = {**stored, **index.of(table.partitions)}
                there = {each: found[each] for each in sorted(found) if found[each].content_hash != _DROPPED}
                self._seen = stored, index.lines, there
            return self._seen[2]

    def contents(
        self, table: Table, known: Mapping[Partition, tuple[InputRecord, ...]]
    ) -> Mapping[Partition, InputRecord]:
        """What is there of each partition, in order."""
        stored = contents(self._inner, table, known)
        with self._file.reading() as index:
            found = {**stored, **{each: record.content for each, record in index.of(table.partitions).items()}}
        return {each: found[each] for each in sorted(found) if found[each].content_hash != _DROPPED}
