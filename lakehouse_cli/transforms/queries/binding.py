"""A query bound to the contracts of its inputs, and its result judged by its own, exactly as in a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.conversion.exact import is_convertible
from lakehouse_cli.arrow.ordering import order_problem
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.engines.duckdb_queries import bound_params
from lakehouse_cli.engines.duckdb_values import read_pieces, unreadable
from lakehouse_cli.errors import ContractError, TransformError, Violation
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.query import QueryProblem
from lakehouse_cli.model.unit import as_returned
from lakehouse_cli.storage_types.duckdb import cast_hint
from lakehouse_cli.transforms.queries.inputs import registered, unheld
from lakehouse_cli.transforms.queries.results import (
    CAST_IN,
    QueryError,
    as_table,
    empty_table,
    result_of,
    whole_numbers,
)

#: The types that a database takes for the declared ones. Given a table, and the columns of its result by their types in
#: DuckDB, the stored columns without rows; and what is wrong.
DatabaseRules = Callable[[Table, Mapping[str, str]], tuple[pa.Table, Sequence[Violation]]]


def bind(
    connection: Any,
    text: str,
    inputs: Mapping[str, Sequence[Column]],
    table: Table,
    rules: DatabaseRules | None = None,
) -> tuple[tuple[str, str], ...] | list[QueryProblem]:
    """Bind a query over empty tables; see `lakehouse_cli.transforms.queries.analysis.QueryAnalysis.bind`.

    Args:
        connection: Of DuckDB, without tables.
        text: The query.
        inputs: Columns of each table, by its name in the query.
        table: With the contract and the params.
        rules: Of the database that runs it; None where that is DuckDB in the process.
    """
    empty = {name: empty_table(columns) for name, columns in inputs.items()}
    for name, data in empty.items():
        if (why := unheld(data.schema)) is not None:
            return [QueryProblem(f"`{name}` {why}", "leave it out, or rename it, in a table between the two")]
    params = bound_params(table.sample_params)
    try:
        with registered(connection, empty):
            (result,) = result_of(connection, text, params, table.columns, order=None, rows=0)
            bound = connection.sql(text, params=params or None)
            kinds = dict(zip(bound.columns, bound.types, strict=True))
    except QueryError as error:
        return [error.problem]
    except TransformError as error:
        return [QueryProblem(error.message, error.hint)]
    return _judged(result, kinds, table) if rules is None else judged_by(rules, kinds, table)


def judged_by(
    rules: DatabaseRules, kinds: Mapping[str, Any], table: Table
) -> tuple[tuple[str, str], ...] | list[QueryProblem]:
    """Judge the columns of a result as the database does that runs the query; the arguments are those of `judged`."""
    table = as_returned(table, kinds)
    result, violations = rules(table, {name: str(kind) for name, kind in kinds.items()})
    return list(map(_problem, violations)) or _order_problems(result, table) or _shape(result)


def judged(
    connection: Any, kinds: Mapping[str, Any], table: Table, known: dict[tuple[str, str], Any]
) -> tuple[tuple[str, str], ...] | list[QueryProblem] | None:
    """Judge the columns of a result by the contract as `bind` does; None where that takes the query itself.

    Args:
        connection: Of DuckDB.
        kinds: The columns, and their types in DuckDB.
        table: With the contract.
        known: Columns without rows by the type in DuckDB and what HUGEINT is cast to; added to.
    """
    import duckdb

    cast = whole_numbers(table.columns)
    found = {}
    for name, kind in kinds.items():
        key = str(kind), cast(name)
        if key not in known:
            try:
                known[key] = _column(connection, *key)
            except duckdb.Error:
                return None
        found[name] = known[key]
    return _judged(as_table(found, table.columns), kinds, table)


def _column(connection: Any, kind: str, hugeint: str) -> Any:
    """A column of a type of DuckDB without rows, as one of a result is read."""
    source = connection.sql(f"SELECT NULL::{kind} AS c LIMIT 0")
    [found] = read_pieces(
        source.project, dict(zip(source.columns, source.types, strict=True)), hugeint=lambda _: hugeint, cast_in=CAST_IN
    )
    return found["c"]


def _judged(
    result: pa.Table, kinds: Mapping[str, Any], table: Table
) -> tuple[tuple[str, str], ...] | list[QueryProblem]:
    return _problems(result, kinds, as_returned(table, result.column_names)) or _shape(result)


def _shape(result: pa.Table) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, str(from_arrow(field.type) or "string")) for field in result.schema)


def _problem(violation: Violation) -> QueryProblem:
    message, _, hint = violation.message.partition("; ")
    return QueryProblem(message, hint or None, location=violation.location)


def _order_problems(result: pa.Table, table: Table) -> list[QueryProblem]:
    """What is wrong with the order where no columns are declared, by which it could be judged without the query."""
    if table.columns is not None or (problem := order_problem(result.schema, table.order_by)) is None:
        return []
    index, message, hint = problem
    return [QueryProblem(message, hint, location=table.where(f"order_by.{index}"))]


def _problems(result: pa.Table, kinds: Mapping[str, Any], table: Table) -> list[QueryProblem]:
    """What of a result without rows does not fit the contract."""
    found: list[QueryProblem] = []
    try:
        enforce(result, table.columns, key=table.key, extra_columns=table.extra_columns)
    except ContractError as error:
        found += map(_problem, error.violations)
    declared = {column.name: column for column in table.columns or ()}
    kept = kinds if table.columns is None or table.extra_columns == "keep" else declared.keys() & kinds.keys()
    refused = {name: why for name in kept if (why := unreadable(kinds[name])) is not None}
    for name, why in refused.items():
        place = declared[name].location if name in declared else None
        found.append(QueryProblem(f"`{name}` holds {why}", f"cast it to VARCHAR {CAST_IN}", location=place))
    types = {field.name: field.type for field in result.schema if field.name not in refused}
    for column in declared.values():
        returned = types.get(column.name)
        if returned is not None and not is_convertible(returned, to_arrow(column.type)):
            kind = from_arrow(returned) or returned
            message = f"`{column.name}` is declared {column.type}, and the query returns {kind}"
            hint = f"declare {kind}, or {cast_hint(column.type, from_arrow(returned))}"
            found.append(QueryProblem(message, hint, location=column.location))
    return [*found, *_order_problems(result, table)]
