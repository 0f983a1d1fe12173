"""Leftovers of failed runs, and stored tables that are no longer declared: found first, removed on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.runs.failed_rows import unfinished_rows
from lakehouse_cli.runs.local_state import is_held
from lakehouse_cli.runs.lock import lock_file, run_lock
from lakehouse_cli.storage.base import AssetStorage, Stray
from lakehouse_cli.storage.capabilities import identities, remove_stray, strays
from lakehouse_cli.storage.partition_capability import contents, drop, partitions
from lakehouse_cli.text.causes import system_reason


def find_strays(storages: Mapping[str, AssetStorage], tables: Mapping[str, Table], project: str) -> tuple[Stray, ...]:
    """Find the files and tables that no declared table accounts for, storage by storage.

    Args:
        storages: All of the project's, by name.
        tables: All declared tables, by name.
        project: Name of the project; the tables of another one are reported and stay.

    Raises:
        StorageError: A storage or a declared table cannot be inspected; then nothing is known to be a stray.
    """
    taken = frozenset(identity for table in tables.values() for identity in identities(storages[table.storage], table))
    found: dict[object, Stray] = {}
    for name, storage in storages.items():
        declared = [table for table in tables.values() if table.storage == name]
        for stray in strays(storage, declared, taken):
            # Two storages may share a root and list the same file, of whose ending one of them may not know.
            key = stray.handle[-1] if stray.handle else stray
            if key not in found or found[key].keep is not None:
                foreign = stray.project not in (None, project)
                found[key] = replace(stray, keep=f"project `{stray.project}` stored it") if foreign else stray
    return tuple(found.values())


def find_partitions(storage: AssetStorage, table: Table, chosen: Collection[Partition]) -> Iterator[Stray]:
    """Find stored partitions of a table, as they are to be removed; what was modified outside lakehouse stays.

    Args:
        storage: Its storage.
        table: A computed table.
        chosen: Which.

    Raises:
        StorageError: They cannot be looked at.
    """
    there = {each: record for each, record in partitions(storage, table).items() if each in chosen}
    now = contents(storage, table, {each: (record.content,) for each, record in there.items()})
    for each, record in there.items():
        unit, found = unit_of(table, each), now.get(each)
        altered = found is not None and found.content_hash != record.content_hash
        yield Stray(
            "partition",
            table.storage,
            unit.name,
            storage.uri(unit),
            record.bytes,
            record.modified_ns,
            keep="it was modified outside lakehouse" if altered else None,
            handle=(table, each),
        )


def clean(
    folder: Path,
    environment: str,
    storages: Mapping[str, AssetStorage],
    find: Callable[[], Iterable[Stray]],
) -> tuple[Stray, ...]:
    """Remove strays, while no run goes on.

    Returns:
        Each as it is now: `keep` is None if it was removed, else the reason why not.

    Raises:
        RunLockedError: A run goes on.
        StorageError: A storage cannot be inspected.
    """
    hint = "nothing is removed while a run goes on; wait until it has ended"
    with run_lock(folder, environment, hint=hint):
        return tuple(replace(stray, keep=_remove(storages, stray)) for stray in find())


def find_rows(folder: Path, locked: str | None = None) -> Iterator[Stray]:
    """Find the failed rows of runs that were killed.

    Args:
        folder: The project's.
        locked: The environment whose lock this process holds, so that no run of it goes on.
    """
    for path, environment in unfinished_rows(folder):
        if environment == locked or not is_held(lock_file(folder, environment)):
            with suppress(OSError):
                found, shown = path.stat(), str(path.relative_to(folder))
                yield Stray("unfinished", None, None, shown, found.st_size, found.st_mtime_ns, handle=(path,))


def _remove(storages: Mapping[str, AssetStorage], stray: Stray) -> str | None:
    """Remove a stray; returns why it stays, None where it is gone."""
    if stray.storage is None:
        try:
            stray.handle[0].unlink(missing_ok=True)
        except OSError as error:
            return system_reason(error)
        return None
    storage = storages[stray.storage]
    if stray.kind != "partition":
        return remove_stray(storage, stray)
    table, partition = stray.handle
    try:
        drop(storage, [unit_of(table, partition)])
    except StorageError as error:
        return error.message
    return None
