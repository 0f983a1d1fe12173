"""The tables that a run did not finish, which `--failed` and `state:failed` take up again."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.model import ProjectSpec
from lakehouse_cli.plan.selection import Selection

if TYPE_CHECKING:
    from lakehouse_cli.runs.history.reading import Unfinished


def unfinished_tables(spec: ProjectSpec) -> dict[str, Unfinished]:
    """The tables that failed, were skipped or were cancelled in the last run that went for them, with that run."""
    from lakehouse_cli.runs.history import reading as history

    computed = (name for name, table in spec.tables.items() if table.kind == "computed")
    return history.unfinished(spec.folder, spec.environment, computed)


def narrowed_to(chosen: Selection, unfinished: Collection[str]) -> Selection:
    """The tables of a selection that are to be tried again."""
    names = tuple(name for name in chosen.names if name in unfinished)
    if names or not chosen.names:
        return replace(chosen, names=names)
    which = "none of the selected tables" if unfinished else "no table"
    note = f"{which} failed, was skipped or was cancelled when a run last went for it"
    return replace(chosen, names=names, notes=(*chosen.notes, note))
