"""Stored assets that are not tables: described, read back, and written to a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError, UsageError
from lakehouse_cli.formats.objects.stored import parts_of
from lakehouse_cli.model import Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.runs.local_state import make_state_folder
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.format_storage import missing_data
from lakehouse_cli.storage.partition_capability import contents, partitions
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.text.causes import system_reason

if TYPE_CHECKING:
    import pyarrow as pa


class ShownObject(Struct, frozen=True):
    """What is known of a stored asset that is no table, without loading it.

    Attributes:
        name: The asset.
        uri: Where it is.
        format: Its serializer.
        type: The full name of its type in Python; None where no run stored it.
        bytes: Size of what is stored.
        materialized_at: ISO 8601 in UTC, likewise.
        run_id: Likewise.
        inputs: What it was made from.
        packages: Versions of the distributions that loading it imports, by name.
        notes: Remarks, such as that it was modified.
        partitions: Those that are described together, in order; None of an asset without partitions.
    """

    name: str
    uri: str
    format: str
    type: str | None
    bytes: int
    materialized_at: str | None
    run_id: str | None
    inputs: tuple[str, ...]
    packages: dict[str, str]
    notes: tuple[str, ...] = ()
    partitions: tuple[Partition, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse show -o json`: that of a table without columns, and what is said here."""
        parts = {} if self.partitions is None else {"partitions": [each.key for each in self.partitions]}
        return parts | {
            "name": self.name,
            "uri": self.uri,
            "columns": [],
            "row_count": None,
            "rows": [],
            "format": self.format,
            "type": self.type,
            "bytes": self.bytes,
            "materialized_at": self.materialized_at,
            "run_id": self.run_id,
            "inputs": list(self.inputs),
            "packages": self.packages,
            "notes": list(self.notes),
        }


def describe_object(stored: StoredEnvironment, name: str) -> ShownObject:
    """Describe a stored asset that is no table.

    Raises:
        MissingDataError: It was never materialized.
        StorageError: It cannot be looked at, or was stored in another form than is declared now.
    """
    table, state = stored.tables[name], _state(stored, name)
    manifest = None if state.altered else state.manifest
    record = manifest.object if manifest is not None else None
    size = state.content.bytes if state.content is not None else 0
    notes = (f"it was modified {state.altered_by}",) if state.altered_since else ()
    if manifest is not None:
        from lakehouse_cli.transforms.objects import made_with

        notes = (*notes, *made_with(manifest))
    return ShownObject(
        name,
        state.uri,
        table.serializer,
        record.type or None if record is not None else None,
        size,
        manifest.finished_at if manifest is not None else None,
        manifest.run_id if manifest is not None else None,
        tuple(manifest.inputs) if manifest is not None else (),
        dict(record.packages) if record is not None else {},
        notes,
    )


def describe_partitions(table: Table, storage: AssetStorage, chosen: Sequence[Partition]) -> ShownObject:
    """Describe stored partitions of an asset that is no table, by what is recorded of them.

    Args:
        table: The asset.
        storage: Where they are.
        chosen: The partitions; at least one.

    Raises:
        StorageError: They cannot be looked at.
    """
    from lakehouse_cli.transforms.objects import made_with

    records, there = partitions(storage, table), contents(storage, table, {})
    found = [records[each] for each in chosen]
    altered = [each for each in chosen if each not in there or there[each].content_hash != records[each].content_hash]
    # Of very many, as many manifests are read as were made in different ways.
    kinds = {str(record.shared.object): unit_of(table, each) for each, record in zip(chosen, found, strict=True)}
    manifests = [manifest for each in kinds.values() if (manifest := storage.read_manifest(each)) is not None]
    made = [each.object for each in manifests if each.object is not None]
    notes = [f"{each} was modified since, or is gone" for each in altered[:3]]
    types = {each.type for each in made}
    runs = {record.run_id for record in found}
    return ShownObject(
        table.name,
        storage.uri(unit_of(table, chosen[0]) if len(chosen) == 1 else table),
        table.serializer,
        types.pop() or None if len(types) == 1 else None,
        sum(there[each].bytes for each in chosen if each in there),
        max(record.finished_at for record in found),
        runs.pop() if len(runs) == 1 else None,
        tuple(dict.fromkeys(name for record in found for name, _ in record.input_names)),
        {name: version for each in made for name, version in each.packages.items()},
        (*notes, *dict.fromkeys(note for each in manifests for note in made_with(each))),
        tuple(chosen),
    )


def read_object(stored: StoredEnvironment, name: str, project: str, folder: Path) -> Any:
    """Load a stored asset that is no table.

    Args:
        stored: The environment.
        name: The asset.
        project: Name of the project.
        folder: Its folder, where classes of its own may be.

    Raises:
        MissingDataError: It was never materialized.
        StorageError: It cannot be read, or is a pickle that no run of this project stored.
        TransformError: It cannot be loaded.
    """
    from lakehouse_cli.transforms.objects import deserialize

    table, state = stored.tables[name], _state(stored, name)
    data, content = scan(stored.storages[table.storage], table, None).table_with_content(())
    return deserialize(data, table, project, folder.resolve(), content, state.manifest)


def stored_parts(stored: StoredEnvironment, name: str) -> Iterator[memoryview]:
    """The bytes of a stored asset, part by part.

    Raises:
        LakehouseError: The asset cannot be read; also as its parts are.
    """
    _state(stored, name)
    table = stored.tables[name]
    pieces, _ = scan(stored.storages[table.storage], table, None).pieces_with_content(())
    return _parts(pieces())


def export_object(stored: StoredEnvironment, name: str, path: Path) -> int:
    """Write the bytes of a stored asset to a file that is not there yet, a folder to a folder; returns how many.

    Raises:
        UsageError: The file is there.
        LakehouseError: The asset cannot be read, or the file cannot be written; no file is left then.
    """
    table = stored.tables[name]
    if table.serializer == "folder":
        _state(stored, name)
        return _export_folder(stored, table, path)
    parts = stored_parts(stored, name)
    try:
        file = path.open("xb")
    except FileExistsError:
        raise UsageError(f"`{path}` is there already", hint="name another file, or remove it first") from None
    except OSError as error:
        raise LakehouseError(f"`{path}` cannot be written: {system_reason(error)}", hint="name another file") from error
    try:
        with file:
            return sum(file.write(part) for part in parts)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise LakehouseError(f"`{path}` cannot be written: {system_reason(error)}") from error
        raise


def path_of_copy(project: Path, asset: str, name: str) -> Path:
    """A path in the project's local state for a copy of an asset; the one that was made before is removed.

    Args:
        project: The project's folder.
        asset: What it is a copy of.
        name: Of the file or folder.

    Raises:
        LakehouseError: It cannot be made.
    """
    try:
        folder = make_state_folder(project, "opened") / asset
        rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        hint = "`lakehouse show … --out FILE` writes it elsewhere"
        raise LakehouseError(f"a copy to open cannot be made: {system_reason(error)}", hint=hint) from error
    return folder / name


def _export_folder(stored: StoredEnvironment, table: Table, path: Path) -> int:
    from lakehouse_cli.formats.objects.paths import WrittenFolder
    from lakehouse_cli.transforms.objects import restore

    if os.path.lexists(path):
        raise UsageError(f"`{path}` is there already", hint="name another folder, or remove it first")
    data = scan(stored.storages[table.storage], table, None).table()
    try:
        restore(WrittenFolder(), data, table, path)
    except BaseException as error:
        rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise LakehouseError(f"`{path}` cannot be written: {system_reason(error)}") from error
        raise
    return sum(map(len, parts_of(data)))


def _parts(pieces: Iterator[pa.Table]) -> Iterator[memoryview]:
    for piece in pieces:
        yield from parts_of(piece)


def _state(stored: StoredEnvironment, name: str) -> TableState:
    table: Table = stored.tables[name]
    state = stored.snapshot((name,)).states[name]
    trouble = state.trouble or state.manifest_trouble or state.other_form
    if trouble is not None:
        raise trouble
    if not state.exists:
        raise missing_data(table, state.uri)
    return state
