"""What is stored of tables by partition, looked at once for a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.manifest import InputRecord, Manifest, Recipe
from lakehouse_cli.model.partition import ANY, FILE, Partition
from lakehouse_cli.model.partition_content import content_of_partitions
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.plan.partitioning import parts_name
from lakehouse_cli.plan.recipes import reading_of, stored_as
from lakehouse_cli.plan.stored_form import misread_partitions
from lakehouse_cli.plan.units import StoredPartitions
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import check_replaceable
from lakehouse_cli.storage.partition_capability import contents, partitions, remembered_contents
from lakehouse_cli.storage.partition_index import recipe_digest

if TYPE_CHECKING:
    from lakehouse_cli.storage.partition_index import PartitionRecord


class _Recorded(Mapping[Partition, "tuple[InputRecord, ...]"]):
    """The content of each partition as its index has it, made where it is asked for."""

    def __init__(self, records: Mapping[Partition, PartitionRecord]) -> None:
        self._records = records

    def __getitem__(self, partition: Partition) -> tuple[InputRecord, ...]:
        return (self._records[partition].content,)

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class PartitionLook:
    """A look at the partitions of an environment's tables, each table once.

    Args:
        tables: By name.
        storages: By name.
        specs: Their declarations.
        code_now: As of `reading_of`.
        environment: Its name.
        recipes: How tables would be made now, as far as that is known.
        remembering: Whether what storages remember of very many partitions will do.

    Attributes:
        has_remembered: Whether some were not looked at for that.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        storages: Mapping[str, AssetStorage],
        specs: Mapping[str, StorageSpec],
        code_now: Callable[[Table], str],
        environment: str,
        recipes: Mapping[str, Recipe],
        *,
        remembering: bool,
    ) -> None:
        self._environment, self._recipes = environment, recipes
        self._remembering, self.has_remembered = remembering, False
        self._tables, self._storages, self._specs, self._code_now = tables, storages, specs, code_now
        self._found: dict[str, StoredPartitions] = {}
        self._records: dict[str, Mapping[Partition, PartitionRecord] | StorageError] = {}

    def of(self, name: str, consumers: Iterable[str], *, by_file: bool = False) -> StoredPartitions:
        """What is stored of a table, or of a source, by partition.

        Args:
            name: The table.
            consumers: The partitioned tables that are computed from it: what they recorded of a source shows which of
                its files need not be read.
            by_file: Whether each file of a source is a partition.
        """
        key = parts_name(name, by_file=by_file)
        if key not in self._found:
            table = self._tables[name]
            self._found[key] = self._look(replace(table, partitions=(FILE,)) if by_file else table, consumers)
        return self._found[key]

    def _look(self, table: Table, consumers: Iterable[str]) -> StoredPartitions:
        storage = self._storages[table.storage]
        form = stored_as(table, self._specs[table.storage])
        reading = reading_of(table, None, form, self._code_now)
        records = self._index(table.name) if table.kind == "computed" else {}
        if isinstance(records, StorageError):
            return StoredPartitions({}, reading=reading, trouble=records)
        known: Mapping[Partition, tuple[InputRecord, ...]] = _Recorded(records)
        if table.kind == "source":
            known = self._known(table, consumers)
        try:
            found = self._remembered(storage, table) or contents(storage, table, known)
        except StorageError as error:
            return StoredPartitions({}, reading=reading, trouble=error)
        stored = StoredPartitions(
            found, records, self._manifest(table), lambda each: storage.uri(unit_of(table, each)), reading
        )
        if records:
            now = recipe_digest(self._recipes.get(table.name))
            stored = replace(stored, misread=misread_partitions(table, self._environment, stored, form, now))
        if table.kind == "computed" and not records:
            stored = replace(stored, former=_former(storage, table))
        # To ask a server of each would take long; there a run finds it, but for what holds of all.
        if table.kind == "computed" and (storage.concurrency == 1 or stored.former):
            return replace(stored, obstruction=self._obstruction(table))
        return stored

    def _remembered(self, storage: AssetStorage, table: Table) -> Mapping[Partition, InputRecord] | None:
        if not self._remembering or table.kind == "source":
            return None
        found = remembered_contents(storage, table)
        self.has_remembered = self.has_remembered or found is not None
        return found

    def _obstruction(self, table: Table) -> Callable[[Partition], StorageError | None]:
        storage = self._storages[table.storage]

        def obstruction(partition: Partition) -> StorageError | None:
            try:
                check_replaceable(storage, unit_of(table, partition), forced=False)
            except StorageError as error:
                return error
            return None

        if storage.concurrency == 1:
            return obstruction
        found = obstruction(Partition(table.partitions, ("none",) * len(table.partitions)))
        return lambda _: found

    def _index(self, name: str) -> Mapping[Partition, PartitionRecord] | StorageError:
        if name not in self._records:
            table = self._tables[name]
            try:
                self._records[name] = partitions(self._storages[table.storage], table)
            except StorageError as error:
                self._records[name] = error
        return self._records[name]

    def _known(self, table: Table, consumers: Iterable[str]) -> dict[Partition, tuple[InputRecord, ...]]:
        """What files of a source were when tables were computed from them, by the partitions of these tables."""
        known: dict[Partition, tuple[InputRecord, ...]] = {}
        for name in consumers:
            records = self._index(name)
            for each, record in {} if isinstance(records, StorageError) else records.items():
                found = [was for of, was in record.inputs.items() if of.partition(" ")[0] == table.name]
                known[each] = (*known.get(each, ()), *found)
        return known

    def _manifest(self, table: Table) -> Callable[[Partition], Manifest | StorageError | None]:
        storage = self._storages[table.storage]

        def manifest(partition: Partition) -> Manifest | StorageError | None:
            try:
                return storage.read_manifest(unit_of(table, partition))
            except StorageError as error:
                return error

        return manifest

    def state(self, name: str, uri: str) -> TableState:
        """What is known of a partitioned table as a whole: the content of all partitions that runs of ours stored."""
        stored = self.of(name, ())
        if stored.trouble is not None:
            return TableState(uri, False, stored.trouble)
        there = [(each, record) for each, record in stored.contents.items() if each in stored.records]
        if not there:
            return TableState(uri, False)
        content = content_of_partitions(sorted(there, key=lambda each: each[0]))
        return TableState(
            uri, True, content=content._replace(reading=stored.reading), other_options=self.other_form(name)
        )

    def other_form(self, name: str) -> StorageError | None:
        """Why a partitioned table, or what is read of it, cannot be read: a partition was stored in another form."""
        chosen, misread = self._tables[name].selected, self.of(name, ()).misread
        return next((misread[each] for each in sorted(misread) if chosen is None or each in chosen), None)


def _former(storage: AssetStorage, table: Table) -> tuple[str, ...]:
    """By what a table was stored before; nothing where it was not, or nobody knows."""
    try:
        return next((each.dimensions for each in partitions(storage, replace(table, partitions=ANY))), ())
    except StorageError:
        return ()
