"""Which stored pickles are loaded: those alone that a run of the same project is known to have stored."""

from __future__ import annotations

from collections.abc import Callable

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.project import Table
from lakehouse_cli.model.unit import selected_alone


def distrust(
    table: Table, project: str, manifest: Manifest | None, is_altered: Callable[[], bool]
) -> StorageError | None:
    """Say why a stored pickle is not loaded.

    Args:
        table: The asset, or a partition of it.
        project: Name of the project that asks.
        manifest: Of what is stored; None where there is none.
        is_altered: Returns whether the bytes are not those that the manifest records; asked last.

    Returns:
        The error, whose hint is the way out; None where the pickle is loaded.
    """
    name, hint = table.name, f"`lakehouse run --force {selected_alone(table)}` makes it anew"
    if manifest is None:
        return StorageError(f"`{name}` was not created by lakehouse (no manifest), and is not loaded", hint=hint)
    if manifest.project != project:
        owner = "an unknown project" if manifest.project is None else f"project `{manifest.project}`"
        return StorageError(f"`{name}` was stored by {owner}, and is not loaded in `{project}`", hint=hint)
    if manifest.recipe is None:
        return StorageError(f"`{name}` was copied as it was, computed by no run, and is not loaded", hint=hint)
    if manifest.table != name or is_altered():
        return StorageError(f"`{name}` was modified outside lakehouse, and is not loaded", hint=hint)
    return None
