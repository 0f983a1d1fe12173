"""The loop of a run: which table is ready, what came of it, and who is told."""

from __future__ import annotations

import secrets
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse_cli.contracts import check
from lakehouse_cli.errors import DataError, LakehouseError, TransformError
from lakehouse_cli.events import (
    ErrorInfo,
    Event,
    RunFinished,
    RunResult,
    RunStarted,
    RunStatus,
    TableFinished,
    TableResult,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.executors.base import Executor
from lakehouse_cli.graph import AssetGraph
from lakehouse_cli.model import Table
from lakehouse_cli.planning import Plan, PlannedTable
from lakehouse_cli.runner.materializing import AttemptsError, Outcome, materialize
from lakehouse_cli.runner.memory import TablesInMemory
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.transforms import SharedTable, load_transform

if TYPE_CHECKING:
    import pyarrow as pa


def new_run_id() -> str:
    """An id that sorts by time and is unique without coordination: ``YYYYMMDD-HHMMSS-xxxx``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class InputError(Exception):
    """An input could not be had; `name` is the table that is to blame."""

    def __init__(self, name: str, error: LakehouseError) -> None:
        super().__init__(error.message)
        self.name = name
        self.error = error


@dataclass(frozen=True, slots=True)
class Runner:
    """Carries out plans of one project.

    Attributes:
        graph: All tables.
        storages: By name.
        executor: Where transforms are computed.
        folder: The project's.
        emit: Told of every event, in the calling thread.
    """

    graph: AssetGraph
    storages: Mapping[str, AssetStorage]
    executor: Executor
    folder: Path
    emit: Callable[[Event], None]

    def run(self, plan: Plan, *, fail_fast: bool = False) -> RunResult:
        """Materialize every table that the plan says runs.

        Ctrl-C (`KeyboardInterrupt`) ends the run with status ``cancelled``; what was published stays, what was under
        way leaves nothing behind.
        """
        run = _Run(self, plan, fail_fast)
        self.emit(RunStarted(run.run_id, plan.project, plan.environment, tuple(t.name for t in plan.runs), plan.notes))
        started, clock = datetime.now(UTC), time.perf_counter()
        try:
            self._remove_leftovers(plan)
            run.wanted = self._frame_types_wanted(plan)
            run.loop()
        except KeyboardInterrupt:
            run.cancel_rest("interrupted")
            run.interrupted = True
        result = RunResult(
            run.run_id,
            plan.project,
            plan.environment,
            run.status(),
            started.isoformat(timespec="milliseconds"),
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            round(time.perf_counter() - clock, 6),
            tuple(run.results.values()),
        )
        self.emit(RunFinished(result))
        return result

    def _frame_types_wanted(self, plan: Plan) -> dict[str, set[str]]:
        """Of each table, the in-memory types that the run's transforms take it as; empty where one cannot be known.

        Imports the transforms before the first of them is timed. One that fails is told when its table's turn comes.
        """
        wanted: dict[str, set[str]] = {}
        unknown: set[str] = set()
        for planned in plan.runs:
            function = self.graph.tables[planned.name].function
            for position, edge in enumerate(self.graph.inputs[planned.name]):
                try:
                    assert function is not None  # noqa: S101  # what runs is computed
                    transform = load_transform(function, self.folder)
                    keyword = None if edge.positional else transform.keyword(edge.parameter or "")
                    parameter = keyword or transform.positional(position)
                    wanted.setdefault(edge.table, set()).add(parameter.frame_type.name if parameter else "")
                except LakehouseError:
                    unknown.add(edge.table)
        return {name: set() if name in unknown else types for name, types in wanted.items()}

    def _remove_leftovers(self, plan: Plan) -> None:
        by_storage: dict[str, list[Table]] = {}
        for planned in plan.runs:
            by_storage.setdefault(planned.storage, []).append(self.graph.tables[planned.name])
        for name, tables in by_storage.items():
            self.storages[name].remove_leftovers(tables)


@dataclass(slots=True)
class _Run:
    """The state of one run."""

    runner: Runner
    plan: Plan
    fail_fast: bool
    run_id: str = field(default_factory=new_run_id)
    results: dict[str, TableResult] = field(default_factory=dict)
    interrupted: bool = False
    pending: dict[str, PlannedTable] = field(init=False)
    memory: TablesInMemory = field(init=False)
    under_way: dict[Future[Outcome], tuple[PlannedTable, float]] = field(default_factory=dict)
    stopping: bool = False
    current: str | None = None
    unfinished: set[str] = field(init=False)
    wanted: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.unfinished = {planned.name for planned in self.plan.runs}
        self.pending = {planned.name: planned for planned in self.plan.runs}
        self.memory = TablesInMemory(Counter(name for planned in self.plan.runs for name in planned.inputs))

    def status(self) -> RunStatus:
        if self.interrupted:
            return "cancelled"
        bad = any(result.status in ("failed", "skipped", "cancelled") for result in self.results.values())
        return "failed" if bad else "success"

    def loop(self) -> None:
        while self.pending or self.under_way:
            while self.pending and len(self.under_way) < self.runner.executor.workers:
                planned = next((p for p in self.pending.values() if self._ready(p)), None)
                if planned is None:
                    break
                del self.pending[planned.name]
                self._start(planned)
                if self.stopping:
                    self.cancel_rest("another table failed, and --fail-fast was given")
            if self.under_way:
                done, _ = wait(self.under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    self._finish(future)

    def _ready(self, planned: PlannedTable) -> bool:
        return self.unfinished.isdisjoint(planned.inputs)

    def _start(self, planned: PlannedTable) -> None:
        blame = self._blame(planned)
        if blame is not None:
            self._skip(planned, blame)
            return
        self.current = planned.name
        self.runner.emit(TableStarted(planned.name))
        clock = time.perf_counter()
        table = self.runner.graph.tables[planned.name]
        try:
            inputs = {name: self._load(name) for name in planned.inputs}
        except InputError as failure:
            self._fail_input(planned, failure, time.perf_counter() - clock)
            return
        self.memory.release(planned.inputs)
        future = self.runner.executor.submit(
            materialize,
            table,
            self.runner.graph.inputs[planned.name],
            inputs,
            self.runner.storages[table.storage],
            self.runner.folder,
            self.run_id,
            lambda attempt, delay, error: self.runner.emit(TableRetrying(planned.name, attempt, delay, error)),
        )
        self.under_way[future] = (planned, clock)

    def _blame(self, planned: PlannedTable) -> str | None:
        """The input because of which a table cannot be computed."""
        for name in planned.inputs:
            if name in self.results and self.results[name].status in ("failed", "skipped", "cancelled"):
                return name
        return None

    def _skip(self, planned: PlannedTable, blame: str) -> None:
        self.memory.release(planned.inputs)
        ended = self.results[blame].status
        error = ErrorInfo("UpstreamError", f"`{blame}` {'failed' if ended == 'failed' else 'was ' + ended}")
        self._end(TableResult(planned.name, "skipped", planned.reasons, uri=planned.uri, error=error))

    def _load(self, name: str) -> SharedTable:
        """A table's data, from memory or from its storage.

        A source is held to its contract here; a computed table was when it was published.
        """
        held = self.memory.get(name)
        if held is not None:
            return held
        table = self.runner.graph.tables[name]
        try:
            data = self.runner.storages[table.storage].read(table, table.columns)
            if table.kind == "source":
                violations = check(data, table.columns, key=table.key)
                if violations:
                    raise DataError(violations[0].message, violations, location=violations[0].location)
        except LakehouseError as error:
            raise InputError(name, error) from error
        return self._share(name, data)

    def _share(self, name: str, data: pa.Table) -> SharedTable:
        shared = SharedTable(data, self.wanted.get(name, ()))
        self.memory.put(name, shared)
        return shared

    def _fail_input(self, planned: PlannedTable, failure: InputError, seconds: float) -> None:
        source = self.runner.graph.tables[failure.name]
        if source.kind == "source":
            uri = next((p.uri for p in self.plan.tables if p.name == source.name), "")
            info = ErrorInfo.of(failure.error)
            self._end(TableResult(source.name, "failed", duration_s=round(seconds, 6), uri=uri, error=info))
            self._skip(planned, source.name)
            return
        self.memory.release(planned.inputs)
        self._fail(planned, failure.error, seconds, attempts=0)

    def _finish(self, future: Future[Outcome]) -> None:
        planned, clock = self.under_way.pop(future)
        seconds = time.perf_counter() - clock
        try:
            outcome = future.result()
        except AttemptsError as failure:
            self._fail(planned, failure.error, seconds, failure.attempts)
            return
        except Exception as error:  # noqa: BLE001  # ours or a library's: one failed table, never a lost run
            self._fail(planned, _unexpected(error), seconds, attempts=1)
            return
        self._share(planned.name, outcome.data)
        dropped = ", ".join(f"`{name}`" for name in outcome.dropped)
        self._end(
            TableResult(
                planned.name,
                "materialized",
                planned.reasons,
                outcome.rows,
                outcome.bytes,
                round(seconds, 6),
                planned.uri,
                outcome.attempts,
                notes=(f"dropped {dropped}",) if dropped else (),
            )
        )

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
        moment = datetime.fromtimestamp(stored.modified_ns / 1e9, UTC).astimezone()
        return f"{planned.uri} is as it was on {moment:%Y-%m-%d %H:%M}"

    def _end(self, result: TableResult) -> None:
        self.results[result.name] = result
        self.unfinished.discard(result.name)
        self.current = None
        self.runner.emit(TableFinished(result))
        if result.status == "failed" and self.fail_fast:
            self.stopping = True

    def cancel_rest(self, why: str) -> None:
        """Cancel what has not ended."""
        rest = {**{p.name: p for p, _ in self.under_way.values()}, **self.pending}
        if self.current is not None and self.current not in rest:
            rest = {p.name: p for p in self.plan.runs if p.name == self.current} | rest
        self.pending.clear()
        self.under_way.clear()
        for planned in rest.values():
            error = ErrorInfo("Cancelled", why)
            self._end(TableResult(planned.name, "cancelled", planned.reasons, uri=planned.uri, error=error))


def _unexpected(error: Exception) -> LakehouseError:
    """What neither the user nor the environment is known to have done, as a table's error."""
    if isinstance(error, MemoryError):
        return LakehouseError("there was not enough memory", hint="read fewer columns, or work on fewer rows at once")
    text = "".join(traceback.format_exception(error))
    return TransformError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this looks like a defect of the tool; `-v` shows the traceback to report",
        traceback=text,
    )
