"""The assets of a project that are no tables, as they are stored: read, described, written to files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.errors import UsageError
from lakehouse_cli.formats.objects.spec import PATHS
from lakehouse_cli.model import Table
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.operations.objects import (
    ShownObject,
    describe_object,
    describe_partitions,
    export_object,
    path_of_copy,
    read_object,
    stored_parts,
)
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.project.chosen_partitions import partition_texts, stored_partitions
from lakehouse_cli.project.planning import Planner
from lakehouse_cli.storage.capabilities import local_files
from lakehouse_cli.storage.format_storage import missing_data
from lakehouse_cli.transforms.objects import partition_key

# Copies that the caller has the paths of.
_until_exit: list[tempfile.TemporaryDirectory[str]] = []


class StoredObjects:
    """Reads stored assets; of one by partition each partition is an asset of its own.

    Args:
        planner: Of the project.
        stored_by: Gives the tables as they are stored, of one those partitions alone that `--partition` would choose.
    """

    def __init__(self, planner: Planner, stored_by: Callable[[str, Sequence[str]], StoredEnvironment]) -> None:
        self._planner, self._spec, self._stored_by = planner, planner.spec, stored_by

    def read(self, declared: Table, partition: Mapping[str, Any]) -> Any:
        """Load an asset, or partitions of it; see `Project.read`."""
        texts = partition_texts(partition, self._spec.dimensions)
        if not declared.is_partitioned:
            return self._loaded(self._stored_by(declared.name, texts), declared)
        stored, units = self._units(declared, texts)
        if partition.keys() == {*declared.partitions} and not any(".." in text for text in texts):
            return self._loaded(stored, units[0])
        known = self._spec.dimensions
        periods = {name: known[name].every if name in known else None for name in declared.partitions}
        return {
            partition_key(periods, each.partition): self._loaded(stored, each)
            for each in units
            if each.partition is not None
        }

    def _loaded(self, stored: StoredEnvironment, declared: Table) -> Any:
        if declared.serializer in PATHS:
            return Path(self._local_file(declared) or self._copy_until_exit(stored, declared))
        with self._planner.connected():
            return read_object(stored, declared.name, self._spec.name, self._spec.folder)

    def describe(self, declared: Table, partitions: Sequence[str]) -> ShownObject:
        """Describe an asset, or partitions of it; see `Project.show`."""
        if not declared.is_partitioned:
            return describe_object(self._stored_by(declared.name, partitions), declared.name)
        chosen = [each.partition for each in self._units(declared, partitions)[1] if each.partition is not None]
        return describe_partitions(declared, self._planner.storages[declared.storage], chosen)

    def export(self, declared: Table, path: Path, partitions: Sequence[str]) -> int:
        """Write an asset to a file; see `Project.export`."""
        with self._planner.connected():
            stored, one = self._one(declared, partitions)
            return export_object(stored, one.name, path)

    def parts(self, declared: Table, partitions: Sequence[str]) -> Iterator[memoryview]:
        """The bytes of an asset; see `Project.stored_bytes`."""
        stored, one = self._one(declared, partitions)
        return stored_parts(stored, one.name)

    def local_copy(self, declared: Table, partitions: Sequence[str]) -> str:
        """A file of this machine; see `Project.local_copy`."""
        stored, one = self._one(declared, partitions)
        if (found := self._local_file(one)) is not None:
            return found
        kept = f"{self._spec.environment}/{declared.name}"
        path = path_of_copy(self._spec.folder, kept, self._name_of_copy(one))
        with self._planner.connected():
            export_object(stored, one.name, path)
        return str(path)

    def _units(self, declared: Table, partitions: Sequence[str]) -> tuple[StoredEnvironment, tuple[Table, ...]]:
        """The stored partitions of an asset, or those that are chosen.

        Raises:
            UsageError: There are no such partitions.
            MissingDataError: It was never materialized.
        """
        with self._planner.connected():
            storage, stored = self._planner.storages[declared.storage], self._planner.stored
            chosen = self._stored_by(declared.name, partitions).tables[declared.name].selected
            if chosen is None:
                chosen = stored_partitions(storage, declared)
            if not chosen:
                raise missing_data(declared, storage.uri(declared))
            units = tuple([unit_of(declared, each) for each in chosen])
            return replace(stored, tables={**stored.tables, **{each.name: each for each in units}}), units

    def _one(self, declared: Table, partitions: Sequence[str]) -> tuple[StoredEnvironment, Table]:
        """An asset, or the one partition of it that is chosen.

        Raises:
            UsageError: Several partitions are.
        """
        if not declared.is_partitioned:
            return self._stored_by(declared.name, partitions), declared
        stored, units = self._units(declared, partitions)
        first, last = units[0].partition, units[-1].partition
        if first is not None and len(units) > 1:
            hint = "name one: " + " ".join([f"`--partition {name}={value}`" for name, value in first.key.items()])
            raise UsageError(f"`{declared.name}` has {len(units)} partitions, {first} to {last}", hint=hint)
        return stored, units[0]

    def _copy_until_exit(self, stored: StoredEnvironment, table: Table) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="lakehouse-")
        _until_exit.append(folder)
        path = Path(folder.name, self._name_of_copy(table))
        with self._planner.connected():
            export_object(stored, table.name, path)
        return path

    def _local_file(self, table: Table) -> str | None:
        """The file of this machine that is what is stored; None for a folder, and for what is stored elsewhere."""
        if table.serializer == "folder":
            return None
        return next(filter(os.path.isfile, local_files(self._planner.storages[table.storage], table)), None)

    def _name_of_copy(self, table: Table) -> str:
        name = self._planner.storages[table.storage].uri(table).rpartition("/")[2]
        return table.name.partition("/")[0] if table.serializer == "folder" else name
