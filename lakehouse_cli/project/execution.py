"""The execution of a plan: to store its results, or to compare them with what is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.config.cluster_options import NEEDED, lacks
from lakehouse_cli.config.clusters import cluster_problems, waiting_problems, waiting_root
from lakehouse_cli.config.validation import together_problems
from lakehouse_cli.errors import Problem, ProjectError, UsageError, in_order
from lakehouse_cli.plan.partition_choice import parse_partitions
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.project.cluster_notes import with_bundle_note
from lakehouse_cli.project.planning import Planner
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.registry import EXECUTORS, lookup
from lakehouse_cli.runner import Runner, WorkerSetup
from lakehouse_cli.runner.jobs import private_params
from lakehouse_cli.runs.events import Event, Moment, RunResult, ignore_event, new_run_id
from lakehouse_cli.runs.failed_rows import FailedRowsStore
from lakehouse_cli.runs.history import reading as history
from lakehouse_cli.runs.recording import recording
from lakehouse_cli.runs.source_checks import SourceChecksStore
from lakehouse_cli.storage.partition_capability import StoresAnew
from lakehouse_cli.text.redaction import masked, unmasked

if TYPE_CHECKING:
    from lakehouse_cli.executors.base import Executor
    from lakehouse_cli.operations.comparing import Comparison
    from lakehouse_cli.operations.copying import CopiedTable, CopyResult


def run_project(
    planner: Planner, request: RunRequest, on_event: Callable[[Event], None] | None, asked: Moment | None
) -> RunResult:
    """Plan and run what is asked for, under the lock and recorded in the history; see `Project.run`."""
    spec = planner.spec
    executor = find_executor(planner, request.executor)
    workers, is_together = request.workers or spec.workers, request.together or spec.together
    behind = planner.behind(request.defer)
    run_id = new_run_id()
    asked = asked or Moment.now()
    mask, environment = planner.mask, spec.environment
    recorded = recording(spec.folder, environment, run_id, mask=mask, wait=request.wait, on_event=on_event)
    with planner.connected(), recorded as emit:
        began = Moment.now() if request.wait else asked
        plan = planner.plan(request)
        if is_together:
            _check_together(planner, plan, executor)
        elif request.force and _stores_anew(planner, plan):
            is_together = not any(_together_problems(planner, plan, executor))
        if executor.is_cluster:
            plan = with_bundle_note(planner, plan, always=False)
        if plan.runs and (note := executor.note_on(workers)) is not None:
            plan = replace(plan, notes=(*plan.notes, note))
        durations = history.durations(spec.folder, environment=environment) if plan.runs else {}
        store = FailedRowsStore(spec.folder, environment, mask)
        sources = SourceChecksStore(spec.folder, environment, mask)
        runner = replace(
            runner_of(planner, plan, executor, workers, behind),
            emit=emit,
            durations=durations,
            failed_rows=store,
            keep_source=sources.replace,
            publishes_together=is_together,
            waiting_below=waiting_root(spec) if executor.is_cluster else None,
        )
        if request.replay:
            from lakehouse_cli.operations.replay import Replay

            runner = replace(runner, amend=Replay(planner.stored, plan).amend)
        planner.keep()
        result = masked(runner.run(plan, run_id=run_id, fail_fast=request.fail_fast, asked=began), mask)
        store.end()
        sources.write(planner.code.graph.tables)
        return result


def _check_cluster(planner: Planner, executor: str) -> None:
    """Refuse to compute on a cluster what the project file says nothing of, or what cannot work there.

    Raises:
        UsageError: The project file does not say where the cluster is.
        ProjectError: Tables cannot be computed there.
    """
    spec = planner.spec
    if spec.executor == executor:
        return  # it was looked at as the project was loaded
    if executor in NEEDED:
        message, hint = lacks(executor)
        raise UsageError(message, hint=hint.replace("say where it is", "say so under `execution` in the project file"))
    if problems := list(cluster_problems(spec)):
        raise ProjectError(in_order(problems, spec.file.name))


def _check_given(planner: Planner, plan: Plan) -> None:
    """Refuse values of params that are never shown, which workers of a cluster have from variables of their own.

    Raises:
        UsageError: The command gives some.
    """
    tables = planner.code.graph.tables
    for name in dict.fromkeys(name for each in plan.runs for name in tables[each.name].private):
        if name in planner.spec.given:
            raise UsageError(
                f"param `{name}` comes from a variable, and its value is not sent to the workers of a cluster",
                hint=f"set the variable, here and there, and run without `--param {name}=…`",
            )


def _check_together(planner: Planner, plan: Plan, executor: type[Executor]) -> None:
    """Refuse a run of tables that cannot wait for the others of it.

    Raises:
        UsageError: There are some, or there is no place to wait.
    """
    for problem in _together_problems(planner, plan, executor):
        raise UsageError(problem.message, hint=problem.hint, location=problem.location)


def _together_problems(planner: Planner, plan: Plan, executor: type[Executor]) -> Iterator[Problem]:
    tables = planner.code.graph.tables
    yield from together_problems(tables[each.name] for each in plan.runs)
    yield from waiting_problems(planner.spec) if executor.is_cluster else ()


def _stores_anew(planner: Planner, plan: Plan) -> bool:
    """Whether a table by partition was declared with other types, and its storage has one type for all partitions."""
    for each in plan.runs:
        if each.partitions and planner.storages[each.storage].capability(StoresAnew) is not None:
            now = {column.name: str(column.type) for column in planner.code.graph.tables[each.name].columns or ()}
            stored = [unit.state.manifest for unit in each.partitions if unit.state is not None and not unit.drops]
            columns = {pair for manifest in stored if manifest is not None for pair in manifest.columns}
            if any(now.get(name, kind) != kind for name, kind in columns):
                return True
    return False


def diff_project(
    planner: Planner,
    request: RunRequest,
    against: str | None,
    limit: int,
    on_event: Callable[[Event], None] | None,
) -> Comparison:
    """Compare what is stored with another environment, or with what would come out now; see `Project.diff`."""
    if against is not None:
        return _diff_environments(planner, against, request, limit)
    return _diff_recomputed(planner, request, limit, on_event or ignore_event)


def _diff_recomputed(planner: Planner, request: RunRequest, limit: int, report: Callable[[Event], None]) -> Comparison:
    from lakehouse_cli.operations.comparing import Comparison, compare_recomputed

    def emit(event: Event) -> None:
        report(masked(event, planner.mask))

    with planner.connected():
        plan = _without_unread_sources(planner.plan(request))
        runner = runner_of(planner, plan, find_executor(planner), planner.spec.workers, None)
        found = compare_recomputed(planner.stored, plan, replace(runner, emit=emit), limit, planner.mask)
    return Comparison(plan.project, plan.environment, None, found, plan.notes, _sensitive(planner))


def _sensitive(planner: Planner) -> dict[str, Collection[str]]:
    return {name: table.contract.sensitive for name, table in planner.spec.tables.items() if table.contract.sensitive}


def _without_unread_sources(plan: Plan) -> Plan:
    """A plan without checks of sources that nothing of it reads, and that nobody asked for."""
    read = {*plan.asked_sources, *(name for each in plan.runs for name in each.inputs)}
    tables = (
        replace(each, action="read", reasons=(), checks=(), would_fail=None, is_judged=False)
        if each.kind == "source" and not each.is_missing and each.name not in read
        else each
        for each in plan.tables
    )
    return replace(plan, tables=tuple(tables))


def _diff_environments(planner: Planner, against: str, request: RunRequest, limit: int) -> Comparison:
    from lakehouse_cli.operations.comparing import Comparison, compare_environments

    here, other = planner.spec, planner.other(against)
    if other.spec.environment == here.environment:
        hint = "name another one with `--against`, or leave it out to compare with what would come out now"
        raise UsageError(f"`{here.environment}` cannot be compared against itself", hint=hint)
    chosen, stored, behind = planner.select(request.selection, request.exclude, None), planner.stored, other.stored
    choice = parse_partitions(request.partitions, here.dimensions)
    with planner.connected(), other.connected():
        if choice is not None:
            from lakehouse_cli.project.chosen_partitions import narrowed, narrowed_selection  # seldom needed

            stored, chosen = narrowed_selection(stored, chosen, choice)
            behind = narrowed(behind, chosen.names, choice, lenient=True)
        found = compare_environments(stored, behind, chosen.names, limit, planner.mask_with(other))
    return Comparison(here.name, here.environment, against, found, chosen.notes, _sensitive(planner))


def copy_project(
    planner: Planner,
    request: RunRequest,
    to: str,
    on_table: Callable[[CopiedTable], None],
    on_begin: Callable[[str], None],
    *,
    sources: bool,
    dry_run: bool,
) -> CopyResult:
    """Copy stored tables to another environment. See `Project.copy`."""
    from lakehouse_cli.operations.copying import copy_tables

    chosen, stored, other = planner.select(request.selection, request.exclude, None), planner.stored, planner.other(to)
    choice = parse_partitions(request.partitions, planner.spec.dimensions)
    with planner.connected(), other.connected():
        if choice is not None:
            from lakehouse_cli.project.chosen_partitions import narrowed_selection  # as above

            names = tuple(name for name in chosen.names if stored.tables[name].kind == "computed")
            stored, chosen = narrowed_selection(stored, replace(chosen, names=names), choice)
        return copy_tables(
            planner.spec.name,
            planner.spec.folder,
            chosen,
            stored,
            other.stored,
            sources=sources,
            force=request.force,
            dry_run=dry_run,
            mask=planner.mask_with(other),
            on_table=on_table,
            on_begin=on_begin,
        )


def find_executor(planner: Planner, name: str | None = None) -> type[Executor]:
    """The class of an executor, by its name; the project's by default.

    Raises:
        UsageError: There is none of that name, or the project file does not say where the cluster is.
        ProjectError: Tables cannot be computed there.
    """
    from lakehouse_cli.executors.base import Executor

    name = name or planner.spec.executor
    found = lookup(EXECUTORS, "executors", name, Executor)
    if found.is_cluster:
        _check_cluster(planner, name)
    return found


def _made(
    planner: Planner, executor: type[Executor], workers: int | None, plan: Plan
) -> Callable[[Callable[[], None]], Executor]:
    if not executor.is_cluster:
        return partial(executor, workers, at_once=plan.at_once)
    from lakehouse_cli.executors.clusters.opening import make_cluster  # of such runs alone

    options = planner.spec.executor_options if executor is find_executor(planner) else {}  # else they are another's
    return partial(make_cluster, executor, options, workers, at_once=plan.at_once)


def _missing_imports(planner: Planner, plan: Plan) -> tuple[str, ...]:
    graph = planner.code.graph
    return tuple(planner.code.missing_imports(graph.tables[each.name] for each in plan.runs))


def runner_of(
    planner: Planner, plan: Plan, executor: type[Executor], workers: int | None, behind: StoredEnvironment | None
) -> Runner:
    """What carries out a plan; `behind` is the environment that inputs are read from which are not here.

    Raises:
        UsageError: A param is given that cannot travel to where it is computed.
    """
    if executor.is_cluster:
        _check_given(planner, plan)
    spec, storages, specs, elsewhere = planner.spec, planner.storages, planner.spec.storages, {}
    if behind is not None:
        from lakehouse_cli.plan.deferral import Deferral  # not loaded where nothing is deferred

        deferral = Deferral(behind)
        storages, specs = {**storages, **deferral.storages}, {**specs, **deferral.specs}
        elsewhere = {each.name: deferral.tables[each.name] for each in plan.deferred}
    return Runner(
        planner.code.graph,
        storages,
        WorkerSetup(
            spec.folder.resolve(),
            specs,
            planner.code.snapshot,
            spark=spec.spark,
            params=private_params(planner.code.graph.tables.values()),
            is_cluster=executor.is_cluster,
            missing=_missing_imports(planner, plan) if executor.is_cluster else (),
            mask=unmasked if executor.is_cluster else planner.mask.of_texts(),
        ),
        _made(planner, executor, workers, plan),
        memory_limit=spec.memory,
        elsewhere=elsewhere,
        check_codes=planner.code.check_codes(planner.code.graph.tables[each.name] for each in plan.tables),
    )
