"""Tables that are copied by partition: each partition as a table of its own, and what became of all of them as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.operations.copying.results import GRAVEST, CopiedPartition, CopiedTable
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.redaction import Mask, masked


class Division(Struct, frozen=True):
    """What is copied, with the partitions of tables in their place.

    Attributes:
        source: The environment that tables come from, in which their partitions are tables too.
        target: The environment that they go to, likewise.
        names: The tables and partitions that are copied.
        missing: Tables of which there is no partition, or whose partitions cannot be looked at.
    """

    source: StoredEnvironment
    target: StoredEnvironment
    names: tuple[str, ...]
    missing: tuple[CopiedTable, ...]

    def tables(self, ended: Iterable[CopiedTable]) -> Iterator[CopiedTable]:
        """The results of tables, as those of their partitions come in."""
        yield from self.missing
        for name, parts in groupby(ended, key=lambda each: each.name.partition("/")[0]):
            found = [*parts]
            yield self._together(name, found) if self.source.tables[name].is_partitioned else found[0]

    def _together(self, name: str, parts: list[CopiedTable]) -> CopiedTable:
        statuses = [each.status for each in parts]
        status = next(each for each in GRAVEST if each in statuses)
        gravest = [each for each in parts if each.status == status]
        seconds = [each.duration_s for each in parts if each.duration_s is not None]
        return CopiedTable(
            name,
            "computed",
            status,
            _uri(self.source, name),
            _uri(self.target, name),
            note=self._note(gravest),
            hint=gravest[0].hint,
            rows=sum(each.rows or 0 for each in parts) if any(each.rows is not None for each in parts) else None,
            bytes=sum(each.bytes or 0 for each in parts) if status == "copied" else None,
            duration_s=round(sum(seconds), 6) if seconds else None,
            error=gravest[0].error,
            partitions=tuple([self._part(each) for each in parts if each.status != "unchanged"]),
            partitions_unchanged=statuses.count("unchanged"),
        )

    def _note(self, parts: list[CopiedTable]) -> str:
        """Why the partitions of a table ended as they did: the first of them, and how many others did."""
        first = parts[0]
        if not first.note or first.status in ("unchanged", "held_back"):
            return first.note
        more = f" (and {plural(len(parts) - 1, 'partition')} more)" if len(parts) > 1 else ""
        return f"{self._part(first).text}{more}: {first.note}"

    def _part(self, part: CopiedTable) -> CopiedPartition:
        partition = self.source.tables[part.name].partition
        return CopiedPartition(
            {} if partition is None else partition.key,
            part.status,
            part.from_uri,
            part.uri,
            part.note,
            part.hint,
            part.rows,
            part.bytes,
            part.duration_s,
            part.error,
        )


def divide(source: StoredEnvironment, target: StoredEnvironment, names: Iterable[str], mask: Mask) -> Division:
    """Put the stored partitions of tables, of those that are chosen, in the place of the tables.

    Args:
        source: The environment that tables come from.
        target: The environment that they go to.
        names: The tables.
        mask: Redacts secret values in errors.
    """
    names = tuple(names)
    here, there = dict(source.tables), dict(target.tables)
    found: list[str] = []
    missing: list[CopiedTable] = []
    used = [edge.table for name in names for edge in source.graph.inputs.get(name, ())]
    used += [other for name in names for other in source.graph.references(name)]
    for name in dict.fromkeys((*names, *used)):
        table = source.tables[name]
        if not table.is_partitioned:
            found += [name] if name in names else []
            continue
        stored: Iterable[Partition] = ()
        trouble: StorageError | None = None
        try:
            stored = partitions(source.storages[table.storage], table)
        except StorageError as error:
            trouble = error
        for partition in stored:
            unit = unit_of(table, partition)
            here[unit.name], there[unit.name] = unit, unit_of(target.tables[name], partition)
        chosen = table.selected if table.selected is not None else stored
        if name in names and (trouble is not None or not chosen):
            missing.append(_missing(source, target, name, trouble, mask))
        elif name in names:
            found += [unit_of(table, partition).name for partition in chosen]
    return Division(replace(source, tables=here), replace(target, tables=there), tuple(found), tuple(missing))


def _missing(
    source: StoredEnvironment, target: StoredEnvironment, name: str, trouble: StorageError | None, mask: Mask
) -> CopiedTable:
    note = f"never materialized in `{source.environment}`"
    found = CopiedTable(name, "computed", "missing", _uri(source, name), _uri(target, name), note, partitions=())
    if trouble is None:
        return found
    info = masked(ErrorInfo.of(trouble), mask)
    return replace(found, status="failed", note=info.message, error=info)


def _uri(environment: StoredEnvironment, name: str) -> str:
    table = environment.tables[name]
    return environment.storages[table.storage].uri(table)
