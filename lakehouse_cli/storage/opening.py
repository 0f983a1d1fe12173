"""A declared storage → the `AssetStorage` that keeps its tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from lakehouse_cli.code.importing import import_own
from lakehouse_cli.code.source import SourceError
from lakehouse_cli.errors import LakehouseError, Location, Problem, ProjectError, UnreachableError, in_order
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.spec import FormatSpec
from lakehouse_cli.model import ProjectSpec, StorageSpec, Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.registry import Entry, install_command, load
from lakehouse_cli.storage.base import AssetStorage, Scan
from lakehouse_cli.storage.errors import own_storage_error
from lakehouse_cli.storage.wrapper import WrapperStorage
from lakehouse_cli.storage_types import STORAGE_TYPES, StorageType, find_type

_Storage = TypeVar("_Storage", bound=AssetStorage)


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
    used = {table.format: table for table in [*project.tables.values()][::-1] if table.format in FORMATS}
    for name, table in used.items():
        yield from _missing(FORMATS[name], f"table `{table.name}`", table.where("format"))


def not_installed(table: Table) -> UnreachableError | None:
    """Why a table cannot be read or written, there or not, as its format needs a package that is not installed."""
    if table.format not in FORMATS or not FORMATS[table.format].needs:
        return None
    for problem in _missing(FORMATS[table.format], f"table `{table.name}`", table.where("format")):
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
        return _open_own(spec, spec.folder or Path())
    storage_type = STORAGE_TYPES[spec.type]
    storage: AssetStorage = load(Entry(storage_type.implementation, storage_type.install))(spec)
    return storage


def _open_own(spec: StorageSpec, folder: Path) -> AssetStorage:
    try:
        storage_type = find_type(spec.type, folder)
    except SourceError as error:
        raise LakehouseError(f"storage `{spec.name}`: {error}", hint=error.hint, location=spec.location) from error
    if storage_type is None:
        raise LakehouseError(f"storage `{spec.name}`: `{spec.type}` is not installed any more", location=spec.location)
    storage_class = _imported(spec, storage_type, folder)
    options = {option.name: spec.connection.get(option.name, option.default) for option in storage_type.options}
    try:
        storage = make_storage(storage_class, spec, options)
    except LakehouseError:
        raise
    except Exception as error:
        raise LakehouseError(
            f"storage `{spec.name}` cannot be made: {type(error).__name__}: {error}",
            hint=f"look at `__init__` of `{storage_type.implementation}`, which is given the StorageSpec",
            location=spec.location,
        ) from error
    return GuardedStorage(spec, storage)


def make_storage(storage_class: type[_Storage], spec: StorageSpec, options: Mapping[str, Any]) -> _Storage:
    """A storage of a class that is not the tool's: spec and options are attributes before `__init__` is called."""
    storage = storage_class.__new__(storage_class)
    for name, value in options.items():
        # A list of its own: the default is shared by all that have it.
        setattr(storage, name, list(value) if isinstance(value, list) else value)
    # Neither is declared in the base.
    made: Any = storage
    made.spec = spec
    if storage_class.__init__ is not object.__init__:
        made.__init__(spec)
    return storage


def _imported(spec: StorageSpec, storage_type: StorageType, folder: Path) -> Any:
    """Import the class, and check that it has what a storage must have."""
    module_name, _, class_name = storage_type.implementation.partition(":")
    try:
        module = import_own(module_name, folder)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        hint = f"fix {module_name.replace('.', '/')}.py"
        if missing:
            hint = install_command(missing) or f"install what `{missing}` belongs to"
        raise LakehouseError(
            f"storage `{spec.name}`: `{module_name}` cannot be imported: {type(error).__name__}: {error}",
            hint=hint,
            location=spec.location,
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, AssetStorage):
        raise LakehouseError(
            f"storage `{spec.name}`: `{storage_type.implementation}` is no storage",
            hint="make it a subclass of `lakehouse_cli.storage.AssetStorage` or `KeyedStorage`",
            location=spec.location,
        )
    lacking = sorted(getattr(found, "__abstractmethods__", ()))
    if lacking:
        renamed = "scan" in lacking and hasattr(found, "read")
        raise LakehouseError(
            f"storage `{spec.name}`: `{storage_type.implementation}` lacks `{'`, `'.join(lacking)}`",
            hint="let `read` become `scan`" if renamed else "define what its base class leaves open",
            location=spec.location,
        )
    return found


class GuardedStorage(WrapperStorage):
    """A storage that is not the tool's: whatever it raises becomes a `StorageError` with table, storage and line."""

    def __init__(self, spec: StorageSpec, inner: AssetStorage) -> None:
        super().__init__(inner)
        self.spec = spec

    def uri(self, table: Table) -> str:
        """Return where a table is, with the root as it is written: one that is filled in may hold a password."""
        uri: str = self.forward("uri", table)
        return uri.replace(self.spec.root, self.spec.root_text) if self.spec.root else uri

    def scan(self, table: Table, columns: Any) -> Scan:
        """Guard the reading too, which begins when the data are asked for."""
        scan: Scan = self.forward("scan", table, columns)

        def read(known: tuple[InputRecord, ...] | None) -> Any:
            with self._guarding("scan", table):
                return scan.read(known)

        return Scan(self, table, read)

    def forward(self, method: str, /, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of the user's."""
        with self._guarding(method, next((each for each in arguments if isinstance(each, Table)), None)):
            result = super().forward(method, *arguments, **keywords)
            # What is made while it is asked for would raise where nobody looks.
            return list(result) if isinstance(result, Iterator) else result

    @contextmanager
    def _guarding(self, method: str, table: Table | None) -> Iterator[None]:
        try:
            yield
        except LakehouseError:
            raise
        except Exception as error:
            raise own_storage_error(self.spec, method, table, error) from error
