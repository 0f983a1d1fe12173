"""The plan of partitioned tables: which of their partitions are out of date, and why. Looks at nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.domains import domain_of
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.known_tables import Known
from lakehouse_cli.plan.partition_columns import stored_columns_of
from lakehouse_cli.plan.partitioning import Link, link_of
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.plan.replaying import replay_reasons
from lakehouse_cli.plan.standing_checks import blocking
from lakehouse_cli.plan.table_freshness import StoredFreshness, freshness_checks, table_freshness, with_freshness
from lakehouse_cli.plan.table_units import LEFT, Judge, ReasonsOf, TableUnits
from lakehouse_cli.plan.units import Found, Narrowing, StoredPartitions, UnitPlan
from lakehouse_cli.text.name_lists import first_named


def whole_notes(whole: Collection[str], table: Table, graph: AssetGraph) -> Iterator[str]:
    """Notes on the inputs that each partition of a table reads whole, and on those of which it gets rows by time."""
    edges = graph.inputs.get(table.name, ())
    options = {edge.table: table.input_options.get(edge.parameter or "") for edge in edges}
    by_time = [name for name in whole if (given := options[name]) is not None and given.within is not None]
    for names, has, have in (
        ([name for name in whole if name not in by_time], "comes whole", "come whole"),
        (by_time, "is read by time", "are read by time"),
    ):
        if names:
            one = len(names) == 1
            verb, come, change = ("has", has, "it") if one else ("have", have, "them")
            yield (
                f"{first_named(names, 3)} {verb} none of its dimensions, and {come}:"
                f" a change of {change} makes all partitions anew"
            )


def links_of(graph: AssetGraph, name: str, dimensions: Mapping[str, Dimension]) -> tuple[Link | None, ...]:
    """What the partitions of a table get of each input, by edge; None for an input that comes whole.

    Args:
        graph: All tables.
        name: The table.
        dimensions: All there are, by name.
    """
    table = graph.tables[name]
    return tuple(
        link_of(table, graph.tables[edge.table], graph.tables[edge.table].partitions, edge.parameter, dimensions)
        for edge in graph.inputs.get(name, ())
    )


def read_by_partition(
    graph: AssetGraph, links: Mapping[str, tuple[Link | None, ...]], names: Iterable[str]
) -> frozenset[str]:
    """The tables and sources that are read by partition alone, or not at all.

    Args:
        graph: All tables.
        links: What the partitions of tables get of each input, by table.
        names: The tables that are planned.
    """
    linked, whole = {name for name in names if graph.tables[name].partitions}, set[str]()
    for name in names:
        edges = graph.inputs.get(name, ())
        for edge, link in zip(edges, links.get(name, (None,) * len(edges)), strict=True):
            (whole if link is None else linked).add(edge.table)
        whole.update(graph.references(name))
    judged = {name for name in linked if graph.tables[name].kind == "source" and graph.tables[name].contract.checks}
    return frozenset(linked - whole - judged)


class PartitionPlanner:
    """Plans the partitions of tables, one table after the other in the order of the graph.

    Args:
        graph: All tables.
        dimensions: Those of the project, by name.
        links: What the partitions of tables get of each input, by table; as of `links_of`.
        stored: What is stored of these.
        states: Of all tables that are looked at.
        now: The moment that stands for now.
        narrowing: What the user narrows the plan to.
        force: Whether the user asked to run what is up to date.
    """

    def __init__(
        self,
        graph: AssetGraph,
        dimensions: Mapping[str, Dimension],
        links: Mapping[str, tuple[Link | None, ...]],
        stored: Mapping[str, StoredPartitions],
        states: Mapping[str, TableState],
        now: datetime,
        narrowing: Narrowing,
        *,
        force: bool = False,
    ) -> None:
        self._fresh = {
            name: StoredFreshness(graph.tables[name], stored[name])
            for name in links
            if name in stored and freshness_checks(graph.tables[name])
        }
        self._stored = {**stored, **{name: each.noting() for name, each in self._fresh.items()}}
        self._graph, self.links, self._states = graph, links, states
        self._dimensions = dimensions
        self._domains = {name: domain_of(each, now) for name, each in dimensions.items()}
        self._narrowing, self._force, self._now = narrowing, force, now
        self.found: dict[str, Found] = {}
        self._blocked: dict[str, StorageError] = {}

    def whole_inputs(self, name: str) -> list[str]:
        """The inputs of a table that its partitions read whole."""
        edges = zip(self._graph.inputs.get(name, ()), self.links[name], strict=True)
        return [edge.table for edge, link in edges if link is None]

    def as_stored(self, name: str) -> Found:
        """The partitions of a source, or of a table that is not planned, as they are stored."""
        if name not in self.found:
            stored = self._stored[name]
            known = stored.contents
            if name in self.links or stored.records:
                known = {each: record for each, record in known.items() if each in stored.records}
            self.found[name] = Found(dict(known))
        return self.found[name]

    def unlisted(self, name: str) -> Iterator[str]:
        """Notes on the inputs of a planned table that have values which a list of its dimensions leaves out."""
        for link in self.links[name]:
            for each in () if link is None or link.is_self else link.shared:
                dimension = self._dimensions.get(self._graph.tables[name].partitions[each.place])
                if link is not None and dimension is not None and dimension.values is not None:
                    there = {unit.values[each.own] for unit in self.found[link.parts].contents}
                    if more := sorted(there.difference(dimension.values)):
                        named = first_named(more, 3)
                        yield f"left out: `{link.table}` has {named}, which dimension `{dimension.name}` does not list"

    def former(self, name: str) -> Iterator[str]:
        """A note on a planned table that was divided otherwise."""
        if former := self._stored[name].former:
            was, now = (", ".join(each) for each in (former, self._graph.tables[name].partitions))
            yield f"was stored by {was}, and is by {now}: former partitions stay until `lakehouse clean` removes them"

    def beyond_first(self, name: str, units: Sequence[UnitPlan]) -> Iterator[str]:
        """Notes on inputs of which several planned partitions, and none that is stored, get neighbours, and no rows."""
        made = [each.chosen for each in units if each.chosen]
        if len(made) < 2 or self.up_to_date(name):
            return
        for place, link in enumerate(self.links[name]):
            if link is None or not link.is_windowed or link.is_self:
                continue
            if all((chosen := each[place]) is not None and not chosen.members for each in made):
                window = link.record_name.removeprefix(link.table)
                yield f"no partition gets rows of `{link.table}`{window}, which has no such neighbours yet"

    def up_to_date(self, name: str) -> int:
        """How many partitions of a planned table stay as they are."""
        found = self.found[name]
        return len(found.contents) - len(found.due)

    def incomplete(self, name: str) -> str | None:
        """Why a table is not to be read whole after the run; None where it may be.

        That some of its partitions are not there and wait for their inputs is no reason: they may do so for ever.
        """
        found = self.found[name]
        for each in sorted(found.outdated)[:1]:
            return f"{each} is as it was made before, and {found.waiting[each]}"
        if (misread := self._why_misread(name)) is not None:
            return misread.message
        if self._narrowing.limit is not None and self._leaves(name):
            return LEFT
        return None if found.contents else next(iter(found.waiting.values()), "it has no partition yet")

    def _why_misread(self, name: str) -> StorageError | None:
        """Why a planned table cannot be read whole as it is after the run; None where it can be."""
        stored = self._stored[name]
        return stored.why_misread(sorted(stored.misread), self.found[name].contents)

    def _leaves(self, name: str) -> bool:
        """Whether partitions of a table are left for a later run, or wait where those of an input are."""
        waiting, links = self.found[name].waiting.values(), self.links.get(name, ())
        inputs = {link.parts for link in links if link is not None and not link.is_self}
        return LEFT in waiting or (
            bool(waiting) and any(self._leaves(each) for each in inputs.intersection(self.found))
        )

    def replayed(self, name: str, replayed: Mapping[str, str]) -> dict[Partition, Reason]:
        """The partitions of a table that run so that what was put aside of them is judged again, with why."""
        return {
            each: reason
            for reason in replay_reasons(name, replayed)
            for each, record in self._stored[replayed[name]].contents.items()
            if record.rows
        }

    def completed(self, plan: Plan) -> Plan:
        """A plan with the partitions of all its tables."""
        readings = {name: each.reading for name, each in self._stored.items()}
        links = {each.name: self.links[each.name] for each in plan.tables if each.name in self.links}
        misread = {name: each for name, each in plan.misread.items() if name not in links}
        misread |= {name: error.message for name in links if (error := self._why_misread(name)) is not None}
        return replace(
            plan,
            tables=tuple(map(self._with_freshness, plan.tables)),
            found=self.found,
            readings=readings,
            misread=misread,
            links=links,
            dimensions=self._dimensions,
            newest_first=self._narrowing.newest_first,
        )

    def _with_freshness(self, planned: PlannedTable) -> PlannedTable:
        """A planned table with the newest value of all its partitions, judged where none of them is due.

        It keeps nobody from reading it: of what is there, nothing is wrong.
        """
        table = self._graph.tables[planned.name]
        if planned.name not in self.links or planned.refused is not None or not freshness_checks(table):
            return planned
        newest = self.found[planned.name].newest = self._fresh[planned.name].newest()
        if planned.action not in ("skip", "wait"):
            return planned
        checks = with_freshness(planned.checks, table_freshness(table, newest, self._now))
        bad = [each.message for each in blocking(table, checks) if each.check == "freshness"]
        wrong = f"`{planned.name}`: {bad[0]}" if bad else None
        return replace(planned, checks=checks, would_fail=planned.would_fail or wrong)

    def blocked(self, name: str, failing: Mapping[str, str]) -> StorageError | None:
        """Why it is not known which partitions a table has, so that none is made or removed; None where it is.

        Args:
            name: The table.
            failing: Why tables would fail.
        """
        stored = self._stored[name]
        found = stored.trouble
        for link in self.links[name]:
            if link is None or link.is_self or found is not None:
                continue
            found = self._stored[link.parts].trouble or self._blocked.get(link.table)
            if found is None and link.of_source and link.table in failing:
                trouble = self._states[link.table].trouble
                found = StorageError(failing[link.table], hint=None if trouble is None else trouble.hint)
        if found is not None:
            self._blocked[name] = found
            self.as_stored(name)
        return found

    def plan(
        self,
        name: str,
        running: Collection[str],
        failing: Mapping[str, str],
        waiting: Mapping[str, str],
        reasons_of: ReasonsOf,
        recipe_reasons: Callable[[Manifest], tuple[Reason, ...]],
        judge: Judge | None = None,
        more: Mapping[Partition, Reason] = {},
    ) -> tuple[UnitPlan, ...]:
        """Plan the partitions of a table, all it needs being planned already.

        Args:
            name: The table.
            running: Tables that run, whose whole result it takes.
            failing: Why tables would fail.
            waiting: Why tables wait.
            reasons_of: Gives the reasons of one partition.
            recipe_reasons: Gives the reasons that are in what a partition was made by.
            judge: Tells how the checks of a stored one stand; None where there are none.
            more: Reasons of partitions beside their own.

        Returns:
            The partitions that are not up to date; `found` has all.
        """
        known = Known(
            self._graph,
            self.links,
            self._stored,
            self._states,
            self._domains,
            self._narrowing,
            self._force,
            self.found,
            self.as_stored,
            running,
            failing,
            waiting,
        )
        units = TableUnits(known, name, reasons_of, recipe_reasons, judge, more)
        planned = units.units()
        units.result.columns = stored_columns_of(units)
        return planned
