"""Queries bound to the contracts of their inputs, before there are data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from lakehouse_cli.errors import Problem
from lakehouse_cli.model import Column, Table, UnsetValue
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.query import DUCKDB, QueryProblem
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.queries import QueryCode, Shape
from lakehouse_cli.plan.queries_in_databases import unlisted
from lakehouse_cli.storage_types.names import ascii_lower


class BoundQuery(Struct, frozen=True):
    """A query bound to the contracts of its inputs.

    Attributes:
        table: The table that it computes.
        inputs: The columns of each table that it reads, by its name in the query.
        result: The columns of its result; or what is wrong with it, or with the contract.
    """

    table: Table
    inputs: Mapping[str, Sequence[Column]]
    result: Shape | list[QueryProblem]


def query_problems(graph: AssetGraph, code: QueryCode) -> Iterator[Problem]:
    """What is wrong with queries, and with the contracts of their results.

    Args:
        graph: Of the project.
        code: Its queries; of those whose inputs or params do not match, that is all that is reported.
    """
    for bound in bound_queries(graph, code):
        query = bound.table.query
        if query is None or not isinstance(bound.result, list):
            continue
        for problem in bound.result:
            place = problem.location or query.place(problem.line, problem.column)
            yield Problem(f"{bound.table.computed_by}: {problem.message}", problem.hint, place)


def bound_queries(graph: AssetGraph, code: QueryCode) -> Iterator[BoundQuery]:
    """Bind the queries to the contracts of their inputs, but for those of whose inputs the columns are not known.

    Args:
        graph: Of the project.
        code: Its queries.
    """
    shapes: dict[str, Sequence[Column]] = {}
    for name in graph.order:
        table = graph.tables[name]
        exact = table.columns is not None and table.extra_columns != "keep"
        if table.columns is not None and exact:
            shapes[name] = table.columns
        edges = graph.inputs.get(name, ())
        if (
            table.query is None
            or table.quarantine_of  # its columns are not those of the query
            or not _is_bindable(table)
            or any(isinstance(value, UnsetValue) for value in table.params.values())
            or not _is_matched(table, edges)
            or unlisted(table, edges)
            or any(edge.table not in shapes for edge in edges)
        ):
            continue
        inputs = {edge.parameter or edge.table: shapes[edge.table] for edge in edges}
        found = code.bind(table.query.bare, inputs, table)
        if not isinstance(found, list) and not exact and table.columns is None:
            shapes[name] = _columns(found)
        yield BoundQuery(table, inputs, found)


def _is_bindable(table: Table) -> bool:
    """Whether DuckDB, which binds queries before they run, is what runs it."""
    reading = table.query.reading if table.query is not None else None
    return reading is not None and reading.dialect == DUCKDB


def _is_matched(table: Table, edges: Sequence[Input]) -> bool:
    """Whether all inputs and params of a table's query were found."""
    reading = table.query.reading if table.query is not None else None
    if reading is None or reading.problem is not None:
        return False
    wanted = [each.name for each in reading.tables or ()] if table.inputs is None else list(table.inputs)
    known = reading.tables is not None or table.inputs is not None
    return known and len(set(map(ascii_lower, wanted))) == len(edges) and set(reading.params) == table.constants


def _columns(shape: Shape) -> tuple[Column, ...]:
    from lakehouse_cli.model import parse_column_type

    return tuple(Column(name, parse_column_type(type_)) for name, type_ in shape)
