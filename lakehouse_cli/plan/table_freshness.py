"""Freshness of a table by partition: its newest value is that of all partitions, by what is recorded of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

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


def newest_stored(table: Table, stored: StoredPartitions) -> Newest:
    """What is recorded of each stored partition."""
    checks = freshness_checks(table)
    found: dict[str, dict[Partition, Measured]] = {each.name: {} for each in checks}
    judged = [(found[each.name], each.judged_as()) for each in checks]
    for unit in stored.records if checks else ():
        manifest = stored.manifest(unit)
        for record in manifest.checks if isinstance(manifest, Manifest) else ():
            measured = Measured(record.state.get("newest"), record.result.rows, record.result.not_judged)
            for of_check, judged_as in judged:
                if record.judged == judged_as:
                    of_check[unit] = measured
    return found


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
