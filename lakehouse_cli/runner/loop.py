"""The loop of a run: which table is due, what came of it, and who is told."""

from __future__ import annotations

import secrets
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lakehouse_cli.errors import Interrupted, LakehouseError, TransformError
from lakehouse_cli.events import (
    ErrorInfo,
    Event,
    RunFinished,
    RunResult,
    RunStarted,
    RunStatus,
    RunStopping,
    TableFinished,
    TableResult,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerTimeoutError
from lakehouse_cli.graph import AssetGraph
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.planning import Plan, PlannedTable
from lakehouse_cli.recipes import reading_of
from lakehouse_cli.runner.interrupts import Interrupts
from lakehouse_cli.runner.jobs import (
    AttemptsError,
    InputError,
    Job,
    Outcome,
    Retrying,
    materialize_here,
    over_time,
    prepare,
)
from lakehouse_cli.runner.memory import TablesInMemory
from lakehouse_cli.runner.scheduling import Schedule
from lakehouse_cli.storage.base import AssetStorage

# A source that was written this shortly before a run may be written again without its time telling.
_TELLING_AGE_NS = 2_000_000_000


def new_run_id() -> str:
    """An id that sorts by time and is unique without coordination: ``YYYYMMDD-HHMMSS-xxxx``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True, slots=True)
class Runner:
    """Carries out plans of one project.

    Attributes:
        graph: All tables.
        storages: By name; also those of another environment from which inputs are read.
        executor: Makes the executor, given its `prepare`; called only where something runs.
        folder: The project's.
        emit: Told of every event, in the calling thread.
        durations: Seconds each table took before.
        memory_limit: Bytes that all tables under way may take together; None for no limit.
        elsewhere: The inputs that are read from another environment, as they are declared there.
    """

    graph: AssetGraph
    storages: Mapping[str, AssetStorage]
    executor: Callable[[Callable[[], None]], Executor]
    folder: Path
    emit: Callable[[Event], None]
    durations: Mapping[str, float] = field(default_factory=dict)
    memory_limit: int | None = None
    elsewhere: Mapping[str, Table] = field(default_factory=dict)

    def run(self, plan: Plan, *, run_id: str | None = None, fail_fast: bool = False) -> RunResult:
        """Materialize every table that the plan says runs.

        Ctrl-C once: nothing more is started, what is under way is finished and published, and the run ends with status
        ``cancelled``. Twice, or termination: the run ends at once, and what was under way leaves nothing behind.
        """
        run = _Run(self, plan, run_id or new_run_id(), fail_fast)
        names = tuple(table.name for table in plan.tables if table.kind == "computed")
        self.emit(RunStarted(run.run_id, plan.project, plan.environment, names, plan.notes))
        started, clock = datetime.now(UTC), time.perf_counter()
        run.skip_what_is_up_to_date()
        if plan.runs:
            run.carry_out()
        result = RunResult(
            run.run_id,
            plan.project,
            plan.environment,
            run.status(),
            started.isoformat(timespec="milliseconds"),
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            round(time.perf_counter() - clock, 6),
            run.in_plan_order(),
            plan.deferred,
        )
        self.emit(RunFinished(result))
        return result


@dataclass(frozen=True, slots=True)
class _Attempted:
    """An attempt at a table that has ended; `again` starts the next one, where there is one."""

    future: Future[Outcome]
    number: int
    again: Callable[[], None] | None


@dataclass(slots=True)
class _Run:
    """The state of one run."""

    runner: Runner
    plan: Plan
    run_id: str
    fail_fast: bool
    results: dict[str, TableResult] = field(default_factory=dict)
    contents: dict[str, InputRecord] = field(default_factory=dict)
    schedule: Schedule = field(init=False)
    memory: TablesInMemory | None = None
    under_way: dict[str, float] = field(default_factory=dict)
    arrived: SimpleQueue[tuple[str, PlannedTable | None, Any]] = field(default_factory=SimpleQueue)
    interrupted: bool = False
    stopped_by: str | None = None
    started_ns: int = field(default_factory=time.time_ns)
    thread: int = field(default_factory=threading.get_ident)

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.plan.runs, self.runner.durations, self.runner.memory_limit)
        for planned in self.plan.tables:
            if planned.state is not None and planned.state.content is not None:
                self.contents[planned.name] = planned.state.content
        self.contents.update(self.plan.contents)

    def status(self) -> RunStatus:
        if self.interrupted:
            return "cancelled"
        bad = any(result.status in ("failed", "skipped", "cancelled") for result in self.results.values())
        return "failed" if bad else "success"

    def in_plan_order(self) -> tuple[TableResult, ...]:
        names = [planned.name for planned in self.plan.tables]
        return tuple(self.results[name] for name in names if name in self.results)

    def skip_what_is_up_to_date(self) -> None:
        for planned in self.plan.tables:
            if planned.action == "skip":
                self._end(_unchanged(planned, ()))

    def carry_out(self) -> None:
        """Everything that loads Arrow and the user's code."""
        self._remove_leftovers()
        try:
            with Interrupts(self._stop_softly), self.runner.executor(self._prepare()) as executor:
                consumers = Counter(name for planned in self.plan.runs for name in planned.inputs)
                frame_types = self._frame_types() if executor.shares_memory else {}
                self.memory = TablesInMemory(consumers, frame_types)
                self._loop(executor)
        except KeyboardInterrupt:
            self.interrupted = True
            self._cancel([*self.under_way, *(planned.name for planned in self.schedule.rest())], "interrupted")

    def _prepare(self) -> Callable[[], None]:
        functions = {self.runner.graph.tables[planned.name].function for planned in self.plan.runs}
        one_a_module = {function.module: function for function in functions if function is not None}
        return partial(prepare, tuple(one_a_module.values()), self.runner.folder)

    def _remove_leftovers(self) -> None:
        by_storage: dict[str, list[Any]] = {}
        for planned in self.plan.runs:
            by_storage.setdefault(planned.storage, []).append(self.runner.graph.tables[planned.name])
        for name, tables in by_storage.items():
            self.runner.storages[name].remove_leftovers(tables)

    def _frame_types(self) -> dict[str, set[str]]:
        """Of each table, the in-memory types that the run's transforms take it as; empty where one cannot be known.

        Imports the transforms before the first of them is timed. One that fails is told when its table's turn comes.
        """
        from lakehouse_cli.transforms import load_transform

        wanted: dict[str, set[str]] = {}
        unknown: set[str] = set()
        for planned in self.plan.runs:
            function = self.runner.graph.tables[planned.name].function
            try:
                assert function is not None  # noqa: S101  # what runs is computed
                transform = load_transform(function, self.runner.folder)
            except LakehouseError:
                unknown.update(planned.inputs)
                continue
            for position, edge in enumerate(self.runner.graph.inputs[planned.name]):
                try:
                    keyword = None if edge.positional else transform.keyword(edge.parameter or "")
                    parameter = keyword or transform.positional(position)
                    wanted.setdefault(edge.table, set()).add(parameter.frame_type.name if parameter else "")
                except LakehouseError:
                    unknown.add(edge.table)
        return {name: set() if name in unknown else types for name, types in wanted.items()}

    def _loop(self, executor: Executor) -> None:
        while True:
            while self.stopped_by is None and len(self.under_way) < executor.workers:
                planned = self.schedule.next()
                if planned is None:
                    break
                self._begin(planned, executor)
                self._take_what_arrived()
            if self.stopped_by is not None:
                self._cancel([planned.name for planned in self.schedule.rest()], self.stopped_by)
            if not self.under_way:
                return
            self._take(*self.arrived.get())
            self._take_what_arrived()

    def _stop_softly(self) -> None:
        self.interrupted = True
        self.stopped_by = "interrupted"
        # A signal comes in the middle of anything; the loop tells of it when it is back.
        self.arrived.put(("stop", None, None))

    def _take_what_arrived(self) -> None:
        while not self.arrived.empty():
            self._take(*self.arrived.get())

    def _begin(self, planned: PlannedTable, executor: Executor) -> None:
        blame = self._blame(planned)
        if blame is not None:
            self._skip(planned, blame)
        elif planned.refused is not None:
            self._release(planned)
            self._fail(planned, planned.refused, seconds=0.0, attempts=0)
        elif planned.conditional and self._inputs_are_the_same(planned):
            self._release(planned)
            self._end(_unchanged(planned, ("inputs came out the same",)))
        else:
            self._submit(planned, executor)

    def _submit(self, planned: PlannedTable, executor: Executor) -> None:
        self.runner.emit(TableStarted(planned.name))
        self.under_way[planned.name] = time.perf_counter()
        self._attempt(planned, executor, 1)

    def _attempt(self, planned: PlannedTable, executor: Executor, attempt: int) -> None:
        job = self._job(planned, executor, attempt)
        timeout = None if job.sees_to_attempts else job.table.timeout
        work = self._with_memory if executor.shares_memory else materialize_here
        notify = partial(self._told, planned)
        future = executor.submit(work, job, notify=notify, timeout=timeout)
        future.add_done_callback(partial(self._done, planned, executor, attempt))

    # Called in whatever thread something happens in; the loop takes it from the queue.
    def _told(self, planned: PlannedTable, note: Retrying) -> None:
        self.arrived.put(("note", planned, note))
        if threading.get_ident() == self.thread:
            # The loop waits in `submit` until the table has ended; nobody else would tell of it before.
            self._take_what_arrived()

    def _done(self, planned: PlannedTable, executor: Executor, attempt: int, future: Future[Outcome]) -> None:
        if not executor.shares_memory and attempt <= self.runner.graph.tables[planned.name].retries:
            again: Callable[[], None] | None = partial(self._attempt, planned, executor, attempt + 1)
        else:
            again = None
        self.arrived.put(("done", planned, _Attempted(future, attempt, again)))

    def _job(self, planned: PlannedTable, executor: Executor, attempt: int) -> Job:
        graph = self.runner.graph
        tables = {name: self._input(name) for name in planned.inputs}
        table = graph.tables[planned.name]
        assert self.memory is not None  # noqa: S101  # made before the loop begins
        return Job(
            table,
            graph.inputs[planned.name],
            tables,
            {name: self.runner.storages[name] for name in {table.storage, *(t.storage for t in tables.values())}},
            self.runner.folder,
            self.plan.project,
            self.run_id,
            planned.recipe,
            {name: _telling(self.contents[name]) for name in planned.inputs if name in self.contents},
            keep=executor.shares_memory and self.memory.wanted(planned.name),
            attempt=attempt,
            sees_to_attempts=executor.shares_memory,
            forced=any(reason.code == "forced" for reason in planned.reasons),
        )

    def _input(self, name: str) -> Table:
        """A table as it is declared where it is read from."""
        return self.runner.elsewhere.get(name) or self.runner.graph.tables[name]

    def _with_memory(self, job: Job, *, notify: Callable[[Retrying], None]) -> Outcome:
        """Materialize in this process: inputs come from memory where an earlier table left them."""
        from lakehouse_cli.runner.materializing import materialize, read_input

        assert self.memory is not None  # noqa: S101  # made before the loop begins
        given = {name: self.memory.get(name, partial(read_input, job)) for name in job.tables}
        return materialize(job, given, notify)

    def _blame(self, planned: PlannedTable) -> str | None:
        """The input because of which a table cannot be computed."""
        for name in planned.inputs:
            if name in self.results and self.results[name].status in ("failed", "skipped", "cancelled"):
                return name
        return None

    def _inputs_are_the_same(self, planned: PlannedTable) -> bool:
        """Whether everything that ran before came out as it was when this table was last computed."""
        manifest = planned.state.manifest if planned.state is not None else None
        if manifest is None:
            return False
        return all(
            name in manifest.inputs
            and name in self.contents
            and self.contents[name].content_hash == manifest.inputs[name].content_hash
            and self.contents[name].reading == manifest.inputs[name].reading
            for name in planned.inputs
        )

    def _release(self, planned: PlannedTable) -> None:
        assert self.memory is not None  # noqa: S101  # made before the loop begins
        self.memory.release(planned.inputs)

    def _skip(self, planned: PlannedTable, blame: str) -> None:
        self._release(planned)
        ended = self.results[blame].status
        error = ErrorInfo("UpstreamError", f"`{blame}` {'failed' if ended == 'failed' else 'was ' + ended}")
        self._end(TableResult(planned.name, "skipped", planned.reasons, uri=planned.uri, error=error))

    def _take(self, kind: str, planned: PlannedTable | None, value: Any) -> None:
        if planned is None:
            self.runner.emit(RunStopping(tuple(self.under_way)))
        elif kind == "note":
            self.runner.emit(TableRetrying(planned.name, value.attempt, value.delay_s, value.error))
        elif kind == "again":
            value()
        else:
            self._finish(planned, value)

    def _finish(self, planned: PlannedTable, attempted: _Attempted) -> None:
        seconds = time.perf_counter() - self.under_way[planned.name]
        try:
            outcome = attempted.future.result()
        except InputError as failure:
            self._leave(planned)
            self._fail_input(planned, failure.name, failure.error, seconds)
        except Interrupted:
            raise
        except BaseException as error:  # noqa: BLE001  # ours or a library's: one failed table, never a lost run
            self._failed(planned, attempted, error, seconds)
        else:
            self._leave(planned)
            self._materialized(planned, outcome, seconds)

    def _failed(self, planned: PlannedTable, attempted: _Attempted, raised: BaseException, seconds: float) -> None:
        """Try again, where this was not the last attempt; else the table failed."""
        again, attempts = attempted.again, attempted.number
        error: LakehouseError
        if isinstance(raised, AttemptsError):
            error, attempts = raised.error, raised.attempts
        elif isinstance(raised, WorkerTimeoutError):
            error = over_time(self.runner.graph.tables[planned.name])
        elif isinstance(raised, WorkerDiedError):
            hint = "look for what ends processes in the transform, or what is out of memory; the other tables went on"
            error = TransformError(f"the process that computed `{planned.name}` {raised}", hint=hint)
        else:
            error, again = _unexpected(raised), None
        if again is not None:
            self._try_again(planned, attempts, error, again)
            return
        self._leave(planned)
        self._fail(planned, error, seconds, attempts)

    def _leave(self, planned: PlannedTable) -> None:
        """A table is no longer under way, however it ended."""
        del self.under_way[planned.name]
        self._release(planned)

    def _try_again(self, planned: PlannedTable, attempt: int, error: LakehouseError, again: Callable[[], None]) -> None:
        delay = self.runner.graph.tables[planned.name].retry_delay * 2 ** (attempt - 1)
        self.runner.emit(TableRetrying(planned.name, attempt, delay, ErrorInfo.of(error)))
        timer = threading.Timer(delay, self.arrived.put, [("again", planned, again)])
        timer.daemon = True
        timer.start()

    def _materialized(self, planned: PlannedTable, outcome: Outcome, seconds: float) -> None:
        manifest = outcome.manifest
        table = self.runner.graph.tables[planned.name]
        # Options are as they were planned: they are part of the recipe.
        options = planned.recipe.storage if planned.recipe is not None else ""
        reading = reading_of(table, manifest.columns, options)
        self.contents[planned.name] = InputRecord(
            manifest.content_hash, manifest.rows, manifest.bytes, manifest.modified_ns, reading
        )
        if outcome.data is not None and self.memory is not None:
            self.memory.put(planned.name, outcome.data)
        dropped = ", ".join(f"`{name}`" for name in outcome.dropped)
        result = TableResult(
            planned.name,
            "materialized",
            planned.reasons,
            manifest.rows,
            manifest.bytes,
            round(seconds, 6),
            planned.uri,
            outcome.attempts,
            notes=(f"dropped {dropped}",) if dropped else (),
        )
        self._end(result)

    def _fail_input(self, planned: PlannedTable, blame: str, error: LakehouseError, seconds: float) -> None:
        if self.runner.graph.tables[blame].kind != "source":
            self._fail(planned, error, seconds, attempts=0)
            return
        if blame not in self.results:
            uri = next((p.uri for p in self.plan.tables if p.name == blame), "")
            info = ErrorInfo.of(error)
            self._end(TableResult(blame, "failed", duration_s=round(seconds, 6), uri=uri, error=info))
        upstream = ErrorInfo("UpstreamError", f"`{blame}` failed")
        self._end(TableResult(planned.name, "skipped", planned.reasons, uri=planned.uri, error=upstream))

    def _fail(self, planned: PlannedTable, error: LakehouseError, seconds: float, attempts: int) -> None:
        result = TableResult(
            planned.name,
            "failed",
            planned.reasons,
            duration_s=round(seconds, 6),
            uri=planned.uri,
            attempts=attempts,
            error=ErrorInfo.of(error, self._as_it_was(planned)),
        )
        self._end(result)

    def _as_it_was(self, planned: PlannedTable) -> str | None:
        """What a failure left in place, which is what was there before."""
        table = self.runner.graph.tables[planned.name]
        try:
            stored = self.runner.storages[table.storage].stat(table)
        except LakehouseError:
            return None
        if stored is None:
            return None
        if not stored.modified_ns:
            return f"{planned.uri} is as it was"
        if stored.modified_ns >= self.started_ns:
            return f"{planned.uri} was replaced before this went wrong; the next run looks at it anew"
        moment = datetime.fromtimestamp(stored.modified_ns / 1e9, UTC).astimezone()
        return f"{planned.uri} is as it was on {moment:%Y-%m-%d %H:%M}"

    def _end(self, result: TableResult) -> None:
        self.results[result.name] = result
        self.schedule.ended(result.name)
        self.runner.emit(TableFinished(result))
        if result.status == "failed" and self.fail_fast and self.stopped_by is None:
            self.stopped_by = "another table failed, and --fail-fast was given"

    def _cancel(self, names: list[str], why: str) -> None:
        planned = {table.name: table for table in self.plan.runs}
        for name in names:
            error = ErrorInfo("Cancelled", why)
            self._end(TableResult(name, "cancelled", planned[name].reasons, uri=planned[name].uri, error=error))


def _unchanged(planned: PlannedTable, notes: tuple[str, ...]) -> TableResult:
    manifest = planned.state.manifest if planned.state is not None else None
    rows, size = (manifest.rows, manifest.bytes) if manifest is not None else (None, None)
    return TableResult(planned.name, "unchanged", (), rows, size, uri=planned.uri, notes=notes)


def _telling(record: InputRecord) -> InputRecord:
    """The record without a time that could not tell a later change from this one."""
    if record.modified_ns is not None and time.time_ns() - record.modified_ns < _TELLING_AGE_NS:
        return record._replace(modified_ns=None)
    return record


def _unexpected(error: BaseException) -> LakehouseError:
    """What neither the user nor the environment is known to have done, as a table's error."""
    if isinstance(error, MemoryError):
        return LakehouseError("there was not enough memory", hint="read fewer columns, or work on fewer rows at once")
    text = "".join(traceback.format_exception(error))
    return TransformError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this looks like a defect of the tool; `-v` shows the traceback to report",
        traceback=text,
    )
