"""Tables compared: between two environments, or as they would come out now with what is stored."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.errors import Interrupted, LakehouseError, Terminated
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import is_same_content
from lakehouse_cli.model.partition_keys import across_partitions
from lakehouse_cli.model.quarantine import RUN_COLUMN
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.model.unit import unit_name, unit_of
from lakehouse_cli.operations.comparing.results import ComparedTable, DiffStatus
from lakehouse_cli.operations.comparing.united import united
from lakehouse_cli.plan.expansion import expand
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.plan.recipes import is_pickle
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.runner import Runner
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.text.redaction import Mask, masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    Opened = Callable[[], Iterator[pa.Table]]


def compare_environments(
    here: StoredEnvironment, against: StoredEnvironment, names: Iterable[str], limit: int, mask: Mask
) -> tuple[ComparedTable, ...]:
    """Compare the stored tables of one environment with those of another.

    Args:
        here: The environment that is compared.
        against: The environment it is compared against.
        names: Of the tables.
        limit: How many examples of each kind of difference to give.
        mask: Redacts secret values in errors.
    """
    names = tuple(names)
    now, before = here.snapshot(names).states, against.snapshot(names).states
    found = []
    for name in names:
        try:
            found.append(_stored(here, against, name, now[name], before[name], limit))
        except LakehouseError as error:
            found.append(_failed(ComparedTable(name, "failed"), ErrorInfo.of(error), mask))
    return tuple(found)


def _stored(
    here: StoredEnvironment, against: StoredEnvironment, name: str, now: TableState, before: TableState, limit: int
) -> ComparedTable:
    trouble = now.trouble or before.trouble or now.other_options or before.other_options
    if trouble is not None:
        raise trouble
    rows_before, rows = _rows(before), _rows(now)
    if not now.exists or not before.exists:
        if not now.exists and not before.exists:
            return ComparedTable(name, "missing", before.uri, now.uri, note="stored in neither")
        status: DiffStatus = "added" if now.exists else "removed"
        where = here.environment if now.exists else against.environment
        return ComparedTable(name, status, before.uri, now.uri, rows_before, rows, note=f"only in `{where}`")
    # One may have been stored under another contract: text in CSV may have been a number.
    if is_same_content(now.content, before.content) and _stored_columns(now) == _stored_columns(before):
        return ComparedTable(name, "equal", before.uri, now.uri, rows_before, rows)
    if here.tables[name].serializer and here.tables[name].is_many_units:
        return _stored_partitions(here, against, ComparedTable(name, "equal", before.uri, now.uri), limit)
    data, old = here.open_as_stored(name, now)[0], against.open_as_stored(name, before)[0]
    return _compared(ComparedTable(name, "equal", before.uri, now.uri), old, data, here.tables[name], limit)


def _stored_partitions(
    here: StoredEnvironment, against: StoredEnvironment, table: ComparedTable, limit: int
) -> ComparedTable:
    """Compare what is no table partition by partition."""
    now, before = (_as_units(each, table.name) for each in (here, against))
    names = sorted({*now.tables, *before.tables}.difference(here.tables, against.tables))
    both = replace(now, tables={**before.tables, **now.tables}), replace(before, tables={**now.tables, **before.tables})
    states = [each.snapshot(names).states for each in both]
    found = [_stored(*both, name, states[0][name], states[1][name], limit) for name in names]
    return united(table, found, limit)


def _as_units(stored: StoredEnvironment, name: str) -> StoredEnvironment:
    """An environment in which the stored partitions of an asset are assets of their own."""
    table = stored.tables[name]
    there = partitions(stored.storages[table.storage], table) if table.selected is None else table.selected
    units = (unit_of(table, each) for each in there)
    return replace(stored, tables={**stored.tables, **{each.name: each for each in units}})


def _stored_columns(state: TableState) -> tuple[tuple[str, str], ...] | None:
    return None if state.manifest is None or state.altered else state.manifest.columns


def _rows(state: TableState) -> int | None:
    if state.manifest is not None and not state.altered:
        return state.manifest.row_count
    return state.content.rows if state.content is not None and state.content.rows >= 0 else None


def _compared(table: ComparedTable, before: Opened, after: Opened, declared: Table, limit: int) -> ComparedTable:
    if declared.serializer:
        from lakehouse_cli.operations.comparing.objects import compare_objects

        return compare_objects(table, declared, before, after, limit)
    from lakehouse_cli.operations.comparing.pieces import compare_pieces

    if declared.quarantine_of:
        before, after = partial(_without_run, before), partial(_without_run, after)
    found = compare_pieces(before, after, declared.key, limit)
    return replace(
        table,
        status="different" if found.schema or found.difference else "equal",
        rows_before=found.rows_before,
        rows=found.rows,
        schema=found.schema,
        difference=found.difference,
    )


def _without_run(opened: Opened) -> Iterator[pa.Table]:
    """The rows of a quarantine without the run that put them aside."""
    for piece in opened():
        yield piece.select([name for name in piece.column_names if name != RUN_COLUMN])


def compare_recomputed(
    stored: StoredEnvironment, plan: Plan, runner: Runner, limit: int, mask: Mask
) -> tuple[ComparedTable, ...]:
    """Compute every table of a plan as it would come out now, and compare it with what is stored.

    Args:
        stored: The environment.
        plan: The plan of a run.
        runner: Computes the tables as a run would; nothing is published.
        limit: How many examples of each kind of difference to give.
        mask: Redacts secret values in errors.

    Raises:
        Interrupted: The user or the system ended it.
    """
    compared: dict[str, ComparedTable] = {}
    units = _dropped(plan)
    made_anew: set[str] = set()  # pickles by other code
    expanded = expand(plan, stored.graph)
    with_units = replace(stored, tables=expanded.graph.tables)

    def compare(planned: PlannedTable, data: pa.Table) -> bool:
        try:
            found = _against_stored(with_units, planned, data, limit)
        except LakehouseError as error:
            found = _failed(_found(planned), ErrorInfo.of(error), mask)
        compared[planned.name] = found
        if planned.name in expanded.table_of:
            units.setdefault(expanded.table_of[planned.name], []).append(found)
        if found.status != "equal":
            return False
        table = with_units.tables[planned.name]
        if not table.serializer:
            return not table.quarantine_of  # what reads it may show the run
        # The same bytes of a pickle count as others where other code made them, or an object that it holds.
        if is_pickle(table) and not (_is_same_code(planned) and made_anew.isdisjoint(planned.inputs)):
            made_anew.add(planned.name)
            return False
        return _has_same_bytes(planned, data)

    result = replace(runner, compare=compare).run(plan)
    if result.cancelled_by is not None:
        raise Terminated if result.cancelled_by == "terminated" else Interrupted
    planned = {table.name: table for table in plan.tables}
    for table in result.tables:
        found = _found(planned[table.name])
        if table.error is not None:
            status: DiffStatus = "skipped" if table.status == "skipped" else "failed"
            compared[table.name] = _failed(found, table.error, mask, status)
        elif table.name in units:
            rows = _rows_of_partitions(plan, planned[table.name])
            compared[table.name] = united(replace(found, rows_before=rows), units[table.name], limit)
        elif table.status == "unchanged" and stored.tables[table.name].kind == "computed":
            compared[table.name] = replace(found, note=next(iter(table.notes), "up to date"))
    return tuple(
        _with_unjudged(compared[table.name], table, stored.tables[table.name] if table.name in units else None)
        for table in result.tables
        if table.name in compared
    )


def _with_unjudged(compared: ComparedTable, result: TableResult, by_partition: Table | None) -> ComparedTable:
    """A compared table with what a run judges of it and a comparison cannot, as nothing is stored."""
    if result.error is not None:
        return compared
    notes = [each.message for each in result.checks or () if each.status == "skipped"]
    if by_partition is not None and (shared := across_partitions(by_partition)):
        names = ", ".join(each.name or "key" for each in shared)
        notes.append(f"judged against other partitions by a run alone: {names}")
    return replace(compared, note="; ".join(filter(None, (compared.note, *notes))))


def _dropped(plan: Plan) -> dict[str, list[ComparedTable]]:
    """By table, the stored partitions that a run would remove."""
    return {
        table.name: [
            ComparedTable(unit_name(table.name, unit.partition), "removed", rows_before=_rows(unit.state))
            for unit in table.partitions
            if unit.drops and unit.state is not None
        ]
        for table in plan.tables
        if any(unit.drops for unit in table.partitions)
    }


def _rows_of_partitions(plan: Plan, planned: PlannedTable) -> int | None:
    """How many rows all stored partitions of a table have; None where none is stored."""
    there = {each: record.rows for each, record in plan.found[planned.name].contents.items() if record is not None}
    for unit in planned.partitions:
        rows = None if unit.state is None else _rows(unit.state)
        if rows is not None:
            there.setdefault(unit.partition, rows)
    return sum(there.values()) if there else None


def _has_same_bytes(planned: PlannedTable, data: pa.Table) -> bool:
    """Whether an object has the very bytes that are stored: JSON of the same values may have them in another order."""
    from io import BytesIO

    from lakehouse_cli.formats.objects.stored import bytes_of
    from lakehouse_cli.text.regular_files import hash_of

    manifest = planned.state.manifest if planned.state is not None else None
    return manifest is not None and manifest.content_hash == hash_of(BytesIO(bytes_of([data])))


def _is_same_code(planned: PlannedTable) -> bool:
    manifest = planned.state.manifest if planned.state is not None else None
    before = manifest.recipe if manifest is not None else None
    return before is not None and planned.recipe is not None and before.code == planned.recipe.code


def _found(planned: PlannedTable) -> ComparedTable:
    rows = _rows(planned.state) if planned.state is not None else None
    return ComparedTable(planned.name, "equal", planned.uri, rows_before=rows, rows=rows)


def _against_stored(stored: StoredEnvironment, planned: PlannedTable, data: pa.Table, limit: int) -> ComparedTable:
    found = _found(planned)
    if planned.state is None or not planned.state.exists:
        rows = None if stored.tables[planned.name].serializer else data.num_rows
        gone = planned.state is not None and planned.state.gone
        note = "what was stored is gone" if gone else "nothing is stored yet"
        return replace(found, status="added", rows_before=None, rows=rows, note=note)
    try:
        before, _ = stored.open_as_stored(planned.name, planned.state)
    except LakehouseError as error:
        error.message = f"what is stored is not readable: {error.message}"
        raise
    return _compared(found, before, lambda: iter([data]), stored.tables[planned.name], limit)


def _failed(table: ComparedTable, error: ErrorInfo, mask: Mask, status: DiffStatus = "failed") -> ComparedTable:
    error = masked(error, mask)
    return ComparedTable(table.name, status, table.before_uri, note=error.message, error=error)
