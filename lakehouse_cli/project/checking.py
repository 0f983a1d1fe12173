"""The check of stored data: types, nulls, keys and checks of a selection, sources included, without computing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from lakehouse_cli.model.check import CheckResult
from lakehouse_cli.model.table_state import misread_tables
from lakehouse_cli.plan.partition_choice import parse_partitions
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.project.chosen_partitions import narrowed_selection
from lakehouse_cli.project.execution import find_executor, runner_of
from lakehouse_cli.project.planning import Planner
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.runs.error_info import error_json
from lakehouse_cli.runs.events import Event, Moment, RunResult, RunStarted, TableResult, ignore_event, new_run_id
from lakehouse_cli.runs.failed_rows import FailedRowsStore
from lakehouse_cli.runs.lock import RunLockedError, run_lock
from lakehouse_cli.runs.source_checks import SourceChecksStore
from lakehouse_cli.text.redaction import masked

_GRAVEST = ("failed", "errored", "warned")


class CheckedTable(Struct, frozen=True):
    """What a check found of a table.

    Attributes:
        result: As reporters have it.
        named: Whether the user named the table.
    """

    result: TableResult
    named: bool

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """The checks that were judged."""
        return () if self.result.checks is UNSET else self.result.checks

    @property
    def status(self) -> str:
        """``passed``, ``warned``, ``errored``, ``failed``, or ``skipped`` where it was never materialized."""
        found = {self.result.status, *(each.status for each in self.checks)}
        return next((each for each in _GRAVEST if each in found), self.result.status)

    @property
    def is_bad(self) -> bool:
        """Whether the command fails for it."""
        return self.status in ("failed", "errored", "cancelled") or (self.status == "skipped" and self.named)

    def to_json(self) -> dict[str, Any]:
        """Its entry in the document of `lakehouse check -o json`."""
        return {
            "name": self.result.name,
            "status": self.status,
            "rows": self.result.rows,
            "error": error_json(self.result.error),
            "notes": list(self.result.notes),
            "checks": [each.to_json() for each in self.checks],
        }


class CheckedProject(Struct, frozen=True):
    """What a check found of a selection of tables."""

    run: RunResult
    tables: tuple[CheckedTable, ...]

    @property
    def status(self) -> str:
        """``success``, ``failed`` or ``cancelled``."""
        if self.run.status == "cancelled":
            return "cancelled"
        return "failed" if any(each.is_bad for each in self.tables) else "success"

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse check -o json`."""
        return {"status": self.status, "tables": [each.to_json() for each in self.tables]}


def check_project(
    planner: Planner, request: RunRequest, on_event: Callable[[Event], None] | None, asked: Moment | None
) -> CheckedProject:
    """Validate what is stored of a selection; see `Project.check`."""
    mask, spec = planner.mask, planner.spec
    report = on_event or ignore_event

    def emit(event: Event) -> None:
        event = replace(event, run_id="") if isinstance(event, RunStarted) else event  # it is no run of the history
        report(masked(event, mask))

    executor = find_executor(planner, request.executor)
    run_id = new_run_id()
    with planner.connected(), _recording(planner, run_id) as (store, note):
        chosen, here = planner.select(request.selection, request.exclude, None), planner.stored
        choice = parse_partitions(request.partitions, spec.dimensions)
        if choice is not None:
            here, chosen = narrowed_selection(here, chosen, choice)
        chosen = replace(chosen, notes=(*chosen.notes, *filter(None, (note,))))
        # What is found of some partitions is not what is known of the table.
        plan = _plan(planner, here, chosen, records=store is not None and choice is None)
        runner = runner_of(planner, plan, executor, request.workers or spec.workers, None)
        runner = replace(runner, graph=here.graph, emit=emit, failed_rows=store)
        sources = SourceChecksStore(planner.spec.folder, planner.spec.environment, mask)
        if store is not None:
            runner = replace(runner, keep_source=sources.replace)
        result = masked(runner.run(plan, run_id=run_id, fail_fast=request.fail_fast, asked=asked), mask)
        if store is not None:
            store.end()
        sources.write(planner.code.graph.tables)
    return CheckedProject(result, tuple(CheckedTable(each, each.name in chosen.named) for each in result.tables))


@contextmanager
def _recording(planner: Planner, run_id: str) -> Iterator[tuple[FailedRowsStore | None, str | None]]:
    """What keeps rows that fail, under a run's lock; while a run goes on, None and a note."""
    spec = planner.spec
    with ExitStack() as stack:
        try:
            stack.enter_context(run_lock(spec.folder, spec.environment, run_id=run_id))
        except RunLockedError as error:
            yield None, f"{error.message}: nothing of what is found is kept, nor the rows that fail"
            return
        yield FailedRowsStore(spec.folder, spec.environment, planner.mask), None


def _plan(planner: Planner, here: StoredEnvironment, chosen: Selection, *, records: bool) -> Plan:
    """Every table that is chosen, each by itself: none waits for another, and none is skipped for one.

    Without `records`, manifests are as good as not there: a run may be about to replace them.
    """
    graph, names = planner.code.graph, dict.fromkeys(chosen.names)
    planner.code.read([here.tables[name] for name in names if here.tables[name].kind == "computed"])
    others = {other: None for name in names for other in graph.references(name)}
    states = here.snapshot([*(names | others)]).states
    if not records:
        states = {name: replace(state, manifest=None) for name, state in states.items()}
    planned = tuple(
        PlannedTable(
            name,
            here.tables[name].kind,
            here.tables[name].storage,
            states[name].uri,
            (),
            "check",
            state=states[name],
            notes=_notes(states[name].altered_since, states[name].altered_by),
            is_validated=True,
        )
        for name in names
    )
    contents = {name: state.content for name, state in states.items() if state.content is not None}
    name, dimensions, misread = planner.spec.name, planner.spec.dimensions, misread_tables(states)
    return Plan(name, here.environment, planned, chosen.notes, contents, misread=misread, dimensions=dimensions)


def _notes(altered: bool, by: str) -> tuple[str, ...]:
    return (f"was modified {by} since it was stored, so that what is found is not recorded",) if altered else ()
