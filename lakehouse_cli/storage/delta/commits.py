"""Commits of partitions of Delta Lake tables, many at once: what waits for the next one."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pyarrow as pa

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import table_of, unit_of
from lakehouse_cli.storage.delta.digests import DeltaDigests
from lakehouse_cli.storage.delta.files import has_wall_clock
from lakehouse_cli.storage.delta.log import ConflictError, allow_wall_clock
from lakehouse_cli.storage.delta.storage import _LOG
from lakehouse_cli.storage.delta.units import DeltaUnits, PendingUnit, UnitSnapshot
from lakehouse_cli.storage.errors import overtaken, translate_errors
from lakehouse_cli.storage.local.publishing import sync_all
from lakehouse_cli.storage.partition_digests import drop_former


class DeltaCommits(DeltaDigests):
    """What waits for a commit, by the path of the table; a base, see `DeltaStorage`."""

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        self._units: dict[str, DeltaUnits] = {}
        self._schemas: dict[str, tuple[Table, pa.Schema]] = {}
        self._is_in_use = False

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Partitions that are finished within a second, or a hundred of them, are one commit; the rest at the end."""
        self._is_in_use = True
        try:
            yield
        finally:
            self._is_in_use = False
            failed = [error for table, _ in self._schemas.values() for error in self.commit_waiting(table).values()]
            if failed:
                raise failed[0]

    def commit_waiting(self, table: Table) -> Mapping[Partition, StorageError]:
        """Commit what waits of a table; what cannot be is not tried again, and its data are removed."""
        units = self._of(table)
        with units.lock:
            try:
                self._flush(table.path, closing=True)
            except StorageError as error:
                units.failed += [(each, error) for each in units.pending]
                units.pending.clear()
            failed, units.failed = units.failed, []
        self._remove_files(table, [each for each, _ in failed])
        return {each.partition: error for each, error in failed}

    def _remove_files(self, table: Table, given_up: Iterable[PendingUnit]) -> None:
        for each in given_up if self._local else ():
            with suppress(OSError):
                os.unlink(f"{self._place(table.path)}/{each.file.name}")

    @contextmanager
    def storing_anew(self, units: Sequence[Table]) -> Iterator[None]:
        """In one commit of each table, which has the types of the new ones where they are all that there is."""
        tables = {table.path: table for table in map(table_of, units)}
        for path, table in tables.items():
            self._flush(path)
            self._of(table).at_once = frozenset(e.partition for e in units if e.base_path == path and e.partition)
        try:
            yield
            failed = [error for table in tables.values() for error in self.commit_waiting(table).values()]
        finally:
            for table in tables.values():
                of = self._of(table)
                self._remove_files(table, of.pending)
                of.pending, of.at_once = [], frozenset()
        if failed:
            raise failed[0]

    def _of(self, table: Table) -> DeltaUnits:
        path = table.base_path or table.path
        if path not in self._units:
            self._refuse_link(table_of(table))
            place = self._place(path)
            there = partial(os.path.isdir, f"{place}/{_LOG}") if self._local else lambda: True
            self._units.setdefault(path, DeltaUnits(place, self._settings, there))
        return self._units[path]

    def _flush(self, path: str, *, closing: bool = False) -> Sequence[PendingUnit]:
        """Commit the partitions of a table that wait, and return them as they were committed."""
        if path not in self._schemas:
            return ()
        table, schema = self._schemas[path]
        units = self._of(table)
        with units.lock:
            if not units.pending and not (closing and units.lacks_all):
                return ()
            records = units.index.records
            former = {each.partition: records.get(each.partition) for each in units.pending}
            with translate_errors(self, table, "written"):
                if self._local:  # all at once, which takes a tenth of the time of one after the other
                    sync_all([f"{self._place(path)}/{each.file.name}" for each in units.pending], strict=True)
                found = units.look()
                if found is not None and has_wall_clock(schema):
                    allow_wall_clock(found.snapshot.table)
                try:
                    pending = units.commit(schema, table.partitions, partial(self._judge, table), closing=closing)
                except ConflictError as error:
                    raise overtaken(table, self.uri(table)) from error
            for each in pending:
                of_unit = unit_of(table_of(table), each.partition)
                drop_former(self, of_unit, former[each.partition], each.manifest)
            if self._local:
                place = self._place(path)
                newest = max(Path(place, _LOG).glob("*.json"), default=Path(place))
                sync_all([str(newest), f"{place}/{_LOG}", place])
            return pending

    @abstractmethod
    def _judge(
        self, table: Table, found: UnitSnapshot | None, unit: PendingUnit, waiting: Sequence[PendingUnit] = ()
    ) -> PendingUnit:
        """Refuse what may not be stored as a version is; returns the partition as it is stored."""
