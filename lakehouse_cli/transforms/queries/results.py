"""The results of queries over tables: their types and their values, exactly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.refusal import InexactError, violation_of
from lakehouse_cli.arrow.conversion.refusals import convert_or_refuse
from lakehouse_cli.arrow.conversion.refused_column import RefusedColumn
from lakehouse_cli.arrow.conversion.stand_in import Printed, python_values, stand_in
from lakehouse_cli.arrow.types import to_arrow, without_rows
from lakehouse_cli.engines.duckdb_values import read_pieces
from lakehouse_cli.engines.interruption import interruptibly
from lakehouse_cli.errors import Violation
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.model.query import QueryProblem
from lakehouse_cli.storage_types.duckdb import same_to_duckdb
from lakehouse_cli.text.sql import quote
from lakehouse_cli.transforms.queries.reading import problem_of

#: Where users can cast what is refused.
CAST_IN = "in the query"
_FLOATS = re.compile("FLOAT|DOUBLE")
# Bytes of a result that is held in memory.
_AT_ONCE = 1 << 26
# DECIMAL has no more digits.
_DIGITS = 38


def empty_table(columns: Sequence[Column]) -> pa.Table:
    """A table of the declared types without rows."""
    return without_rows(pa.schema([(column.name, to_arrow(column.type)) for column in columns]))


def result_of(
    connection: Any,
    text: str,
    params: Mapping[str, Any],
    declared: Sequence[Column] | None,
    *,
    order: Sequence[str] | None = (),
    rows: int | None = None,
) -> Iterator[pa.Table]:
    """Run a query and read its result, for `lakehouse_cli.contracts.enforce`: what is refused says why.

    Args:
        connection: With the tables registered.
        text: The query, without a semicolon.
        params: From `bound_params`.
        declared: The contract's columns; None where none are declared.
        order: Columns by which the result is sorted, all others after them; none for all columns; None for as it comes.
        rows: Only the first so many; None for all.

    Returns:
        All rows as one table; the pieces of what is more than `_AT_ONCE` bytes.

    Raises:
        QueryError: It cannot be run.
    """
    import duckdb

    try:
        bound = connection.sql(text, params=params or None)
        if (both := same_to_duckdb(bound.columns)) is not None:
            raise QueryError(QueryProblem(f"the query returns {both}", "give one another name with AS"))
        columns = dict(zip(bound.columns, bound.types, strict=True))
        source = f"({text}\n)"
        if order is not None:
            first = [name for name in order if name in columns]
            keys = list(map(quote, [*first, *(name for name in columns if name not in first)]))
            # Zero of either sign is the same to ORDER BY.
            floats = {name: str(kind) for name, kind in columns.items() if _FLOATS.search(str(kind))}
            keys += [
                f"signbit({quote(name)})" if _FLOATS.fullmatch(kind) else f"{quote(name)}::VARCHAR"
                for name, kind in floats.items()
            ]
            source = f"(SELECT * FROM {source} ORDER BY {', '.join(keys)})"
        if rows is not None:
            source = f"(SELECT * FROM {source} LIMIT {rows})"

        def select(wanted: str) -> Any:
            return connection.sql(f"SELECT {wanted} FROM {source}", params=params or None)

        pieces = read_pieces(select, columns, hugeint=whole_numbers(declared), cast_in=CAST_IN, at_once=_AT_ONCE)
        while (found := interruptibly(connection, lambda: next(pieces, None))) is not None:
            yield as_table(found, declared)
    except duckdb.Error as error:
        raise QueryError(_located(connection, text, params, error)) from error


def _located(connection: Any, text: str, params: Mapping[str, Any], error: Exception) -> QueryProblem:
    """The problem that an error is; of one in the query itself, DuckDB only names the place where it is explained."""
    import duckdb

    explain = f"EXPLAIN {text}"
    try:
        connection.execute(explain, params or None).fetchall()
    except duckdb.Error as explained:
        found = problem_of(explained, explain)
        if found.line == 1 and found.column is not None:
            found = replace(found, column=max(found.column - len("EXPLAIN "), 1))
        return found
    return replace(problem_of(error), line=None, column=None)


class QueryError(Exception):
    """A query cannot be bound, or failed as it ran; `problem` says why."""

    def __init__(self, problem: QueryProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def whole_numbers(declared: Sequence[Column] | None) -> Callable[[str], str]:
    """What HUGEINT is cast to: a sum of integers is one, whatever they are."""
    names = {column.name for column in declared or ()}
    return lambda name: f"DECIMAL({_DIGITS}, 0)" if name in names else "BIGINT"


def as_table(found: Mapping[str, pa.ChunkedArray | RefusedColumn], columns: Sequence[Column] | None) -> pa.Table:
    """Columns as they were read, for `lakehouse_cli.contracts.enforce`: what is refused says why."""
    declared = {column.name: column.type for column in columns or ()}
    fields: list[pa.Field] = []
    arrays: list[pa.ChunkedArray] = []
    for name, column in found.items():
        if isinstance(column, RefusedColumn):
            refused = list(_refusals(column, name, declared.get(name)))
            field, array = stand_in(name, _values(column), refused)
        else:
            field, array = pa.field(name, column.type), column
        fields.append(field)
        arrays.append(array)
    return pa.table(arrays, schema=pa.schema(fields))


def _values(column: RefusedColumn) -> list[Any]:
    """All values of a column, those that are refused as messages show them."""
    values: list[Any] = [None] * len(column.column)
    level: pa.ChunkedArray | Sequence[Any] | RefusedColumn | None = column
    while level is not None:
        source = level.column if isinstance(level, RefusedColumn) else level
        given = python_values(source) if isinstance(source, pa.ChunkedArray) else list(source)
        if isinstance(level, RefusedColumn) and level.refusal.shown is not None:
            of_rows = level.refusal.rows
            rows = (
                [row for row, each in enumerate(given) if each is not None] if of_rows is None else of_rows.to_pylist()
            )
            for row, text in zip(rows, level.refusal.shown, strict=False):
                given[row] = Printed(text)
        values = [each if value is None else value for value, each in zip(values, given, strict=True)]
        level = level.rest if isinstance(level, RefusedColumn) else None
    return values


def _refusals(
    column: RefusedColumn, name: str, declared: ColumnType | None
) -> Iterator[tuple[Violation, InexactError]]:
    """What is wrong with a column, its other values among it."""
    values: pa.ChunkedArray | Sequence[Any] | RefusedColumn | None = column
    while isinstance(values, RefusedColumn):
        yield violation_of(values.refusal, name, declared, values.column), values.refusal
        values = values.rest
    if isinstance(values, pa.ChunkedArray) and declared is not None:
        for refusal in convert_or_refuse(partial(convert, target=to_arrow(declared)), values)[1]:
            yield violation_of(refusal, name, declared, values), refusal
