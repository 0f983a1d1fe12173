"""What each database does its own way with a query that it runs: the seam beside `Session`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.queries import DatabaseQuery
from lakehouse_cli.storage.relational.contract_sql import Conversion
from lakehouse_cli.storage.relational.session import Relation


class Staged(NamedTuple):
    """The result of a query, in the database and seen by this transaction alone.

    Attributes:
        source: What has its rows, as SQL that can stand in FROM.
        columns: SQL type of each column, by name.
    """

    source: str
    columns: Mapping[str, str]


class QueryPlace(NamedTuple):
    """Where in a query something is wrong; both count from 1."""

    line: int
    column: int


class RefusedQueryError(Exception):
    """A query reaches for what it may not; raised before it runs."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


#: Given the names of a result's columns, those by which its rows are stored.
Order = Callable[[Sequence[str]], Sequence[str]]


class QueryDialect(ABC):
    """How a database runs a query over tables by the names that the query gives them.

    Args:
        session: The transaction.
        query: The query.
    """

    #: Whether a table of this database is another where its rows are in another order.
    is_ordered: ClassVar[bool] = False

    def __init__(self, session: Any, query: DatabaseQuery) -> None:
        self.session = session
        self.query = query

    @abstractmethod
    def begin(self) -> None:
        """Make ready, before there are inputs: clock, params."""

    @abstractmethod
    def show(self, name: str, select: str, of: Relation) -> None:
        """Let the query read what a SELECT gives of a relation, by a name."""

    @abstractmethod
    def stage(self, order: Order) -> Staged:
        """Run the query, and keep its result for the transaction.

        Raises:
            RefusedQueryError: It reaches for more than its inputs.
        """

    @abstractmethod
    def end(self) -> None:
        """Let go of the inputs, by whose names there may be tables to write; what `stage` gave stays."""

    @abstractmethod
    def natural(self, stored: str) -> ColumnType | None:
        """Return what a column of an SQL type is where nothing is declared; None where nothing holds it exactly."""

    @abstractmethod
    def conversion(self, column: str, stored: str, declared: ColumnType) -> Conversion | None:
        """Return how values of an SQL type become those of a declared type; None where none do.

        Args:
            column: The value, as SQL.
            stored: Its SQL type.
            declared: What it is to be.
        """

    @abstractmethod
    def cast(self, declared: ColumnType, returned: ColumnType | None) -> str | None:
        """Return what to write of a column of a query to make it of a declared type, as `how_to_cast` takes it.

        Args:
            declared: The type.
            returned: The type in which the query returns it; None where no column type is as that is.
        """

    @staticmethod
    @abstractmethod
    def moment(moment: datetime, kind: ColumnType) -> str:
        """Return a moment as SQL, to be compared with values of a type as `conversion` gives them.

        Args:
            moment: In whole seconds; in UTC where the type has a zone.
            kind: A timestamp's type, or that of dates.
        """

    def place(self, error: Exception) -> QueryPlace | None:
        """Return where in the query an error of the driver is; None where that is not known."""
        del error
        return None


def place_in(text: str, offset: int) -> QueryPlace:
    """Return the line and column of a 0-based offset in a text."""
    before = text[:offset]
    return QueryPlace(before.count("\n") + 1, offset - before.rfind("\n"))
