"""The schedule: which of the tables that are ready goes first, and whether there is memory for it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.runs.history.records import median

# The estimated need of a table without history: its inputs as stored, times this. Text takes two to four times its size
# in CSV once it is numbers and arrays, and there are an argument and a result.
MEMORY_FACTOR = 6
# Estimated seconds of a table without history: few, so that those known to be long go first.
_UNKNOWN_DURATION = 0.1


def longest_paths(planned: Iterable[PlannedTable], durations: Mapping[str, float]) -> dict[str, float]:
    """Compute, by table, the seconds from its start to the end of the longest chain that waits for it.

    The first table of the longest chain goes first: the rule of critical-path list scheduling (R. L. Graham, Bounds on
    multiprocessing timing anomalies, 1969).

    Args:
        planned: In an order in which every table comes after its inputs.
        durations: Seconds each table took before.
    """
    longest: dict[str, float] = {}
    after: dict[str, float] = {}
    for table in reversed(list(planned)):
        longest[table.name] = durations.get(table.name, _UNKNOWN_DURATION) + after.get(table.name, 0.0)
        for name in (*table.inputs, *table.after, *table.needs):
            after[name] = max(after.get(name, 0.0), longest[table.name])
    return longest


@dataclass(slots=True)
class Schedule:
    """The tables of a run that are still to be computed; those that are ready come longest path first.

    Attributes:
        planned: In plan order.
        durations: Seconds each table took before.
        input_bytes: Returns the stored size of the inputs of a table that is ready, which this run may have stored.
        memory_limit: Bytes that all tables under way may take together; None for no limit.
        awaited: Returns another table that is to end before one that is ready is begun, given what tells whether one
            has not ended yet; None where there is none.
    """

    planned: tuple[PlannedTable, ...]
    durations: Mapping[str, float]
    input_bytes: Callable[[PlannedTable], int]
    memory_limit: int | None = None
    awaited: Callable[[PlannedTable, Callable[[str], bool]], str | None] = lambda *_: None
    _waiting: dict[str, set[str]] = field(init=False)
    _consumers: dict[str, list[str]] = field(init=False)
    _by_name: dict[str, PlannedTable] = field(init=False)
    _ready: list[tuple[float, int, str]] = field(init=False)
    _priority: dict[str, tuple[float, int, str]] = field(init=False)
    _taken: dict[str, int] = field(init=False)
    _held: dict[str, list[tuple[float, int, str]]] = field(init=False)

    def __post_init__(self) -> None:
        """Index the dependencies."""
        self._by_name = {table.name: table for table in self.planned}
        longest = longest_paths(self.planned, self.durations)
        self._priority = {t.name: (-longest[t.name], index, t.name) for index, t in enumerate(self.planned)}
        self._waiting = {
            t.name: {name for name in (*t.inputs, *t.after, *t.needs) if name in self._by_name} for t in self.planned
        }
        self._consumers = {t.name: [] for t in self.planned}
        for name, inputs in self._waiting.items():
            for upstream in inputs:
                self._consumers[upstream].append(name)
        self._ready = [self._priority[name] for name, inputs in self._waiting.items() if not inputs]
        heapq.heapify(self._ready)
        self._taken, self._held = {}, {}

    def next(self) -> PlannedTable | None:
        """Take the next table; None if none is ready, or if there is no memory for the one that is."""
        while self._ready and (first := self._awaited(self._ready[0][2])) is not None:
            self._held.setdefault(first, []).append(heapq.heappop(self._ready))
        if not self._ready:
            return None
        name = self._ready[0][2]
        need = memory_estimate(self._by_name[name], self.input_bytes)
        if self.memory_limit is not None and self._taken and sum(self._taken.values()) + need > self.memory_limit:
            return None
        heapq.heappop(self._ready)
        del self._waiting[name]
        self._taken[name] = need
        return self._by_name[name]

    def _awaited(self, name: str) -> str | None:
        return self.awaited(self._by_name[name], lambda other: other in self._waiting or other in self._taken)

    def take(self, names: Collection[str]) -> None:
        """Take tables that are computed with the one that was taken last; they have the same inputs, and are ready."""
        self._ready = [each for each in self._ready if each[2] not in names]
        heapq.heapify(self._ready)
        for name in names:
            self._waiting.pop(name, None)

    def ended(self, name: str) -> None:
        """Take note that a table ended, however it did."""
        self._taken.pop(name, None)
        for each in self._held.pop(name, ()):
            heapq.heappush(self._ready, each)
        for consumer in self._consumers.get(name, ()):
            inputs = self._waiting.get(consumer)
            if inputs is None:
                continue
            inputs.discard(name)
            if not inputs:
                heapq.heappush(self._ready, self._priority[consumer])

    def rest(self) -> list[PlannedTable]:
        """Take all tables that were not begun, in plan order."""
        left = [table for table in self.planned if table.name in self._waiting]
        self._waiting.clear()
        self._ready.clear()
        return left


def expected_durations(planned: Iterable[PlannedTable], durations: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds that each table is expected to take; nothing where none of them has a history.

    A table without one is taken to take the median of the others.
    """
    names = [table.name for table in planned]
    known = [durations[name] for name in names if name in durations]
    if not known:
        return {}
    typical = median(known)
    return {name: durations.get(name, typical) for name in names}


def expected_end(planned: tuple[PlannedTable, ...], durations: Mapping[str, float], workers: int) -> float:
    """Return the seconds from the start of a run to its end: its schedule, if every table takes as long as is given."""
    schedule, clock, under_way = Schedule(planned, durations, lambda _: 0), 0.0, list[tuple[float, str]]()
    while True:
        while len(under_way) < workers and (table := schedule.next()) is not None:
            heapq.heappush(under_way, (clock + durations[table.name], table.name))
        if not under_way:
            return clock
        clock, name = heapq.heappop(under_way)
        schedule.ended(name)


def memory_estimate(planned: PlannedTable, input_bytes: Callable[[PlannedTable], int]) -> int:
    """Estimate the bytes that a table needs: as before, else its inputs' stored size times `MEMORY_FACTOR`."""
    state = planned.state
    if state is not None and state.manifest is not None and state.manifest.memory_bytes:
        return state.manifest.memory_bytes
    return input_bytes(planned) * MEMORY_FACTOR
