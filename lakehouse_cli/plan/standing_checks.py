"""Checks by the records of manifests: which are to be judged on stored data, and how the others stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from lakehouse_cli.model import Table
from lakehouse_cli.model.check import SHARED, Check, CheckRecord, CheckResult
from lakehouse_cli.model.check_verdict import judged_again
from lakehouse_cli.model.judged_source import rules_of
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.table_state import TableState

#: A check, and what was recorded of it on the data that are stored; None where it was not judged on them.
Standing = tuple[Check, "CheckRecord | None"]


def standing_checks(table: Table, recorded: Iterable[CheckRecord], codes: Mapping[str, str]) -> list[Standing]:
    """The checks of a table with their records, found by what is judged, whatever they are called.

    Args:
        table: With checks.
        recorded: What was found of its data.
        codes: Hashes of the code of functions, by check.
    """
    records: dict[str, list[CheckRecord]] = {}
    for each in recorded:
        records.setdefault(each.judged, []).append(each)
    found: list[Standing] = []
    contract = table.contract.of_partition if table.is_partitioned else table.contract
    for check in contract.checks:
        same = records.get(check.judged_as() + codes.get(check.name, ""))
        named = next((each for each in same or () if each.result.name == check.name), None)
        record = named or (same[0] if same else None)
        found.append((check, record and record.without_values(table.contract.sensitive)))
    return found


def due_checks(
    standing: Sequence[Standing], table: Table, contents: Mapping[str, str], running: Collection[str] = ()
) -> Iterator[tuple[Check, Reason]]:
    """The checks that are to be judged on stored data, and why.

    Args:
        standing: From `standing_checks`.
        table: It is of.
        contents: The hash of what is stored of the tables that checks look at, by table; without those of which nothing
            can be read.
        running: Tables that may come out with other content in this run.
    """
    for check, record in standing:
        other = check.references
        if record is None:
            # Of partitions that `copy` stored, it has no record: they are to be compared with those that are there.
            is_new = "was not judged here" if table.is_partitioned and check.kind == "unique" else "is new"
            yield check, Reason("check_changed", f"check `{check.name}` {is_new}, or judges by other rules")
        elif SHARED in record.state:
            what = f"check `{check.name}` found values of {record.state[SHARED]}, which may not have them any more"
            yield check, Reason("reference_changed", what)
        elif other is None or other == table.name:
            continue
        elif other in running:
            yield check, Reason("reference_runs", f"`{other}` of check `{check.name}` runs")
        elif other in contents and contents[other] != record.against:
            yield (
                check,
                Reason("reference_changed", f"content of `{other}` changed, which check `{check.name}` looks at"),
            )


def due_source(table: Table, state: TableState) -> Reason | None:
    """Why nothing that was found of a source counts any more; None where it does."""
    judged = state.judged
    if judged is None:
        return Reason("never_checked", "never checked, or not as declared")
    if judged.content.content_hash != (state.content and state.content.content_hash):
        return Reason("data_changed", "changed since it was checked")
    if not judged.is_of(state.content) or judged.rules != rules_of(table.contract):
        return Reason("contract_changed", "contract changed since it was checked")
    return None


def puts_aside_anew(table: Table, due: Collection[tuple[Check, Reason]]) -> bool:
    """Whether the rows of a table must be computed anew, as others are to be put aside; the recipe has other rules."""
    is_new = (check.kind == "function" and reason.code == "check_changed" for check, reason in due)
    return table.quarantine is not None and any(is_new)


def standing_results(standing: Sequence[Standing], now: datetime) -> tuple[CheckResult, ...]:
    """How checks stand by their records, with names, severities and limits of today; freshness as of now."""
    return tuple(
        judged_again(check, record, now, earlier=check.kind != "freshness")
        for check, record in standing
        if record is not None
    )


def blocks(check: Check, result: CheckResult) -> bool:
    """Whether the result of a check keeps others from using the table."""
    return result.status == "failed" or (result.status == "errored" and check.blocks)


def blocking(table: Table, results: Sequence[CheckResult]) -> list[CheckResult]:
    """The results that keep others from using a table."""
    if all(each.status not in ("failed", "errored") for each in results):
        return []
    checks = {check.name: check for check in table.contract.checks}
    return [each for each in results if each.name in checks and blocks(checks[each.name], each)]


def judged_before(
    table: Table,
    recorded: Iterable[CheckRecord],
    states: Mapping[str, TableState],
    codes: Mapping[str, str],
    now: datetime,
    running: Collection[str],
) -> tuple[tuple[tuple[Check, Reason], ...], tuple[CheckResult, ...], str | None]:
    """The checks of a table that are due by what was found of it; how they stand; why it may not be used, or None."""
    standing = standing_checks(table, recorded, codes)
    others = {each.references for each, _ in standing if each.references is not None}
    found = {name: states[name] for name in others if name in states}
    readable = {name: state.content for name, state in found.items() if state.other_form is None}
    contents = {name: record.content_hash for name, record in readable.items() if record is not None}
    results = standing_results(standing, now)
    bad = blocking(table, results)
    return tuple(due_checks(standing, table, contents, running)), results, _wrong(table, bad)


def unfit_for_use(table: Table, manifest: Manifest, codes: Mapping[str, str], now: datetime) -> str | None:
    """Why what is stored of a table may not be used: it fails a check, as was found; None where it may."""
    bad = blocking(table, standing_results(standing_checks(table, manifest.checks, codes), now))
    return _wrong(table, bad)


def _wrong(table: Table, bad: Sequence[CheckResult]) -> str | None:
    return f"`{table.name}`: {bad[0].message}" if bad else None
