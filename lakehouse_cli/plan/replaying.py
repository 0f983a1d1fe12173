"""Quarantines whose rows are judged again: which tables run for that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.text.close_names import did_you_mean

if TYPE_CHECKING:  # not loaded where no table has partitions
    from lakehouse_cli.plan.units import StoredPartitions


def find_replayed(tables: Mapping[str, Table], names: Iterable[str]) -> dict[str, str]:
    """The tables of some quarantines, each with the name of its quarantine.

    Raises:
        UsageError: A name is that of no quarantine; with close matches.
    """
    quarantines = {name: of for name, table in tables.items() if (of := table.quarantine_of)}
    found = {}
    for name in names:
        if name not in quarantines:
            of_table = next((aside for aside, of in quarantines.items() if of == name), None)
            hint = f"write `--replay {of_table}`" if of_table else did_you_mean(name, quarantines)
            nothing = "`quarantine` on a table puts rows aside that break its checks"
            listed = f"there are {', '.join(quarantines)}" if quarantines else nothing
            raise UsageError(f"`{name}` is no quarantine", hint=hint or listed)
        found[quarantines[name]] = name
    return found


def check_selected(replayed: Mapping[str, str], selected: Collection[str]) -> None:
    """Refuse a selection without the tables that are to run.

    Raises:
        UsageError: One is not selected.
    """
    for name, aside in replayed.items():
        if name not in selected:
            message = f"`--replay {aside}` runs `{name}`, which is not selected"
            raise UsageError(message, hint=f"select `{name}` as well, or leave out the selection")


def replay_reasons(name: str, replayed: Mapping[str, str]) -> Iterator[Reason]:
    """Why a table runs whose quarantine is judged again."""
    if name in replayed:
        yield Reason("replayed", f"`{replayed[name]}` is judged again (`--replay`)")


def without_rows(
    replayed: Mapping[str, str], states: Mapping[str, TableState], partitions: Mapping[str, StoredPartitions]
) -> dict[str, str]:
    """Those of the tables of which no row was put aside, each with a note that says so.

    Args:
        replayed: The tables, each with the name of its quarantine.
        states: Of all tables that are looked at.
        partitions: What is stored of those that are stored by partition.
    """
    found = {}
    for name, aside in replayed.items():
        manifest = states[aside].manifest
        has_rows = manifest is not None and manifest.rows > 0
        if aside in partitions:
            has_rows = any(record.rows for record in partitions[aside].contents.values())
        if not has_rows:
            found[name] = f"`{aside}` has no rows: there is nothing to judge again"
    return found
