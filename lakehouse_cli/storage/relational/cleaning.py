"""What of a database no declared table accounts for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.storage.base import Stray
from lakehouse_cli.storage.errors import translate_errors
from lakehouse_cli.storage.relational.strays import RelationalPlace
from lakehouse_cli.storage.relational.unit_storage import UnitStorage
from lakehouse_cli.storage.strays import find_strays, remove_stray


class CleanedStorage(UnitStorage):
    """Finds and removes strays; a base, see `RelationalStorage`."""

    def identities(self, table: Table) -> frozenset[Any]:
        """Return the database and the relation."""
        try:
            relation = self.relation(table)
        except StorageError:
            return frozenset()
        with translate_errors(self, table, "looked at"):
            identity = self.identity()
        return frozenset() if identity is None else frozenset([(identity, relation)])

    def strays(self, declared: Iterable[Table], taken: frozenset[Any]) -> Sequence[Stray]:
        """Return tables that a manifest describes and the project does not declare."""
        tables = list(declared)
        divided = {self.relation(table): table.partitions for table in tables if table.is_partitioned}
        known = {self.relation(table) for table in tables} - divided.keys()
        with translate_errors(self, None, "looked through"), self.session() as session:
            if session is None:
                return ()
            return list(find_strays(RelationalPlace(self, session, divided), known, taken))

    def remove_stray(self, stray: Stray) -> str | None:
        """Drop the very table that was listed, with its manifest."""
        if stray.keep is not None:
            return stray.keep
        try:
            with translate_errors(self, None, "cleaned"), self.session(write=True) as session:
                assert session is not None  # noqa: S101  # writing makes the database
                return remove_stray(RelationalPlace(self, session), stray)
        except (StorageError, DataError) as error:
            return error.message
