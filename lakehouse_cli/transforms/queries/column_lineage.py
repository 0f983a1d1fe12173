"""The column lineage of queries, before there are data, by the plan that DuckDB makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Self

from msgspec import json

from lakehouse_cli.engines.duckdb_queries import bound_params
from lakehouse_cli.model import Column
from lakehouse_cli.model.column_lineage import BY, ColumnLineage, ColumnRef, IndirectRef, QueryLineage
from lakehouse_cli.storage_types.names import ascii_lower
from lakehouse_cli.text.sql import literal, quote, tokens
from lakehouse_cli.transforms.queries.bound_plan import Effect, Source, UntraceableError, trace
from lakehouse_cli.transforms.queries.connection import private_connection
from lakehouse_cli.transforms.queries.inputs import held_in_duckdb
from lakehouse_cli.transforms.queries.reading import problem_of
from lakehouse_cli.transforms.queries.results import empty_table

# A token such as `$least` or `$range.low`, and no text in dollars.
_PARAM = re.compile(r"\$([^\W\d]\w*)(\.[^$]*)?")
# Names that no query has of its own.
_ARROW, _VARIABLE = "lakehouse input", "lakehouse param "


class LineageAnalysis:
    """Traces the columns of queries on one connection; a context, which lets go of DuckDB at its end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._connection: Any = None

    def __enter__(self) -> Self:
        """Open the connection."""
        self._connection = self._stack.enter_context(private_connection(spills=False, threads=1))
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self._stack.close()

    def trace(
        self, text: str, inputs: Mapping[str, Sequence[Column]], params: Mapping[str, Any], names: Sequence[str]
    ) -> QueryLineage:
        """What each column of a query's result comes from.

        Args:
            text: The query, without a semicolon; it binds to these inputs and params.
            inputs: Columns of each table, by its name in the query, which is its name in the lineage.
            params: Of the query.
            names: Of the columns of its result.
        """
        import duckdb

        try:
            with self._tables(inputs):
                traced = trace(self._plan(text, params))
        except RecursionError:
            return QueryLineage(unknown="it is nested too deeply")
        except UntraceableError as error:
            return QueryLineage(unknown=str(error))
        except duckdb.Error as error:
            return QueryLineage(unknown=f"DuckDB has no plan of it: {problem_of(error).message}")
        if len(traced.columns) != len(names):
            return QueryLineage(unknown="the plan of DuckDB has other columns than its result")
        written = _Written(inputs)
        shared = traced.rows | _in_all([column.indirect for column in traced.columns])
        columns = (
            ColumnLineage(name, written.refs(each.direct), written.indirect(each.indirect - shared))
            for name, each in zip(names, traced.columns, strict=True)
        )
        return QueryLineage(tuple(columns), written.indirect(shared))

    @contextmanager
    def _tables(self, inputs: Mapping[str, Sequence[Column]]) -> Iterator[None]:
        """Have empty tables: a plan cannot name tables of Arrow."""
        made = []
        try:
            for name, columns in inputs.items():
                self._connection.register(_ARROW, held_in_duckdb(name, empty_table(columns)))
                self._connection.execute(f"CREATE TABLE {quote(name)} AS FROM {quote(_ARROW)}")
                made.append(name)
                self._connection.unregister(_ARROW)
            yield
        finally:
            for name in made:
                self._connection.execute(f"DROP TABLE {quote(name)}")

    def _plan(self, text: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, value in bound_params(params).items():
            self._connection.execute(f"SET VARIABLE {quote(_VARIABLE + name)} = $value", {"value": value})
        query = literal(_with_variables(text, params))
        [(shown,)] = self._connection.execute(f"SELECT json_serialize_plan({query}, optimize := false)").fetchall()
        found: Mapping[str, Any] = json.decode(shown)
        if found["error"]:
            raise UntraceableError(f"DuckDB has no plan of it: {str(found['error_message']).partition(chr(10))[0]}")
        [plan] = found["plans"]
        checked: Mapping[str, Any] = plan
        return checked


def _with_variables(text: str, params: Mapping[str, Any]) -> str:
    """A query with variables in the place of its params, which a plan cannot have."""
    if not params:
        return text
    found = []
    for token in tokens(text):
        param = _PARAM.fullmatch(token)
        is_param = param is not None and param[1] in params
        found.append(f"(getvariable({literal(_VARIABLE + param[1])})){param[2] or ''}" if param and is_param else token)
    return "\n".join(found)


def _in_all(effects: Sequence[frozenset[Effect]]) -> frozenset[Effect]:
    """What decides every column; windows are said of each, as that of one column alone is."""
    common = frozenset.intersection(*effects) if effects else frozenset[Effect]()
    return frozenset(each for each in common if each[1] != "window")


def _by_and_place(found: tuple[int, int, ColumnRef]) -> tuple[int, int]:
    return found[:2]


class _Written:
    """References in the names and the order of the inputs."""

    def __init__(self, inputs: Mapping[str, Sequence[Column]]) -> None:
        self._places = {
            (ascii_lower(table), column.name): (ColumnRef(table, column.name), place)
            for place, (table, column) in enumerate(
                (table, column) for table, columns in inputs.items() for column in columns
            )
        }

    def refs(self, sources: frozenset[Source]) -> tuple[ColumnRef, ...]:
        return tuple(ref for ref, _ in sorted(map(self._find, sources), key=lambda found: found[1]))

    def indirect(self, effects: frozenset[Effect]) -> tuple[IndirectRef, ...]:
        found = [(BY.index(by), place, ref) for source, by in effects for ref, place in [self._find(source)]]
        return tuple(IndirectRef(ref.table, ref.column, BY[by]) for by, _, ref in sorted(found, key=_by_and_place))

    def _find(self, source: Source) -> tuple[ColumnRef, int]:
        return self._places[ascii_lower(source[0]), source[1]]
