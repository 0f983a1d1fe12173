"""Storages of classes that are not the tool's: made with spec and options, and guarded against what they raise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lakehouse_cli.code.importing import import_own
from lakehouse_cli.code.source import SourceError
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.executors.forks import UNFORKABLE
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.registry import install_command
from lakehouse_cli.storage.base import AssetStorage, Scan
from lakehouse_cli.storage.errors import own_storage_error
from lakehouse_cli.storage.wrapper import WrapperStorage
from lakehouse_cli.storage_types import StorageType, find_type
from lakehouse_cli.storage_types.own_methods import MAKE_STORAGE, lacking_message

if TYPE_CHECKING:
    import pyarrow as pa

_Storage = TypeVar("_Storage")


def open_own(spec: StorageSpec, folder: Path) -> AssetStorage:
    """Import a class of the project in a folder, or of a package, and make its storage.

    Raises:
        LakehouseError: It cannot be imported or made, or is no storage.
    """
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


def only_saves_and_loads(storage_class: type) -> bool:
    """Whether a class is a storage of the kind that Dagster's Lakehouse had."""
    if not all(callable(getattr(storage_class, name, None)) for name in ("save", "load")):
        return False
    lacking: frozenset[str] = getattr(storage_class, "__abstractmethods__", frozenset())
    return not issubclass(storage_class, AssetStorage) or {"scan", "publish"} <= lacking


def make_storage(storage_class: type[_Storage], spec: StorageSpec, options: Mapping[str, Any]) -> _Storage:
    """A storage of a class that is not the tool's: spec and options are attributes before `__init__` is called.

    One that only saves and loads is within a `SaveLoadStorage`.
    """
    if only_saves_and_loads(storage_class):
        from lakehouse_cli.storage.save_load import SaveLoadStorage  # slow to load, as frame types are

        # What its base leaves open is not asked of it.
        plain: Any = type(storage_class.__name__, (storage_class,), {"__module__": storage_class.__module__})
        plain.__abstractmethods__ = frozenset()
        adapted: Any = SaveLoadStorage(spec, _made(plain, spec, options))
        return cast("_Storage", adapted)
    return _made(storage_class, spec, options)


def _made(storage_class: type[_Storage], spec: StorageSpec, options: Mapping[str, Any]) -> _Storage:
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
    UNFORKABLE.add(module_name)
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
    if isinstance(found, type) and only_saves_and_loads(found):
        return found
    if not isinstance(found, type) or not issubclass(found, AssetStorage):
        raise LakehouseError(
            f"storage `{spec.name}`: `{storage_type.implementation}` is no storage",
            hint=MAKE_STORAGE,
            location=spec.location,
        )
    lacking: frozenset[str] = getattr(found, "__abstractmethods__", frozenset())
    if lacking:
        what, hint = lacking_message(lacking, dir(found))
        raise LakehouseError(
            f"storage `{spec.name}`: `{storage_type.implementation}` {what}", hint=hint, location=spec.location
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

        def read_pieces(known: tuple[InputRecord, ...]) -> Any:
            assert scan.read_pieces is not None  # noqa: S101  # asked for below
            with self._guarding("scan", table):
                opened, record = scan.read_pieces(known)

            def pieces() -> Iterator[pa.Table]:
                with self._guarding("scan", table):
                    yield from opened()

            return pieces, record

        return Scan(self, table, read, None if scan.read_pieces is None else read_pieces)

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
        except (LakehouseError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # `SystemExit`, and what polars raises where it panics, too
            raise own_storage_error(self.spec, method, table, error) from error
