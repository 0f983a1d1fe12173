"""Checks that pass by what a file says of its columns, without their values being read."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.checks.judged import Findings, Judged
from lakehouse_cli.checks.kernels import BOUNDS, verdict_on_values
from lakehouse_cli.checks.measures import Measure
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.formats.summary import ColumnSummary, Summary
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.check import Check, CheckRecord


def passed_by_summary(
    table: Table, checks: Sequence[Check], setting: Setting, summary: Summary
) -> dict[str, CheckRecord]:
    """The records of those checks that surely pass, by name, as reading would give them; the others must be read.

    Args:
        table: With its contract.
        checks: Those to judge.
        setting: What they are judged with.
        summary: Of the stored data, in the declared types.
    """
    types = {column.name: column for column in table.columns or ()}
    found = {}
    for check in checks:
        judge = _judged(check, types, setting, summary)
        if judge is None:
            continue
        judge.sensitive = table.contract.sensitive
        record = judge.record(Findings(), setting.now, setting.codes.get(check.name, ""))
        if record.result.status == "passed":
            found[check.name] = record
    return found


def _judged(check: Check, types: dict[str, Column], setting: Setting, summary: Summary) -> Judged | None:
    """What has judged a check; None where reading alone can tell."""
    if check.where is not None:
        return None
    if check.kind == "row_count":
        # Nothing of it is about values: rows that are none tell how many there are.
        judge = Measure(check, setting)
        judge.rows = summary.rows
        return None if judge.skipped is not None else judge
    name = check.columns[0] if len(check.columns) == 1 else ""
    column = summary.columns.get(name)
    if column is None:
        return None
    if check.kind == "nulls":
        judge = Measure(check, setting)
        judge.rows, judge.count = summary.rows, column.nulls
        return judge
    if column.extremes is None or (check.nulls == "fail" and column.nulls):
        return None
    return _by_extremes(check, types[name], column, setting, summary.rows)


def _by_extremes(check: Check, declared: Column, column: ColumnSummary, setting: Setting, rows: int) -> Judged | None:
    import pyarrow as pa

    assert column.extremes is not None  # noqa: S101  # the caller looks
    sample = Piece(pa.table({declared.name: column.extremes}, pa.schema([(declared.name, to_arrow(declared.type))])), 0)
    if check.kind == "freshness":
        judge: Judged = Measure(check, setting)
        judge.piece(sample, Findings())
    elif check.kind in BOUNDS:
        judge = Judged(check)
        if not all(verdict_on_values(check, declared.type)(sample).to_pylist()):
            return None
    else:
        return None
    if judge.error is not None:
        return None
    judge.rows, judge.not_judged = rows - column.nulls, column.nulls
    return judge


def without_known_nulls(table: Table, summary: Summary) -> Table:
    """A table whose columns without nulls need not be read for that."""
    columns = tuple(
        replace(each, nullable=True) if each.name in summary.columns and not summary.columns[each.name].nulls else each
        for each in table.columns or ()
    )
    return replace(table, contract=replace(table.contract, columns=columns))
