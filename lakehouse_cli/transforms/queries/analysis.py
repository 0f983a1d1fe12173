"""Queries looked at before there are data, on one connection for all of a project's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

from lakehouse_cli.arrow.conversion.exact import is_convertible
from lakehouse_cli.arrow.ordering import order_problem
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.engines.duckdb_queries import bound_params
from lakehouse_cli.errors import ContractError, TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.model.query import QueryProblem, QueryReading
from lakehouse_cli.transforms.queries.connection import private_connection
from lakehouse_cli.transforms.queries.inputs import registered, unheld
from lakehouse_cli.transforms.queries.reading import aggregates_of, read_query
from lakehouse_cli.transforms.queries.running import (
    QueryError,
    empty_table,
    result_of,
)


class QueryAnalysis:
    """Reads queries and binds them to types; a context, which lets go of DuckDB at its end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._connection: Any = None
        self._aggregates: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        """Open the connection."""
        self._connection = self._stack.enter_context(private_connection(spills=False, threads=1))
        self._aggregates = aggregates_of(self._connection)
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self._stack.close()

    def read(self, text: str) -> QueryReading:
        """What is in a query."""
        return read_query(self._connection, text, self._aggregates)

    def bind(
        self, text: str, inputs: Mapping[str, Sequence[Any]], table: Table
    ) -> tuple[tuple[str, str], ...] | list[QueryProblem]:
        """Bind a query over empty tables, and judge the columns of its result by the contract.

        Args:
            text: The query.
            inputs: Columns of each table, by its name in the query.
            table: With the contract and the params.

        Returns:
            Name and type of each column of the result; or what is wrong.
        """
        empty = {name: empty_table(columns) for name, columns in inputs.items()}
        for name, data in empty.items():
            if (why := unheld(data.schema)) is not None:
                return [QueryProblem(f"`{name}` {why}", "leave it out, or rename it, in a table between the two")]
        try:
            with registered(self._connection, empty):
                (result,) = result_of(
                    self._connection, text, bound_params(table.params), table.columns, order=None, rows=0
                )
        except QueryError as error:
            return [error.problem]
        except TransformError as error:
            return [QueryProblem(error.message, error.hint)]
        return _problems(result, table) or tuple(
            (field.name, str(from_arrow(field.type) or "string")) for field in result.schema
        )


def _problems(result: Any, table: Table) -> list[QueryProblem]:
    """What of a result without rows does not fit the contract."""
    found: list[QueryProblem] = []
    try:
        enforce(result, table.columns, key=table.key, extra_columns=table.extra_columns)
    except ContractError as error:
        for violation in error.violations:
            message, _, hint = violation.message.partition("; ")
            found.append(QueryProblem(message, hint or None, location=violation.location))
    types = {field.name: field.type for field in result.schema}
    for column in table.columns or ():
        returned = types.get(column.name)
        if returned is not None and not is_convertible(returned, to_arrow(column.type)):
            kind = from_arrow(returned) or returned
            message = f"`{column.name}` is declared {column.type}, and the query returns {kind}"
            hint = f"declare {kind}, or cast it in the query"
            found.append(QueryProblem(message, hint, location=column.location))
    if table.columns is None and (problem := order_problem(result.schema, table.order_by)) is not None:
        index, message, hint = problem
        found.append(QueryProblem(message, hint, location=table.where(f"order_by.{index}")))
    return found
