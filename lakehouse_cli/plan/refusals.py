"""Why a run leaves tables as they are, and does not read inputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.pickle_trust import distrust
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.recipes import is_pickle
from lakehouse_cli.text.name_lists import first_named
from lakehouse_cli.text.python_words import in_python

if TYPE_CHECKING:
    from lakehouse_cli.plan.planned import PlannedTable


def of_another_project(project: str, table: Table, state: TableState) -> StorageError | None:
    """The error that another project stored what is there; None where none did."""
    if state.manifest is None or state.manifest.project in (None, project):
        return None
    other = state.manifest.project
    hint = f"give the table another `path:` or its storage another `root:`; `--force` makes it one of `{project}`"
    if table.location is not None and (table.location.file or "").endswith(".py"):  # the name may be the folder's
        hint = f"if this is the same project, name it: `Lakehouse(name={other!r}, …)`; else {in_python(hint)}"
    return StorageError(f"{state.uri} belongs to project `{other}`", hint=hint, location=table.where("path", "storage"))


def distrusted_input(table: Table, project: str, as_stored: Mapping[str, TableState]) -> StorageError | None:
    """Why an input is not loaded that is a pickle and read as it is stored; None where it is.

    Of partitions, which each have a manifest, a run finds it as it loads them.
    """
    state = as_stored.get(table.name)
    if state is None or not state.exists or not is_pickle(table) or table.is_partitioned:
        return None
    return state.manifest_trouble or distrust(table, project, state.manifest, lambda: state.altered_since)


def unread_input(name: str, states: Mapping[str, TableState], running: Collection[str]) -> str | None:
    """Why an input that is read as it is stored cannot be read, as far as that is known."""
    trouble = states[name].trouble
    return None if trouble is None or name in running else f"`{name}` cannot be read: {trouble.message}"


def unfit_input(table: Table, manifest: Manifest | None, codes: Mapping[str, str], now: datetime) -> str | None:
    """Why what is stored of an input may not be used: it fails a check, as was found; None where it may."""
    if manifest is None or not table.contract.checks:
        return None
    from lakehouse_cli.plan.standing_checks import unfit_for_use  # not loaded where no table has checks

    return unfit_for_use(table, manifest, codes, now)


def unfit_notes(planned: Sequence[PlannedTable], unfit: Mapping[str, str], asked: Collection[str]) -> Iterator[str]:
    """What is said of inputs whose data fail a check, where a table that was computed from them is up to date.

    Args:
        planned: The tables of the plan.
        unfit: Why, of inputs that are not selected.
        asked: The tables that are selected; a source among them fails itself.
    """
    sources = {
        each.name: each.would_fail
        for each in planned
        if each.would_fail is not None and each.kind == "source" and each.checks and each.name not in asked
    }
    for name, wrong in {**unfit, **sources}.items():
        if made := [each.name for each in planned if each.action == "skip" and name in each.inputs]:
            verb = "was computed from it, and stays as it is" if len(made) == 1 else "were computed from it, and stay"
            yield f"{wrong}; {first_named(made, 3)} {verb}"
