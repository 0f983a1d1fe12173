"""What a run would do, and why: graph + selection + what is stored → `Plan`. Pure; looks at nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError, UnreachableError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import CheckResult
from lakehouse_cli.model.deferred_input import DeferredInput, deferred_note
from lakehouse_cli.model.given_params import GivenParams
from lakehouse_cli.model.manifest import InputRecord, Manifest, Recipe
from lakehouse_cli.model.pickle_trust import distrust
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.schema_change import SchemaChange, schema_change
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.calls import call_notes, plan_together
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.missing_inputs import refuse_missing_inputs
from lakehouse_cli.plan.reasons import (
    data_reasons,
    input_notes,
    input_reasons,
    of_another_run,
    recipe_reasons,
    refresh_reasons,
    source_reasons,
    unjudged_notes,
)
from lakehouse_cli.plan.recipes import is_pickle
from lakehouse_cli.plan.replaying import replay_reasons
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.plan.uses import Used
from lakehouse_cli.text.name_lists import first_named
from lakehouse_cli.text.python_words import in_python

Action = Literal["run", "check", "skip", "read"]


class PlannedTable(Struct, frozen=True):
    """One table of a plan: what would be done, and each reason for it.

    Attributes:
        name: The table.
        kind: ``source`` or ``computed``.
        storage: Name of its storage.
        uri: Where it is, or would be.
        inputs: The tables it is computed from.
        action: What would be done.
        reasons: Why; empty for what is skipped.
        schema_change: What the change of its contract means to readers; None where it did not change, or where it
            is not known before it is computed.
        state: What is stored now.
        recipe: How it would be made; None for a source.
        refused: Why a run leaves it as it is though it is due; None where it does not.
        would_fail: Why a run could not materialize it: it is refused, or something it needs is missing or refused; None
            where nothing is known to speak against it.
        remedy: What to do where an input would make it fail that is there; None where nothing is known to help.
        notes: Remarks on a table that would run, such as an input modified outside lakehouse,
            or which key would have its transform's surroundings count.
        used: What its transform uses beside its inputs; None where nothing is declared.
        after: Tables that its checks look at, and that come before it for that.
        checks: How its checks stand, as far as earlier runs judged them on what is stored.
        is_judged: Whether a run judges types, nulls, key and checks of a source, as it is asked for, or a table that
            runs is computed from it.
        is_validated: Whether types, nulls, key and all checks are judged on what is stored of it, as `lakehouse check`
            does.
    """

    name: str
    kind: str
    storage: str
    uri: str
    inputs: tuple[str, ...]
    action: Action
    reasons: tuple[Reason, ...] = ()
    schema_change: SchemaChange | None = None
    state: TableState | None = None
    recipe: Recipe | None = None
    refused: StorageError | None = None
    would_fail: str | None = None
    remedy: str | None = None
    notes: tuple[str, ...] = ()
    used: Used | None = None
    after: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    is_judged: bool = False
    is_validated: bool = False

    @property
    def is_check(self) -> bool:
        """Whether a run judges checks on what is stored of it, and computes nothing."""
        return self.action == "check" or self.is_judged or self.is_validated

    @property
    def conditional(self) -> bool:
        """Whether it runs only if one of its inputs comes out different."""
        return bool(self.reasons) and all(reason.code == "upstream_runs" for reason in self.reasons)


class Plan(Struct, frozen=True):
    """A run before it happens; tables in the order they would be materialized.

    Attributes:
        project: Name of the project.
        environment: Name of the environment.
        tables: The selected tables, and the sources that are read for them.
        notes: On the selection.
        contents: What is stored of these tables and of their inputs.
        deferred: The inputs that are read from another environment.
        out_of_reach: Why tables, of these and of their inputs, cannot be read; a run does not try them again.
        asked_sources: Sources that the user named, and those selected that are missing: a run fails where they are not
            as declared.
        unfit: The inputs that are not selected and whose stored data fail a check, by name, with what is wrong.
        params: What the command gave in the place of params of the file, by table.
    """

    project: str
    environment: str
    tables: tuple[PlannedTable, ...]
    notes: tuple[str, ...] = ()
    contents: Mapping[str, InputRecord] = field(default_factory=dict)
    deferred: tuple[DeferredInput, ...] = ()
    out_of_reach: Mapping[str, UnreachableError] = field(default_factory=dict)
    asked_sources: tuple[str, ...] = ()
    unfit: Mapping[str, str] = {}
    params: Mapping[str, GivenParams] = {}

    @property
    def runs(self) -> tuple[PlannedTable, ...]:
        """The tables that would be materialized."""
        return tuple(table for table in self.tables if table.action == "run")

    @property
    def due(self) -> tuple[PlannedTable, ...]:
        """The tables that would be materialized, or whose stored data would be checked."""
        return tuple(table for table in self.tables if table.action == "run" or table.is_check)

    @property
    def at_once(self) -> int:
        """How many tables a run may compute at once, at most: of the longest chain it is one at a time."""
        depths: dict[str, int] = {}
        for table in self.due:
            depths[table.name] = 1 + max((depths.get(name, 0) for name in table.inputs), default=0)
        return len(depths) - max(depths.values()) + 1 if depths else 0

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse plan -o json`."""
        return {
            "project": self.project,
            "environment": self.environment,
            "deferred": [each.to_json() for each in self.deferred],
            "tables": [
                {
                    "name": table.name,
                    "kind": table.kind,
                    "storage": table.storage,
                    "uri": table.uri,
                    "inputs": list(table.inputs),
                    "action": table.action,
                    "reasons": [reason.to_json() for reason in table.reasons],
                    "schema_change": table.schema_change,
                    "would_fail": table.would_fail,
                    "notes": list(table.notes),
                    **({"checks": [each.to_json() for each in table.checks]} if table.checks else {}),
                }
                for table in self.tables
            ],
        }


def tables_of_interest(graph: AssetGraph, selection: Selection) -> tuple[str, ...]:
    """The tables whose state a plan of the selection depends on: the selected ones and their direct inputs."""
    wanted = set(selection.names)
    looked_at = [each for name, others in graph.all_references.items() if name in wanted for each in others]
    for name in selection.names:
        wanted.update(graph.upstream(name))
    wanted.update(looked_at)
    return tuple(name for name in graph.order if name in wanted)


def make_plan(
    project: str,
    environment: str,
    graph: AssetGraph,
    selection: Selection,
    states: Mapping[str, TableState],
    recipes: Mapping[str, Recipe],
    *,
    force: bool = False,
    lenient: bool = False,
    defer: str | None = None,
    check_codes: Mapping[str, Mapping[str, str]] = {},
    replayed: Mapping[str, str] = {},
) -> Plan:
    """Plan the selected tables: what is out of date runs, and why.

    Args:
        project: Its name.
        environment: Its name.
        graph: All tables.
        selection: What to bring up to date.
        states: Of every table in `tables_of_interest`.
        recipes: Of every selected computed table.
        force: Whether the user asked to run what is up to date.
        lenient: Plan also what could not run because an input was never materialized.
        defer: The environment in which inputs were looked for that are not there in this one.
        check_codes: Hashes of the code of functions in checks, by table and check.
        replayed: The tables that run so that what was put aside of them is judged again: names of their quarantines.

    Raises:
        UsageError: A selected table needs one that is neither selected nor stored; the hint is the command to run.
    """
    selected = {name for name in selection.names if graph.tables[name].kind == "computed"}
    if not lenient:
        refuse_missing_inputs(graph, selected, states, defer)
    now = datetime.now(UTC)
    running: set[str] = set()
    failing: dict[str, str] = {}
    unfit: dict[str, str] = {}
    planned = []
    results: dict[str, PlannedTable] = {}

    def computed(name: str, reasons: tuple[Reason, ...] = ()) -> PlannedTable:
        reasons = (*reasons, *replay_reasons(name, replayed))
        planned = _planned_computed(project, graph, name, states, recipes[name], running, failing, force, now, reasons)
        if of := graph.tables[name].quarantine_of:  # what begins the one begins the other
            return replace(planned, after=graph.after.get(of, ()))
        if not graph.tables[name].contract.checks:
            return planned
        return _with_checks(planned, graph, states, running, check_codes.get(name, {}), now)

    for name in tables_of_interest(graph, selection):
        if graph.tables[name].kind == "source":
            of = _planned_source(graph, name, states[name])
        elif name in selected:
            if name not in results:
                together = plan_together(graph, name, states, computed)
                running.update(each.name for each in together.values() if each.action == "run")
                results |= together
            of = results[name]
        else:
            if wrong := _unfit(graph.tables[name], states[name].manifest, check_codes.get(name, {}), now):
                unfit[name] = failing[name] = wrong
            continue
        planned.append(of)
        if of.action == "run":
            running.add(name)
        if of.would_fail is not None:
            failing[name] = of.would_fail
    contents = {name: state.content for name, state in states.items() if state.content is not None}
    deferred = tuple(
        DeferredInput(name, state.environment, state.uri)
        for name, state in states.items()
        if state.environment is not None
    )
    out_of_reach = {
        name: state.trouble for name, state in states.items() if isinstance(state.trouble, UnreachableError)
    }
    asked = selection.names if selection.explicit else ()
    sources = (each for each in planned if each.kind == "source")
    wanted = tuple(
        each.name for each in sources if each.name in selection.named or (each.would_fail and each.name in asked)
    )
    planned, unjudged = _with_judged_sources(planned, graph, wanted)
    notes = (*selection.notes, *((deferred_note(deferred),) if deferred else ()), *unjudged)
    return Plan(project, environment, tuple(planned), notes, contents, deferred, out_of_reach, wanted, unfit)


def _with_judged_sources(
    planned: list[PlannedTable], graph: AssetGraph, wanted: Collection[str]
) -> tuple[list[PlannedTable], tuple[str, ...]]:
    """Have the checks of sources judged that are asked for or read; a note says of which others they are not."""
    read = {*wanted, *(name for each in planned if each.action == "run" for name in each.inputs)}
    checked = [each.name for each in planned if each.action == "read" and graph.tables[each.name].contract.checks]
    found = [replace(each, is_judged=True) if each.name in checked and each.name in read else each for each in planned]
    return found, unjudged_notes([name for name in checked if name not in read])


def _planned_source(graph: AssetGraph, name: str, state: TableState) -> PlannedTable:
    reasons = source_reasons(state)
    return PlannedTable(
        name,
        "source",
        graph.tables[name].storage,
        state.uri,
        (),
        "read",
        reasons,
        state=state,
        would_fail=f"`{name}` cannot be read: {reasons[0].message}" if reasons else None,
    )


def _planned_computed(
    project: str,
    graph: AssetGraph,
    name: str,
    states: Mapping[str, TableState],
    recipe: Recipe,
    running: Collection[str],
    failing: Mapping[str, str],
    force: bool,
    now: datetime,
    more: tuple[Reason, ...],
) -> PlannedTable:
    """A selected table, all it needs being planned already: what runs of that, and why what would fail does."""
    table = graph.tables[name]
    inputs = graph.upstream(name)
    state = states[name]
    as_stored = {name: states[name] for name in inputs if name not in running}
    reasons = (
        *of_another_run(table, states),
        *_run_reasons(table, inputs, state, as_stored, recipe, force, now),
        *more,
    )
    refused = state.refusal(force=force) if reasons else None
    if refused is None and reasons and not force:
        refused = _of_another(project, table, state)
    would_fail = remedy = None
    if reasons:
        troubles = (failing.get(upstream) or _unread(upstream, states, running) for upstream in inputs)
        would_fail = next(filter(None, troubles), None)
    if would_fail is None and refused is not None:
        would_fail = f"`{name}` stays as it is: {refused.message}"
    if would_fail is None and reasons:
        distrusted = next(filter(None, (_distrust(graph.tables[each], project, as_stored) for each in inputs)), None)
        if distrusted is not None:
            would_fail, remedy = distrusted.message, distrusted.hint
    return PlannedTable(
        name,
        "computed",
        table.storage,
        state.uri,
        inputs,
        "run" if reasons else "skip",
        reasons,
        None if state.manifest is None else schema_change(state.manifest, recipe),
        state,
        recipe,
        refused,
        would_fail,
        remedy,
        (*input_notes(state.manifest, as_stored), *call_notes(graph, as_stored)) if reasons else (),
    )


def _with_checks(
    planned: PlannedTable,
    graph: AssetGraph,
    states: Mapping[str, TableState],
    running: Collection[str],
    codes: Mapping[str, str],
    now: datetime,
) -> PlannedTable:
    """A planned table with how its checks stand; it is checked where one of them is not judged on what is stored."""
    manifest = None if planned.state is None else planned.state.manifest
    planned = replace(planned, after=graph.after.get(planned.name, ()))
    if manifest is None or planned.reasons:
        return planned
    from lakehouse_cli.plan.standing_checks import (
        blocking,
        due_checks,
        puts_aside_anew,
        standing_checks,
        standing_results,
    )

    table = graph.tables[planned.name]
    standing = standing_checks(table, manifest, codes)
    found = {name: states[name].content for name in graph.references(planned.name)}
    contents = {name: record.content_hash for name, record in found.items() if record is not None}
    due = tuple(due_checks(standing, table, contents, running))
    reasons = tuple(reason for _, reason in due)
    if puts_aside_anew(table, due):
        return replace(planned, action="run", reasons=reasons)
    results = standing_results(standing, now)
    bad = blocking(table, results)
    would_fail = planned.would_fail or (f"`{planned.name}`: {bad[0].message}" if bad else None)
    return replace(
        planned,
        action="check" if reasons else "skip",
        reasons=reasons,
        checks=results,
        would_fail=would_fail if not reasons else planned.would_fail,
    )


def _unfit(table: Table, manifest: Manifest | None, codes: Mapping[str, str], now: datetime) -> str | None:
    """Why what is stored of an input may not be used: it fails a check, as was found; None where it may."""
    if manifest is None or not table.contract.checks:
        return None
    from lakehouse_cli.plan.standing_checks import unfit_for_use  # not loaded where no table has checks

    return unfit_for_use(table, manifest, codes, now)


def _of_another(project: str, table: Table, state: TableState) -> StorageError | None:
    """The error that another project stored what is there; None where none did."""
    if state.manifest is None or state.manifest.project in (None, project):
        return None
    other = state.manifest.project
    hint = f"give the table another `path:` or its storage another `root:`; `--force` makes it one of `{project}`"
    if table.location is not None and (table.location.file or "").endswith(".py"):  # the name may be the folder's
        hint = f"if this is the same project, name it: `Lakehouse(name={other!r}, …)`; else {in_python(hint)}"
    return StorageError(f"{state.uri} belongs to project `{other}`", hint=hint, location=table.where("path", "storage"))


def _distrust(table: Table, project: str, as_stored: Mapping[str, TableState]) -> StorageError | None:
    """Why an input is not loaded that is a pickle and read as it is stored; None where it is."""
    state = as_stored.get(table.name)
    if state is None or not state.exists or not is_pickle(table):
        return None
    return state.manifest_trouble or distrust(table.name, project, state.manifest, lambda: state.altered_since)


def _unread(name: str, states: Mapping[str, TableState], running: Collection[str]) -> str | None:
    """Why an input that is read as it is stored cannot be read, as far as that is known."""
    trouble = states[name].trouble
    return None if trouble is None or name in running else f"`{name}` cannot be read: {trouble.message}"


def _run_reasons(
    table: Table,
    inputs: tuple[str, ...],
    state: TableState,
    as_stored: Mapping[str, TableState],
    recipe: Recipe,
    force: bool,
    now: datetime,
) -> Iterator[Reason]:
    """Every reason that applies, the table's own before its neighbours'."""
    manifest = state.manifest
    yield from data_reasons(table, state, recipe)
    if manifest is not None and manifest.recipe is not None:
        name = table.function.name if table.function is not None else table.name
        yield from recipe_reasons(name, manifest, recipe)
        yield from input_reasons(manifest, as_stored)
        yield from refresh_reasons(table, manifest, now)
    upstream = [name for name in inputs if name not in as_stored]
    if upstream:
        yield Reason("upstream_runs", f"{first_named(upstream, 3)} {'runs' if len(upstream) == 1 else 'run'}")
    if force:
        yield Reason("forced", "forced (`--force`)")
