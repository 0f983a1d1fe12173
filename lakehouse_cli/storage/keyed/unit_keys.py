"""Partitions of tables as bytes under keys: one key each, all manifests of a table in one index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.errors import NewerVersionError, StorageError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.manifest import UNFINISHED, Amendment, InputRecord, Manifest, NewerManifestError
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of, unit_paths
from lakehouse_cli.storage.errors import own_storage_error, translate_errors
from lakehouse_cli.storage.format_storage import MANIFESTS
from lakehouse_cli.storage.keyed.head import Head
from lakehouse_cli.storage.keyed.index_keys import IndexKeys
from lakehouse_cli.storage.keyed.keys import Keys
from lakehouse_cli.storage.local.stat_cache import stat_cache
from lakehouse_cli.storage.partition_digests import OwnKeys, drop_former, keep_own
from lakehouse_cli.storage.partition_index import PartitionIndex, PartitionRecord

#: What is in the name of an index behind the path of its table.
_INDEX = ".partitions"
#: So many keys are looked at one by one; of more, all are listed.
_FEW = 10
#: A listing of more partitions takes more than three requests, and is not made for each plan that has nothing to do.
MANY = 3000
#: For so long what a listing showed is good enough for that.
REMEMBERED_SECONDS = 3600


class UnitKeys(Keys):
    """What a storage of keys does with partitions; a base, see `KeyedStorage`."""

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        self._indexes: dict[str, IndexKeys] = {}
        self._is_in_use = False
        self._claimed: list[Table] = []

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """What is recorded of partitions is put for many of them at once, every second or hundred, and at the end.

        A run that is killed before that makes these again.
        """
        self._is_in_use = True
        try:
            yield
        finally:
            self._is_in_use = False
            failed = [error for path in tuple(self._indexes) for error in self._put_waiting(path, None).values()]
            with (
                suppress(StorageError),
                translate_errors(self, None, "written"),
            ):  # what was claimed is ours all the same
                self._release()
            if failed:
                raise failed[0]

    def commit_waiting(self, table: Table) -> Mapping[Partition, StorageError]:
        """Put what is recorded of its partitions; where that cannot be, their data count as half-written."""
        return self._put_waiting(table.path, table)

    def _put_waiting(self, path: str, table: Table | None) -> Mapping[Partition, StorageError]:
        index = self.index_of(path)
        try:
            with translate_errors(self, table, "written"):
                index.flush()
        except Exception as error:  # noqa: BLE001  # a storage of one's own raises anything
            said = error if isinstance(error, StorageError) else own_storage_error(self.spec, "put_key", table, error)
            return dict.fromkeys(index.give_up(), said)
        return {}

    def _index(self, table: Table) -> IndexKeys:
        return self.index_of(table.base_path or table.path)

    def index_of(self, path: str) -> IndexKeys:
        """Return the index of the table that has a path."""
        return self._indexes.setdefault(path, IndexKeys(self, f"{MANIFESTS}/{path}{_INDEX}"))

    def divided_paths(self) -> Sequence[str]:
        """Return the paths of all tables that have an index."""
        folders = {key.rpartition("/")[0] for key in self.keys(f"{MANIFESTS}/") if key.endswith(".jsonl")}
        return sorted(each[len(MANIFESTS) + 1 : -len(_INDEX)] for each in folders if each.endswith(_INDEX))

    @contextmanager
    def _translated(self, table: Table, doing: str) -> Iterator[None]:
        with translate_errors(self, table, doing):
            try:
                yield
            except NewerManifestError as error:
                shown = self._under_root(self._index(table).prefix)
                raise NewerVersionError(f"{shown} cannot be used: {error}", hint="use that version") from error

    def partitions(self, table: Table) -> Mapping[Partition, PartitionRecord]:
        """What the index says of each partition, in order."""
        with self._translated(table, "read"), self._index(table).reading() as index:
            return index.of(table.partitions)

    def contents(
        self, table: Table, known: Mapping[Partition, tuple[InputRecord, ...]]
    ) -> Mapping[Partition, InputRecord]:
        """What one listing shows of the partitions that the index has; without those whose look fails."""
        del known
        records, token = self._recorded(table)
        heads = self._data_heads(table) if records else {}
        are_as_recorded = True
        found: dict[Partition, InputRecord] = {}
        suffix = self._suffixes(table)[0]
        for (each, record), within in zip(records.items(), unit_paths(table.path, records), strict=True):
            key = f"{within}{suffix}"
            head = heads.get(key)
            seen = None if head is None or head.version is None else (head.bytes, head.stamp)
            if seen == (record.bytes, record.modified_ns):
                found[each] = record.content
                continue
            are_as_recorded = False
            if key not in heads:
                continue
            with suppress(StorageError):
                content = self.content(unit_of(table, each), (record.content,))
                if content is not None:
                    found[each] = content
        if are_as_recorded and token and len(records) > MANY and self.spec.folder is not None:
            stat_cache(self.spec.folder).put(self._listed_name(table), (), [token, time.time()])
        return found

    def remembered_contents(self, table: Table) -> Mapping[Partition, InputRecord] | None:
        """By the index, where a listing of the last hour showed that it describes all that is there.

        What others removed or replaced since is not seen before the hour has passed.
        """
        if self.spec.folder is None:
            return None
        records, token = self._recorded(table)
        if len(records) <= MANY:
            return None
        kept = stat_cache(self.spec.folder).get(self._listed_name(table), ())
        if not isinstance(kept, list) or kept[0] != token or not 0 <= time.time() - kept[1] < REMEMBERED_SECONDS:
            return None
        return {each: record.content for each, record in records.items()}

    def _recorded(self, table: Table) -> tuple[Mapping[Partition, PartitionRecord], str]:
        """What the index said a moment ago, and what begins it."""
        with self._translated(table, "read"), self._index(table).reading(fresh=False) as index:
            return index.of(table.partitions), index.token

    def _listed_name(self, table: Table) -> str:
        return f"listed {self._under_root(self._index(table).prefix)}"

    def _data_heads(self, table: Table) -> dict[str, Head | None]:
        """The keys in which partitions of a table may be, with what a listing shows of them."""
        path = table.base_path or table.path
        folder = path if "{" not in path else path.partition("{")[0].rpartition("/")[0]
        with translate_errors(self, table, "looked at"):
            return dict(self.heads(f"{folder}/" if folder else ""))

    def _read_unit_manifest(self, table: Table) -> Manifest | None:
        if table.partition is None:
            return None
        with self._translated(table, "looked at"), self._index(table).reading(fresh=False) as index:
            return index.manifest(table.partition, table.name)

    def _keep_unit_checks(self, table: Table, manifest: Manifest, checks: Amendment) -> bool:
        partition, kept = table.partition, []
        if partition is None:
            return False

        def lines(index: PartitionIndex) -> bytes:
            now = index.manifest(partition, table.name)
            changed = None if now is None else now.with_checks(checks, manifest)
            kept.append(changed is not None)
            return b"" if changed is None else index.lines_for([(partition, changed)])

        self._append(table, lines, wait=not self._is_in_use)
        return kept[-1]

    def _append(self, table: Table, make: Callable[[PartitionIndex], bytes], *, wait: bool, **how: Any) -> None:
        with self._translated(table, "written"):
            self._index(table).append(make, wait=wait, **how)

    def keep_digests(self, table: Table, name: str, content: bytes) -> None:
        """Under a key beside the index."""
        with self._translated(table, "written"):
            self._index(table).keep_digests(name, content)

    def kept_digests(self, table: Table, name: str) -> bytes | None:
        """From the key beside the index."""
        with self._translated(table, "read"):
            return self._index(table).digests(name)

    def drop_digests(self, table: Table, names: Iterable[str]) -> None:
        """Delete the keys."""
        with self._translated(table, "written"):
            self._index(table).drop_digests(names)

    def _unit_manifest(self, table: Table, keys: OwnKeys | None) -> _IndexedManifest | None:
        """Where the manifest of a partition is kept; None of any other table."""
        return None if table.partition is None else _IndexedManifest(self, table, table.partition, keys)

    def claim(self, units: Sequence[Table], run_id: str, started_at: str) -> None:
        """Say in the index that these are about to be ours, in one request and not in one for each of them."""
        for group in _by_table(units):
            there = self._there(group)
            new = [each for each in group if f"{each.path}{self._suffixes(each)[0]}" not in there]
            partitions = [each.partition for each in new if each.partition is not None]
            claims = partial(PartitionIndex.lines_claiming, partitions=partitions, run_id=run_id, started_at=started_at)
            self._append(group[0], claims, wait=True)
            self._claimed += new

    def _there(self, units: Sequence[Table]) -> set[str]:
        """The keys of those of which something is stored."""
        if len(units) > _FEW:
            return {*self._data_heads(units[0])}
        keys = [f"{each.path}{self._suffixes(each)[0]}" for each in units]
        with translate_errors(self, units[0], "looked at"):
            return {key for key in keys if self.head_key(key) is not None}

    def _release(self) -> None:
        """Take back what the index says of those that nothing was stored of."""
        claimed, self._claimed = self._claimed, []
        for group in _by_table(claimed):
            with self._index(group[0]).reading() as index:
                records = index.records
                left = [
                    each
                    for each in group
                    if each.partition in records and records[each.partition].content_hash == UNFINISHED
                ]
            there = self._there(left) if left else set()
            none = [each.partition for each in left if f"{each.path}{self._suffixes(each)[0]}" not in there]
            dropped = [each for each in none if each is not None]
            if dropped:
                self._append(group[0], partial(PartitionIndex.lines_without, partitions=dropped), wait=True)

    def drop(self, units: Sequence[Table]) -> None:
        """Remove the keys, then what the index says of them."""
        for group in _by_table(units):
            for unit in group:
                with translate_errors(self, unit, "removed"):
                    self.delete_key(f"{unit.path}{self._suffixes(unit)[0]}")
            partitions = [each.partition for each in group if each.partition is not None]
            with self._translated(group[0], "written"):
                self._index(group[0]).drop(partitions)


class _IndexedManifest:
    """The manifest of a partition, in the index of its table.

    Attributes:
        is_new: Whether there was none when it was looked at.
    """

    def __init__(self, storage: UnitKeys, table: Table, partition: Partition, keys: OwnKeys | None) -> None:
        self._storage, self._table, self._partition, self._keys = storage, table, partition, keys
        with storage._translated(table, "looked at"), storage._index(table).reading(fresh=False) as index:
            self.is_new = partition not in index.records
            self._before = index.records.get(partition)

    @contextmanager
    def replacing(self, content_hash: str) -> Iterator[None]:
        """Let no other partition of the table be stored by this process meanwhile, whose keys must not be there twice.

        Another process may all the same, which is found as the line is appended: this one is not recorded then.
        """
        if self._keys is None:
            yield
            return
        nothing = Manifest("", (), 0, 0, 0, content_hash, "", "", "", "")
        with self._storage._index(self._table).judging(partial(self._judged, nothing)):
            keep_own(self._storage, self._table, self._keys, content_hash)
            yield

    def _judged(self, manifest: Manifest, index: PartitionIndex) -> Manifest:
        if self._keys is None:
            return manifest
        read = partial(self._storage.kept_digests, self._table)
        return self._keys.judged_anew(self._table, manifest, index.records, read)

    def claim(self, manifest: Manifest) -> None:
        """Append at once what says whose the data are, before there are any."""
        self._append(replace(manifest, content_hash=UNFINISHED), wait=True)

    def put(self, manifest: Manifest) -> Manifest:
        """Append it, and return it as it was put."""
        manifest = self._append(manifest, wait=not self._storage._is_in_use or self._keys is not None)
        drop_former(self._storage, self._table, self._before, manifest)
        return manifest

    def _append(self, manifest: Manifest, *, wait: bool) -> Manifest:
        judged = manifest

        def lines(index: PartitionIndex) -> bytes:
            nonlocal judged
            judged = self._judged(manifest, index)
            return index.lines_for([(self._partition, judged)])

        self._storage._append(self._table, lines, wait=wait, judge=partial(self._judged, manifest))
        return judged


def _by_table(units: Sequence[Table]) -> Iterable[list[Table]]:
    found: dict[str, list[Table]] = {}
    for unit in units:
        found.setdefault(unit.base_path, []).append(unit)
    return found.values()
