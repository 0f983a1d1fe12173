"""Freshness of a table by partition: its newest value is that of all partitions, by what is recorded of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import Check, CheckRecord, CheckResult
from lakehouse_cli.model.check_verdict import judged_again
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.plan.units import Measured, StoredPartitions
from lakehouse_cli.runs.events import TableResult

#: What was measured of the partitions of a table, by the name of the check.
Newest = Mapping[str, dict[Partition, Measured]]


def freshness_checks(table: Table) -> list[Check]:
    """The checks `freshness` of a table that is computed by partition; none of another."""
    return [each for each in table.contract.checks if each.kind == "freshness"] if table.is_partitioned else []


class StoredFreshness:
    """What is recorded of stored partitions by checks `freshness`, taken from each manifest as it is read for a plan.

    Args:
        table: Their table.
        stored: What is stored of it.
    """

    def __init__(self, table: Table, stored: StoredPartitions) -> None:
        self._stored, self._seen = stored, set[Partition]()
        self._found: dict[str, dict[Partition, Measured]] = {each.name: {} for each in freshness_checks(table)}
        self._judged = [(self._found[each.name], each.judged_as()) for each in freshness_checks(table)]

    def noting(self) -> StoredPartitions:
        """The same partitions, of which it takes note of each manifest that is read."""
        return replace(self._stored, manifest=self._manifest)

    def _manifest(self, unit: Partition) -> Manifest | StorageError | None:
        manifest = self._stored.manifest(unit)
        self._seen.add(unit)
        for record in manifest.checks if isinstance(manifest, Manifest) else ():
            for of_check, judged_as in self._judged:
                if record.judged == judged_as:
                    measured = Measured(record.state.get("newest"), record.result.rows, record.result.not_judged)
                    of_check[unit] = measured
        return manifest

    def newest(self) -> Newest:
        """What is recorded of each; reads the manifests that were not."""
        for unit in self._stored.records:
            if unit not in self._seen:
                self._manifest(unit)
        return {
            name: {unit: each[unit] for unit in self._stored.records if unit in each}
            for name, each in self._found.items()
        }


def replaced(newest: Newest, parts: Mapping[str, Partition], results: Iterable[TableResult]) -> Newest:
    """The same after a run: what it measured of partitions in the place of what was stored of these.

    Args:
        newest: Of what was stored before.
        parts: The partitions, by the names of their results.
        results: How the run ended for them.
    """
    found = {name: dict(each) for name, each in newest.items()}
    for result in results:
        unit = parts[result.name]
        if result.status in ("materialized", "dropped"):
            for each in found.values():
                each.pop(unit, None)
        elif result.status != "unchanged":
            continue  # what was stored of it still is
        for check in result.checks or ():
            if check.name in found and result.status != "dropped":
                found[check.name][unit] = Measured(check.value, check.rows, check.not_judged)
    return found


def table_freshness(table: Table, newest: Newest, now: datetime) -> list[CheckResult]:
    """Judge each check `freshness` on the newest value of all partitions; none of a table without partitions."""
    found = []
    for check in freshness_checks(table):
        if parts := newest[check.name].values():
            values = [each.newest for each in parts if each.newest is not None]
            value = max(values, key=datetime.fromisoformat, default=None)
            state = {} if value is None else {"newest": value}
            rows, nulls = sum(each.rows for each in parts), sum(each.not_judged for each in parts)
            result = CheckResult(
                check.name, check.kind, None, check.severity, "passed", rows=rows, not_judged=nulls, value=value
            )
            found.append(judged_again(check, CheckRecord(result, "", state=state), now))
    return found


def with_freshness(checks: Iterable[CheckResult], fresh: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """The results of a table's checks with those of freshness in the place of what partitions measured."""
    of_table = {each.name: each for each in fresh}
    found = []
    for each in checks:
        whole = of_table.pop(each.name, each)
        found.append(each if each.status in ("errored", "skipped") else whole)
    return (*found, *of_table.values())
