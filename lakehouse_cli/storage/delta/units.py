"""The partitions of one Delta table: what its log says of them, and commits that replace many at once.

The manifests of the partitions that a commit stores are in its metadata, as lines of an index; now and then all of them
are, so that few commits must be read.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import deltalake
import pyarrow as pa
import xxhash
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import RemoveAction, create_table_with_add_actions
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.storage.base import Provenance, record_of
from lakehouse_cli.storage.delta.log import APPLICATION, ConflictError, DataFile, Snapshot, Undivided
from lakehouse_cli.storage.delta.partition_values import in_log
from lakehouse_cli.storage.delta.reading import rows_of
from lakehouse_cli.storage.partition_index import PartitionIndex, PartitionRecord

#: The member of a commit's metadata that holds the manifests of partitions.
PARTITIONS = "lakehouse.partitions"
#: As many partitions, or so many seconds, go into one commit.
_BATCH, _BATCH_SECONDS = 100, 1.0
#: So many commits are read for an index; after more, all of it is put into the next one.
_LINKS = 8
_COMMITS = 20


class StoredFile(NamedTuple):
    """A data file of a partition.

    Attributes:
        path: As the log has it.
        bytes: Its size.
        modified_ms: When it was written.
        row: Its number among the files of the version.
    """

    path: str
    bytes: int
    modified_ms: int
    row: int

    @property
    def stamp(self) -> int:
        """The time, and below the millisecond what is another for each file."""
        return file_stamp(self.path, self.modified_ms)


def file_stamp(path: str, modified_ms: int) -> int:
    """Return a number that tells one file from others that were written in the same millisecond."""
    return modified_ms * 1_000_000 + xxhash.xxh3_64_intdigest(path.encode()) % 1_000_000


class PendingUnit(NamedTuple):
    """A partition that is written and is in no version yet.

    Attributes:
        partition: Which.
        values: In the types of its columns.
        file: Its data.
        manifest: Of these.
        origin: Where they come from.
    """

    partition: Partition
    values: tuple[Any, ...]
    file: DataFile
    manifest: Manifest
    origin: Provenance


@lru_cache(maxsize=16)
def _delta_types(schema: pa.Schema) -> dict[str, str]:
    """The types in which Delta Lake stores columns, by name."""
    return {field.name: str(field.type) for field in deltalake.Schema.from_arrow(schema).fields}


class UnitSnapshot:
    """A version of a divided table."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    @cached_property
    def added(self) -> pa.Table:
        """Its files, as delta-rs lists them."""
        return rows_of(self.snapshot.table.get_add_actions(flatten=True))

    @cached_property
    def types(self) -> dict[str, str]:
        """The types of its columns, by name, as Delta Lake writes them."""
        return {field.name: str(field.type) for field in self.snapshot.table.schema().fields}

    def changed_type(self, schema: pa.Schema) -> tuple[str, pa.DataType, pa.DataType] | None:
        """A column of a schema that has another type in the table, which holds partitions that are of it."""
        wanted = _delta_types(schema)
        name = next((each for each, kind in wanted.items() if self.types.get(each, kind) != kind), None)
        if name is None:
            return None
        return name, pa.schema(self.snapshot.table.schema().to_arrow()).field(name).type, schema.field(name).type

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        """By which it is divided."""
        return tuple(self.snapshot.table.metadata().partition_columns)

    @cached_property
    def undivided(self) -> Undivided:
        """As it is judged whether a run may commit to it: partitions are no peculiarity."""
        found = tuple(each for each in self.snapshot.peculiarities if each != "partitions")
        return Undivided(found, self.snapshot.own_version)

    @cached_property
    def files(self) -> Mapping[tuple[Any, ...], list[StoredFile]]:
        """The files of each partition, by its values."""
        added, found = self.added, dict[tuple[Any, ...], list[StoredFile]]()
        values = [added.column(f"partition.{name}").to_pylist() for name in self.dimensions]
        plain = [added.column(name).to_pylist() for name in ("path", "size_bytes", "modification_time")]
        keys = zip(*values, strict=True) if values else ((),) * added.num_rows
        for row, (key, path, size, modified) in enumerate(zip(keys, *plain, strict=True)):
            found.setdefault(key, []).append(StoredFile(path, size, modified, row))
        return found


class DeltaUnits:
    """The partitions of one table.

    Args:
        place: Its folder or URL.
        settings: How delta-rs gets there.
        there: Whether there may be a table, which is cheap to ask.

    Attributes:
        lock: Of all that follows.
        pending: What waits for the next commit.
        failed: What waited and may not be stored, and why.
        at_once: The partitions that are to be one commit, which waits for the last of them.
    """

    def __init__(self, place: str, settings: Mapping[str, str], there: Callable[[], bool]) -> None:
        self.lock = threading.RLock()
        self.pending: list[PendingUnit] = []
        self.failed: list[tuple[PendingUnit, StorageError]] = []
        self.at_once: frozenset[Partition] = frozenset()
        self._place, self._settings, self._there = place, settings, there
        self._since = self._looked = 0.0
        self._forget()

    def _forget(self) -> None:
        self._version: UnitSnapshot | None = None
        self.index = PartitionIndex()
        # The version whose commit has the lines that were read last, and how many commits these were since all.
        self._own: int | None = None
        self._links = self._lines = 0

    def look(self, *, recent: bool = False) -> UnitSnapshot | None:
        """Return the latest version, with the index as it is there; None where there is no table.

        Args:
            recent: Whether the one will do that was the latest as long ago as a commit may wait: a look at the log
                takes longer than all else that is done for a partition.
        """
        with self.lock:
            now = time.monotonic()
            if recent and self._version is not None and now - self._looked < _BATCH_SECONDS:
                return self._version
            self._looked = now
            if not self._there():
                self._forget()
                return None
            if self._version is None:
                found = Snapshot.open(self._place, self._settings)
                if found is None:
                    return None
                self._version = UnitSnapshot(found)
            else:
                self._follow(self._version.snapshot)
            if self._version is not None:
                self._read_index(self._version.snapshot)
            return self._version

    def _follow(self, before: Snapshot) -> None:
        try:
            before.table.update_incremental()
        except DeltaError:  # another table took its place
            self._forget()
            found = Snapshot.open(self._place, self._settings)
            self._version = None if found is None else UnitSnapshot(found)
            return
        if before.table.version() != before.version:
            self._version = UnitSnapshot(replace(before, version=before.table.version()))

    def _read_index(self, snapshot: Snapshot) -> None:
        """Read what the commits of runs say, back to where that is known, or is all."""
        own = snapshot.own_version
        if own == self._own:
            return
        said: list[dict[str, Any]] = []
        at = own
        while at is not None and at != self._own:
            text = snapshot.commit_member(at, PARTITIONS)
            if text is None:
                break
            said.append(json.loads(text))
            at = None if said[-1]["all"] else said[-1]["before"]
        if at is None or at != self._own:
            self.index, self._links, self._lines = PartitionIndex(), 0, 0
        for each in reversed(said):
            self._take(each["lines"].encode(), is_all=each["all"])
        self._own = own

    def _take(self, lines: bytes, *, is_all: bool) -> None:
        before = self.index.lines
        self.index.read(lines)
        self._links, self._lines = (0, 0) if is_all else (self._links + 1, self._lines + self.index.lines - before)

    def is_all(self, found: UnitSnapshot) -> bool:
        """Whether nothing that a version has is left once what is stored at once is there."""
        return self.at_once >= self.index.records.keys() and len(self.at_once) >= len(found.files)

    def add(self, unit: PendingUnit) -> bool:
        """Let a partition wait for the next commit; returns whether it is time for that."""
        with self.lock:
            if not self.pending:
                self._since = time.monotonic()
            self.pending.append(unit)
            return len(self.pending) >= _BATCH or time.monotonic() - self._since > _BATCH_SECONDS

    def commit(
        self,
        schema: pa.Schema,
        dimensions: Sequence[str],
        judge: Callable[[UnitSnapshot | None, PendingUnit], PendingUnit],
        dropped: Sequence[tuple[Partition, tuple[Any, ...]]] = (),
        *,
        closing: bool = False,
    ) -> Sequence[PendingUnit]:
        """Make the partitions that wait part of the next version, in the place of what they replace; return these.

        Args:
            schema: Of the table; those of its columns that it lacks are added.
            dimensions: By which it is divided.
            judge: Gives one of them as it is stored; raises where it may not be, and that one has failed.
            dropped: Partitions that are to be gone, with their values.
            closing: Whether nothing follows soon.

        Raises:
            ConflictError: Others committed again and again.
        """
        with self.lock:
            for _ in range(_COMMITS):
                found = self.look()
                for number, each in reversed([*enumerate(self.pending)]):
                    try:
                        self.pending[number] = judge(found, each)
                    except StorageError as error:  # which would keep all others from being committed
                        del self.pending[number]
                        self.failed.append((each, error))
                if not (self.pending or dropped or (closing and self.lacks_all)):
                    return ()
                try:
                    self._commit(found, schema, dimensions, dropped, closing=closing)
                except ConflictError:
                    continue
                except (DeltaError, OSError):
                    if not self._has_stored():  # but a checkpoint, which follows the commit now and then
                        raise
                committed = tuple(self.pending)
                self.pending.clear()
                self.look()
                return committed
            raise ConflictError

    def _has_stored(self) -> bool:
        """Whether the latest version has what waits."""
        found = self.look()
        return bool(self.pending) and found is not None and found.snapshot.has_file(self.pending[0].file.name)

    def _commit(
        self,
        found: UnitSnapshot | None,
        schema: pa.Schema,
        dimensions: Sequence[str],
        dropped: Sequence[tuple[Partition, tuple[Any, ...]]],
        *,
        closing: bool,
    ) -> None:
        # Judged: it replaces all that there is.
        is_anew = found is not None and bool(self.pending) and found.changed_type(schema) is not None
        if found is not None and self.pending and not is_anew:
            found = self._widened(found, schema)
        lines = self.index.lines_for([(each.partition, each.manifest) for each in self.pending])
        lines += self.index.lines_without([partition for partition, _ in dropped])
        is_all = self._links >= _LINKS and (closing or 4 * self._lines >= len(self.index.records))
        if is_all:
            whole = PartitionIndex()
            whole.read(self.index.compacted() + lines)
            lines = whole.compacted()
        said = json.dumps({"before": self._own, "all": is_all or self._own is None, "lines": lines.decode()})
        version = 0 if found is None else found.snapshot.version + 1
        properties = deltalake.CommitProperties(
            custom_metadata={PARTITIONS: said},
            max_commit_retries=0,
            app_transactions=[deltalake.Transaction(APPLICATION, version)],
        )
        added = [each.file.added(dict(zip(dimensions, map(in_log, each.values), strict=True))) for each in self.pending]
        try:
            if found is None:
                create_table_with_add_actions(
                    self._place,
                    deltalake.Schema.from_arrow(schema),
                    added,
                    partition_by=list(dimensions),
                    storage_options=dict(self._settings),
                    commit_properties=properties,
                )
                return
            now = int(time.time() * 1000)
            gone = [
                RemoveAction(
                    file.path, True, now, file.bytes, dict(zip(found.dimensions, map(in_log, values), strict=True))
                )
                for values in [*(each.values for each in self.pending), *(values for _, values in dropped)]
                if not is_anew  # which removes all that there is
                for file in found.files.get(values, ())
            ]
            table = found.snapshot.table
            table.create_write_transaction(
                [*added, *gone],
                "overwrite" if is_anew else "append",
                deltalake.Schema.from_arrow(schema) if is_anew else table.schema(),
                partition_by=list(found.dimensions),
                commit_properties=properties,
            )
        except CommitFailedError as error:
            raise ConflictError from error
        except DeltaError as error:
            if found is None and Snapshot.open(self._place, self._settings) is not None:
                raise ConflictError from error
            raise

    def _widened(self, found: UnitSnapshot, schema: pa.Schema) -> UnitSnapshot:
        """Add columns that the table lacks, by a commit of its own."""
        table = found.snapshot.table
        lacking = [each for each in deltalake.Schema.from_arrow(schema).fields if each.name not in found.types]
        if not lacking:
            return found
        table.alter.add_columns(lacking)
        again = self.look()
        assert again is not None  # noqa: S101  # it was there a moment ago
        return again

    @property
    def lacks_all(self) -> bool:
        """Whether many commits must be read for the index, and one more would spare that."""
        return self._links >= _LINKS


def content_of(
    found: UnitSnapshot, files: Sequence[StoredFile], record: PartitionRecord | None, known: Iterable[InputRecord]
) -> InputRecord | None:
    """The content of a partition: as recorded where its file is the one that was stored."""
    if not files:
        return None
    size, stamp = sum(file.bytes for file in files), max(file.stamp for file in files)
    if record is not None and len(files) == 1 and (size, stamp) == (record.bytes, record.modified_ns):
        return record_of(record.content_hash, size, stamp, known)
    named = sorted((file.path, file.bytes, file.modified_ms) for file in files)
    metadata = found.snapshot.table.metadata()
    described = f"{metadata.id} {found.snapshot.table.schema().to_json()} {named}"
    return record_of(xxhash.xxh3_128_hexdigest(described.encode()), size, stamp, known)
