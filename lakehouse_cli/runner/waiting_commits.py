"""Partitions that a storage stores many at once: those of a table that ends are stored before that is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.unit import table_of, unit_name
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.runner.failures import Failures
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import in_use
from lakehouse_cli.storage.partition_capability import commit_waiting


class WaitingCommits:
    """Has a storage store what waits once the last partition of a table has ended.

    Args:
        graph: All tables, by partition.
        storages: By name.
        planned: What is to end.
        results: What has.
        failures: Makes the results of what could not be stored.
    """

    def __init__(
        self,
        graph: AssetGraph,
        storages: Mapping[str, AssetStorage],
        planned: Mapping[str, PlannedTable],
        results: Mapping[str, TableResult],
        failures: Failures,
    ) -> None:
        self._storages, self._planned, self._results, self._failures = storages, planned, results, failures
        units = {name: graph.tables[name] for name, each in planned.items() if each.kind == "computed"}
        self._tables = {name: table_of(each) for name, each in units.items() if each.partition is not None}
        self._left = Counter(each.name for each in self._tables.values())
        self._failed: dict[str, StorageError] = {}

    @contextmanager
    def in_use(self, names: Iterable[str]) -> Iterator[None]:
        """Keep storages open; where the run is cut off, what waits is stored as well."""
        with in_use(self._storages[name] for name in names):
            try:
                yield
            finally:
                for table in {each.name: each for each in self._tables.values() if self._left[each.name]}.values():
                    self._commit(table)

    def _commit(self, table: Table) -> None:
        failed = commit_waiting(self._storages[table.storage], table)
        self._failed.update({unit_name(table.name, partition): error for partition, error in failed.items()})

    def after(self, result: TableResult) -> Iterator[TableResult]:
        """Yield the results that become known as a table, or a partition, ends; its own is the last."""
        table = self._tables.get(result.name)
        if table is not None and result.name not in self._results:
            self._left[table.name] -= 1
            if not self._left[table.name]:
                self._commit(table)
                for name in [each for each in self._failed if each in self._results]:
                    yield self._checked(self._results[name])
        yield self._checked(result)

    def _checked(self, result: TableResult) -> TableResult:
        """The result, failed where what it says is stored is not."""
        error = self._failed.pop(result.name, None)
        if error is None or result.status != "materialized":
            return result
        planned = self._planned[result.name]
        return self._failures.of_table(planned, error, result.duration_s or 0.0, result.attempts)
