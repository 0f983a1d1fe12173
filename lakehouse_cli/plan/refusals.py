"""Why a run leaves tables as they are, and does not read inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.pickle_trust import distrust
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.recipes import is_pickle
from lakehouse_cli.text.python_words import in_python


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
