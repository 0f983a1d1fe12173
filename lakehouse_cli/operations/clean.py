"""What failed runs left, and stored tables that are no longer declared: found first, removed only when asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from lakehouse_cli.model import Table
from lakehouse_cli.runs.lock import RunLock, RunLockedError
from lakehouse_cli.storage.base import AssetStorage, Stray
from lakehouse_cli.storage.capabilities import identities, remove_stray, strays


def find_strays(storages: Mapping[str, AssetStorage], tables: Mapping[str, Table], project: str) -> tuple[Stray, ...]:
    """What no declared table accounts for, storage by storage.

    Args:
        storages: All of the project's, by name.
        tables: All declared tables, by name.
        project: Name of the project; what another one stored is told and stays.

    Raises:
        StorageError: A storage or a declared table cannot be looked at; then nothing is known to be a stray.
    """
    taken = frozenset(identity for table in tables.values() for identity in identities(storages[table.storage], table))
    found: dict[object, Stray] = {}
    for name, storage in storages.items():
        declared = [table for table in tables.values() if table.storage == name]
        for stray in strays(storage, declared, taken):
            # Two storages may share a root and tell of the same file, of whose ending one of them may not know.
            key = stray.handle[-1] if stray.handle else stray
            if key not in found or found[key].keep is not None:
                found[key] = stray if stray.project in (None, project) else _of_another(stray)
    return tuple(found.values())


def _of_another(stray: Stray) -> Stray:
    return replace(stray, keep=f"project `{stray.project}` stored it")


def clean(
    folder: Path,
    environment: str,
    storages: Mapping[str, AssetStorage],
    find: Callable[[], Iterable[Stray]],
) -> tuple[Stray, ...]:
    """Remove what is found, while no run goes on.

    Args:
        folder: The project's.
        environment: Its name.
        storages: All of the project's, by name.
        find: Finds it.

    Returns:
        Each as it is now: `keep` is None for what is gone, and tells why for what is still there.

    Raises:
        RunLockedError: A run goes on.
        StorageError: A storage cannot be looked at.
    """
    with RunLock(folder, environment) as lock:
        try:
            lock.acquire()
        except RunLockedError as error:
            error.hint = "nothing is removed while a run goes on; wait until it has ended"
            raise
        return tuple(replace(stray, keep=remove_stray(storages[stray.storage], stray)) for stray in find())
