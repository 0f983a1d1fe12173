"""Databases that run queries over their own tables."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from lakehouse_cli.model import Table
from lakehouse_cli.storage.relational.base import RelationalStorage

if TYPE_CHECKING:
    from lakehouse_cli.storage.queries import Computed, DatabaseQuery, Origin


class QueryStorage(RelationalStorage):
    """A database that runs queries; see `storage.capabilities.RunsQueries`."""

    @abstractmethod
    def engine_version(self) -> str:
        """Return the version of the database, as far as it decides what a query gives."""

    def publish_query(self, table: Table, query: DatabaseQuery, origin: Origin) -> Computed:
        """Run a query, enforce the contract on its rows and publish them, in the database and in one transaction."""
        from lakehouse_cli.storage.relational.computation import publish_query

        return publish_query(self, table, query, origin)

    def compute_query(self, table: Table, query: DatabaseQuery) -> Computed:
        """Run a query, and return what `publish_query` would store."""
        from lakehouse_cli.storage.relational.computation import compute_query

        return compute_query(self, table, query)
