"""Paths of tables as names in a database, and as messages show them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.relational.session import Relation
from lakehouse_cli.storage_types import STORAGE_TYPES
from lakehouse_cli.storage_types.names import Names


class RelationNames(AssetStorage):
    """Names of relations by the paths of tables; a base, see `RelationalStorage`.

    Attributes:
        spec: The declaration of the storage.
    """

    #: What messages call the database, and what names its tables and columns may have.
    names: ClassVar[Names]

    def __init__(self, spec: StorageSpec) -> None:
        self.spec = spec
        #: The partitions that are stored in one transaction, which is under way.
        self.at_once: frozenset[Relation] = frozenset()

    @abstractmethod
    def identity(self) -> Any:
        """Return what identifies the database, by whatever name it goes; may connect to it."""

    def shown_root(self) -> str:
        """Return the database as messages show it."""
        return self.spec.root_text

    def default_schema(self) -> str:
        """Return the schema of a path that names none; empty for the connection's own."""
        return str(self.spec.connection.get("schema") or "")

    def relation(self, table: Table) -> Relation:
        """Return what a table's path means; of a partition, its rows in the table.

        Raises:
            StorageError: It cannot be a name in this database.
        """
        path = table.base_path or table.path
        problem = self.names.path_problem(path)
        if problem is not None:
            raise StorageError(
                f"`{problem[0]}` {problem[1]}", hint="give the table another `path:`", location=table.where("path")
            )
        schema, name = self.names.split(path)
        found = Relation(schema or self.default_schema(), name)
        return found if table.partition is None else found.of_unit(table.partition)

    def check_columns(self, table: Table, columns: Sequence[str]) -> None:
        """Refuse columns that this database does not let a table have.

        Raises:
            StorageError: There are such, or none at all where there must be one.
        """
        for message, hint in self._column_problems(columns, "query" if table.query is not None else "transform"):
            raise StorageError(message, hint=hint, location=table.where("columns"))

    def _column_problems(self, columns: Sequence[str], computed_by: str) -> Iterator[tuple[str, str]]:
        if self.names.needs_columns and not columns:
            yield f"{self.names.owner} has no tables without columns", "return at least one column"
        for name, problem in self.names.column_problems(columns):
            yield f"column `{name}` {problem}", f"give the column another name in the contract and in the {computed_by}"

    def uri(self, table: Table) -> str:
        """Return the database, then the schema unless it is the database's default, then the name."""
        shown = self._shown(*self.names.split(table.base_path or table.path))
        return shown if table.partition is None else f"{shown}/{table.partition.path}"

    def uri_of(self, relation: Relation) -> str:
        """Return where a relation is, as `uri` shows a table that would be declared there."""
        return self._shown(relation.schema if relation.schema != self.default_schema() else "", relation.name)

    def _shown(self, schema: str, name: str) -> str:
        return "/".join(filter(None, (self.shown_root(), schema or self._schema_shown(), name)))

    def _schema_shown(self) -> str:
        """Return what the options name: storages of other schemas may have the same root."""
        named = str(self.spec.connection.get("schema") or "")
        known = STORAGE_TYPES.get(self.spec.type)
        return "" if known is not None and named == known.schema else named
