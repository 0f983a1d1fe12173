"""Which partitions a table has, and which partitions of its inputs each is computed from. Pure; looks at nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Dimension, Every
from lakehouse_cli.model.file_pattern import reads_many_files
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.nesting import dimensions_for
from lakehouse_cli.model.partition import FILE, HIVE_NULL, Partition, quoted_value
from lakehouse_cli.model.partition_content import content_of_partitions, hash_of_partitions
from lakehouse_cli.model.period import (
    neighbours,
    nests,
    period_around,
)
from lakehouse_cli.model.unit import unit_name
from lakehouse_cli.plan.domains import Domain

Values = tuple[str, ...]
# Follow the name of a selection, so that it is never that of a partition: one without partitions may be called as one
# that the run removes, and one of several as one that it makes.
_NONE = " (none)"
_SEVERAL = " (several)"


class Shared(NamedTuple):
    """A dimension that a table and an input of it share.

    Attributes:
        place: Of the dimension among the table's.
        own: Its place among those of the input.
        every: The periods of the table's; None for texts.
        own_every: The periods of the input's.
        at: First and last neighbour that are read, in the table's periods.
        zone: By whose clocks these follow each other.
    """

    place: int
    own: int
    every: Every | None = None
    own_every: Every | None = None
    at: tuple[int, int] = (0, 0)
    zone: str = "UTC"

    @property
    def is_finer(self) -> bool:
        """Whether the periods of the table lie in those of the input, and are others."""
        return self.every != self.own_every and not _nests(self.own_every, self.every)

    def of_input(self, value: str) -> str:
        """The period of the table around one of the input; the input's own where that is the coarser."""
        if self.every is None or self.own_every is None or self.is_finer or value == HIVE_NULL:
            return value
        return period_around(value, self.own_every, self.every)

    def of_table(self, value: str) -> str:
        """The period by which partitions of the input are found."""
        if self.every is None or self.own_every is None or not self.is_finer or value == HIVE_NULL:
            return value
        return period_around(value, self.every, self.own_every)


def _nests(finer: Every | None, coarser: Every | None) -> bool:
    return finer is not None and coarser is not None and nests(finer, coarser)


class Link(Struct, frozen=True, dict=True):
    """An input of a partitioned table that has dimensions itself.

    Attributes:
        table: The input.
        dimensions: The input's.
        shared: Those of them by which its partitions are chosen.
        skips: Whether the input is empty where it has no partition, in the place of letting the table's wait.
        is_self: Whether it is the table itself.
        of_source: Whether the input is a source, each partition of which is files.
    """

    table: str
    dimensions: tuple[str, ...]
    shared: tuple[Shared, ...]
    skips: bool = False
    is_self: bool = False
    of_source: bool = False

    @property
    def parts(self) -> str:
        """Under what the partitions of the input are known: its name, and of one by file another."""
        return parts_name(self.table, by_file=self.dimensions == (FILE,) and self.of_source)

    @cached_property
    def is_single(self) -> bool:
        """Whether it gives one partition of the input at most."""
        chosen = {each.own for each in self.shared if each.at[0] == each.at[1]}
        return len(chosen) == len(self.dimensions) and all(
            each.every == each.own_every or each.is_finer for each in self.shared
        )

    @cached_property
    def is_windowed(self) -> bool:
        """Whether it gives neighbours."""
        return any(each.at != (0, 0) for each in self.shared)

    @cached_property
    def gives_own(self) -> bool:
        """Whether the period itself is among what it gives."""
        return all(each.at[0] <= 0 <= each.at[1] for each in self.shared)

    @cached_property
    def makes_partitions(self) -> bool:
        """Whether its partitions say which ones the table has."""
        return bool(self.shared) and not self.is_self and not any(each.is_finer for each in self.shared)

    def content(self, members: Sequence[tuple[Partition, InputRecord]]) -> InputRecord:
        """The content of what it gives; of one partition that a run stored, as it was stored."""
        if self.is_single and not self.of_source and len(members) == 1:
            return members[0][1]
        content = content_of_partitions(members)
        return content._replace(files=tuple([file for _, record in members for file in record.files]))

    def content_hash(self, members: Sequence[tuple[Partition, InputRecord]]) -> str:
        """Return the hash in `content`, alone."""
        if self.is_single and not self.of_source and len(members) == 1:
            return members[0][1].content_hash
        return hash_of_partitions(members)

    @cached_property
    def record_name(self) -> str:
        """What manifests call what it gives: the same for all partitions of the table."""
        return f"{self.table} ({self._window})" if self.is_windowed else self.table

    @cached_property
    def _window(self) -> str:
        return ", ".join([f"{self.dimensions[s.own]} {s.at[0]}..{s.at[1]}" for s in self.shared if s.at != (0, 0)])

    def text(self) -> str:
        """What decides which partitions it gives, for a recipe."""
        by = ", ".join(self.dimensions[each.own] for each in self.shared)
        return "; ".join(filter(None, (by, self._window, "missing: skip" if self.skips else "")))


def parts_name(table: str, *, by_file: bool) -> str:
    """Under what the partitions of a table are known; a source may be divided in two ways."""
    return f"{table} by file" if by_file else table


def link_of(
    table: Table, of: Table, others: Sequence[str], parameter: str | None, dimensions: Mapping[str, Dimension]
) -> Link | None:
    """Match the dimensions of a table to those of an input; None where they share none, and the input comes whole.

    Args:
        table: The table.
        of: The input.
        others: The input's dimensions.
        parameter: Which takes it.
        dimensions: All there are, by name.
    """
    if FILE in table.partitions and reads_many_files(of):
        others = (FILE,)
    options = table.input_options.get(parameter or "")
    at = {} if options is None else options.at
    shared = []
    for place, name in enumerate(table.partitions):
        for other in dimensions_for(name, others, dimensions)[:1]:  # of several, the project is invalid
            own, its = (dimensions[each].every if each in dimensions else None for each in (name, other))
            zone = dimensions[name].timezone if name in dimensions else "UTC"
            shared.append(Shared(place, others.index(other), own, its, at.get(name, (0, 0)), zone))
    if not shared:
        return None
    skips = options is not None and options.missing == "skip"
    is_self = of.name == table.name
    return Link(of.name, tuple(others), tuple(shared), skips, is_self=is_self, of_source=of.kind == "source")


def counted_link(table: Table, of: Table, dimensions: Mapping[str, Dimension]) -> Link | None:
    """How the partitions of another table make up those of a table; None where some are of none, or of several.

    Args:
        table: The table.
        of: The other one.
        dimensions: All there are, by name.
    """
    found = link_of(replace(table, input_options={}), of, of.partitions, None, dimensions)
    if of.kind != "computed" or found is None or len(found.shared) < len(table.partitions):
        return None
    return None if any(each.is_finer for each in found.shared) else found


class Chosen(NamedTuple):
    """What a partition gets of an input.

    Attributes:
        name: What it is called: a partition of the input, or a range of them; empty for a single one.
        members: The partitions, in order.
        lacks: The period that is not there and has to be; None where nothing lacks.
    """

    name: str
    members: tuple[Partition, ...]
    lacks: str | None = None


class LinkIndex:
    """Finds the partitions of an input that a partition of a table gets.

    Args:
        link: The input.
        available: Its partitions: those that are stored, and those that the run makes.
    """

    def __init__(self, link: Link, available: Collection[Partition]) -> None:
        self.link = link
        self._is_plain = not link.is_windowed and not any(each.is_finer for each in link.shared)
        self._indexes = tuple([each.place for each in link.shared])
        self._single = link.is_single
        found: dict[Values, list[Partition]] = {}
        self._available = available
        shared = link.shared
        if all(each.every == each.own_every for each in shared):
            owns = tuple([each.own for each in shared])
            for partition in available:
                values = partition.values
                found.setdefault(tuple([values[own] for own in owns]), []).append(partition)
        else:
            for partition in available:
                key = tuple([each.of_input(partition.values[each.own]) for each in shared])
                found.setdefault(key, []).append(partition)
        for members in found.values():
            if len(members) > 1:
                members.sort(key=_values)
        self.by_key = found
        self._first: dict[tuple[int, Values], str] = {}
        for place, each in enumerate(shared):
            if each.at != (0, 0):
                for key in found:
                    others = place, key[:place] + key[place + 1 :]
                    self._first[others] = min(self._first.get(others, key[place]), key[place])

    @property
    def is_simple(self) -> bool:
        """Whether each partition gets the one of the same values, and no other."""
        return self._is_plain and self._single

    def key(self, values: Values) -> Values:
        """Under which `by_key` has what the partition of these values gets, where that is simple."""
        return tuple([values[index] for index in self._indexes])

    def named(self, chosen: Chosen) -> Chosen:
        """The same with its name, which is not made for each of very many that are up to date."""
        return chosen if chosen.name else chosen._replace(name=unit_name(self.link.table, chosen.members[0]))

    def choose(self, values: Values) -> Chosen:
        """What the partition of these values gets."""
        link = self.link
        if self._is_plain:
            key = tuple([values[index] for index in self._indexes])
            members = self.by_key.get(key)
            if self._single and members is not None:
                return Chosen("", (members[0],))
            name = self._name(key)
            if members is None:
                return Chosen(f"{name}{_NONE}", (), None if link.skips else self._shown(key))
            return Chosen(name, tuple(members))
        return self._choose_neighbours(values)

    def lacks(self, values: Values) -> str | None:
        """The period that the partition of these values would be computed from, if the input has none of it."""
        own = tuple([values[index] for index in self._indexes])
        return None if own in self.by_key else self._shown(own)

    def lost(self, values: Values, lacking: Collection[Partition]) -> Partition | None:
        """The first of those of its own period, if all of them are lacking."""
        own = self.by_key.get(self.key(values), ()) if self.link.makes_partitions and self.link.gives_own else ()
        return own[0] if own and all(each in lacking for each in own) else None

    def _choose_neighbours(self, values: Values) -> Chosen:
        link, found = self.link, list[Partition]()
        keys, name = self._keys(values)
        lacks = None
        for key in keys:
            members = self.by_key.get(key)
            if members is not None:
                found += [each for each in members if each not in found]
            elif not link.skips and lacks is None and not self._is_before(key):
                lacks = self._shown(key)
        if self._single and len(found) == 1:
            name = unit_name(link.table, found[0])
        found.sort(key=_values)
        name = name if found else f"{name}{_NONE}"
        return Chosen(name, tuple(found), lacks)

    def _keys(self, values: Values) -> tuple[list[Values], str]:
        """The keys of all neighbours, and what they are called together."""
        keys: list[Values] = [()]
        parts = []
        for each in self.link.shared:
            value = values[each.place]
            near = [value] if each.at == (0, 0) else list(_neighbours(value, each))
            near = list(dict.fromkeys([each.of_table(one) for one in near]))
            keys = [(*key, one) for key in keys for one in near]
            parts.append(near[0] if len(near) == 1 else f"{near[0]}..{near[-1]}" if near else value)
        return keys, self._name(tuple(parts))

    def _is_before(self, key: Values) -> bool:
        """Whether a neighbour comes before the first partition of the input, where nothing can be."""
        for place, each in enumerate(self.link.shared):
            if each.at != (0, 0):
                first = self._first.get((place, key[:place] + key[place + 1 :]))
                if first is None or key[place] < first:
                    return True
        return False

    def _name(self, key: Values) -> str:
        names = [self.link.dimensions[each.own] for each in self.link.shared]
        parts = [f"{name}={quoted_value(value)}" for name, value in zip(names, key, strict=True)]
        return f"{self.link.table}/{'/'.join(parts)}{'' if self._single else _SEVERAL}"

    def _shown(self, key: Values) -> str:
        return ", ".join(key)


def _neighbours(value: str, shared: Shared) -> Iterator[str]:
    assert shared.every is not None  # noqa: S101  # a window is on time
    if value == HIVE_NULL:  # which comes neither before nor after a period
        yield from [value] if shared.at[0] <= 0 <= shared.at[1] else ()
        return
    yield from neighbours(value, shared.every, shared.zone, *shared.at)


def _values(partition: Partition) -> Values:
    return partition.values


def expected(dimensions: Sequence[str], domains: Sequence[Domain], links: Iterable[LinkIndex]) -> list[Values]:
    """The partitions that a table has, by what its inputs have and by calendars, whether all inputs are there or not.

    Args:
        dimensions: The table's.
        domains: Of each.
        links: Its inputs that have dimensions.
    """
    making = [each for each in links if each.link.makes_partitions]
    own = [each for each in making if each.link.gives_own] or making
    groups: dict[tuple[int, ...], dict[Values, None]] = {}
    for each in own:
        indexes = tuple([shared.place for shared in each.link.shared])
        groups.setdefault(indexes, {}).update(dict.fromkeys(each.by_key))
    together = {index for indexes in groups if len(indexes) > 1 for index in indexes}
    for index, domain in enumerate(domains):
        if domain.listed is not None and index not in together:
            null = (HIVE_NULL,)
            has_null = domain.dimension is not None and domain.has(HIVE_NULL) and null in groups.get((index,), ())
            groups[(index,)] = dict.fromkeys([*[(value,) for value in domain.listed], *[null] * has_null])
    covered, rows = _joined(groups)
    if set(covered) != set(range(len(dimensions))):
        return []
    order = [covered.index(index) for index in range(len(dimensions))]
    if order != sorted(order):
        rows = [tuple([row[place] for place in order]) for row in rows]
    for index, domain in enumerate(domains):
        is_listed = domain.listed is not None and index not in together
        if domain.dimension is not None and not is_listed:
            rows = [row for row in rows if domain.has(row[index])]
    return sorted(rows)


def _joined(groups: Mapping[tuple[int, ...], Iterable[Values]]) -> tuple[tuple[int, ...], list[Values]]:
    """Every combination of values of all groups that agree; groups within what is covered choose nothing."""
    covered: tuple[int, ...] = ()
    rows: list[Values] = [()]
    for indexes in sorted(groups, key=len, reverse=True):
        new = [place for place, index in enumerate(indexes) if index not in covered]
        if not new:
            continue
        if not covered:
            covered, rows = indexes, list(groups[indexes])
            continue
        common = [(covered.index(index), place) for place, index in enumerate(indexes) if index in covered]
        by_common: dict[Values, list[Values]] = {}
        for values in groups[indexes]:
            by_common.setdefault(tuple([values[place] for _, place in common]), []).append(values)
        rows = [
            (*row, *(values[place] for place in new))
            for row in rows
            for values in by_common.get(tuple([row[place] for place, _ in common]), ())
        ]
        covered = (*covered, *(indexes[place] for place in new))
    return covered, rows


def as_stored(dimensions: tuple[str, ...], keys: Sequence[Values], stored: Iterable[Partition]) -> Iterator[Partition]:
    """Yield the partitions of keys: those that are stored as they are, whose hashes are known; both are in order."""
    other = next(others := iter(stored), None)
    for values in keys:
        while other is not None and other.values < values:
            other = next(others, None)
        yield other if other is not None and other.values == values else Partition(dimensions, values)
