"""Tables that one call of a function computes: planned together, and told apart from results of other calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import PlannedTable

# Where the user limits how many partitions run, which these are may depend on those of the other tables.
_TIMES = 5


class _Planned(Protocol):
    """What is asked of a table that is planned."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def action(self) -> str:
        """What would be done: ``run``, ``skip``."""

    @property
    def conditional(self) -> bool:
        """Whether it runs only where others come out changed."""


_Table = TypeVar("_Table", bound=_Planned)


def plan_together(
    graph: AssetGraph,
    name: str,
    states: Mapping[str, TableState],
    plan: Callable[[str, tuple[Reason, ...]], _Table],
) -> dict[str, _Table]:
    """Plan a table and the others of its call: where one of them runs, or is of another call, all run.

    Args:
        graph: All tables.
        name: The table.
        states: Of all tables that are looked at.
        plan: Plans a table with reasons beside its own.
    """
    names = graph.siblings(name)
    if len(names) == 1:  # as most
        return {name: plan(name, ())}
    found = {each: plan(each, ()) for each in names}
    moments = _moments(graph, names, states)
    newest = max(moments, key=lambda each: moments[each], default=name)
    for each in moments:
        if moments[each] != moments[newest]:
            found[each] = plan(each, (Reason("computed_with", f"`{newest}` is the result of a later call"),))
    due = next((each.name for each in found.values() if each.action == "run" and not each.conditional), None)
    if due is None:
        return found
    beside = Reason("computed_with", f"computed with `{due}`")
    return {
        name: each if each.action == "run" and not each.conditional else plan(name, (beside,))
        for name, each in found.items()
    }


def partitions_together(
    names: Sequence[str], plan: Callable[[str, Mapping[Partition, Reason]], PlannedTable]
) -> dict[str, PlannedTable]:
    """Plan the partitions of tables that one call computes: where one of them runs, it does of all tables.

    Args:
        names: The tables.
        plan: Plans a table with reasons of partitions beside their own.
    """
    found = {name: plan(name, {}) for name in names}
    for _ in range(_TIMES if len(names) > 1 else 0):
        due = {name: _due(each) for name, each in found.items()}
        everywhere = {unit: name for name, units in due.items() for unit in units}
        if all(len(units) == len(everywhere) for units in due.values()):
            break
        more = {unit: Reason("computed_with", f"computed with `{name}`") for unit, name in everywhere.items()}
        found = {name: plan(name, {u: r for u, r in more.items() if u not in due[name]}) for name in names}
    return found


def _due(planned: PlannedTable) -> set[Partition]:
    return {unit.partition for unit in planned.partitions if unit.action == "run" and not unit.drops}


def _moments(graph: AssetGraph, names: tuple[str, ...], states: Mapping[str, TableState]) -> dict[str, str]:
    """When the call began that each of several results is stored from; rows put aside are judged with their table."""
    manifests = {name: states[name].manifest for name in names if name in states and graph.tables[name].output}
    return {name: each.started_at for name, each in manifests.items() if each is not None and each.recipe is not None}


def call_notes(graph: AssetGraph, stored: Mapping[str, TableState]) -> Iterator[str]:
    """Remarks on inputs that are results of one function, and not of one call.

    Args:
        graph: All tables.
        stored: Inputs that are read as they are stored.
    """
    seen: set[str] = set()
    for name in stored:
        siblings = tuple(each for each in graph.siblings(name) if each in stored)
        moments = _moments(graph, siblings, stored)
        oldest = min(moments, key=lambda each: moments[each], default=name)
        newest = max(moments, key=lambda each: moments[each], default=name)
        if oldest not in seen and moments and moments[oldest] != moments[newest]:
            seen.add(oldest)
            both = f"`{oldest}` and `{newest}` are results of two calls of one function"
            yield f"{both}: `lakehouse run {oldest}` computes them together"
