"""The results of tables, each from the way in which the table ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from lakehouse_cli.errors import CORRECT_DATA, ContractError, DataError, FailedRows, LakehouseError, Violation
from lakehouse_cli.formats.objects.stored import object_record
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import CheckRecord, CheckResult
from lakehouse_cli.model.manifest import UNFINISHED, Manifest
from lakehouse_cli.model.schema_change import gravest, stored_change
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.runner.jobs import Outcome
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import StoredColumn, TableResult, TableStatus
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import replaces_in_place
from lakehouse_cli.text.counts import plural

#: Statuses of tables from which nothing can be computed.
UNUSABLE = frozenset[TableStatus](("failed", "skipped", "cancelled", "held_back"))


def materialized(planned: PlannedTable, outcome: Outcome, seconds: float, attempts: int) -> TableResult:
    """Make the result of a table that was computed, and stored unless the run publishes nothing."""
    notes, change = [*planned.notes, *outcome.notes], None
    if outcome.dropped:
        notes.append(f"dropped {', '.join(f'`{name}`' for name in outcome.dropped)}")
    manifest = outcome.manifest
    if manifest is not None:
        changed = stored_change(planned.state.manifest if planned.state is not None else None, manifest)
        if changed is not None and not _is_in_reasons(planned):
            notes.append(changed[0])
        # A change of the contract that does not show in the columns counts as in the plan.
        change = gravest((planned.schema_change, None if changed is None else changed[1]))
    result = TableResult(
        planned.name,
        "materialized",
        planned.reasons,
        duration_s=round(seconds, 6),
        uri=planned.uri,
        attempts=attempts,
        notes=tuple(notes),
        schema_change=change,
    )
    if outcome.checks:
        result = replace(result, checks=tuple(each.result for each in outcome.checks))
    if manifest is None:
        return replace(result, rows=_rows(outcome))
    return _with_stored(result, planned, manifest)


def _rows(outcome: Outcome) -> int | None:
    return outcome.data.num_rows if outcome.data is not None and object_record(outcome.data) is None else None


def _is_in_reasons(planned: PlannedTable) -> bool:
    """Whether the reasons name every column that changed, all being declared now, and known as they were."""
    before = planned.state.manifest.recipe if planned.state is not None and planned.state.manifest is not None else None
    now = planned.recipe
    return before is not None and now is not None and now.contract is not None and now.extra_columns != "keep"


def unchanged(planned: PlannedTable, note: str | None = None) -> TableResult:
    """Make the result of a table that stays as it was stored before."""
    manifest = planned.state.manifest if planned.state is not None else None
    result = TableResult(planned.name, "unchanged", uri=planned.uri, notes=(note,) if note is not None else ())
    if planned.checks:
        result = replace(result, checks=planned.checks)
    return result if manifest is None else _with_stored(result, planned, manifest)


def as_it_stands(planned: PlannedTable, table: Table, note: str | None = None) -> TableResult:
    """Make the result of a table that stays as it was stored; failed where that does not keep a check."""
    if planned.checks:
        from lakehouse_cli.plan.standing_checks import blocking  # not loaded where no table has checks

        if bad := blocking(table, planned.checks):
            return standing_failure(planned, bad)
    return unchanged(planned, note)


def checked(planned: PlannedTable, table: Table, outcome: Outcome, seconds: float, attempts: int) -> TableResult:
    """Make the result of a table whose stored data keep the checks that were judged; failed where another stands so."""
    from lakehouse_cli.plan.standing_checks import blocking  # not loaded where no table has checks

    result = replace(unchanged(planned), reasons=planned.reasons, duration_s=round(seconds, 6), attempts=attempts)
    result = replace(result, checks=tuple(each.result for each in outcome.checks))
    wrong = blocking(table, [each.result for each in outcome.checks])
    # A run goes on where a warning cannot be judged; who asks whether data are good is not told that they are.
    if planned.is_validated:
        wrong = [each.result for each in outcome.checks if each.result.status == "errored"]
    bad = standing_failure(planned, wrong) if wrong else None
    if not planned.is_validated:
        return result if bad is None else replace(result, status="failed", error=bad.error)
    return replace(
        result,
        status="failed" if bad else "passed",
        rows=outcome.judged and outcome.judged.rows,
        error=bad and bad.error,
    )


def not_validated(planned: PlannedTable) -> TableResult | None:
    """Make the result of a table of which nothing is stored that could be validated; None where there is."""
    state = planned.state
    assert state is not None  # noqa: S101  # the plan looked
    if state.other_form is not None:
        return failed(planned, state.other_form, 0.0, 0, None)
    if planned.kind == "source" or state.exists or state.trouble is not None or state.gone:
        return None
    error = ErrorInfo("MissingDataError", f"`{planned.name}` was never materialized")
    return TableResult(planned.name, "skipped", uri=planned.uri, error=error)


def violated(outcome: Outcome) -> DataError | None:
    """The rows that violate checks of a table which is published all the same; None where none do."""
    failed = outcome.failed or first_rows(each.result for each in outcome.checks)
    if failed is None:
        return None
    error = DataError("some checks are violated")
    error.failed = failed
    return error


def first_rows(results: Iterable[CheckResult]) -> FailedRows | None:
    """The first rows that violate checks, as their results show them; None for none."""
    found = (each for each in results if (each.count or each.errored) and each.examples)
    # The values of a condition are of no single column.
    return FailedRows.of_examples(
        [Violation(r.column or r.name, r.check, r.count, r.message, r.examples, r.location) for r in found]
    )


def standing_failure(planned: PlannedTable, bad: Sequence[CheckResult]) -> TableResult:
    """Make the result of a table whose stored data do not keep its checks, as an earlier run found."""
    violations = tuple(
        Violation(each.column, each.check, each.count, each.message, each.examples, each.location) for each in bad
    )
    message = violations[0].message if len(bad) == 1 else f"{plural(len(bad), 'check')} failed"
    hint, left = (CORRECT_DATA, None) if planned.kind == "source" else (STORED_HINT, f"{planned.uri} is as it was")
    error = ContractError(message, violations, hint=hint, location=bad[0].location)
    return replace(unchanged(planned), status="failed", error=ErrorInfo.of(error, left))


def freshness_failure(bad: Sequence[CheckResult]) -> ErrorInfo:
    """The error of a table by partition whose newest value is too old; its partitions are as the run left them."""
    violations = tuple(Violation(each.column, each.check, each.count, each.message, (), each.location) for each in bad)
    hint = "get newer data into what the table is made from, or relax the check"
    error = ContractError(bad[0].message, violations, hint=hint, location=bad[0].location)
    return ErrorInfo.of(error, "its partitions are stored")


#: What to do about stored data that do not keep a check.
STORED_HINT = "correct what the table is made from, or relax the check; `lakehouse run --force` computes it again"


def _with_stored(result: TableResult, planned: PlannedTable, manifest: Manifest) -> TableResult:
    """Add to a result what is known of the stored data."""
    recipe = planned.recipe
    is_open = recipe is None or recipe.contract is None or recipe.extra_columns == "keep"
    is_open = is_open and manifest.object is None
    columns = tuple(StoredColumn(name, type_) for name, type_ in manifest.columns) if is_open else UNSET
    rows, size, content_hash = manifest.row_count, manifest.bytes, manifest.content_hash
    return replace(result, rows=rows, bytes=size, content_hash=content_hash, columns=columns)


def failed(
    planned: PlannedTable,
    error: LakehouseError,
    seconds: float,
    attempts: int,
    left: str | None,
    given_up: str | None = None,
    kept: str | None = None,
) -> TableResult:
    """Make the result of a table that could not be materialized.

    Args:
        planned: The table.
        error: Of its last attempt.
        seconds: From its start.
        attempts: How many were begun.
        left: From `left_in_place`.
        given_up: Why no other attempt followed though there might have been one; None if there could be none.
        kept: How the rows that fail are shown; None if none are kept.
    """
    notes = (kept, f"not tried again: {given_up}" if given_up is not None else None)
    return TableResult(
        planned.name,
        "failed",
        planned.reasons,
        duration_s=round(seconds, 6),
        uri=planned.uri,
        attempts=attempts,
        error=ErrorInfo.of(error, left),
        notes=(*(planned.notes if planned.is_validated else ()), *filter(None, notes)),
        checks=_checks_of(error),
    )


def _checks_of(error: LakehouseError) -> tuple[CheckResult, ...] | UnsetType:
    records: tuple[CheckRecord, ...] = error.checks if isinstance(error, DataError) else ()
    return tuple(each.result for each in records) or UNSET


def failed_source(name: str, uri: str, error: LakehouseError, seconds: float, kept: str | None) -> TableResult:
    """Make the result of a source that is missing or not as declared; `kept` as of `failed`."""
    notes = () if kept is None else (kept,)
    return TableResult(name, "failed", duration_s=round(seconds, 6), uri=uri, error=ErrorInfo.of(error), notes=notes)


def waiting(planned: PlannedTable) -> TableResult:
    """Make the result of a partition that waits for what it needs."""
    return TableResult(planned.name, "waiting", planned.reasons, uri=planned.uri)


def skipped(planned: PlannedTable, blame: TableResult, *, together: bool = False) -> TableResult:
    """Make the result of a table that cannot be computed because of an input's result.

    Args:
        planned: The table.
        blame: The result of the input, or of a table that is computed `together` with it.
        together: Which of the two it is.
    """
    ended = "failed" if blame.status == "failed" else f"was {blame.status}"
    if together:
        ended += ", and one call computes both"
    error = ErrorInfo("UpstreamError", f"`{blame.name}` {ended}")
    return TableResult(planned.name, "skipped", planned.reasons, uri=planned.uri, error=error)


def without_fit_input(planned: PlannedTable, name: str, wrong: str) -> TableResult:
    """Make the result of a table that is not computed, as what is stored of its input `name` fails a check."""
    hint = f"correct what `{name}` is made from, or relax the check; `lakehouse run {name}` says more"
    error = ErrorInfo("UpstreamError", wrong, hint=hint)
    return TableResult(planned.name, "skipped", planned.reasons, uri=planned.uri, error=error)


def without_unpublished(planned: PlannedTable, part: TableResult) -> TableResult:
    """Make the result of what reads several partitions, of which `part` is not stored, or gone, as it came out."""
    then = f"run `{part.name.partition('/')[0]}`, and compare again"
    how = "is gone, and is still stored" if part.status == "dropped" else "comes out different, and is not stored yet"
    error = ErrorInfo("UpstreamError", f"`{part.name}` {how}: {then}")
    return TableResult(planned.name, "skipped", planned.reasons, uri=planned.uri, error=error)


def cancelled(planned: PlannedTable, why: str, attempts: int) -> TableResult:
    """Make the result of a table that was not begun any more, or abandoned after so many attempts were begun."""
    error = ErrorInfo("Cancelled", why)
    return TableResult(planned.name, "cancelled", planned.reasons, uri=planned.uri, attempts=attempts, error=error)


def first_unusable(results: Iterable[TableResult]) -> TableResult | None:
    """The first table that failed, else one that was skipped or the like; None where all can be used."""
    bad = [result for result in results if result.status in UNUSABLE]
    return next((result for result in bad if result.status == "failed"), bad[0] if bad else None)


def held_back(planned: PlannedTable, outcome: Outcome, seconds: float, attempts: int, why: str) -> TableResult:
    """Make the result of a table that passed and is not published, as not all of its run passed."""
    error = ErrorInfo("HeldBack", f"{why}, and all of the run is published together")
    rows = None if outcome.manifest is None else outcome.manifest.row_count
    checks = tuple(each.result for each in outcome.checks) or UNSET
    return TableResult(
        planned.name,
        "held_back",
        planned.reasons,
        rows=rows,
        duration_s=round(seconds, 6),
        uri=planned.uri,
        attempts=attempts,
        error=error,
        checks=checks,
    )


def left_in_place(table: Table, uri: str, storage: AssetStorage, started_ns: int) -> str | None:
    """Describe the stored data that a failure left in place; None if nothing is known to be there.

    Args:
        table: The table that failed.
        uri: Its location.
        storage: Its storage.
        started_ns: When the run started, in nanoseconds since 1970.
    """
    try:
        manifest = storage.read_manifest(table) if replaces_in_place(storage) else None
        if manifest is not None and manifest.content_hash == UNFINISHED:
            return f"{uri} may be incomplete; the next run stores it anew"
        stored = storage.stat(table)
    except LakehouseError:
        return None
    if stored is None:
        return None
    if not stored.modified_ns:
        return f"{uri} is as it was"
    if stored.modified_ns >= started_ns:
        return f"{uri} was replaced before this went wrong; the next run looks at it anew"
    moment = datetime.fromtimestamp(stored.modified_ns / 1e9, UTC).astimezone()
    return f"{uri} is as it was on {moment:%Y-%m-%d %H:%M}"
