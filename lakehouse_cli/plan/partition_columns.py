"""Columns that are not declared, which all partitions of a table must have alike to be read as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_cli.model.unit import needs_manifest

if TYPE_CHECKING:
    from lakehouse_cli.model.partition import Partition, PartitionColumns
    from lakehouse_cli.plan.table_units import TableUnits


def stored_columns_of(units: TableUnits) -> tuple[PartitionColumns, ...]:
    """The columns of stored partitions by which those are judged that a run stores.

    Of those that are made as they would be now: one that stays as it is, else two that the run computes again, so that
    none is judged by itself, or the only one. None where all columns are declared, or nothing such is stored.
    """
    table, stored, found = units.table, units.stored, units.result
    if not needs_manifest(table, table.columns):
        return ()
    again: list[Partition] = []
    for unit, record in stored.records.items():
        is_there = stored.contents.get(unit) is not None and unit not in found.dropped and record.recipe
        if not is_there or units.recipe_changes(unit, record):
            continue
        if unit not in found.due:
            return ((unit, record.columns),)
        if not units.known.force:
            again.append(unit)
    return tuple((each, stored.records[each].columns) for each in again[:2])
