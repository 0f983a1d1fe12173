"""Inputs that are not there in one environment, read from another: never written there.

To work on one table, all that it is computed from need not be computed, or copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.read_only import ReadOnlyStorage


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
