"""Tables that are stored by partition, read as one: all partitions, or those that are selected, in order.

Each partition is a table of its own to the storage within.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_content import content_of_partitions
from lakehouse_cli.model.row_place import FileLine, RowPlace
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.storage.base import AssetStorage, Scan, Stored
from lakehouse_cli.storage.capabilities import check_replaceable, count_rows, find_lines, identities, local_files
from lakehouse_cli.storage.files_reading import FilesReading, Part
from lakehouse_cli.storage.format_storage import missing_data
from lakehouse_cli.storage.partition_capability import contents, drop, partitions
from lakehouse_cli.storage.wrapper import WrapperStorage

if TYPE_CHECKING:  # not loaded where no table has partitions
    from lakehouse_cli.storage.partition_index import PartitionRecord


class StoredUnit(Part):
    """One partition of a table."""

    __slots__ = ("_table", "_uri")

    def __init__(self, unit: Table, uri: str) -> None:
        super().__init__(unit.path, {})
        self._table, self._uri = unit, uri

    @property
    def uri(self) -> str:
        """As the storage shows it."""
        return self._uri

    @property
    def table(self) -> Table:
        """It, as a table."""
        return self._table


class PartitionedStorage(WrapperStorage):
    """A storage some of whose tables are stored by partition."""

    def forward(self, method: str, /, *arguments: Any, **keywords: Any) -> Any:
        """Do for many partitions what the storage does for each of them."""
        table = arguments[0] if arguments else None
        if isinstance(table, Table) and table.is_many_units and method not in _OF_TABLES:
            return getattr(_Units(self.inner, table), method)(*arguments[1:], **keywords)
        return super().forward(method, *arguments, **keywords)


#: What the storage does for a partitioned table by itself.
_OF_TABLES = frozenset(
    (
        "partitions",
        "contents",
        "remembered_contents",
        "uri",
        "keep_digests",
        "kept_digests",
        "drop_digests",
        "commit_waiting",
    )
)


def refuse_other_division(storage: AssetStorage, table: Table) -> None:
    """Refuse to look for partitions in what a run would refuse to store any in.

    Raises:
        StorageError: What is stored there is divided otherwise, or is another's.
    """
    if table.kind == "computed":
        anyone = Partition(table.partitions, ("none",) * len(table.partitions))
        check_replaceable(storage, unit_of(table, anyone), forced=False)


class _Units:
    """The verbs of a storage for many partitions of a table.

    Args:
        storage: Where they are.
        table: The table; those of its partitions that are selected, or all.
    """

    def __init__(self, storage: AssetStorage, table: Table) -> None:
        self._storage, self._table = storage, table

    def _records(self) -> Mapping[Partition, PartitionRecord]:
        return partitions(self._storage, self._table)

    def _chosen(self) -> Sequence[Partition]:
        return tuple(self._records()) if self._table.selected is None else self._table.selected

    def _units(self) -> list[Table]:
        return [unit_of(self._table, each) for each in self._chosen()]

    def _found(self) -> list[tuple[Partition, InputRecord | None]]:
        """The partitions and what is stored of each."""
        if self._table.selected is None:
            found = contents(self._storage, self._table, {})
            return [(each, found.get(each)) for each in self._records()]
        records = self._records()
        return [(each, self._content_of(each, records.get(each))) for each in self._table.selected]

    def _content_of(self, partition: Partition, record: PartitionRecord | None) -> InputRecord | None:
        return self._storage.content(unit_of(self._table, partition), () if record is None else (record.content,))

    def stat(self) -> Stored | None:
        """Their bytes together, and when the last of them was written."""
        found = [content for _, content in self._found() if content is not None]
        if not found:
            return None
        return Stored(sum(each.bytes for each in found), max(each.modified_ns or 0 for each in found))

    def content(self, known: Iterable[InputRecord]) -> InputRecord | None:
        """By the content of each; None where one is missing, or where there are none and none are named."""
        del known
        found = self._found()
        there = [(each, content) for each, content in found if content is not None]
        if len(there) < len(found) or not (there or self._table.selected is not None):
            return None
        return content_of_partitions(there)

    def scan(self, columns: Sequence[Column] | None) -> Scan:
        """Their rows, one partition after the other."""
        uri = self._storage.uri(self._table)
        return FilesReading(self._storage, self._table, None, columns, self._look, uri).scan()

    def _look(self, known: tuple[InputRecord, ...]) -> tuple[Sequence[Part], list[InputRecord], InputRecord]:
        del known
        found = self._found()
        if not found and self._table.selected is None:
            refuse_other_division(self._storage, self._table)
            raise missing_data(self._table, self._storage.uri(self._table))
        parts, found_contents = [], []
        for each, content in found:
            unit = unit_of(self._table, each)
            if content is None:
                raise missing_data(unit, self._storage.uri(unit))
            parts.append(StoredUnit(unit, self._storage.uri(unit)))
            found_contents.append(content)
        whole = content_of_partitions(zip([each for each, _ in found], found_contents, strict=True))
        return parts, found_contents, whole

    def count_rows(self) -> int | None:
        """Together, as they were recorded; None where one cannot be counted."""
        counts = [count_rows(self._storage, unit) for unit in self._units()]
        return None if None in counts else sum(filter(None, counts))

    def find_lines(self, rows: Sequence[int]) -> Mapping[int, RowPlace]:
        """The partition's file of each row, and its line there."""
        found: dict[int, RowPlace] = {}
        before, waiting = 0, sorted(rows)
        for unit in self._units() if rows else ():
            count = count_rows(self._storage, unit) or 0
            first, last = (bisect_right(waiting, each) for each in (before, before + count))
            here = [row - before for row in waiting[first:last]]
            lines = find_lines(self._storage, unit, here) if here else {}
            for row in here:
                line = lines.get(row)
                found[before + row] = FileLine(self._storage.uri(unit), line if isinstance(line, int) else None, row)
            before += count
        return found

    def local_files(self) -> Iterable[str]:
        """Those of every partition."""
        return [path for unit in self._units() for path in local_files(self._storage, unit)]

    def identities(self) -> frozenset[Any]:
        """Those of every partition."""
        return frozenset().union(*(identities(self._storage, unit) for unit in self._units()))

    def read_manifest(self) -> None:
        """None: each partition has its own."""

    def delete(self) -> None:
        """Remove every partition."""
        drop(self._storage, self._units())

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Refuse what is done to one partition alone."""

        def refuse(*_: Any, **__: Any) -> Any:
            raise StorageError(
                f"`{self._table.name}` is stored by partition, and cannot be stored as one",
                hint="this is a fault of lakehouse; please report it",
                location=self._table.location,
            )

        return refuse
