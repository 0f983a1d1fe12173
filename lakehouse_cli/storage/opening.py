"""A declared storage → the `AssetStorage` that keeps its tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from lakehouse_cli.errors import Location, Problem, ProjectError, UnreachableError, in_order
from lakehouse_cli.formats import find_form
from lakehouse_cli.formats.spec import FormatSpec
from lakehouse_cli.model import ProjectSpec, StorageSpec, Table
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage_types import STORAGE_TYPES, StorageType


def open_storages(project: ProjectSpec) -> Mapping[str, AssetStorage]:
    """Return the storages of a project by name; nothing is connected to before it is used.

    Raises:
        ProjectError: Packages that they need are not installed.
        LakehouseError: A type is a class of the user's that cannot be imported, or is no storage.
    """
    _raise_for(_missing_for_storages(project), project)
    return {name: open_storage(spec) for name, spec in project.storages.items()}


def check_installed(project: ProjectSpec) -> None:
    """Look for the packages that the storages of a project need, and the formats of their tables; imports none.

    Raises:
        ProjectError: Some are not installed; the hints say what to install.
    """
    _raise_for([*_missing_for_storages(project), *_missing_for_formats(project)], project)


def _missing_for_storages(project: ProjectSpec) -> Iterator[Problem]:
    # The first of each type is the one that is named.
    used = {spec.type: spec for spec in [*project.storages.values()][::-1] if spec.type in STORAGE_TYPES}
    for name, spec in used.items():
        yield from _missing(STORAGE_TYPES[name], f"storage `{spec.name}`", spec.location)


def _missing_for_formats(project: ProjectSpec) -> Iterator[Problem]:
    used = {(table.format, table.serializer): table for table in [*project.tables.values()][::-1]}
    for table in used.values():
        if (form := find_form(table)) is not None:
            yield from _missing(form, f"table `{table.name}`", table.where("format"))


def not_installed(table: Table) -> UnreachableError | None:
    """Why a table cannot be read or written, there or not, as its format needs a package that is not installed."""
    form = find_form(table)
    if form is None or not form.needs:
        return None
    for problem in _missing(form, f"table `{table.name}`", table.where("format")):
        return UnreachableError(
            problem.message, reason=problem.message, everywhere=False, hint=problem.hint, location=problem.location
        )
    return None


def _missing(needing: StorageType | FormatSpec, what: str, where: Location | None) -> Iterator[Problem]:
    for module in needing.needs:
        if find_spec(module) is None:
            yield Problem(f"{what} needs `{module}`, which is not installed", needing.install, where)


def _raise_for(problems: Iterable[Problem], project: ProjectSpec) -> None:
    found = in_order(problems, project.file.name)
    if found:
        raise ProjectError(found)


def open_storage(spec: StorageSpec) -> AssetStorage:
    """Return the storage of a declaration; nothing is connected to before it is used.

    Raises:
        LakehouseError: A package that its type needs is not installed; the hint says what to install. Or its type is a
            class of the user's that cannot be imported, or is no storage.
    """
    if spec.type not in STORAGE_TYPES:
        from lakehouse_cli.storage.own import open_own  # seldom needed

        return _with_many_files(open_own(spec, spec.folder or Path()), spec)
    storage_type = STORAGE_TYPES[spec.type]
    storage: AssetStorage = load(Entry(storage_type.implementation, storage_type.install))(spec)
    return _with_many_files(storage, spec)


def _with_many_files(storage: AssetStorage, spec: StorageSpec) -> AssetStorage:
    return with_parts(storage) if spec.many_files else storage


def with_parts(storage: AssetStorage) -> AssetStorage:
    """A storage that also knows sources that are many files, and tables that are many partitions."""
    from lakehouse_cli.storage.format_storage import FormatStorage
    from lakehouse_cli.storage.many_files import ManyFilesStorage
    from lakehouse_cli.storage.partition_capability import Partitioned
    from lakehouse_cli.storage.partitioned import PartitionedStorage

    if isinstance(storage, FormatStorage):
        storage = ManyFilesStorage(storage)
    return storage if storage.capability(Partitioned) is None else PartitionedStorage(storage)
