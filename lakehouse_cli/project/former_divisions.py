"""What is stored of a table by partitions that it has no more, or without those that it has: nobody reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.partition import ANY
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import IsLocal
from lakehouse_cli.storage.partition_capability import Partitioned, StoresAnew, partitions

#: Of so many tables of a plan it is asked where that takes a request each.
_REQUESTS = 8
_STAYS = "which nobody reads and `lakehouse clean` removes"


def with_former_divisions(plan: Plan, stored: StoredEnvironment) -> Plan:
    """A plan with notes on tables never materialized as they are declared, of which something else is stored.

    Databases and Delta Lake refuse to store beside it.
    """
    notes = dict(_notes(plan, stored))
    if not notes:
        return plan
    noted = (replace(t, notes=(*t.notes, notes[t.name])) if t.name in notes else t for t in plan.tables)
    return replace(plan, tables=tuple(noted))


def _notes(plan: Plan, stored: StoredEnvironment) -> Iterator[tuple[str, str]]:
    requests = 0
    for planned in plan.runs:
        if planned.state is None or planned.state.exists or not planned.state.unclaimed:
            continue
        table, storage = stored.tables[planned.name], stored.storages[planned.storage]
        if storage.capability(Partitioned) is None or storage.capability(StoresAnew) is not None:
            continue
        if storage.capability(IsLocal) is None:
            requests += 1
        if requests <= _REQUESTS and (note := _note(table, storage, stored.specs[planned.storage])) is not None:
            yield planned.name, note


def _note(table: Table, storage: AssetStorage, spec: StorageSpec) -> str | None:
    try:
        if table.partitions:
            whole = replace(table, partitions=())
            if "{" in table.path or storage.read_manifest(whole) is None:
                return None
            how = f"was stored without partitions, and is by {', '.join(table.partitions)}"
            return f"{how}: {storage.uri(whole)} stays, {_STAYS}"
        if storage.capability(IsLocal) is not None and not Path(spec.root, table.path).is_dir():
            return None
        by_any = replace(table, partitions=ANY)
        former = next((each.dimensions for each in partitions(storage, by_any)), None)
        if former is None:
            return None
        return f"was stored by {', '.join(former)}, and has no partitions: {storage.uri(by_any)} stays, {_STAYS}"
    except LakehouseError:
        return None
