"""What storages can do that store tables by partition, and the functions by which it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.storage.base import AssetStorage

if TYPE_CHECKING:
    from lakehouse_cli.storage.partition_index import PartitionRecord


@runtime_checkable
class Partitioned(Protocol):
    """Stores tables by partition: each is a table of its own to all other methods, as of `model.unit.unit_of`."""

    def partitions(self, table: Table) -> Mapping[Partition, PartitionRecord]:
        """Return what is recorded of each stored partition of a table, in order, read at once.

        Of a table whose `partitions` are `ANY`, those of whatever dimensions.
        """

    def contents(
        self, table: Table, known: Mapping[Partition, tuple[InputRecord, ...]]
    ) -> Mapping[Partition, InputRecord]:
        """Return what is stored of each partition, as `AssetStorage.content` does for one, looked at together.

        Args:
            table: One that is stored by partition, of which only those that are recorded are looked at; or a source
                of many files, by its `partitions`, else by all its dimensions.
            known: What they were at other times.

        Returns:
            Those that are there; without those whose look fails, which each one's own look says.
        """

    def claim(self, units: Sequence[Table], run_id: str, started_at: str) -> None:
        """Announce the partitions that a run is about to store, so that each need not be announced by itself.

        Called while the storage is in use, of partitions that the run may replace. Those that it does not store are as
        they were afterwards; where it is killed, those that it was at are known to be its.
        """

    def drop(self, units: Sequence[Table]) -> None:
        """Remove stored partitions and what is recorded of them, if there."""


@runtime_checkable
class RemembersContents(Protocol):
    """Needs many requests to look at very many partitions, and remembers that it found all of them as recorded."""

    def remembered_contents(self, table: Table) -> Mapping[Partition, InputRecord] | None:
        """Return what `contents` is to find, by what is recorded alone; None where all must be looked at."""


@runtime_checkable
class StoresTogether(Protocol):
    """Stores partitions many at once while it is in use: those that were published wait for others for a moment."""

    def commit_waiting(self, table: Table) -> Mapping[Partition, StorageError]:
        """Store what waits of a table, and return what of it is not stored after all, with why.

        Each is told once, and given up.
        """


@runtime_checkable
class StoresAnew(Protocol):
    """Has one table for all partitions, whose columns have one type each: another one for all of them, or for none."""

    def storing_anew(self, units: Sequence[Table]) -> AbstractContextManager[None]:
        """Store partitions that are published within all at once as it ends, or none of them if that fails.

        Where they are all that there are of their table, its columns may have other types than before.

        Args:
            units: Those that will be published, each of them once.
        """


def storing_anew(storage: AssetStorage, units: Sequence[Table]) -> AbstractContextManager[None]:
    """Store partitions all at once, as `StoresAnew.storing_anew`; one by one where types of columns may differ.

    Raises:
        StorageError: They cannot be stored.
    """
    found = storage.capability(StoresAnew)
    return nullcontext() if found is None or not units else found.storing_anew(units)


def partitions(storage: AssetStorage, table: Table) -> Mapping[Partition, PartitionRecord]:
    """Return what is recorded of each stored partition of a table, in order.

    Raises:
        StorageError: It cannot be read, or the storage stores nothing by partition.
    """
    return _partitioned(storage, table).partitions(table)


def contents(
    storage: AssetStorage, table: Table, known: Mapping[Partition, tuple[InputRecord, ...]]
) -> Mapping[Partition, InputRecord]:
    """Return what is stored of each partition, as `Partitioned.contents`.

    Raises:
        StorageError: It cannot be looked at, or the storage stores nothing by partition.
    """
    return _partitioned(storage, table).contents(table, known)


def remembered_contents(storage: AssetStorage, table: Table) -> Mapping[Partition, InputRecord] | None:
    """Return what is stored of each partition without a look, as `RemembersContents`; None where there must be one."""
    found = storage.capability(RemembersContents)
    return None if found is None else found.remembered_contents(table)


def commit_waiting(storage: AssetStorage, table: Table) -> Mapping[Partition, StorageError]:
    """Store the partitions of a table that wait for others, as `StoresTogether.commit_waiting`."""
    found = storage.capability(StoresTogether)
    return {} if found is None else found.commit_waiting(table)


def claim(storage: AssetStorage, units: Sequence[Table], run_id: str, started_at: str) -> None:
    """Announce the partitions that a run is about to store in a storage that is in use, as `Partitioned.claim`.

    Raises:
        StorageError: They cannot be announced.
    """
    if units:
        _partitioned(storage, units[0]).claim(units, run_id, started_at)


def drop(storage: AssetStorage, units: Sequence[Table]) -> None:
    """Remove stored partitions and what is recorded of them, if there.

    Raises:
        StorageError: They cannot be removed.
    """
    if units:
        _partitioned(storage, units[0]).drop(units)


def _partitioned(storage: AssetStorage, table: Table) -> Partitioned:
    found = storage.capability(Partitioned)
    if found is None:
        raise StorageError(
            f"storage `{table.storage}` stores nothing by partition, as `partitions` of `{table.name}` asks for",
            hint="store it in files, objects, Delta, PostgreSQL, DuckDB or SQLite",
            location=table.where("partitions", "storage"),
        )
    return found
