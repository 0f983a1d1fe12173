"""Results that wait until all of their run have passed: kept as Arrow in a folder of the run, and read from it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.runs.temporary_files import spilling
from lakehouse_cli.storage.base import AssetStorage, Provenance, Scan
from lakehouse_cli.storage.capabilities import (
    KeepsChecks,
    PublishesPieces,
    RehearsesWriting,
    count_rows,
    keep_checks,
    publish_pieces,
)
from lakehouse_cli.storage.partition_capability import Partitioned
from lakehouse_cli.storage.partitioned import PartitionedStorage
from lakehouse_cli.storage.wrapper import WrapperStorage

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.storage.partition_index import PartitionRecord
    from lakehouse_cli.storage.staged_partitions import StagedPartitions

_Capability = TypeVar("_Capability")
_WHAT = "the results that wait to be published together"


class StagedTable(Struct, frozen=True):
    """A result that waits.

    Attributes:
        origin: What its manifest says of where it comes from.
        manifest: It as far as it is known before the result is stored.
        data: The name of the file with the result: of one attempt alone, as those of workers that were thought dead
            may still be writing.
    """

    origin: Provenance
    manifest: Manifest
    data: str


class StagedChecks(Struct, frozen=True):
    """What was found on stored data, which their manifest does not say yet.

    Attributes:
        manifest: Of the data.
        checks: What was found.
    """

    manifest: Manifest
    checks: tuple[CheckRecord, ...]


class StagedDrop(Struct, frozen=True):
    """A stored partition that is to be removed."""


_Staged = StagedTable | StagedChecks | StagedDrop


def staging(storage: AssetStorage, folder: str) -> AssetStorage:
    """Return a storage that keeps what is published in a folder of the run, as the work on tables sees it."""
    staged = StagingStorage(storage, folder)
    # What reads many partitions is to find those that wait.
    return staged if storage.capability(Partitioned) is None else PartitionedStorage(staged)


class StagingStorage(WrapperStorage):
    """Keeps what is published in a folder, from which it is read in the place of what is stored.

    Args:
        inner: Where it will be stored.
        folder: Of the run, for all its storages and processes.
    """

    def __init__(self, inner: AssetStorage, folder: str) -> None:
        super().__init__(inner)
        self._folder = Path(folder)
        self._partitions: dict[str, StagedPartitions] = {}

    def capability(self, protocol: type[_Capability]) -> _Capability | None:
        """As of the storage within; and pieces and checks wait in the folder, whatever it can do."""
        if protocol in (PublishesPieces, KeepsChecks):
            return cast("_Capability", self)
        return super().capability(protocol)

    def publish(self, table: Table, data: pa.Table, origin: Provenance) -> Manifest:
        """Keep data until they are stored."""
        return self.publish_pieces(table, iter([data]), lambda: origin)

    def publish_pieces(self, table: Table, pieces: Iterator[pa.Table], origin: Callable[[], Provenance]) -> Manifest:
        """Keep pieces until they are stored, once the storage found nothing that it could not store.

        Returns:
            The manifest, with the content hash that will be stored as far as it is known, else with one of no data.
        """
        import pyarrow as pa

        from lakehouse_cli.storage.counted_pieces import CountedPieces
        from lakehouse_cli.storage.format_storage import make_manifest

        path, counted = _file(self._folder, table.name, f"{token_hex(8)}.arrow"), CountedPieces(pieces)
        with self._spilling(), pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, counted.first.schema) as to:
            for piece in counted:
                to.write_table(piece)
        found = self.inner.capability(RehearsesWriting)
        content_hash = None if found is None else found.rehearse(table, read_staged(path))
        given = origin()
        manifest = make_manifest(
            table,
            counted.first,
            given,
            size=path.stat().st_size,
            content_hash=content_hash or f"unpublished {given.run_id} {token_hex(8)}",
            modified_ns=0,
            rows=counted.rows,
        )
        if table.partition is not None:
            with self._spilling():
                manifest = self._staged_partitions(table).add(table, manifest, given.keys)
            given = replace(given, checks=manifest.checks)
        self._keep(table, StagedTable(given, manifest, path.name))
        return manifest

    def keep_checks(self, table: Table, manifest: Manifest, checks: tuple[CheckRecord, ...]) -> bool:
        """Keep what was found on stored data, or on a result that waits, until the run has passed."""
        staged = self._staged(table)
        if staged is None:
            self._keep(table, StagedChecks(manifest, checks))
        else:
            judged = replace(staged.manifest, checks=checks)
            if table.partition is not None:
                with self._spilling():
                    self._staged_partitions(table).add(table, judged)
            self._keep(table, replace(staged, origin=replace(staged.origin, checks=checks), manifest=judged))
        return True

    def delete(self, table: Table) -> None:
        """Hide a stored partition until it is removed."""
        with self._spilling():
            self._staged_partitions(table).drop(table)
        self._keep(table, StagedDrop())

    def read_manifest(self, table: Table) -> Manifest | None:
        """Return that of a result that waits, else the stored one."""
        if self._is_dropped(table):
            return None
        staged = self._staged(table)
        return staged.manifest if staged is not None else self.inner.read_manifest(table)

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """Return what a result that waits will be stored as, as far as it is known, else what is stored."""
        if self._is_dropped(table):
            return None
        staged = self._staged(table)
        return staged.manifest.content if staged is not None else self.inner.content(table, known)

    def count_rows(self, table: Table) -> int | None:
        """Count those of a result that waits, else what is stored."""
        staged = self._staged(table)
        return staged.manifest.row_count if staged is not None else count_rows(self.inner, table)

    def partitions(self, table: Table) -> Mapping[Partition, PartitionRecord]:
        """Return what is recorded of each partition that waits, or is stored and stays."""
        return self._staged_partitions(table).records(table)

    def contents(
        self, table: Table, known: Mapping[Partition, tuple[InputRecord, ...]]
    ) -> Mapping[Partition, InputRecord]:
        """Return what there is of each partition that waits, or is stored and stays; of a source, what is there."""
        if table.kind == "source":
            return self.inner.contents(table, known)  # type: ignore[no-any-return, attr-defined]
        return self._staged_partitions(table).contents(table, known)

    def kept_digests(self, table: Table, name: str) -> bytes | None:
        """Return those of a partition that waits, or is stored."""
        return self._staged_partitions(table).digests(table, name)

    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """Return a result that waits, else what is stored."""
        staged = self._staged(table)
        if staged is None:
            return self.inner.scan(table, columns)
        record, path = staged.manifest.content, self._folder / staged.data
        names = None if columns is None or table.extra_columns == "keep" else [each.name for each in columns]

        def pieces() -> Iterator[pa.Table]:
            return read_staged(path, names)

        def whole(_: tuple[InputRecord, ...] | None) -> tuple[pa.Table, InputRecord]:
            import pyarrow as pa

            return pa.concat_tables(pieces()), record

        return Scan(self, table, whole, lambda _: (pieces, record))

    def _staged(self, table: Table) -> StagedTable | None:
        found = read_record(self._folder, table.name)
        return found if isinstance(found, StagedTable) else None

    def _is_dropped(self, table: Table) -> bool:
        return table.partition is not None and isinstance(read_record(self._folder, table.name), StagedDrop)

    def _keep(self, table: Table, record: _Staged) -> None:
        path = _file(self._folder, table.name, "record")
        aside = path.with_suffix(f".{token_hex(8)}")
        with self._spilling():
            aside.write_bytes(pickle.dumps(record))
            aside.replace(path)

    def _spilling(self) -> AbstractContextManager[None]:
        return _spilling(self._folder)

    def _staged_partitions(self, table: Table) -> StagedPartitions:
        from lakehouse_cli.storage.staged_partitions import StagedPartitions  # not loaded for whole tables

        name = f"{table.storage} {table.base_path or table.path}"
        if name not in self._partitions:
            self._partitions.setdefault(name, StagedPartitions(self.inner, str(self._folder), name))
        return self._partitions[name]


def _file(folder: Path, name: str, ending: str) -> Path:
    """The file of what waits of a table, or of a partition, whose name is no name of a file."""
    return folder / f"{xxh3_128_hexdigest(name.encode()) if '/' in name else name}.{ending}"


def _spilling(folder: Path) -> AbstractContextManager[None]:
    return spilling(_WHAT, str(folder.parent))


def read_record(folder: Path, name: str) -> _Staged | None:
    """What waits of a table; None where nothing does."""
    path = _file(folder, name, "record")
    # The folder is the run's own.
    found: _Staged | None = pickle.loads(path.read_bytes()) if path.exists() else None  # noqa: S301
    return found


def read_staged(path: Path, names: Collection[str] | None = None) -> Iterator[pa.Table]:
    """Read a result that waits, piece by piece, mapped into memory: at least one piece, of all columns or of some."""
    import pyarrow as pa

    with _spilling(path.parent), pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        empty = reader.schema.empty_table()
        yield empty if names is None else empty.select(names)
        for batch in reader:
            if batch.num_rows:
                piece = pa.Table.from_batches([batch])
                yield piece if names is None else piece.select(names)


def publish_staged(
    storage: AssetStorage,
    folder: str,
    table: Table,
    inputs: Mapping[str, tuple[InputRecord, InputRecord]],
    hashes: Mapping[str, str],
    content_hash: str | None = None,
) -> Manifest | None:
    """Store a result that waited, or what was found on stored data, or remove a partition.

    Args:
        storage: Of the table, itself.
        folder: Where it waits.
        table: The table.
        inputs: Of those of its inputs that waited as well, or some partitions of which did, what they were while they
            waited, and what they are stored as; as its manifest calls them.
        hashes: The content hashes that what it was judged by was stored with, by those that it had while it waited.
        content_hash: That of the result that passed; None of what has none.

    Returns:
        The manifest of a result; None of anything else.

    Raises:
        LakehouseError: It could not be stored.
    """
    record = read_record(Path(folder), table.name)
    if isinstance(record, StagedDrop):
        storage.delete(table)
    if isinstance(record, StagedChecks):
        keep_checks(storage, table, record.manifest, _against_stored(record.checks, hashes))
    if not isinstance(record, StagedTable):
        return None
    if record.manifest.content_hash != content_hash:
        message = f"`{table.name}` was computed once more by a worker that had been thought dead"
        raise StorageError(message, hint="run again")
    origin = record.origin
    used = {name: _as_stored(each, *inputs.get(name, (each, each))) for name, each in origin.inputs.items()}
    keys = origin.keys and origin.keys.as_stored(hashes)
    origin = replace(origin, inputs=used, checks=_against_stored(origin.checks, hashes), keys=keys)
    return publish_pieces(storage, table, read_staged(Path(folder, record.data)), lambda: origin)


def _as_stored(used: InputRecord, waiting: InputRecord, stored: InputRecord) -> InputRecord:
    if used.content_hash != waiting.content_hash:  # others changed a part of it in the middle of the run
        return used
    return stored._replace(rows=used.rows, reading=used.reading)


def _against_stored(checks: tuple[CheckRecord, ...], hashes: Mapping[str, str]) -> tuple[CheckRecord, ...]:
    return tuple([replace(each, against=hashes.get(each.against, each.against)) for each in checks])
