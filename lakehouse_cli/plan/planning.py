"""What a run would do, and why: graph + selection + what is stored → `Plan`. Pure; looks at nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from lakehouse_cli.errors import UnreachableError
from lakehouse_cli.model import Table
from lakehouse_cli.model.deferred_input import DeferredInput, deferred_note
from lakehouse_cli.model.manifest import Manifest, Recipe
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.schema_change import schema_change
from lakehouse_cli.model.table_state import TableState, misread_tables
from lakehouse_cli.model.unit import unit_name
from lakehouse_cli.plan.calls import call_notes, partitions_together, plan_together
from lakehouse_cli.plan.graph import AssetGraph, sources_alone
from lakehouse_cli.plan.missing_inputs import refuse_missing_inputs
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.plan.reasons import (
    data_reasons,
    input_notes,
    input_reasons,
    of_another_run,
    recipe_reasons,
    refresh_reasons,
    source_reasons,
)
from lakehouse_cli.plan.refusals import distrusted_input, of_another_project, unfit_input, unfit_notes, unread_input
from lakehouse_cli.plan.replaying import replay_reasons
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.text.name_lists import first_named

if TYPE_CHECKING:
    from lakehouse_cli.plan.partition_plan import PartitionPlanner


def tables_of_interest(graph: AssetGraph, selection: Selection) -> tuple[str, ...]:
    """The tables whose state a plan of the selection depends on: the selected ones and their direct inputs."""
    if len(selection.names) == len(graph.order):
        return graph.order
    selected = frozenset(selection.names)
    wanted = {*selected}
    for name in selected:
        wanted.update(graph.upstream(name))
    judged = {name for name in wanted if name in selected or graph.tables[name].kind == "source"}
    for name, others in graph.all_references.items():
        wanted.update(others if name in judged else ())
    return tuple(name for name in graph.order if name in wanted)


def make_plan(
    project: str,
    environment: str,
    graph: AssetGraph,
    selection: Selection,
    states: Mapping[str, TableState],
    recipes: Mapping[str, Recipe],
    *,
    now: datetime | None = None,
    force: bool = False,
    lenient: bool = False,
    defer: str | None = None,
    check_codes: Mapping[str, Mapping[str, str]] = {},
    replayed: Mapping[str, str] = {},
    partitions: PartitionPlanner | None = None,
    only_shown: bool = False,
) -> Plan:
    """Plan the selected tables: what is out of date runs, and why.

    Args:
        project: Its name.
        environment: Its name.
        graph: All tables.
        selection: What to bring up to date.
        states: Of every table in `tables_of_interest`.
        recipes: Of every selected computed table.
        now: The moment that stands for now; None for now itself.
        force: Whether the user asked to run what is up to date.
        lenient: Plan also what could not run because an input was never materialized.
        defer: The environment in which inputs were looked for that are not there in this one.
        check_codes: Hashes of the code of functions in checks, by table and check.
        replayed: The tables that run so that what was put aside of them is judged again: names of their quarantines.
        partitions: Plans the partitions of tables that have some; None where no table has.
        only_shown: Whether nobody will run it: then no recipe is asked for to which none that is stored is compared.

    Raises:
        UsageError: A selected table needs one that is neither selected nor stored; the hint is the command to run.
    """
    selected = {name for name in selection.names if graph.tables[name].kind == "computed"}
    if not lenient:
        refuse_missing_inputs(graph, selected, states, defer)
    now = now or datetime.now(UTC)
    running: set[str] = set()
    failing: dict[str, str] = {}
    waiting: dict[str, str] = {}
    unfit: dict[str, str] = {}
    planned = []
    results: dict[str, PlannedTable] = {}
    known = _Known(graph, states, recipes, running, failing, waiting, now, check_codes, replayed)

    def computed(name: str, reasons: tuple[Reason, ...] = ()) -> PlannedTable:
        codes = check_codes.get(name, {})
        reasons = (*reasons, *replay_reasons(name, replayed))
        recipe = recipes[name] if not only_shown or states[name].manifest is not None else None
        planned = _planned_computed(project, graph, name, states, recipe, running, failing, force, now, reasons)
        return _waiting(planned, waiting) or _with_checks(planned, graph, states, running, codes, now)

    for name in tables_of_interest(graph, selection):
        if graph.tables[name].kind == "source":
            of = _planned_source(graph, name, states, running, check_codes.get(name, {}), now)
        elif name in selected:
            if name not in results:
                if partitions is not None and graph.tables[name].partitions:
                    by_partition = partial(_planned_partitions, known, partitions)
                    together = partitions_together(graph.siblings(name), by_partition)
                else:
                    together = plan_together(graph, name, states, computed)
                if len(together) > 1:
                    running.update(each.name for each in together.values() if each.action == "run")
                results |= together
            of = results[name]
        else:
            if wrong := unfit_input(graph.tables[name], states[name].manifest, check_codes.get(name, {}), now):
                unfit[name] = failing[name] = wrong
            continue
        planned.append(of)
        if of.action == "run":
            running.add(name)
        if of.would_fail is not None:
            failing[name] = of.would_fail
    stays = unfit_notes(planned, unfit, selection.names)
    wanted = _wanted_sources(planned, selection)
    planned = _with_judged_sources(planned, graph, {*selection.names}, wanted)
    misread = {each: why for each, why in misread_tables(states).items() if each not in running}
    plan = Plan(project, environment, tuple(planned), asked_sources=wanted, unfit=unfit, misread=misread)
    plan = _with_stored(plan, states)
    plan = replace(plan, notes=(*selection.notes, *sources_alone(graph, selection.names), *plan.notes, *stays))
    return plan if partitions is None else partitions.completed(plan)


def _wanted_sources(planned: Sequence[PlannedTable], selection: Selection) -> tuple[str, ...]:
    """The sources that the user asked for, or that are missing among those."""
    asked = selection.names if selection.explicit else ()
    sources = (each for each in planned if each.kind == "source")
    return tuple(s.name for s in sources if s.name in selection.named or (s.is_missing and s.name in asked))


def _with_stored(plan: Plan, states: Mapping[str, TableState]) -> Plan:
    """A plan with what is stored of its tables, and of their inputs."""
    contents = {name: state.content for name, state in states.items() if state.content is not None}
    deferred = tuple(
        DeferredInput(name, state.environment, state.uri)
        for name, state in states.items()
        if state.environment is not None
    )
    out_of_reach = {
        name: state.trouble for name, state in states.items() if isinstance(state.trouble, UnreachableError)
    }
    notes = (deferred_note(deferred),) if deferred else ()
    return replace(plan, notes=notes, contents=contents, deferred=deferred, out_of_reach=out_of_reach)


def _with_judged_sources(
    planned: list[PlannedTable], graph: AssetGraph, selected: Collection[str], wanted: Collection[str]
) -> list[PlannedTable]:
    """Have the checks of sources judged that are due or asked for; nothing is said of those that nobody needs."""
    needed = {*selected, *wanted, *(name for each in planned if each.action == "run" for name in each.inputs)}

    def judged(each: PlannedTable) -> PlannedTable:
        if each.kind != "source" or each.is_missing or not graph.tables[each.name].contract.checks:
            return each
        if each.name not in needed:
            return replace(each, action="read", reasons=(), checks=(), would_fail=None)
        if each.action != "check" and each.name not in wanted:
            return each
        return replace(each, is_judged=True, would_fail=None)

    return [judged(each) for each in planned]


def _planned_source(
    graph: AssetGraph,
    name: str,
    states: Mapping[str, TableState],
    running: Collection[str],
    codes: Mapping[str, str],
    now: datetime,
) -> PlannedTable:
    """A source, with how its checks stand; it is checked where one of them is not judged on what is there."""
    table, state = graph.tables[name], states[name]
    reasons = source_reasons(state)
    planned = PlannedTable(
        name,
        "source",
        table.storage,
        state.uri,
        (),
        "read",
        reasons,
        state=state,
        would_fail=f"`{name}` cannot be read: {reasons[0].message}" if reasons else None,
        after=graph.after.get(name, ()),
    )
    if reasons or not table.contract.checks:
        return planned
    from lakehouse_cli.plan.standing_checks import due_source, judged_before  # not loaded where no table has checks

    if (why := due_source(table, state)) is not None:
        return replace(planned, action="check", reasons=(why,))
    records = () if state.judged is None else state.judged.checks
    due, results, wrong = judged_before(table, records, states, codes, now, running)
    reasons = tuple(reason for _, reason in due)
    if reasons:
        return replace(planned, action="check", reasons=reasons, checks=results)
    return replace(planned, checks=results, would_fail=wrong)


def _planned_computed(
    project: str,
    graph: AssetGraph,
    name: str,
    states: Mapping[str, TableState],
    recipe: Recipe | None,
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
        *(of_another_run(table, states) if table.quarantine_of else ()),
        *_run_reasons(table, inputs, state, as_stored, recipe, force, now),
        *more,
    )
    refused = state.refusal(force=force) if reasons else None
    if refused is None and reasons and not force:
        refused = of_another_project(project, table, state)
    would_fail = remedy = None
    if reasons:
        troubles = (failing.get(upstream) or unread_input(upstream, states, running) for upstream in inputs)
        would_fail = next(filter(None, troubles), None)
    if would_fail is None and refused is not None:
        would_fail = f"`{name}` stays as it is: {refused.message}"
    if would_fail is None and reasons:
        pickles = (distrusted_input(graph.tables[each], project, as_stored) for each in inputs)
        distrusted = next(filter(None, pickles), None)
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
        schema_change(state.manifest, recipe) if reasons and state.manifest and recipe else None,
        state,
        recipe,
        refused,
        would_fail,
        remedy,
        (*input_notes(state.manifest, as_stored), *call_notes(graph, as_stored)) if reasons else (),
    )


def _waiting(planned: PlannedTable, waiting: dict[str, str]) -> PlannedTable | None:
    """A table that would run and waits, since an input of it does; None for any other."""
    late = next((name for name in planned.inputs if name in waiting), None) if waiting else None
    if late is None or planned.action != "run":
        return None
    waiting[planned.name] = why = f"`{late}` waits: {waiting[late]}"
    return replace(planned, action="wait", reasons=(Reason("input_waits", why),), refused=None, would_fail=None)


class _Known(NamedTuple):
    """What is known of a plan that is being made, as of `make_plan`; the sets and maps of it grow."""

    graph: AssetGraph
    states: Mapping[str, TableState]
    recipes: Mapping[str, Recipe]
    running: Collection[str]
    failing: Mapping[str, str]
    waiting: dict[str, str]
    now: datetime
    check_codes: Mapping[str, Mapping[str, str]]
    replayed: Mapping[str, str]


def _planned_partitions(
    known: _Known, partitions: PartitionPlanner, name: str, more: Mapping[Partition, Reason]
) -> PlannedTable:
    """A selected table that is computed by partition, all it needs being planned already; `more` are reasons."""
    from lakehouse_cli.plan.partition_plan import whole_notes  # these are not loaded where no table has partitions
    from lakehouse_cli.plan.unit_checks import together
    from lakehouse_cli.plan.units import Judged, summed_up

    graph, states, recipes, running, failing, waiting, now, check_codes, replayed = known
    table, state, recipe, codes = graph.tables[name], states[name], recipes[name], check_codes.get(name, {})
    waiting.pop(name, None)
    more = {**partitions.replayed(name, replayed), **more}
    function = table.function.name if table.function is not None else name

    def reasons_of(
        unit: Partition, state: TableState, as_stored: Mapping[str, TableState], made: tuple[Reason, ...]
    ) -> tuple[Reason, ...]:
        one = replace(table, name=unit_name(name, unit))
        return tuple(_own_reasons(one, state, as_stored, recipe, made, now))

    def of_recipe(manifest: Manifest) -> tuple[Reason, ...]:
        return tuple(recipe_reasons(function, manifest, recipe))

    if (blocked := partitions.blocked(name, failing)) is not None:
        return PlannedTable(
            name,
            "computed",
            table.storage,
            state.uri,
            graph.upstream(name),
            "run",
            (Reason("input_changed", "it is not known which partitions it has"),),
            state=state,
            recipe=recipe,
            refused=blocked,
            would_fail=blocked.message,
        )

    def judge(unit: str, state: TableState) -> Judged:
        one = PlannedTable(unit, "computed", table.storage, state.uri, (), "skip", state=state, recipe=recipe)
        found = _with_checks(one, graph, states, running, codes, now, of=name)
        return Judged(found.action, found.reasons, found.checks, found.would_fail)

    judges = judge if table.contract.checks else None
    units = partitions.plan(name, running, failing, waiting, reasons_of, of_recipe, judges, more)
    if (why := partitions.incomplete(name)) is not None:
        waiting[name] = why
    runs = [each for each in units if each.action == "run"]
    checked = [each for each in units if each.action == "check"]
    shown = runs or checked or units
    failures = [each.would_fail for each in units if each.would_fail is not None]
    up_to_date = partitions.up_to_date(name)
    return PlannedTable(
        name,
        "computed",
        table.storage,
        state.uri,
        graph.upstream(name),
        "run" if runs else "check" if checked else "skip" if up_to_date or not units else "wait",
        summed_up(shown) if runs or checked or not up_to_date else (),
        state=state,
        recipe=recipe,
        would_fail=failures[0] if failures and len(failures) >= len(runs) else None,
        notes=(
            *(whole_notes(partitions.whole_inputs(name), table, graph) if runs else ()),
            *partitions.former(name),
            *partitions.beyond_first(name, units),
            *partitions.unlisted(name),
        ),
        after=graph.after.get(name, ()),
        checks=together([(str(unit.partition), each) for unit in units for each in unit.checks]),
        partitions=units,
        up_to_date=up_to_date,
    )


def _with_checks(
    planned: PlannedTable,
    graph: AssetGraph,
    states: Mapping[str, TableState],
    running: Collection[str],
    codes: Mapping[str, str],
    now: datetime,
    of: str | None = None,
) -> PlannedTable:
    """A planned table with how its checks stand; it is checked where one of them is not judged on what is stored.

    Of a partition, `of` names its table.
    """
    table = graph.tables[of or planned.name]
    if table.quarantine_of:  # what begins the one begins the other
        return replace(planned, after=graph.after.get(table.quarantine_of, ()))
    if not table.contract.checks:
        return planned
    manifest = None if planned.state is None else planned.state.manifest
    planned = replace(planned, after=graph.after.get(table.name, ()))
    if manifest is None or planned.reasons:
        return planned
    from lakehouse_cli.plan.standing_checks import judged_before, puts_aside_anew

    due, results, wrong = judged_before(table, manifest.checks, states, codes, now, running)
    reasons = tuple(reason for _, reason in due)
    if puts_aside_anew(table, due):
        return replace(planned, action="run", reasons=reasons)
    return replace(
        planned,
        action="check" if reasons else "skip",
        reasons=reasons,
        checks=results,
        would_fail=planned.would_fail or (None if reasons else wrong),
    )


def _own_reasons(
    table: Table,
    state: TableState,
    as_stored: Mapping[str, TableState],
    recipe: Recipe | None,
    made: Iterable[Reason],
    now: datetime,
) -> Iterator[Reason]:
    """The reasons in what is stored, in what it was `made` by, in inputs, and in its age."""
    yield from data_reasons(table, state, recipe)
    if state.manifest is not None and state.manifest.recipe is not None:
        yield from made
        yield from input_reasons(state.manifest, as_stored)
        yield from refresh_reasons(table, state.manifest, now)


def _run_reasons(
    table: Table,
    inputs: tuple[str, ...],
    state: TableState,
    as_stored: Mapping[str, TableState],
    recipe: Recipe | None,
    force: bool,
    now: datetime,
) -> Iterator[Reason]:
    """Every reason that applies, the table's own before its neighbours'."""
    manifest = state.manifest
    made: Iterable[Reason] = ()
    if manifest is not None and recipe is not None:
        made = recipe_reasons(table.function.name if table.function is not None else table.name, manifest, recipe)
    yield from _own_reasons(table, state, as_stored, recipe, made, now)
    upstream = [name for name in inputs if name not in as_stored]
    if upstream:
        yield Reason("upstream_runs", f"{first_named(upstream, 3)} {'runs' if len(upstream) == 1 else 'run'}")
    if force:
        yield Reason("forced", "forced (`--force`)")
