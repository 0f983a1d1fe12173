"""Queries looked at before there are data, on one connection for all of a project's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

from lakehouse_cli.engines.duckdb_queries import bound_params
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.query import QueryProblem, QueryReading
from lakehouse_cli.storage_types.duckdb import sql_type
from lakehouse_cli.storage_types.names import ascii_lower
from lakehouse_cli.text.sql import quote
from lakehouse_cli.transforms.queries.binding import DatabaseRules, bind, judged, judged_by
from lakehouse_cli.transforms.queries.connection import private_connection
from lakehouse_cli.transforms.queries.reading import aggregates_of, read_queries

# Types that Arrow and DuckDB have in the same way.
_PLAIN = frozenset(
    (*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64", "bool", "string")
) | {"binary", "date32", "decimal128", "timestamp"}
# Where no query looks for tables.
_SCHEMA = '"lakehouse columns"'
_NUMBER = re.compile(r"_\d+$")

#: Name and type of each column of a result.
Shape = tuple[tuple[str, str], ...]


class QueryAnalysis:
    """Reads queries and binds them to types; a context, which lets go of DuckDB at its end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._connection: Any = None
        self._aggregates: frozenset[str] = frozenset()
        # Tables without rows by their columns; columns in Arrow by what they are in DuckDB.
        self._tables: dict[str, str] = {}
        self._columns: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> Self:
        """Open the connection."""
        self._connection = self._stack.enter_context(private_connection(spills=False, threads=1))
        self._aggregates = aggregates_of(self._connection)
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self._stack.close()

    def read(self, texts: Sequence[str]) -> list[QueryReading]:
        """What is in each of these queries."""
        return read_queries(self._connection, texts, self._aggregates)

    def bind(
        self,
        text: str,
        inputs: Mapping[str, Sequence[Any]],
        table: Table,
        rules: DatabaseRules | None = None,
    ) -> tuple[tuple[str, str], ...] | list[QueryProblem]:
        """Bind a query over empty tables, and judge the columns of its result by the contract.

        Args:
            text: The query.
            inputs: Columns of each table, by its name in the query.
            table: With the contract and the params.
            rules: Of the database that runs it; None where that is DuckDB in the process.

        Returns:
            Name and type of each column of the result; or what is wrong.
        """
        kinds = self._described(text, inputs, bound_params(table.sample_params))
        declared = {column.name: _plain_type(column) for column in table.columns or ()}
        # As most are.
        if kinds is not None and declared and {name: str(kind) for name, kind in kinds.items()} == declared:
            types = {column.name: str(column.type) for column in table.columns or ()}
            return tuple((name, types[name]) for name in kinds)
        if kinds is not None and rules is not None:
            return judged_by(rules, kinds, table)
        found = None if kinds is None else judged(self._connection, kinds, table, self._columns)
        return bind(self._connection, text, inputs, table, rules) if found is None else found

    def _described(
        self, text: str, inputs: Mapping[str, Sequence[Column]], params: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The columns of a query's result, and their types in DuckDB; None where that takes a closer look."""
        import duckdb

        empty = {name: self._empty(columns) for name, columns in inputs.items()}
        if None in empty.values():
            return None
        given = ", ".join(f"{quote(name)} AS (FROM {table})" for name, table in empty.items())
        try:
            # No rows are computed.
            self._connection.execute(
                f"{'WITH ' if given else ''}{given} SELECT * FROM ({text}\n) LIMIT 0", params or None
            )
        except duckdb.Error:
            return None
        found = {name: kind for name, kind, *_ in self._connection.description}
        # A number is what DuckDB gives to a second column of one name.
        names = set(map(ascii_lower, found))
        return None if any(_NUMBER.search(name) and _NUMBER.sub("", name) in names for name in names) else found

    def _empty(self, columns: Sequence[Column]) -> str | None:
        """The name of a table without rows that has these columns; None where they are not all of `_PLAIN`."""
        listed = [(column.name, _plain_type(column)) for column in columns]
        if not listed or any(kind is None for _, kind in listed):
            return None
        definition = ", ".join(f"{quote(name)} {kind}" for name, kind in listed)
        if definition not in self._tables and len({ascii_lower(name) for name, _ in listed}) == len(listed):
            name = f"{_SCHEMA}.t{len(self._tables)}"
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}; CREATE TABLE {name} ({definition})")
            self._tables[definition] = name
        return self._tables.get(definition)


def _plain_type(column: Column) -> str | None:
    """The type of a column to DuckDB, in its own words, where each has one for the other; else None."""
    declared = column.type
    is_plain = declared.id in _PLAIN and not declared.timezone
    return sql_type(declared).replace(" ", "") if is_plain else None
