"""Tables held side by side: of two environments, or as they would come out now and as they are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.code_snapshot import CodeSnapshot
from lakehouse_cli.comparing.results import ComparedTable, DiffStatus
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.events import ErrorInfo
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.own_modules import pinned
from lakehouse_cli.planning import Plan, PlannedTable
from lakehouse_cli.runner.jobs import Expected, InputError, Job
from lakehouse_cli.runner.memory import TablesInMemory
from lakehouse_cli.runner.preparing import import_anew
from lakehouse_cli.secret_values import Mask, masked
from lakehouse_cli.stored import StoredEnvironment

if TYPE_CHECKING:
    import pyarrow as pa


def compare_environments(
    here: StoredEnvironment, against: StoredEnvironment, names: Iterable[str], limit: int, mask: Mask
) -> tuple[ComparedTable, ...]:
    """The stored tables of one environment against those of another.

    Args:
        here: What is compared.
        against: What it is compared against.
        names: Of the tables.
        limit: How many examples of each kind of difference to give.
        mask: Takes secret values out of what went wrong.
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
    if _read_the_same(now, before):
        return ComparedTable(name, "equal", before.uri, now.uri, rows_before, rows)
    data, old = here.read_as_stored(name, now)[0], against.read_as_stored(name, before)[0]
    return _compared(ComparedTable(name, "equal", before.uri, now.uri), old, data, here.tables[name].key, limit)


def _read_the_same(now: TableState, before: TableState) -> bool:
    """Whether both are the same bytes, read in the same way."""
    if now.content is None or before.content is None:
        return False
    same = (now.content.content_hash, now.content.reading) == (before.content.content_hash, before.content.reading)
    # One may have been stored under another contract: text in CSV may have been a number.
    return same and _stored_columns(now) == _stored_columns(before)


def _stored_columns(state: TableState) -> tuple[tuple[str, str], ...] | None:
    return None if state.manifest is None or state.altered else state.manifest.columns


def _rows(state: TableState) -> int | None:
    if state.manifest is not None and not state.altered:
        return state.manifest.rows
    return state.content.rows if state.content is not None and state.content.rows >= 0 else None


def _compared(
    table: ComparedTable, before: pa.Table, after: pa.Table, key: tuple[str, ...], limit: int
) -> ComparedTable:
    from lakehouse_cli.comparing.rows import compare_rows, compare_schemas

    schema = compare_schemas(before, after)
    rows = compare_rows(before, after, key, limit)
    return replace(
        table,
        status="different" if schema or rows else "equal",
        rows_before=before.num_rows,
        rows=after.num_rows,
        schema=schema,
        difference=rows,
    )


@dataclass(slots=True)
class Recomputing:
    """Computes tables and publishes nothing, to hold what comes out to what is stored.

    Attributes:
        stored: The tables and what is stored of them.
        plan: What a run would do.
        folder: The project's, absolute and with links resolved.
        code: Its Python files as the plan read them, which are those that are imported.
        limit: How many examples of each kind of difference to give.
        mask: Takes secret values out of what went wrong.
    """

    stored: StoredEnvironment
    plan: Plan
    folder: Path
    code: CodeSnapshot
    limit: int
    mask: Mask
    _memory: TablesInMemory = field(init=False)
    _ended: dict[str, ComparedTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._memory = TablesInMemory(Counter(name for table in self.plan.runs for name in table.inputs), {})

    def compare(self) -> tuple[ComparedTable, ...]:
        """Every computed table of the plan, as it would come out now against what is stored."""
        import_anew(self.plan, self.stored.graph, self.folder)
        with pinned(self.folder, self.code.files) if self.plan.runs else nullcontext():
            for planned in self.plan.tables:
                if planned.kind == "computed":
                    self._ended[planned.name] = self._one(planned)
        return tuple(self._ended.values())

    def _one(self, planned: PlannedTable) -> ComparedTable:
        state = planned.state
        rows = _rows(state) if state is not None else None
        found = ComparedTable(planned.name, "equal", planned.uri, rows_before=rows, rows=rows)
        if planned.action == "skip":
            return _noted(found, "up to date")
        try:
            blame = next((n for n in planned.inputs if n in self._ended and self._ended[n].status == "failed"), None)
            if blame is not None:
                error = ErrorInfo("UpstreamError", f"`{blame}` failed")
                return _failed(found, error, self.mask)
            if planned.conditional and all(self._came_out_the_same(name) for name in planned.inputs):
                return _noted(found, "inputs came out the same")
            return self._held_to_what_is_stored(planned, found)
        except InputError as failure:
            return _failed(found, ErrorInfo.of(failure.error), self.mask)
        except LakehouseError as error:
            return _failed(found, ErrorInfo.of(error), self.mask)
        finally:
            self._memory.release(planned.inputs)

    def _came_out_the_same(self, name: str) -> bool:
        return name not in self._ended or self._ended[name].status == "equal"

    def _held_to_what_is_stored(self, planned: PlannedTable, found: ComparedTable) -> ComparedTable:
        from lakehouse_cli.runner.materializing import compute, read_input

        job = self._job(planned)
        given = {name: self._memory.get(name, partial(read_input, job)) for name in job.tables}
        data = compute(job, given).table
        self._memory.put(planned.name, data, None)
        if planned.state is None or not planned.state.exists:
            return replace(found, status="added", rows_before=None, rows=data.num_rows, note="nothing is stored yet")
        before, _ = self.stored.read_as_stored(planned.name, planned.state)
        return _compared(found, before, data, job.table.key, self.limit)

    def _job(self, planned: PlannedTable) -> Job:
        graph = self.stored.graph
        tables = {name: self.stored.tables[name] for name in planned.inputs}
        table = self.stored.tables[planned.name]
        return Job(
            table,
            graph.inputs[planned.name],
            tables,
            self.stored.storages,
            self.folder,
            self.plan.project,
            "",
            planned.recipe,
            Expected({}),
        )


def _noted(table: ComparedTable, note: str) -> ComparedTable:
    return ComparedTable(table.name, table.status, table.before_uri, "", table.rows_before, table.rows, note=note)


def _failed(table: ComparedTable, error: ErrorInfo, mask: Mask) -> ComparedTable:
    error = masked(error, mask)
    return ComparedTable(table.name, "failed", table.before_uri, note=error.message, error=error)
