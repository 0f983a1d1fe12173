"""Accepting stored data: they stand under today's code, params and packages, and are not computed again for these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError, UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import Manifest, Recipe
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.plan.table_units import CODE_REASONS
from lakehouse_cli.project.planning import Planner
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.runs.events import (
    Event,
    Moment,
    PartitionResult,
    RunFinished,
    RunResult,
    RunStarted,
    TableFinished,
    TableResult,
    new_run_id,
)
from lakehouse_cli.runs.recording import recording
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import KeepsChecks, in_use
from lakehouse_cli.text.clock import now_text
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.redaction import masked


class Accepted(Struct, frozen=True):
    """What was accepted of one table.

    Attributes:
        name: The table.
        accepted: How many of its partitions, or 1 for a table without; 0 for none.
        partitions: Which; none for a table without.
        reasons: Why it would have been computed.
        left: Why it is computed all the same by the next run.
        leaves_old: Whether changed code leaves its stored partitions as they are, whatever is accepted.
    """

    name: str
    accepted: int
    partitions: tuple[dict[str, str], ...]
    reasons: tuple[Reason, ...]
    left: tuple[Reason, ...]
    leaves_old: bool = False

    @property
    def note(self) -> str:
        """The same in words."""
        if not self.accepted:
            why = ": `on_code_change: new` leaves stored partitions as they are" if self.leaves_old else ""
            return f"nothing to accept{why}"
        which = f"{plural(len(self.partitions), 'partition')} " if self.partitions else ""
        return f"{which}accepted: {'; '.join(each.message for each in self.reasons)}"

    def to_json(self) -> dict[str, Any]:
        """As `lakehouse accept -o json` has it."""
        return {
            "name": self.name,
            "accepted": self.accepted,
            **({"partitions": [{"key": each} for each in self.partitions]} if self.partitions else {}),
            "reasons": [each.to_json() for each in self.reasons],
            "left": [each.to_json() for each in self.left],
        }


class Acceptance(Struct, frozen=True):
    """What a command accepted.

    Attributes:
        run: As the history has it.
        tables: By table.
        notes: On the selection.
    """

    run: RunResult
    tables: tuple[Accepted, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As `lakehouse accept -o json` has it."""
        run = self.run
        return {
            "run_id": run.run_id,
            "project": run.project,
            "environment": run.environment,
            "tables": [each.to_json() for each in self.tables],
        }


def accept_project(planner: Planner, request: RunRequest, on_event: Callable[[Event], None] | None) -> Acceptance:
    """Record that what is stored of a selection stands under today's code, params and packages.

    Inputs that changed stay due, and so does a changed contract, which is checked and not accepted.

    Raises:
        UsageError: Nothing is selected by name, or a storage cannot record it.
        StorageError: It cannot be recorded.
        RunLockedError: A run goes on.
    """
    if not request.selection:
        hint = "name them: `lakehouse accept daily`; `lakehouse plan` says which are due for changed code"
        raise UsageError("accept says which tables", hint=hint)
    spec, mask, run_id, asked = planner.spec, planner.mask, new_run_id(), Moment.now()
    recorded = recording(spec.folder, spec.environment, run_id, mask=mask, wait=request.wait, on_event=on_event)
    with planner.connected(), recorded as emit:
        plan = planner.plan(request)
        computed = [each for each in plan.tables if each.kind == "computed"]
        names = tuple(each.name for each in computed)
        notes = (*plan.notes, "accepted what is stored under today's code, params and packages")
        emit(RunStarted(run_id, plan.project, plan.environment, names, notes))
        found, results = [], []
        with in_use(planner.storages[name] for name in {each.storage for each in computed}):
            for planned in computed:
                accepted = _accept(planner, planned)
                result = _result(planned, accepted)
                found.append(accepted)
                results.append(result)
                emit(TableFinished(result))
        ended = asked.at.isoformat(timespec="milliseconds"), now_text()
        run = RunResult(run_id, plan.project, plan.environment, "success", *ended, 0.0, tuple(results))
        emit(RunFinished(run))
        planner.keep()
    return Acceptance(masked(run, mask), masked(tuple(found), mask), plan.notes)


def _accept(planner: Planner, planned: PlannedTable) -> Accepted:
    """Accept one table, or its partitions."""
    table = planner.code.graph.tables[planned.name]
    storage = planner.storages[table.storage]
    taken: list[dict[str, str]] = []
    reasons: dict[str, Reason] = {}
    left: dict[str, Reason] = {}
    for one, key, due, manifest in _stored(table, planned):
        code = [each for each in due if each.code in CODE_REASONS]
        if code and manifest is not None and manifest.recipe is not None and planned.recipe is not None:
            _record(storage, one, manifest, _under(manifest.recipe, planned.recipe))
            taken.append(key)
            reasons.update({each.message: each for each in code})
        else:
            code = []
        left.update({each.message: each for each in due if each not in code})
    named = tuple(taken) if table.partitions else ()
    leaves_old = table.on_code_change == "new"
    return Accepted(planned.name, len(taken), named, tuple(reasons.values()), tuple(left.values()), leaves_old)


def _stored(
    table: Table, planned: PlannedTable
) -> Iterator[tuple[Table, dict[str, str], tuple[Reason, ...], Manifest | None]]:
    """What is due of a table: itself or its partitions, with why, and what is recorded of each."""
    if not table.partitions:
        yield table, {}, planned.reasons, None if planned.state is None else planned.state.manifest
        return
    for unit in planned.partitions:
        if unit.action == "run":
            manifest = None if unit.state is None else unit.state.manifest
            yield unit_of(table, unit.partition), dict(unit.key), unit.reasons, manifest


def _under(before: Recipe, now: Recipe) -> Recipe:
    """What data were made by, under today's code, params and packages."""
    return replace(before, code=now.code, code_parts=now.code_parts, params=now.params)


def _record(storage: AssetStorage, table: Table, manifest: Manifest, recipe: Recipe) -> None:
    found = storage.capability(KeepsChecks)
    if found is None:
        hint = "`lakehouse run` computes it again"
        raise UsageError(f"storage `{table.storage}` cannot record that `{table.name}` is accepted", hint=hint)
    if not found.keep_checks(table, manifest, recipe):
        raise StorageError(f"`{table.name}` was stored anew meanwhile", hint="accept it again")


def _result(planned: PlannedTable, accepted: Accepted) -> TableResult:
    state = planned.state
    units = tuple([PartitionResult(each, "unchanged", accepted.reasons) for each in accepted.partitions])
    return TableResult(
        planned.name,
        "unchanged",
        accepted.reasons,
        uri="" if state is None else state.uri,
        notes=(accepted.note,),
        partitions=units or UNSET,
    )
