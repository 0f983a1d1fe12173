"""The plan of partitioned tables: which of their partitions are out of date, and why. Looks at nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from lakehouse_cli.errors import StorageError, UnclaimedError
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.partitioning import (
    Chosen,
    Domain,
    Link,
    LinkIndex,
    Values,
    domain_of,
    expected,
    link_of,
    unit_name,
)
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.plan.units import Found, Narrowing, Stored, StoredPartitions, UnitPlan
from lakehouse_cli.text.name_lists import first_named

#: Gives the reasons of one partition, by its state and that of its inputs as they are stored.
ReasonsOf = Callable[[Partition, TableState, Mapping[str, TableState]], tuple[Reason, ...]]
#: Codes of reasons that come of code, params and packages.
CODE_REASONS = frozenset(("function_changed", "params_changed", "file_changed", "variable_changed"))


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
        self._graph, self.links, self._stored, self._states = graph, links, stored, states
        self._dimensions = dimensions
        self._domains = {name: domain_of(each, now) for name, each in dimensions.items()}
        self._narrowing, self._force = narrowing, force
        self.found: dict[str, Found] = {}
        self._blocked: dict[str, StorageError] = {}

    def as_stored(self, name: str) -> Found:
        """The partitions of a source, or of a table that is not planned, as they are stored."""
        if name not in self.found:
            stored = self._stored[name]
            known = stored.contents
            if self._graph.tables[name].kind == "computed":
                known = {each: record for each, record in known.items() if each in stored.records}
            self.found[name] = Found(dict(known))
        return self.found[name]

    def up_to_date(self, name: str) -> int:
        """How many partitions of a planned table stay as they are."""
        found = self.found[name]
        return len(found.contents) - len(found.due)

    def completed(self, plan: Plan) -> Plan:
        """A plan with the partitions of all its tables."""
        readings = {name: each.reading for name, each in self._stored.items()}
        links = {each.name: self.links[each.name] for each in plan.tables if each.partitions}
        return replace(
            plan,
            found=self.found,
            readings=readings,
            links=links,
            periods={name: each.every for name, each in self._dimensions.items()},
            newest_first=self._narrowing.newest_first,
        )

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
            found = self._stored[link.table].trouble or self._blocked.get(link.table)
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
        reasons_of: ReasonsOf,
        recipe_reasons: Callable[[Manifest], tuple[Reason, ...]],
    ) -> tuple[UnitPlan, ...]:
        """Plan the partitions of a table, all it needs being planned already.

        Args:
            name: The table.
            running: Tables that run, whose whole result it takes.
            failing: Why tables would fail.
            reasons_of: Gives the reasons of one partition.
            recipe_reasons: Gives the reasons that are in what a partition was made by.

        Returns:
            The partitions that are not up to date; `found` has all.
        """
        work = _TablePlan(self, name, running, failing, reasons_of, recipe_reasons)
        return work.units()


class _TablePlan:
    """The plan of one table's partitions."""

    def __init__(
        self,
        planner: PartitionPlanner,
        name: str,
        running: Collection[str],
        failing: Mapping[str, str],
        reasons_of: ReasonsOf,
        recipe_reasons: Callable[[Manifest], tuple[Reason, ...]],
    ) -> None:
        self.planner, self.name = planner, name
        self.table = planner._graph.tables[name]
        self.stored = planner._stored[name]
        self.edges = planner._graph.inputs.get(name, ())
        self.links = planner.links[name]
        self.running, self.failing = running, failing
        self.reasons_of, self.recipe_reasons = reasons_of, recipe_reasons
        self.result = Found()
        self._of_recipe: dict[str, tuple[Reason, ...]] = {}
        domains = planner._domains
        self.domains = [domains.get(each, Domain()) for each in self.table.partitions]
        self.others = {
            link.table: planner.as_stored(link.table) for link in self.links if link is not None and not link.is_self
        }
        # What comes whole is the same for all of its partitions.
        self.whole = {
            edge.table: planner._states[edge.table]
            for edge, link in zip(self.edges, self.links, strict=True)
            if link is None and edge.table not in running
        }
        self.whole_running = tuple(
            edge.table
            for edge, link in zip(self.edges, self.links, strict=True)
            if link is None and edge.table in running
        )
        self.trouble = next(
            (failing[edge.table] for edge in self.edges if edge.table in failing and edge.table not in self.others),
            None,
        )

    def units(self) -> tuple[UnitPlan, ...]:
        planner, table, result = self.planner, self.table, self.result
        dimensions = table.partitions
        planner.found[self.name] = result
        indexes: list[LinkIndex | None] = [
            None if link is None or link.is_self else LinkIndex(link, self._available(link.table))
            for link in self.links
        ]
        keys = expected(dimensions, self.domains, [each for each in indexes if each is not None])
        if any(link is not None and link.is_self for link in self.links):
            own = [Partition(dimensions, values) for values in keys]
            indexes = [
                LinkIndex(link, own) if link is not None and link.is_self else index
                for link, index in zip(self.links, indexes, strict=True)
            ]
        found: list[UnitPlan] = []
        wanted = planner._narrowing.wanted
        stored = self.stored.records
        seen: set[Partition] = set()
        for values in keys:
            unit = Partition(dimensions, values)
            seen.add(unit)
            if wanted is not None and not wanted(self.name, unit):
                self._leave(unit)
                continue
            chosen = tuple([None if index is None else index.choose(values) for index in indexes])
            planned = self._unit(unit, values, chosen)
            if planned is not None:
                found.append(planned)
        for unit in stored:
            if unit not in seen and (wanted is None or wanted(self.name, unit)):
                planned = self._gone(unit, None)
                if planned is not None:
                    found.append(planned)
        return tuple(self._limited(found))

    def _available(self, name: str) -> Collection[Partition]:
        found = self.others[name]
        return [*found.contents, *found.waiting] if found.waiting else found.contents

    def _leave(self, unit: Partition) -> None:
        """Leave a partition as it is stored, if it is."""
        record = self.stored.contents.get(unit)
        if record is not None and unit in self.stored.records:
            self.result.contents[unit] = record

    def _limited(self, found: list[UnitPlan]) -> Iterator[UnitPlan]:
        """The partitions of which no more are made than the user asked for, in their order."""
        limit, result = self.planner._narrowing.limit, self.result
        due = [each for each in found if each.action == "run" and not each.drops and each.refused is None]
        if limit is None or len(due) <= limit:
            yield from found
            return
        chosen = due[-limit:] if self.planner._narrowing.newest_first else due[:limit]
        left = {each.partition for each in due} - {each.partition for each in chosen}
        for each in found:
            if each.partition not in left:
                yield each
                continue
            why = "left for a later run (`--max-partitions`)"
            result.due.discard(each.partition)
            result.contents.pop(each.partition, None)
            result.waiting[each.partition] = why
            yield UnitPlan(each.partition, "wait", (Reason("left", why),), each.state)

    def _unit(self, unit: Partition, values: Values, chosen: tuple[Chosen | None, ...]) -> UnitPlan | None:
        """Plan one partition that the table has; None where it is up to date."""
        is_stored = unit in self.stored.records
        is_open = False
        for domain, value in zip(self.domains, values, strict=True):
            if domain.is_open(value):
                if domain.dimension is not None and domain.dimension.open == "partial":
                    is_open = True
                elif is_stored:
                    self._leave(unit)
                    return None
                else:
                    return self._waiting(unit, "not_ended", f"{value} has not ended")
        for link, each in zip(self.links, chosen, strict=True):
            if link is not None and each is not None and each.lacks is not None:
                why = f"`{link.table}` has no {each.lacks}"
                return self._gone(unit, why) if is_stored else self._waiting(unit, "input_missing", why)
        needs: list[str] = []
        for link, each in zip(self.links, chosen, strict=True):
            if link is None or each is None:
                continue
            other = self.result if link.is_self else self.others[link.table]
            if other.waiting and (late := next((m for m in each.members if m in other.waiting), None)) is not None:
                return self._waiting(unit, "input_waits", f"`{unit_name(link.table, late)}` waits")
            if other.due:
                needs += [unit_name(link.table, m) for m in each.members if m in other.due]
        if not needs and not is_open and not self.whole_running and self._is_up_to_date(unit, chosen):
            self.result.contents[unit] = self.stored.contents[unit]
            return None
        return self._due(unit, chosen, tuple(needs), is_open=is_open)

    def _waiting(self, unit: Partition, code: str, why: str) -> UnitPlan:
        self.result.waiting[unit] = why
        return UnitPlan(unit, "wait", (Reason(code, why),))

    def _gone(self, unit: Partition, why: str | None) -> UnitPlan | None:
        """Plan a stored partition whose source has gone; None where it is kept."""
        gone = self.table.gone
        if gone == "keep":
            self._leave(unit)
            return None
        reason = Reason("source_gone", f"its source is gone{'' if why is None else f': {why}'}")
        state = self._state(unit)
        if gone == "drop":
            self.result.dropped.add(unit)
            return UnitPlan(unit, "run", (reason,), state, drops=True)
        name = unit_name(self.name, unit)
        option = " ".join(f"--partition {key}={value}" for key, value in unit.key.items())
        refused = StorageError(
            f"the source of `{name}` is gone{'' if why is None else f': {why}'}",
            hint=f"`gone: keep` keeps such partitions, `gone: drop` removes them;"
            f" `lakehouse clean {self.name} {option}` removes this one",
            location=self.table.where("gone", "partitions"),
        )
        self.result.contents[unit] = None
        self.result.due.add(unit)
        self.result.failing[unit] = refused.message
        return UnitPlan(unit, "run", (reason,), state, refused=refused, would_fail=refused.message)

    def _is_up_to_date(self, unit: Partition, chosen: Sequence[Chosen | None]) -> bool:
        """Whether a partition is as its index says, and that is as it would be made now; looks at no more than that."""
        record = self.stored.records.get(unit)
        content = self.stored.contents.get(unit)
        if record is None or content is None or self.planner._force or record.content_hash != content.content_hash:
            return False
        if self._recipe_changes(unit, record):
            return False
        inputs = record.inputs
        for edge, link, each in zip(self.edges, self.links, chosen, strict=True):
            if link is None or each is None:
                before, now = inputs.get(edge.table), self.whole[edge.table].content
            else:
                before, now = inputs.get(link.record_name), self._content(link, each)
            if before is None or now is None or before.content_hash != now.content_hash:
                return False
            if before.reading != now.reading:
                return False
        return True

    def _recipe_changes(self, unit: Partition, record: Stored) -> tuple[Reason, ...]:
        """The reasons in what a partition was made by, found once for all that were made by the same."""
        found = self._of_recipe.get(record.recipe)
        if found is None:
            manifest = self.stored.manifest(unit)
            if not isinstance(manifest, Manifest):
                return (Reason("data_changed", "no manifest"),)
            found = self.recipe_reasons(manifest)
            if self.table.on_code_change == "new":
                found = tuple(each for each in found if each.code not in CODE_REASONS)
            self._of_recipe[record.recipe] = found
        return found

    def _content(self, link: Link, chosen: Chosen) -> InputRecord | None:
        """The content of what a partition gets of an input, as it is stored; None where it is not."""
        other = self.result if link.is_self else self.others[link.table]
        reading = self.planner._stored[link.table].reading
        records = [(each, other.contents.get(each)) for each in chosen.members]
        there = [(each, record) for each, record in records if record is not None]
        if len(there) < len(records):
            return None
        return link.content(there)._replace(reading=reading)

    def _due(
        self, unit: Partition, chosen: tuple[Chosen | None, ...], needs: tuple[str, ...], *, is_open: bool
    ) -> UnitPlan | None:
        state = self._state(unit)
        as_stored = dict(self.whole)
        upstream = dict.fromkeys(self.whole_running)
        for link, each in zip(self.links, chosen, strict=True):
            if link is None or each is None:
                continue
            content = self._content(link, each)
            if content is None:
                upstream[link.table] = None
            else:
                as_stored[link.record_name] = TableState(each.name, True, content=content)
        reasons = [*self.reasons_of(unit, state, as_stored)]
        if self.table.on_code_change == "new" and state.manifest is not None:
            reasons = [each for each in reasons if each.code not in CODE_REASONS]
        if upstream:
            names = [*upstream]
            reasons.append(Reason("upstream_runs", f"{first_named(names, 3)} {'runs' if len(names) == 1 else 'run'}"))
        if is_open:
            reasons = [each for each in reasons if each.code != "partition_open"]
            reasons.append(Reason("partition_open", "its period has not ended"))
        if self.planner._force:
            reasons.append(Reason("forced", "forced (`--force`)"))
        refused = state.refusal(force=self.planner._force)
        if refused is None and state.exists and state.unclaimed and not self.planner._force:
            refused = UnclaimedError(state.uri, unit_name(self.name, unit), location=self.table.where("path"))
        would_fail = self.trouble or self._trouble_of(chosen)
        if would_fail is None and refused is not None:
            would_fail = f"`{unit_name(self.name, unit)}` stays as it is: {refused.message}"
        self.result.due.add(unit)
        self.result.contents[unit] = None
        if would_fail is not None:
            self.result.failing[unit] = would_fail
        return UnitPlan(unit, "run", tuple(reasons), state, chosen, needs, refused, would_fail, is_open=is_open)

    def _trouble_of(self, chosen: tuple[Chosen | None, ...]) -> str | None:
        for link, each in zip(self.links, chosen, strict=True):
            if link is not None and each is not None:
                failing = (self.result if link.is_self else self.others[link.table]).failing
                if failing and (bad := next((m for m in each.members if m in failing), None)) is not None:
                    return failing[bad]
        return None

    def _state(self, unit: Partition) -> TableState:
        stored = self.stored
        content, found = stored.contents.get(unit), stored.manifest(unit)
        manifest = found if isinstance(found, Manifest) else None
        trouble = found if isinstance(found, StorageError) else None
        content = None if content is None else content._replace(reading=stored.reading)
        return TableState(stored.uri(unit), content is not None, stored.trouble, content, manifest, trouble)
