"""Results that wait until all of their run have passed: kept as Arrow in a folder of the run, and read from it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.runs.temporary_files import spilling
from lakehouse_cli.storage.base import AssetStorage, Provenance, Scan
from lakehouse_cli.storage.capabilities import (
    KeepsChecks,
    PublishesPieces,
    RehearsesWriting,
    keep_checks,
    publish_pieces,
)
from lakehouse_cli.storage.wrapper import WrapperStorage

if TYPE_CHECKING:
    import pyarrow as pa

_Capability = TypeVar("_Capability")
_WHAT = "the results that wait to be published together"


class StagedTable(Struct, frozen=True):
    """A result that waits.

    Attributes:
        origin: What its manifest says of where it comes from.
        manifest: It as far as it is known before the result is stored.
    """

    origin: Provenance
    manifest: Manifest


class StagedChecks(Struct, frozen=True):
    """What was found on stored data, which their manifest does not say yet.

    Attributes:
        manifest: Of the data.
        checks: What was found.
    """

    manifest: Manifest
    checks: tuple[CheckRecord, ...]


class StagingStorage(WrapperStorage):
    """Keeps what is published in a folder, from which it is read in the place of what is stored.

    Args:
        inner: Where it will be stored.
        folder: Of the run, for all its storages and processes.
    """

    def __init__(self, inner: AssetStorage, folder: str) -> None:
        super().__init__(inner)
        self._folder = Path(folder)

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

        path, counted = self._data(table), CountedPieces(pieces)
        with spilling(_WHAT), pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, counted.first.schema) as to:
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
            content_hash=content_hash or f"unpublished {given.run_id} {table.name}",
            modified_ns=0,
            rows=counted.rows,
        )
        self._keep(table, StagedTable(given, manifest))
        return manifest

    def keep_checks(self, table: Table, manifest: Manifest, checks: tuple[CheckRecord, ...]) -> bool:
        """Keep what was found on stored data, or on a result that waits, until the run has passed."""
        staged = self._staged(table)
        if staged is None:
            self._keep(table, StagedChecks(manifest, checks))
        else:
            judged = replace(staged.manifest, checks=checks)
            self._keep(table, StagedTable(replace(staged.origin, checks=checks), judged))
        return True

    def read_manifest(self, table: Table) -> Manifest | None:
        """Return that of a result that waits, else the stored one."""
        staged = self._staged(table)
        return staged.manifest if staged is not None else self.inner.read_manifest(table)

    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """Return a result that waits, else what is stored."""
        staged = self._staged(table)
        if staged is None:
            return self.inner.scan(table, columns)
        record, path = staged.manifest.content, self._data(table)
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

    def _keep(self, table: Table, record: StagedTable | StagedChecks) -> None:
        with spilling(_WHAT):
            _record(self._folder, table.name).write_bytes(pickle.dumps(record))

    def _data(self, table: Table) -> Path:
        return self._folder / f"{table.name}.arrow"


def _record(folder: Path, name: str) -> Path:
    return folder / f"{name}.record"


def read_record(folder: Path, name: str) -> StagedTable | StagedChecks | None:
    """What waits of a table; None where nothing does."""
    path = _record(folder, name)
    # The folder is the run's own.
    found: StagedTable | StagedChecks | None = pickle.loads(path.read_bytes()) if path.exists() else None  # noqa: S301
    return found


def read_staged(path: Path, names: Collection[str] | None = None) -> Iterator[pa.Table]:
    """Read a result that waits, piece by piece, mapped into memory: at least one piece, of all columns or of some."""
    import pyarrow as pa

    with spilling(_WHAT), pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        empty = reader.schema.empty_table()
        yield empty if names is None else empty.select(names)
        for batch in reader:
            if batch.num_rows:
                piece = pa.Table.from_batches([batch])
                yield piece if names is None else piece.select(names)


def publish_staged(
    storage: AssetStorage, folder: str, table: Table, published: Mapping[str, Manifest], hashes: dict[str, str]
) -> Manifest | None:
    """Store a result that waited, or what was found on stored data.

    Args:
        storage: Of the table, itself.
        folder: Where it waits.
        table: The table.
        published: Those that waited and were stored before it, by name: the inputs that it was made from.
        hashes: The content hash that each of these was stored with, by the one that it had while it waited; the
            table's own is added.

    Returns:
        The manifest of a result; None of what was found on stored data.

    Raises:
        LakehouseError: It could not be stored.
    """
    record = read_record(Path(folder), table.name)
    if record is None:
        return None
    if isinstance(record, StagedChecks):
        keep_checks(storage, table, record.manifest, _against_stored(record.checks, hashes))
        return None
    inputs = {name: _as_stored(each, published.get(name)) for name, each in record.origin.inputs.items()}
    origin = replace(record.origin, inputs=inputs, checks=_against_stored(record.origin.checks, hashes))
    pieces = read_staged(Path(folder) / f"{table.name}.arrow")
    manifest = publish_pieces(storage, table, pieces, lambda: origin)
    hashes[record.manifest.content_hash] = manifest.content_hash
    return manifest


def _as_stored(used: InputRecord, stored: Manifest | None) -> InputRecord:
    return used if stored is None else stored.content._replace(rows=used.rows, reading=used.reading)


def _against_stored(checks: tuple[CheckRecord, ...], hashes: Mapping[str, str]) -> tuple[CheckRecord, ...]:
    return tuple([replace(each, against=hashes.get(each.against, each.against)) for each in checks])
