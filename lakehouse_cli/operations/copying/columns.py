"""Columns that are not declared: partitions are not copied beside others that have others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.partition import PartitionColumns
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.model.unit import needs_manifest, table_of, unit_name
from lakehouse_cli.operations.copying.results import CopiedTable
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.storage.undeclared_types import column_differences


def refuse_other_columns(
    found: Iterable[CopiedTable], states: Mapping[str, TableState], source: StoredEnvironment, target: StoredEnvironment
) -> list[CopiedTable]:
    """Refuse what could not be read as one with the partitions that the target keeps, or that are copied before it.

    Args:
        found: What is decided of each table and partition.
        states: What the source has of each.
        source: Where they come from.
        target: Where they go.
    """
    found = list(found)
    copied = {each.name for each in found if each.status == "planned"}
    beside: dict[str, PartitionColumns | None] = {}
    for at, each in enumerate(found):
        unit, manifest = target.tables[each.name], states[each.name].manifest
        if each.name not in copied or manifest is None or not unit.partition or not needs_manifest(unit, unit.columns):
            continue
        base = table_of(unit).name
        if base not in beside:
            beside[base] = _kept(base, copied, target)
        other = beside[base] = beside[base] or (unit.partition, manifest.columns)
        if differences := column_differences(unit, dict(manifest.columns), other):
            note = f"{differences} of `{target.environment}`; partitions of a table have the same columns"
            hint, where = f"copy all partitions of `{base}` at once", target.environment
            if unit_name(base, other[0]) not in source.tables:  # of an environment in which it was computed otherwise
                hint = f"first compute all of `{where}` anew: `lakehouse run --force {base} -e {where}`"
            hint += f"; or declare all `columns:` of `{base}`"
            found[at] = replace(each, status="refused", note=note, hint=hint)
    return found


def _kept(base: str, copied: set[str], target: StoredEnvironment) -> PartitionColumns | None:
    """A partition that the target has, and that no copy replaces."""
    table = target.tables[base]
    try:
        stored = partitions(target.storages[table.storage], table)
    except LakehouseError:  # said of each partition
        return None
    kept = ((each, record.columns) for each, record in stored.items() if unit_name(base, each) not in copied)
    return next(kept, None)
