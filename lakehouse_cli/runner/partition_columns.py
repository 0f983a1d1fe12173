"""Columns that are not declared: a partition that has others than the rest of its table is not stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.unit import needs_manifest, table_of, unit_name
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import PlannedTable

if TYPE_CHECKING:
    from lakehouse_cli.model.partition import Partition, PartitionColumns
    from lakehouse_cli.plan.units import Found


class ColumnsOfPartitions:
    """What is known of the columns of each table whose partitions must have the same, and do not declare them.

    Args:
        graph: All tables, by partition.
        found: The partitions of tables, as planned; None where nothing is stored, and so nothing to be read as one.
    """

    def __init__(self, graph: AssetGraph, found: Mapping[str, Found] | None) -> None:
        self._graph, self._found = graph, found
        self._stored: dict[str, dict[Partition, tuple[tuple[str, str], ...]]] = {}
        self._first: dict[str, str] = {}

    def take(self, table: Table, manifest: Manifest) -> None:
        """Take note of a table or partition that was stored."""
        if table.partition is not None:
            self._stored.setdefault(_base(table), {})[table.partition] = manifest.columns

    def beside(self, table: Table) -> PartitionColumns | None:
        """A partition that a new one is judged by; None where there is none, or no need."""
        if self._found is None or not _is_open(table):
            return None
        known = {**dict(self._planned(_base(table))), **self._stored.get(_base(table), {})}
        return next((each for each in known.items() if each[0] != table.partition), None)

    def awaited(self, planned: PlannedTable, is_left: Callable[[str], bool]) -> str | None:
        """The partition that is to end before another is begun: the first of a table of which no columns are known.

        Likewise the only one that is stored, where it is computed again: the others go by what becomes of it.

        Args:
            planned: The other one.
            is_left: Whether a table or partition has not ended yet.
        """
        if self._found is None or planned.action != "run" or planned.drops:
            return None
        siblings = [self._graph.tables[name] for name in self._graph.siblings(planned.name)]
        only = next((found for each in siblings if (found := self._only(each)) is not None and is_left(found)), None)
        if only is not None:
            return None if only in self._graph.siblings(planned.name) else only
        unknown = next((_base(each) for each in siblings if _is_open(each) and self.beside(each) is None), None)
        if unknown is None:
            return None
        first = self._first.get(unknown)
        if first is None or not is_left(first):
            first = self._first[unknown] = planned.name
        return None if first == planned.name else first

    def _only(self, table: Table) -> str | None:
        """The only stored partition by which others are judged, if none may be what it is computed from."""
        base, found = _base(table), self._planned(_base(table))
        if len(found) != 1 or not _is_open(table) or any(e.table == base for e in self._graph.inputs.get(base, ())):
            return None
        return unit_name(base, found[0][0])

    def _planned(self, base: str) -> tuple[PartitionColumns, ...]:
        planned = None if self._found is None else self._found.get(base)
        return () if planned is None else planned.columns


def _is_open(table: Table) -> bool:
    return table.partition is not None and needs_manifest(table, table.columns) and not table.quarantine_of


def _base(table: Table) -> str:
    return table_of(table).name
