"""Stored data with values that do not fit their declared types: what of the rest breaks the contract, all at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing

from msgspec.structs import replace

from lakehouse_cli.checks.condition_error import ConditionError
from lakehouse_cli.checks.conditions import Conditions
from lakehouse_cli.checks.judge import Judge
from lakehouse_cli.checks.judged import Findings, Judged
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.contracts.joined_rows import merged_rows
from lakehouse_cli.errors import ContractError, DataError, FailedRows, LakehouseError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import Check, CheckRecord
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.name_lists import first_named

_NAMED = 3


def add_rest(error: DataError, table: Table, checks: Sequence[Check], storage: AssetStorage, setting: Setting) -> None:
    """Add to the error of data that cannot be read what their other columns break; nothing where they cannot either.

    Args:
        error: Says of each column whose values do not fit.
        table: The table.
        checks: Those to judge.
        storage: Of the table.
        setting: What they are judged with.
    """
    partial = without_unfit(error, table)
    if partial is None:
        return
    unfit = _unfit(error)
    judged = [each for each in checks if _looked_at(each, table).isdisjoint(unfit)]
    found: tuple[CheckRecord, ...]
    try:
        pieces, _ = scan(storage, partial, partial.columns).pieces_with_content(())
        with closing(Judge(partial, judged, setting, contract=True)) as judge:
            for piece in pieces():
                judge.piece(piece)
            try:
                found = judge.finish()
            except ContractError as more:
                add_violations(error, more, table.contract.sensitive)
                found = more.checks
    except LakehouseError:
        return
    by_name = {each.result.name: each for each in found}
    which = first_named(unfit, _NAMED)
    why = f"values of {which} are not as declared"
    error.checks = tuple(by_name.get(each.name) or _not_judged(each, why, setting) for each in checks)


def without_unfit(error: DataError, table: Table) -> Table | None:
    """The table without the columns whose values do not fit; None where nothing is left, or more is wrong."""
    unfit = _unfit(error)
    rest = tuple(each for each in table.columns or () if each.name not in unfit)
    if not rest or len(unfit) < len(error.violations) or not unfit:
        return None
    key = () if set(unfit).intersection(table.key) else table.key
    return replace(table, contract=replace(table.contract, columns=rest, key=key, checks=()))


def _unfit(error: DataError) -> list[str]:
    return [each.column for each in error.violations if each.check == "type" and each.column is not None]


def _looked_at(check: Check, table: Table) -> set[str]:
    """The columns that a check looks at; all of them where it may look at any."""
    names = [each.name for each in table.columns or ()]
    if check.kind in ("sql", "function"):
        return {*names}
    found = {*check.columns}
    if check.references == table.name:
        found |= {*check.arguments.get("references", ())}
    texts = [check.where, check.arguments["text"] if check.kind == "expression" else None]
    for text in filter(None, texts):
        with closing(Conditions(None)) as conditions:
            try:
                found |= {*conditions.parse(text, names).columns}
            except ConditionError:
                return {*names}
    return found


def _not_judged(check: Check, why: str, setting: Setting) -> CheckRecord:
    judged = Judged(check)
    judged.skipped = why
    return judged.record(Findings(), setting.now, setting.codes.get(check.name, ""))


def add_violations(error: DataError, more: DataError, hidden: Collection[str]) -> None:
    """Add to an error what else is wrong with the same data.

    Args:
        error: To be changed.
        more: What is added.
        hidden: The columns whose values are not shown.
    """
    found = [each.failed or FailedRows.of_examples(each.violations) for each in (error, more)]
    error.failed = merged_rows([*filter(None, found)], hidden)
    error.violations = (*error.violations, *more.violations)
    error.message = plural(len(error.violations), "violation")
