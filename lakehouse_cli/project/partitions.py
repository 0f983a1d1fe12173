"""What a request says of partitions: which, how many, and as of when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.plan.planned import Cost, Plan
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.text.name_lists import first_named
from lakehouse_cli.text.redaction import Mask, masked, masked_error

if TYPE_CHECKING:
    from lakehouse_cli.plan.graph import AssetGraph
    from lakehouse_cli.plan.partition_choice import PartitionChoice
    from lakehouse_cli.plan.partition_plan import PartitionPlanner
    from lakehouse_cli.plan.partitioning import Link
    from lakehouse_cli.plan.snapshot import Snapshot
    from lakehouse_cli.plan.units import Action, Narrowing, UnitPlan
    from lakehouse_cli.runs.history.reading import Unfinished


class Asked(Struct, frozen=True):
    """What a request says of partitions.

    Attributes:
        choice: Those that are asked for; None for all.
        again: Of tables that are to be tried again, the partitions that did not end well; None for all of a table.
        limit: As of `Narrowing`.
        newest_first: As of `Narrowing`.
        as_of: The moment that stands for now; None for now itself.
    """

    choice: PartitionChoice | None = None
    again: Mapping[str, frozenset[tuple[str, ...]] | None] | None = None
    limit: int | None = None
    newest_first: bool = False
    as_of: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether a run may leave partitions that are out of date."""
        return self.choice is not None or self.limit is not None or bool(self.again)

    @property
    def narrowing(self) -> Narrowing:
        """The same, for the plan."""
        from lakehouse_cli.plan.units import Narrowing  # not loaded where no table has partitions

        is_all = self.choice is None and not self.again
        return Narrowing(None if is_all else self._wants, self.limit, self.newest_first)

    def _wants(self, table: str, partition: Partition) -> bool:
        if self.choice is not None and not self.choice.includes(partition):
            return False
        again = None if self.again is None else self.again.get(table)
        return again is None or partition.values in again


#: What narrows nothing.
ALL_PARTITIONS = Asked()


def asked_partitions(request: RunRequest, dimensions: Mapping[str, Dimension]) -> Asked:
    """Read what a request says of partitions.

    Raises:
        UsageError: It names what there is not.
    """
    choice = None
    if request.partitions:
        from lakehouse_cli.plan.partition_choice import parse_partitions

        choice = parse_partitions(request.partitions, dimensions)
    as_of = None if request.as_of is None else parse_moment(request.as_of)
    return Asked(choice, None, request.max_partitions, request.newest_first, as_of)


def parse_moment(text: str) -> datetime:
    """Read a moment as `--as-of` takes it; without a zone, in UTC.

    Raises:
        UsageError: It is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        hint = "write it as in `2024-03-01` or `2024-03-01T06:00+01:00`; without a zone it is UTC"
        raise UsageError(f"`{text}` is no moment", hint=hint) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def with_unfinished(asked: Asked, unfinished: Mapping[str, Unfinished]) -> Asked:
    """The same, of what is to be tried again: its partitions that did not end well, as of the moment of their run."""
    again = {name: each.partitions for name, each in unfinished.items()}
    moments = {each.run_id: each.as_of for each in unfinished.values()}
    last = moments[max(moments)] if moments else None
    as_of = asked.as_of if asked.as_of is not None or last is None else parse_moment(last)
    return replace(asked, again=again, as_of=as_of)


def left_unfinished(
    plan: Plan, asked: Asked, unfinished: Mapping[str, Unfinished]
) -> dict[str, tuple[tuple[str, ...], ...] | None]:
    """What earlier runs did not finish of the tables of a plan, and this plan does not go for; as of `RunStarted`."""
    found: dict[str, tuple[tuple[str, ...], ...] | None] = {}
    for table in plan.tables if asked.is_narrow else ():
        if table.name not in unfinished:
            continue
        late = {unit.partition.values for unit in table.partitions if _is_left(unit.action, unit.reasons)}
        before = unfinished[table.name].partitions
        if before is None:
            if late or _is_left(table.action, table.reasons) or (asked.choice is not None and table.name in plan.links):
                found[table.name] = None
            continue
        of = plan.found.get(table.name)
        left = [
            each.values
            for each in (() if of is None else _all_of(of.contents, of.dropped, of.waiting))
            if each.values in before
            and (each.values in late or (asked.choice is not None and not asked.choice.includes(each)))
        ]
        if left:
            found[table.name] = tuple(left)
    return found


def _is_left(action: Action, reasons: Iterable[Reason]) -> bool:
    """Whether something waits for what the request left out, or may do so."""
    return action == "wait" and any(reason.code in ("left", "input_waits") for reason in reasons)


def concerned(chosen: Selection, asked: Asked, tables: Mapping[str, Table]) -> Selection:
    """A selection without the tables that have none of the dimensions that are asked for.

    Raises:
        UsageError: One of these was named, or there is no other.
    """
    choice = asked.choice
    if choice is None:
        return chosen
    computed = [name for name in chosen.names if tables[name].kind == "computed"]
    left = [name for name in computed if not choice.names(tables[name].partitions)]
    names = ", ".join(f"`{each}`" for each in choice.chosen)
    if left and (len(left) == len(computed) or not chosen.named.isdisjoint(left)):
        which = [name for name in left if name in chosen.named] or left
        has = "has" if len(which) == 1 else "have"
        hint = "leave out `--partition`, or select tables that are partitioned by it"
        raise UsageError(f"{first_named(which, 3)} {has} no partitions by {names}", hint=hint)
    note = f"left as they are, having no partitions by {names}: {first_named(left, 3)}"
    notes = (*chosen.notes, note) if left else chosen.notes
    return replace(chosen, names=tuple([name for name in chosen.names if name not in left]), notes=notes)


def partition_planner(
    graph: AssetGraph,
    dimensions: Mapping[str, Dimension],
    links: Mapping[str, tuple[Link | None, ...]],
    snapshot: Snapshot,
    now: datetime,
    asked: Asked,
    *,
    force: bool,
) -> PartitionPlanner | None:
    """Return what plans the partitions of tables, as of `PartitionPlanner`; None where no table has some."""
    if not snapshot.partitions:
        return None
    from lakehouse_cli.plan.partition_plan import PartitionPlanner

    stored, states = snapshot.partitions, snapshot.states
    return PartitionPlanner(graph, dimensions, links, stored, states, now, asked.narrowing, force=force)


def with_cost(plan: Plan, seconds: Callable[[], Mapping[str, float]], workers: Callable[[], int]) -> Plan:
    """A plan with what its partitions would take.

    Args:
        plan: The plan.
        seconds: Looks up how long one partition of each table took before.
        workers: Tells how many are computed at once.
    """
    due = {
        table.name: [unit for unit in table.partitions if _is_made(unit, has_inputs=bool(plan.links[table.name]))]
        for table in plan.tables
        if table.partitions
    }
    count = sum(map(len, due.values()))
    if not count:
        return plan
    took = seconds()
    known = [(len(units), took[name]) for name, units in due.items() if name in took]
    total = sum(number * each for number, each in known) / min(workers(), count)
    size = sum(_bytes_read(plan, name, units) for name, units in due.items())
    return replace(plan, cost=Cost(count, round(total, 3) if known else None, size))


def _is_made(unit: UnitPlan, *, has_inputs: bool) -> bool:
    """Whether a planned partition is to be computed: then it gets something of each input, if there is one."""
    return bool(unit.chosen) if has_inputs else unit.action == "run" and not unit.drops


def _bytes_read(plan: Plan, name: str, units: Iterable[UnitPlan]) -> int:
    size = 0
    links = plan.links[name]
    upstream = next(table.inputs for table in plan.tables if table.name == name)
    linked = {link.table for link in links if link is not None}
    for unit in units:
        for link, chosen in zip(links, unit.chosen, strict=True):
            if link is not None and chosen is not None:
                contents = plan.found[link.parts].contents
                size += sum(record.bytes for each in chosen.members if (record := contents.get(each)) is not None)
    whole = {each for each in upstream if each not in linked and each in plan.contents}
    return size + sum(plan.contents[each].bytes for each in whole)


def masked_unit(unit: UnitPlan, mask: Mask) -> UnitPlan:
    """A planned partition without the values of variables."""
    refused = None if unit.refused is None else masked_error(unit.refused, mask)
    would_fail = masked(unit.would_fail, mask)
    return replace(unit, reasons=masked(unit.reasons, mask), refused=refused, would_fail=would_fail)


def check_chosen(plan: Plan, asked: Asked) -> None:
    """Refuse a choice that no partition of the plan's tables is of.

    Raises:
        UsageError: There is none.
    """
    choice = asked.choice
    found = {table.name: plan.found[table.name] for table in plan.tables if table.name in plan.links}
    if choice is None or not found or any(table.refused is not None for table in plan.tables):
        return
    there = [each for of in found.values() for each in _all_of(of.contents, of.dropped, of.waiting)]
    if any(choice.includes(each) for each in there):
        return
    from lakehouse_cli.project.chosen_partitions import those_there  # seldom needed

    hint = those_there(there) if there else "none of these tables has a partition yet"
    raise UsageError(f"no partition of {first_named([*found], 3)} is {choice}", hint=hint)


def _all_of(*groups: Iterable[Partition]) -> list[Partition]:
    return sorted({each for group in groups for each in group})
