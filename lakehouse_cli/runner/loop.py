"""The loop of a run: which table is next, its result, and the events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.code.importing import pinned
from lakehouse_cli.engines.spark_session import spark_of_run
from lakehouse_cli.errors import LakehouseError, Terminated
from lakehouse_cli.executors.base import ClusterError, Executor, WithdrawnError
from lakehouse_cli.executors.forks import end_process
from lakehouse_cli.executors.progress import listening
from lakehouse_cli.model import Table
from lakehouse_cli.plan.expansion import Gathered
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.runner import table_results
from lakehouse_cli.runner.attempts import Attempts, Ended, post_reading
from lakehouse_cli.runner.beginning import run_estimated, run_started
from lakehouse_cli.runner.callback_queue import CallbackQueue
from lakehouse_cli.runner.contents import Contents
from lakehouse_cli.runner.entry import WorkerSetup
from lakehouse_cli.runner.failures import Failures
from lakehouse_cli.runner.handover import HandedTables, handover_folder
from lakehouse_cli.runner.interrupts import Interrupts
from lakehouse_cli.runner.jobs import InputError, Outcome, results_by_table
from lakehouse_cli.runner.memory import TablesInMemory
from lakehouse_cli.runner.preparation import (
    claim_partitions,
    frame_types,
    import_anew,
    modules_of,
    prepare_of,
    readers_by_table,
    remove_leftovers,
    replacing_announced,
    streaming_types,
)
from lakehouse_cli.runner.run_jobs import RunJobs
from lakehouse_cli.runner.schedule import Schedule
from lakehouse_cli.runner.source_records import KeepSource, SourcesOfRun, ignore_source
from lakehouse_cli.runner.together import Together, together
from lakehouse_cli.runner.uncomputed import Uncomputed
from lakehouse_cli.runner.waiting_commits import WaitingCommits
from lakehouse_cli.runs.events import (
    Cancellation,
    Event,
    Moment,
    RunFinished,
    RunResult,
    RunStatus,
    RunStopping,
    TableComputed,
    TableFinished,
    TableResult,
    TableStarted,
    as_it_is,
    ignore_event,
    new_run_id,
)
from lakehouse_cli.runs.exits import leave_at_exit
from lakehouse_cli.runs.failed_rows import FailedRowsStore
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.text.clock import now_text

if TYPE_CHECKING:
    import pyarrow as pa


class Runner(Struct, frozen=True):
    """Carries out plans of one project.

    Attributes:
        graph: All tables.
        storages: By name; also those of another environment from which inputs are read.
        setup: Prepares processes that an executor starts.
        executor: Makes the executor, given its `prepare`; called only if something runs.
        emit: Called with every event, in the calling thread.
        durations: Seconds each table took before.
        memory_limit: Bytes that all tables under way may take together; None for no limit.
        check_codes: Hashes of the code of functions in checks, by table and check.
        elsewhere: The inputs that are read from another environment, as they are declared there.
        failed_rows: Keeps the rows that break a contract; None where nothing is to be kept.
        keep_source: Keeps what was found of a source.
        amend: Called with the result of each table as it ends; returns it, perhaps with more notes.
        publishes_together: Whether nothing is stored until all of the run has passed.
        waiting_below: The folder below which results wait for that; None for where temporary files are.
        compare: Called with each result, which is then not published; returns whether it equals the stored table.
    """

    graph: AssetGraph
    storages: Mapping[str, AssetStorage]
    setup: WorkerSetup
    executor: Callable[[Callable[[], None]], Executor]
    emit: Callable[[Event], None] = ignore_event
    durations: Mapping[str, float] = {}
    memory_limit: int | None = None
    elsewhere: Mapping[str, Table] = {}
    check_codes: Mapping[str, Mapping[str, str]] = {}
    failed_rows: FailedRowsStore | None = None
    keep_source: KeepSource = ignore_source
    amend: Callable[[TableResult], TableResult] = as_it_is
    publishes_together: bool = False
    waiting_below: str | None = None
    compare: Callable[[PlannedTable, pa.Table], bool] | None = None

    @property
    def publish(self) -> bool:
        """Whether results are stored."""
        return self.compare is None

    def run(
        self, plan: Plan, *, run_id: str | None = None, fail_fast: bool = False, asked: Moment | None = None
    ) -> RunResult:
        """Materialize every table that the plan runs; where nothing is published, compute it.

        Ctrl-C once: nothing more is started, no further attempt at a table either; tables under way are finished and
        published, and the run ends with status ``cancelled``. Twice, or termination: the run ends at once, and tables
        under way leave nothing behind. Where nothing is published, once is as twice.

        Args:
            plan: The plan.
            run_id: The run's id; a new one by default.
            fail_fast: Start nothing more once a table has failed.
            asked: When the run was requested, from which its time counts; now by default.
        """
        asked = asked or Moment.now()
        started = run_started(plan, self.graph.tables, run_id or new_run_id())
        runner, assembly = self, None
        if plan.partitioned:
            from lakehouse_cli.runner.assembly import Assembly  # not loaded where no table has partitions

            assembly = Assembly(plan, self.graph, self.elsewhere, self.emit, self.amend)
            made = assembly.expansion
            plan, codes = made.plan, made.by_unit(self.check_codes)
            runner = replace(self, graph=made.graph, emit=assembly.handle, check_codes=codes)
        run = _Run(runner, plan, started.run_id, fail_fast, {} if assembly is None else assembly.expansion.gathered)
        self.emit(started)
        if assembly is not None:
            assembly.begin()
        run.skip_what_is_up_to_date()
        waits = self.publishes_together and bool(plan.due)
        whole = together(runner.graph, self.storages, self.waiting_below, is_needed=waits)
        with run.interrupts.watched(), whole as run.together:
            if plan.due:
                run.carry_out()
            run.read_asked_sources()
            if run.together is not None:
                run.publish_together(run.together)
        results = run.in_plan_order() if assembly is None else assembly.results(run.in_plan_order())
        result = RunResult(
            run.run_id,
            plan.project,
            plan.environment,
            run.status(results),
            asked.at.isoformat(timespec="milliseconds"),
            now_text(),
            round(time.perf_counter() - asked.clock, 6),
            results,
            plan.deferred,
            run.cancelled_by,
        )
        self.emit(RunFinished(result))
        return result


@dataclass(slots=True)
class _Run:
    """The state of one run. Everything but `_stop_softly` happens in one thread."""

    runner: Runner
    plan: Plan
    run_id: str
    fail_fast: bool
    gathered: Mapping[str, Gathered] = field(default_factory=dict)
    planned: dict[str, PlannedTable] = field(init=False)
    contents: Contents = field(init=False)
    schedule: Schedule = field(init=False)
    jobs: RunJobs = field(init=False)
    results: dict[str, TableResult] = field(default_factory=dict)
    sources: SourcesOfRun = field(init=False)
    emitted: set[str] = field(default_factory=set)
    under_way: dict[str, float] = field(default_factory=dict)
    callbacks: CallbackQueue = field(default_factory=CallbackQueue)
    attempts: Attempts | None = None
    together: Together | None = None
    cancelled_by: Cancellation | None = None
    stopped_by: str | None = None
    interrupts: Interrupts = field(init=False)
    failures: Failures = field(init=False)
    uncomputed: Uncomputed = field(init=False)
    commits: WaitingCommits = field(init=False)
    started_ns: int = field(default_factory=time.time_ns)
    started_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        runner, graph, plan = self.runner, self.runner.graph, self.plan
        self.planned = {table.name: table for table in plan.tables}
        self.contents = Contents(plan, self.gathered)
        self.started_at = datetime.fromtimestamp(self.started_ns // 1000 / 1e6, UTC)
        state = plan, self.contents, self.results, self.run_id, plan.as_of or self.started_at
        keeps = runner.publish, runner.failed_rows is not None, plan.at_once
        self.jobs = RunJobs(graph, runner.elsewhere, runner.check_codes, *state, *keeps)
        known = plan.environment, self.run_id, self.started_ns, runner.publish
        self.failures = Failures(graph, runner.storages, runner.failed_rows, *known)
        self.uncomputed = Uncomputed(plan, graph, runner.storages, self.jobs, self.contents, self.failures, self._end)
        self.commits = WaitingCommits(graph, runner.storages, self.planned, self.results, self.failures)
        self.sources = SourcesOfRun(graph, self.failures, runner.keep_source)
        self.interrupts = Interrupts(self._stop_softly)
        limits = self.contents.bytes_of_inputs, runner.memory_limit, self.jobs.columns.awaited
        self.schedule = Schedule(plan.due, runner.durations, *limits)

    def status(self, tables: Iterable[TableResult]) -> RunStatus:
        if self.cancelled_by is not None:
            return "cancelled"
        return "failed" if table_results.first_unusable((*self.results.values(), *tables)) else "success"

    def in_plan_order(self) -> tuple[TableResult, ...]:
        return tuple(self.results[name] for name in self.planned if name in self.results)

    def skip_what_is_up_to_date(self) -> None:
        for planned in self.plan.tables:
            if planned.action in ("skip", "wait") or planned.stands:
                result = self.uncomputed.unchanged(planned)
                waits = self.runner.publishes_together and self.jobs.looks_ahead(planned.name)
                if not waits or result.status == "failed":
                    self._end(result)

    def read_asked_sources(self) -> None:
        """Fail the sources that were asked for and are not as declared, of those that nothing has read yet."""
        usable = (name for name in self.plan.asked_sources if not self.jobs.is_unusable(name))
        for failed in self.sources.unreadable((name for name in usable if self.cancelled_by is None), self.planned):
            self._end(failed)

    def carry_out(self) -> None:
        """Do all that loads Arrow and the user's code."""
        graph, storages, publish = self.runner.graph, self.runner.storages, self.runner.publish
        setup = replace(self.runner.setup, transforms=modules_of(self.plan, graph))
        folder, code, seen = setup.folder, setup.code, storages
        if self.together is not None:
            setup, seen = replace(setup, staging=self.together.folder), self.together.staging_storages()
            self.uncomputed.storages = seen  # partitions that are to be removed wait as well
        try:
            import_anew(self.plan, graph, folder)
            if publish:
                remove_leftovers(self.plan, graph, storages)
            with (
                replacing_announced(self.plan, graph, storages, self.run_id if publish else None),
                self.interrupts.heeded() if publish else nullcontext(),
                pinned(folder, code.files),
                spark_of_run(setup.spark, folder),
                listening(partial(post_reading, self.callbacks, self.runner.emit)),
                self.runner.executor(prepare_of(setup, self.plan, graph, self.runner.elsewhere)) as executor,
                self.interrupts.left_where_unheeded(),
            ):
                consumers = readers_by_table(self.plan, graph, publish=publish)
                types = frame_types(self.plan, graph, folder, publish=publish) if executor.shares_memory else {}
                memory = TablesInMemory(consumers, types, streaming_types(types))
                # Where each process stores by itself, none keeps what the others wait for.
                names = {planned.storage for planned in self.plan.due} if publish and executor.shares_memory else set()
                hands_over = publish and not (executor.shares_memory or executor.is_cluster or self.together)
                is_needed = hands_over and any(each.name in consumers for each in self.plan.runs)
                with self.commits.in_use(names), handover_folder(is_needed=is_needed) as scratch:
                    if names and self.together is None:
                        claim_partitions(self.plan, graph, storages, self.run_id, self.started_at)
                    handed = HandedTables(scratch, lambda name: memory.wanted(name, stored=False))
                    listeners = self.callbacks, self._why_stopped, self.runner.emit, self._ended, self.fail_fast
                    self.attempts = Attempts(executor, memory, handed, setup.place(seen), *listeners)
                    if estimated := run_estimated(self.plan, self.runner.durations, self.attempts.workers):
                        self.runner.emit(estimated)
                    self._loop(self.attempts)
                    self._judge_what_looked_ahead(self.attempts)
        except KeyboardInterrupt as error:
            self._stop_now(error)

    def _loop(self, attempts: Attempts) -> None:
        while True:
            while self.stopped_by is None and len(self.under_way) < attempts.most_under_way:
                if (planned := self.schedule.next()) is None:
                    break
                self._begin(planned, attempts)
                self.callbacks.call_all()
            if self.stopped_by is not None:
                attempts.withdraw()
                self._cancel([planned.name for planned in self.schedule.rest()], self.stopped_by)
            if not self.under_way:
                return
            self.callbacks.call_next()
            self.callbacks.call_all()

    def _judge_what_looked_ahead(self, attempts: Attempts) -> None:
        """Where results wait for one another, judge the checks that look at those which came later."""
        if self.together is None or self.stopped_by or table_results.first_unusable(self.results.values()):
            return
        for planned in (*self.together.judged_again, *self._not_ended()):
            if self.jobs.due_checks(planned):
                self.planned[planned.name] = planned
                self.under_way[planned.name] = time.perf_counter()
                attempts.begin(self.jobs.of(planned, attempts.per_machine))
        self._loop(attempts)

    def _not_ended(self) -> list[PlannedTable]:
        """The tables that stay as they are, if checks that look at others of the run allow it."""
        return [each for name, each in self.planned.items() if each.action == "skip" and name not in self.results]

    def _why_stopped(self) -> str | None:
        self.interrupts.raise_lost()
        return self.stopped_by

    def _stop_softly(self) -> None:
        self.cancelled_by = self.stopped_by = "interrupted"
        # A signal comes in the middle of anything; the loop emits the event when it is back.
        self.callbacks.post(self._emit_stopping)

    def _emit_stopping(self) -> None:
        withdrawn = self.attempts.withdraw() if self.attempts is not None else ()
        self.runner.emit(RunStopping(tuple(name for name in self.under_way if name not in withdrawn)))

    def _stop_now(self, error: KeyboardInterrupt) -> None:
        """Give every table a result; an event that a termination cut off is emitted again."""
        self.cancelled_by = how = "terminated" if isinstance(error, Terminated) else "interrupted"
        leave_at_exit(end_process)
        for name in self.results.keys() - self.emitted:
            self._emit(self.results[name])
        ended = self.results.keys() | (self.together.waiting if self.together is not None else ())
        self._cancel([planned.name for planned in self.plan.due if planned.name not in ended], how)
        if self.runner.publish:
            remove_leftovers(self.plan, self.runner.graph, self.runner.storages)  # of processes that were ended

    def publish_together(self, held: Together) -> None:
        """Store the results that wait, one after the other, if all of the run has passed."""
        for planned in self._not_ended():
            self._end(self.uncomputed.unchanged(planned))
        blame = table_results.first_unusable(self.results.values())
        if blame is None and self.cancelled_by is None:
            self.under_way = dict.fromkeys(held.waiting, 0.0)
            try:
                with self.interrupts.heeded(), pinned(self.runner.setup.folder, self.runner.setup.code.files):
                    blame = held.publish(self.contents, self.failures, self._end)
                    self.callbacks.call_all()
            except KeyboardInterrupt as error:
                self._stop_now(error)
        held.hold_back(blame, self.cancelled_by, self._end)

    def _begin(self, planned: PlannedTable, attempts: Attempts) -> None:
        members = [self.planned[name] for name in self._members(planned.name)]
        if len(members) > 1:
            self.schedule.take({each.name for each in members})
        for call in self.jobs.calls(members):
            if call[0].action != planned.action:
                self.planned[call[0].name] = call[0]
                attempts.release_inputs(planned.inputs)
            self._begin_call(call, attempts)

    def _begin_call(self, members: Sequence[PlannedTable], attempts: Attempts) -> None:
        if (ended := self.uncomputed.of_call(members)) is not None:
            for result in ended:
                if members[0].action == "run":
                    attempts.release_inputs(members[0].inputs)
                if self.together is not None and self.together.add_dropped(self.planned[result.name], result):
                    self.schedule.ended(result.name)
                else:
                    self._end(result)
            return
        for each in members:
            self.runner.emit(TableStarted(each.name))
        first, *others = (self.jobs.of(each, attempts.per_machine) for each in members)
        self.under_way[first.table.name] = time.perf_counter()
        attempts.begin(replace(first, siblings=tuple(others)) if others else first)

    def _members(self, name: str) -> tuple[str, ...]:
        """The tables whose work is one job: those that one call computes; one whose data are checked, alone."""
        return self.runner.graph.siblings(name) if self.planned[name].action == "run" else (name,)

    def _ended(self, name: str, ended: Ended, given_up: str | None) -> None:
        if isinstance(ended, WithdrawnError):
            del self.under_way[name]
            why = f"{self.stopped_by or ''}{f'; it waited, as {ended.waited}' if ended.waited else ''}"
            self._cancel(self._members(name), why)
            return
        planned = self.planned[name]
        attempts, waited = (of.begun(name), of.waited(name)) if (of := self.attempts) is not None else (0, 0)
        seconds = time.perf_counter() - self.under_way.pop(name) - waited
        self.sources.ended(planned, ended, self.results)
        if isinstance(ended, ClusterError):
            self.stopped_by = self.stopped_by or f"the cluster cannot be used: see `{name}`"
        siblings = self._members(name)
        if isinstance(ended, InputError):
            for each in siblings:
                self._end(self.uncomputed.without_input(self.planned[each], ended, seconds))
            return
        done = results_by_table(name, ended)
        for each, result in done.items():
            if isinstance(result, Outcome):
                self._take(self.planned[each], result, seconds, attempts)
            else:
                if self.together is not None:
                    self.together.waiting.pop(each, None)
                self._end(self.failures.of_table(self.planned[each], result, seconds, attempts, given_up))
        for each in siblings:
            if each not in done:
                blame = next(self.results[other] for other, e in done.items() if isinstance(e, LakehouseError))
                self._end(table_results.skipped(self.planned[each], blame, together=True))

    def _take(self, planned: PlannedTable, outcome: Outcome, seconds: float, attempts: int) -> None:
        """Take note of a table that was computed."""
        name = planned.name
        if planned.action != "run":
            self.failures.keep_rows(name, table_results.violated(outcome))
            if self.together is None or not self.together.add_judged(planned, outcome.checks):
                self._end(table_results.checked(planned, self.runner.graph.tables[name], outcome, seconds, attempts))
            return
        if outcome.manifest is not None:
            outcome = replace(outcome, notes=(*outcome.notes, *self.jobs.stored(planned, outcome.manifest)))
        elif self.runner.compare is not None:
            self.contents.record_unpublished(name, same=self.runner.compare(planned, outcome.data))
        self.failures.keep_rows(name, table_results.violated(outcome) if outcome.checks else None)
        if self.together is not None and outcome.manifest is not None:
            self.together.add(planned, outcome, seconds, attempts)
            self.schedule.ended(name)
            self.runner.emit(TableComputed(name, outcome.manifest.row_count, round(seconds, 6)))
            return
        self._end(table_results.materialized(planned, outcome, seconds, attempts))

    def _end(self, ended: TableResult) -> None:
        for each in self.commits.after(ended):
            self.results[each.name] = result = self.runner.amend(each)
            self.schedule.ended(result.name)
            self._emit(result)
            if result.status == "failed" and self.fail_fast and self.stopped_by is None:
                self.stopped_by = "another table failed, and --fail-fast was given"

    def _emit(self, result: TableResult) -> None:
        with self.interrupts.shielded():
            self.runner.emit(TableFinished(result))
            self.emitted.add(result.name)

    def _cancel(self, names: Iterable[str], why: str) -> None:
        for name in names:
            attempts = self.attempts.begun(name) if self.attempts is not None else 0
            self._end(table_results.cancelled(self.planned[name], why, attempts))
