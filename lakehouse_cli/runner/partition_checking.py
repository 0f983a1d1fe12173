"""The checks of a stored table that a run judges partition by partition, judged likewise on all of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from datetime import datetime

from msgspec.structs import replace

from lakehouse_cli.checks.judge import Judge
from lakehouse_cli.contracts.findings import ReadAgain
from lakehouse_cli.contracts.joined_rows import JoinedRows, keep_published
from lakehouse_cli.errors import ContractError, Example, FailedRow, Violation
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import Check, CheckRecord
from lakehouse_cli.model.check_verdict import with_put_aside
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.plan.unit_checks import together
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.text.counts import plural

_OF_ALL_ROWS = ("row_count", "nulls", "sql", "function")
#: Makes what judges checks of a partition, given how many rows it had before; to be closed.
OpenJudge = Callable[[Table, Sequence[Check], int | None], Judge]


def is_of_partitions(table: Table, check: Check) -> bool:
    """Whether the verdict of a check depends on which rows are judged together: in a run, those of a partition."""
    if not table.is_many_units or check.kind == "unique":
        return False
    return check.kind in _OF_ALL_ROWS or check.threshold is not None


class JudgedPartitions:
    """Judges checks on each of the partitions of a stored table; to be closed.

    Args:
        table: The table, or some of its partitions.
        storage: Where it is.
        checks: Those to judge.
        open_judge: Makes what judges them.
    """

    def __init__(self, table: Table, storage: AssetStorage, checks: Sequence[Check], open_judge: OpenJudge) -> None:
        self._table, self._storage, self._checks, self._open = table, storage, checks, open_judge
        self._found: list[tuple[str, CheckRecord]] = []
        self._violations: list[Violation] = []
        self._joined, self._published = (JoinedRows(table.contract.sensitive) for _ in range(2))
        self._rows = 0

    def judge(self, names: set[str] | None) -> tuple[CheckRecord, ...]:
        """Read the partitions one after the other; returns what was found of each check.

        Args:
            names: The columns to read; None for all.

        Raises:
            ContractError: A check failed in some of them.
        """
        table, storage = self._table, self._storage
        changes = any(check.arguments.get("change") for check in self._checks)
        for each in _of(table, storage):
            unit = unit_of(table, each)
            former: Sequence[CheckRecord] = ()
            if (changes or table.quarantine is not None) and (manifest := storage.read_manifest(unit)) is not None:
                former = manifest.checks
            columns = table.columns
            if columns is not None and names is not None:
                columns = tuple(column for column in columns if column.name in names) or columns[:1]
            pieces, _ = scan(storage, unit, columns).pieces_with_content(())
            self._judge_one(str(each), unit, former, pieces)
        records = self._records()
        if self._violations:
            many = f"{plural(len(self._violations), 'check')} of partitions failed"
            message = self._violations[0].message if len(self._violations) == 1 else many
            error = ContractError(message, self._violations, location=self._violations[0].location)
            error.checks, error.failed = records, self._joined.failed()
            raise error
        keep_published(table.name, self._published.failed(), table.contract.sensitive)
        return records

    def close(self) -> None:
        """Remove the files of rows that nobody has."""
        self._joined.close()
        self._published.close()

    def _judge_one(self, partition: str, unit: Table, former: Sequence[CheckRecord], pieces: ReadAgain) -> None:
        states = (record.state for record in former)
        before = next((int(state["before"]) for state in states if "before" in state), None)
        with closing(self._open(unit, self._checks, before)) as judge:
            for piece in pieces():
                judge.piece(piece)
            try:
                records = judge.finish(pieces)
                if (failed := judge.violating_rows(pieces)) is not None:
                    self._published.add(failed, self._moved)
            except ContractError as error:
                records = error.checks
                for each in error.violations:
                    examples = self._shifted(each.examples)
                    violation = replace(each, message=f"{partition}: {each.message}", examples=examples)
                    self._violations.append(violation)
                if error.failed is not None:
                    self._joined.add(error.failed, self._moved)
            for record in records:
                result = replace(record.result, examples=self._shifted(record.result.examples))
                self._found.append((partition, with_put_aside(replace(record, result=result), former)))
            self._rows += judge.rows

    def _shifted(self, examples: Sequence[Example]) -> tuple[Example, ...]:
        """Examples with their rows in the table."""
        return tuple(each if each.row is None else replace(each, row=self._rows + each.row) for each in examples)

    def _moved(self, row: FailedRow) -> FailedRow:
        return replace(row, row=self._rows + (row.row or 0))

    def _records(self) -> tuple[CheckRecord, ...]:
        return _together(self._found)


def _together(found: Sequence[tuple[str, CheckRecord]]) -> tuple[CheckRecord, ...]:
    first = {record.result.name: record for _, record in reversed(found)}
    results = together((partition, record.result) for partition, record in found)
    return tuple(replace(first[each.name], result=each, state={}) for each in results)


def _of(table: Table, storage: AssetStorage) -> Collection[Partition]:
    """The partitions of a table that are stored, or those of them that are selected."""
    return partitions(storage, replace(table, selected=None)) if table.selected is None else table.selected


def recorded(table: Table, storage: AssetStorage) -> tuple[CheckRecord, ...]:
    """What is recorded of the checks of a table's partitions, together."""
    manifests = ((str(each), storage.read_manifest(unit_of(table, each))) for each in _of(table, storage))
    return _together([(name, record) for name, each in manifests if each is not None for record in each.checks])


def newest_beside(table: Table, storage: AssetStorage) -> dict[str, datetime]:
    """The newest values recorded of the partitions that are not chosen, by check `freshness` of the table."""
    checks = [each for each in table.contract.checks if each.kind == "freshness"]
    found: dict[str, datetime] = {}
    chosen = {*(table.selected or ())}
    for each in partitions(storage, replace(table, selected=None)) if checks else ():
        manifest = None if each in chosen else storage.read_manifest(unit_of(table, each))
        for record in () if manifest is None else manifest.checks:
            for check in checks:
                if record.judged == check.judged_as() and "newest" in record.state:
                    newest = datetime.fromisoformat(record.state["newest"])
                    found[check.name] = max(newest, found.get(check.name, newest))
    return found
