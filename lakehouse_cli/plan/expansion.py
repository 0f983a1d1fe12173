"""A plan of partitions, as a run carries it out: each that is due is a table of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model import Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.dimension import Within
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_content import content_of_partitions
from lakehouse_cli.model.time_span import TimeSpan, time_span
from lakehouse_cli.model.unit import selection_of, unit_name, unit_of
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan, PlannedTable

if TYPE_CHECKING:
    from lakehouse_cli.plan.partitioning import Chosen, Link
    from lakehouse_cli.plan.units import UnitPlan

_Value = TypeVar("_Value")


class Gathered(Struct, frozen=True):
    """Several partitions that are read as one table.

    Attributes:
        table: Their table.
        members: In order.
        reading: How each is read.
    """

    table: str
    members: tuple[Partition, ...]
    reading: str


class Expansion(Struct, frozen=True):
    """What a run carries out.

    Attributes:
        plan: The plan, in which each partition that is due, or waits, stands for itself.
        graph: All tables, and beside them each partition that is due, and what each reads.
        gathered: Inputs whose content is known only when their partitions are made, by name.
        table_of: The table of each partition, by name.
        partitions: Each partition, by name.
    """

    plan: Plan
    graph: AssetGraph
    gathered: Mapping[str, Gathered]
    table_of: Mapping[str, str]
    partitions: Mapping[str, Partition]

    def by_unit(self, of_tables: Mapping[str, _Value]) -> dict[str, _Value]:
        """What is known of tables, of their partitions as well."""
        of_units = {name: of_tables[table] for name, table in self.table_of.items() if table in of_tables}
        return {**of_tables, **of_units}


def expand(plan: Plan, graph: AssetGraph, elsewhere: Mapping[str, Table] = {}) -> Expansion:
    """Let each partition of a plan that is not up to date stand for itself.

    Args:
        plan: The plan.
        graph: All tables.
        elsewhere: The inputs that are read from another environment, as they are declared there.
    """
    return _Expanding(plan, graph, elsewhere).expansion() if plan.partitioned else Expansion(plan, graph, {}, {}, {})


class _Expanding:
    """Collects what an `Expansion` has."""

    def __init__(self, plan: Plan, graph: AssetGraph, elsewhere: Mapping[str, Table]) -> None:
        self.plan, self.graph, self.elsewhere = plan, graph, elsewhere
        self.tables: dict[str, Table] = dict(graph.tables)
        self.inputs: dict[str, tuple[Input, ...]] = dict(graph.inputs)
        self.contents: dict[str, InputRecord] = dict(plan.contents)
        self.gathered: dict[str, Gathered] = {}
        self.table_of: dict[str, str] = {}
        self.partitions: dict[str, Partition] = {}
        self.partitioned = {each.name: each for each in plan.tables if each.partitions}
        self.judged_sources = {each.name for each in plan.tables if each.kind == "source" and each.action == "check"}
        # Partitions that the run makes, removes or judges, by table.
        self.changing = {
            each.name: tuple([unit_name(each.name, unit.partition) for unit in each.partitions if unit.changes])
            for each in self.partitioned.values()
        }

    def expansion(self) -> Expansion:
        partitioned = {each.name for each in self.plan.partitioned}
        planned: list[PlannedTable] = []
        after = dict(self.graph.after)
        for table in self.plan.tables:
            if table.name in partitioned:
                units = reversed(table.partitions) if self.plan.newest_first else table.partitions
                planned += [self._unit(table, unit) for unit in units]
            else:
                needs = tuple([name for each in table.inputs for name in self.changing.get(each, ())])
                planned.append(replace(table, needs=needs, after=self._after(table)) if needs or table.after else table)
        for name in self.changing:
            if any(unit.action == "run" for unit in self.partitioned[name].partitions):
                self._gather(name, name, tuple(sorted(self.plan.found[name].contents)))
        order = (*self.graph.order, *self.table_of)
        graph = AssetGraph(self.tables, self.inputs, order, after)
        made = replace(self.plan, tables=tuple(planned), contents=self.contents)
        return Expansion(made, graph, self.gathered, self.table_of, self.partitions)

    def _unit(self, planned: PlannedTable, unit: UnitPlan) -> PlannedTable:
        table = unit_of(self.graph.tables[planned.name], unit.partition)
        if table.dimension_params:
            table = replace(table, params=table.sample_params)
        name = table.name
        self.tables[name] = table
        self.table_of[name], self.partitions[name] = planned.name, unit.partition
        links, recorded = self.plan.links[planned.name], dict[str, str]()
        edges: list[Input] = []
        within: dict[str, TimeSpan] = {}
        needs = [*unit.needs]
        if unit.action == "run" and not unit.drops and unit.refused is None:
            for edge, link, chosen in zip(self.graph.inputs[planned.name], links, unit.chosen, strict=True):
                options = table.input_options.get(edge.parameter or "")
                if options is not None and options.within is not None:
                    within[edge.parameter or ""] = self._span(options.within, unit.partition)
                if link is None or chosen is None:
                    edges.append(edge)
                    needs += self.changing.get(edge.table, ())
                    continue
                if link.table in self.judged_sources:
                    # Its checks are judged as a whole; what breaks them is in no partition.
                    needs.append(link.table)
                edges.append(replace(edge, table=chosen.name, is_single=link.is_single))
                recorded[chosen.name] = link.record_name
                self._input(link, chosen)
        self.inputs[name] = tuple(edges)
        state = unit.state
        if state is not None and state.content is not None:
            self.contents[name] = state.content
        recipe = planned.recipe
        if unit.is_open and recipe is not None:
            recipe = replace(recipe, is_partial=True)
        return PlannedTable(
            name,
            "computed",
            planned.storage,
            planned.uri if state is None else state.uri,
            tuple(dict.fromkeys(each.table for each in edges)),
            unit.action,
            unit.reasons,
            state=state,
            recipe=recipe,
            refused=unit.refused,
            would_fail=unit.would_fail,
            used=planned.used,
            after=self._after(planned),
            checks=unit.checks,
            needs=tuple(dict.fromkeys(needs)),
            recorded=recorded,
            drops=unit.drops,
            within=within,
        )

    def _after(self, planned: PlannedTable) -> tuple[str, ...]:
        return tuple([name for each in planned.after for name in self.changing.get(each, (each,))])

    def _span(self, within: Within, partition: Partition) -> TimeSpan:
        """The time of a partition, of which rows are read."""
        dimensions = ((self.plan.dimensions[name], value) for name, value in partition.key.items())
        dimension, value = next((each, value) for each, value in dimensions if each.every is not None)
        return time_span(within, dimension, value)

    def _input(self, link: Link, chosen: Chosen) -> None:
        """Take up what a partition reads of an input."""
        if chosen.name in self.tables and (chosen.name in self.contents or chosen.name in self.gathered):
            return
        found, reading = self.plan.found[link.parts], self.plan.readings[link.parts]
        table = self.elsewhere.get(link.table) or self.graph.tables[link.table]
        if link.of_source:
            table = replace(table, partitions=link.dimensions)
        if link.is_single and len(chosen.members) == 1:
            member = chosen.members[0]
            if chosen.name not in self.tables:
                self.tables[chosen.name] = part_of(table, member)
            record = found.contents.get(member)
            if record is not None:
                self.contents[chosen.name] = link.content([(member, record)])._replace(reading=reading)
            return
        self.tables[chosen.name] = selection_of(table, chosen.members)
        self._gather(chosen.name, link.parts, chosen.members)

    def _gather(self, name: str, table: str, members: tuple[Partition, ...]) -> None:
        found, reading = self.plan.found[table], self.plan.readings[table]
        known = [(each, found.contents[each]) for each in members]
        there = [(each, record) for each, record in known if record is not None]
        if len(there) == len(members):
            self.contents[name] = content_of_partitions(there)._replace(reading=reading)
        else:
            self.contents.pop(name, None)
            self.gathered[name] = Gathered(table, members, reading)


def part_of(table: Table, partition: Partition) -> Table:
    """One partition of a table, to be read: of a source, the files that are of it."""
    if table.kind == "computed":
        return unit_of(table, partition)
    return replace(table, partition=partition)  # by its own name: all of its files are listed once


def gathered_content(
    gathered: Gathered, found: Mapping[Partition, InputRecord | None], made: Mapping[str, InputRecord]
) -> InputRecord | None:
    """The content of several partitions by now; None where one of them is not made.

    Args:
        gathered: The partitions.
        found: What was stored of them before; None for those that the run makes.
        made: What the run has stored, by name.
    """

    def records() -> Iterator[tuple[Partition, InputRecord | None]]:
        for each in gathered.members:
            record = found.get(each)
            yield each, made.get(unit_name(gathered.table, each)) if record is None else record

    known = list(records())
    there = [(each, record) for each, record in known if record is not None]
    if len(there) < len(known):
        return None
    return content_of_partitions(there)._replace(reading=gathered.reading)
