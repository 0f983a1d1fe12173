"""The partitions of a run put together by table: events and results name tables, as the user does."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from lakehouse_cli.model import Table
from lakehouse_cli.model.check import CheckResult
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_content import hash_of_partitions
from lakehouse_cli.plan.expansion import expand
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.plan.unit_checks import together
from lakehouse_cli.runner.table_results import freshness_failure
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import (
    Event,
    PartitionFinished,
    PartitionResult,
    TableComputed,
    TableFinished,
    TablePlaced,
    TableReading,
    TableResult,
    TableRetrying,
    TableStarted,
    TableStatus,
)
from lakehouse_cli.text.counts import plural

# The status of a table is the first of these that a partition of it has.
_GRAVEST: tuple[TableStatus, ...] = ("failed", "cancelled", "skipped", "held_back", "materialized", "dropped")


@dataclass(slots=True)
class _Gathering:
    """The results of one table's partitions so far."""

    planned: PlannedTable
    total: int
    results: dict[str, TableResult] = field(default_factory=dict)
    began: float | None = None
    waiting: int = 0
    rows: int | None = 0


class Assembly:
    """Turns the events of partitions into those of their tables.

    Args:
        plan: The plan, by table.
        graph: All tables.
        elsewhere: The inputs that are read from another environment, as they are declared there.
        emit: Takes the events of tables.
        amend: Called with the result of each table; returns it, perhaps with more notes.

    Attributes:
        expansion: The same by partition.
    """

    def __init__(
        self,
        plan: Plan,
        graph: AssetGraph,
        elsewhere: Mapping[str, Table],
        emit: Callable[[Event], None],
        amend: Callable[[TableResult], TableResult],
    ) -> None:
        self._amend = amend
        self.expansion = expand(plan, graph, elsewhere)
        self._plan, self._emit, self._graph = plan, emit, graph
        self._now = plan.as_of or datetime.now(UTC)
        self._tables = {each.name: _Gathering(each, len(each.partitions)) for each in plan.partitioned}
        self._done: dict[str, TableResult] = {}

    def handle(self, event: Event) -> None:
        """Take an event of the loop."""
        match event:
            case TableStarted(name, _) if name in self.expansion.table_of:
                self._start(self.expansion.table_of[name])
            case TablePlaced(name, _) if name in self.expansion.table_of:
                return  # of so many partitions the last one says nothing
            case TableRetrying(name) if name in self.expansion.table_of:
                partition = str(self.expansion.partitions[name])
                self._emit(replace(event, table=self.expansion.table_of[name], partition=partition))
            case TableReading(name) if name in self.expansion.table_of:
                self._emit(replace(event, table=self.expansion.table_of[name]))
            case TableComputed(name) if name in self.expansion.table_of:
                self._computed(self.expansion.table_of[name], event.rows)
            case TableFinished(result) if result.name in self.expansion.table_of:
                self._finish(result)
            case _:
                self._emit(event)

    def begin(self) -> None:
        """End the tables of which no partition is due."""
        for name, each in self._tables.items():
            if not each.total:
                self._end(name)

    def _start(self, table: str) -> None:
        gathering = self._tables[table]
        if gathering.began is None:
            gathering.began = time.perf_counter()
            self._emit(TableStarted(table))

    def _computed(self, table: str, rows: int | None) -> None:
        """Say of a table that all of it waits to be published."""
        gathering = self._tables[table]
        gathering.waiting += 1
        gathering.rows = None if rows is None or gathering.rows is None else gathering.rows + rows
        if gathering.waiting == sum(each.action == "run" for each in gathering.planned.partitions):
            seconds = 0.0 if gathering.began is None else time.perf_counter() - gathering.began
            self._emit(TableComputed(table, gathering.rows, round(seconds, 6)))

    def _finish(self, result: TableResult) -> None:
        table = self.expansion.table_of[result.name]
        gathering = self._tables[table]
        before = gathering.results.get(result.name)
        gathering.results[result.name] = result
        # Again: a termination cut the event off, or what was computed could not be stored after all.
        if before is None or before.status != result.status:
            done = len(gathering.results)
            self._emit(PartitionFinished(table, self._of(result), done, gathering.total))
        if len(gathering.results) == gathering.total:
            self._end(table)

    def _of(self, result: TableResult) -> PartitionResult:
        key = self.expansion.partitions[result.name].key
        return PartitionResult(
            key,
            result.status,
            result.reasons,
            result.rows,
            result.bytes,
            result.duration_s,
            result.attempts,
            result.error,
            result.notes,
            result.checks,
        )

    def _end(self, table: str) -> None:
        result = self._amend(self._result(self._tables[table]))
        self._done[table] = result
        self._emit(TableFinished(result))

    def _result(self, gathering: _Gathering) -> TableResult:
        planned, parts = gathering.planned, self.expansion.partitions
        results = sorted(gathering.results.values(), key=lambda each: parts[each.name])
        statuses = [each.status for each in results]
        status: TableStatus = next((each for each in _GRAVEST if each in statuses), "unchanged")
        if status == "unchanged" and "waiting" in statuses:
            status = "waiting"
        content, content_hash = self._content_after(gathering)
        checks, stale = self._checks(gathering, results)
        error = self._error(results)
        if stale is not None and status in ("unchanged", "waiting", "materialized", "dropped"):
            status, error = "failed", stale
        return TableResult(
            planned.name,
            status,
            planned.reasons if status != "unchanged" else (),
            rows=sum(each.rows for each in content) if content and all(each.rows >= 0 for each in content) else None,
            bytes=sum(each.bytes for each in content) if content else None,
            duration_s=None if gathering.began is None else round(time.perf_counter() - gathering.began, 6),
            uri=planned.uri,
            attempts=max((each.attempts for each in results), default=0),
            error=error,
            notes=(*planned.notes, *self._notes(results, says_why_waiting=status != "waiting" or not planned.reasons)),
            content_hash=content_hash,
            checks=checks or UNSET,
            partitions=tuple([self._of(each) for each in results]),
            partitions_up_to_date=planned.up_to_date,
        )

    def _notes(self, results: Iterable[TableResult], *, says_why_waiting: bool) -> list[str]:
        """The remarks on partitions, and why some wait, each once."""
        from lakehouse_cli.plan.units import by_message  # not loaded where no table has partitions

        found: list[tuple[Partition, str]] = []
        for each in results:
            late = each.reasons[:1] if says_why_waiting and each.status == "waiting" else ()
            waits = [f"waiting: {reason.message}" for reason in late]
            partition = self.expansion.partitions[each.name]
            found += [(partition, note) for note in (*each.notes, *waits)] if each.error is None else []
        return [*by_message(found)]

    def _checks(
        self, gathering: _Gathering, results: Sequence[TableResult]
    ) -> tuple[tuple[CheckResult, ...], ErrorInfo | None]:
        """What the checks of all partitions found that were judged, or stand otherwise than passed.

        Freshness is that of the whole table; where it fails, the error says so.
        """
        parts = self.expansion.partitions
        checks = together([(str(parts[each.name]), one) for each in results for one in each.checks or ()])
        table = self._graph.tables[gathering.planned.name]
        newest = self._plan.found[table.name].newest
        if not newest:
            return checks, None
        from lakehouse_cli.plan.standing_checks import blocking
        from lakehouse_cli.plan.table_freshness import replaced, table_freshness, with_freshness

        checks = with_freshness(checks, table_freshness(table, replaced(newest, parts, results), self._now))
        bad = [each for each in blocking(table, checks) if each.check == "freshness"]
        return checks, freshness_failure(bad) if bad else None

    def _content_after(self, gathering: _Gathering) -> tuple[Collection[InputRecord], str | UnsetType]:
        """What is stored of a table now, and the hash of it, where anything was to be done."""
        found = self._plan.found[gathering.planned.name].contents
        now = {each: record for each, record in found.items() if record is not None}
        if not gathering.results:
            return now.values(), UNSET
        before = {each.partition: each.state for each in gathering.planned.partitions}
        for unit, result in gathering.results.items():
            partition = self.expansion.partitions[unit]
            state = before[partition]
            if result.content_hash is not UNSET:
                now[partition] = InputRecord(
                    result.content_hash, -1 if result.rows is None else result.rows, result.bytes or 0
                )
            elif result.status != "dropped" and state is not None and state.content is not None:
                now[partition] = state.content  # it stays as it was
        return now.values(), hash_of_partitions([(each, now[each]) for each in sorted(now)]) if now else UNSET

    def _error(self, results: Iterable[TableResult]) -> ErrorInfo | None:
        """The error of a table some of whose partitions failed: how many, and that of the first."""
        by_status: dict[str, list[TableResult]] = {}
        for each in results:
            by_status.setdefault(each.status, []).append(each)
        for status in ("failed", "cancelled", "skipped", "held_back"):
            bad = by_status.get(status)
            if bad and bad[0].error is not None:
                first, error = self.expansion.partitions[bad[0].name], bad[0].error
                if status == "held_back":  # why is the same for all
                    return error
                counted = f"{plural(len(bad), 'partition')} {status}"
                return ErrorInfo(error.type, f"{counted}: {first}: {error.message}", error.hint, error.location)
        return None

    def results(self, ended: Iterable[TableResult]) -> tuple[TableResult, ...]:
        """The results of all tables, in the order of the plan, and of sources that failed before them."""
        others = {each.name: each for each in ended if each.name not in self.expansion.table_of}
        others |= self._done
        order = {each.name: place for place, each in enumerate(self._plan.tables)}
        return tuple(sorted(others.values(), key=lambda each: order.get(each.name, -1)))
