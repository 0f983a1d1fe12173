"""Inputs that are not there in one environment, read from another: never written there.

Whoever works on one table needs not compute, or copy, all that it is computed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Column, StorageSpec, Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.storage.base import AssetStorage, Origin, Stored, Stray
from lakehouse_cli.stored import StoredEnvironment

if TYPE_CHECKING:
    import pyarrow as pa


class ReadOnlyStorage(AssetStorage):
    """A storage of another environment, of which everything can be read and nothing changed.

    Args:
        storage: The storage.
        environment: Whose it is, for messages.
    """

    def __init__(self, storage: AssetStorage, environment: str) -> None:
        self._storage = storage
        # That of the storage, whatever its class says.
        vars(self)["concurrency"] = storage.concurrency
        self._environment = environment

    def uri(self, table: Table) -> str:
        """As the storage has it."""
        return self._storage.uri(table)

    def stat(self, table: Table) -> Stored | None:
        """As the storage has it."""
        return self._storage.stat(table)

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """As the storage has it."""
        return self._storage.content(table, known)

    def count_rows(self, table: Table) -> int | None:
        """As the storage has it."""
        return self._storage.count_rows(table)

    def read(self, table: Table, columns: Sequence[Column] | None) -> pa.Table:
        """As the storage has it."""
        return self._storage.read(table, columns)

    def read_with_content(
        self, table: Table, columns: Sequence[Column] | None, known: Iterable[InputRecord]
    ) -> tuple[pa.Table, InputRecord]:
        """As the storage has it."""
        return self._storage.read_with_content(table, columns, known)

    def read_manifest(self, table: Table) -> Manifest | None:
        """As the storage has it."""
        return self._storage.read_manifest(table)

    def list(self) -> Iterable[Manifest]:
        """As the storage has it."""
        return self._storage.list()

    def local_files(self, table: Table) -> Iterable[str]:
        """As the storage has it."""
        return self._storage.local_files(table)

    def identities(self, table: Table) -> frozenset[Any]:
        """As the storage has it."""
        return self._storage.identities(table)

    def publish(self, table: Table, data: pa.Table, origin: Origin) -> Manifest:
        """Refused."""
        del data, origin
        self._refuse(table)

    def delete(self, table: Table) -> None:
        """Refused."""
        self._refuse(table)

    def remove_leftovers(self, tables: Iterable[Table]) -> None:
        """Refused."""
        for table in tables:
            self._refuse(table)

    def remove_stray(self, stray: Stray) -> str | None:
        """Refused."""
        del stray
        return f"environment `{self._environment}` is read-only"

    def _refuse(self, table: Table) -> NoReturn:
        raise StorageError(f"`{table.name}` is read from environment `{self._environment}`, where nothing is changed")


class Deferral(Struct, frozen=True, dict=True):
    """Another environment of the same project, in which inputs may be found.

    Attributes:
        there: Its tables and storages.
    """

    there: StoredEnvironment

    @property
    def environment(self) -> str:
        """Its name."""
        return self.there.environment

    @cached_property
    def storages(self) -> Mapping[str, AssetStorage]:
        """Its storages, to be read from, by names that no storage of another environment has."""
        return {self._named(n): ReadOnlyStorage(each, self.environment) for n, each in self.there.storages.items()}

    @cached_property
    def specs(self) -> Mapping[str, StorageSpec]:
        """The declarations of `storages`."""
        return {self._named(name): spec for name, spec in self.there.specs.items()}

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Its tables, which live in `storages`."""
        return {name: replace(table, storage=self._named(table.storage)) for name, table in self.there.tables.items()}

    def _named(self, storage: str) -> str:
        return f"{self.environment}:{storage}"
