"""Column lineage of a project's tables: of queries what DuckDB's plan says, of functions their inputs whole.

What was found for a query is kept in the project's `.lakehouse/cache`, and belongs to its text, the columns of its
inputs and the versions of DuckDB and the tool. Nothing of it is looked at by a plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model import Table
from lakehouse_cli.model.column_lineage import ColumnLineage, IndirectRef, QueryLineage, TableLineage
from lakehouse_cli.plan.bound_queries import BoundQuery, bound_queries
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.queries import QueryCode, binding_key
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.runs.local_state import keep, kept, with_hash

# Named, not imported: it loads pyarrow and DuckDB.
_ANALYSIS = Entry("lakehouse_cli.transforms.queries.column_lineage:LineageAnalysis")
_FOLDER, _FILE = "cache", "lineage.json"


class _Kept(Struct):
    key: str
    lineages: dict[str, QueryLineage]


def column_lineage(
    folder: Path, graph: AssetGraph, queries: QueryCode | None, names: Collection[str]
) -> tuple[TableLineage, ...]:
    """What the columns of tables come from.

    Args:
        folder: The project's.
        graph: All tables.
        queries: Those of the project; None where it has none.
        names: Of the tables.

    Returns:
        One for each, each table after its inputs.
    """
    bound = {} if queries is None else {each.table.name: each for each in bound_queries(graph, queries)}
    with _Traced(folder, "" if queries is None else queries.key) as traced:
        return tuple(
            _of(graph.tables[name], graph, bound.get(name), traced) for name in graph.order if name in set(names)
        )


class _Traced:
    """What was found for queries, of this command and of those before it."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        read = kept(folder, _FOLDER, _FILE, _Kept)
        self._kept = read if read is not None and read.key == key else _Kept(key, {})
        self._new: dict[str, QueryLineage] = {}
        self._engine = ExitStack()
        self._analysis: Any = None

    def __enter__(self) -> _Traced:
        return self

    def __exit__(self, *exception: object) -> None:
        self._engine.close()
        if self._new:
            lineages = {**self._kept.lineages, **self._new}
            keep(self._folder, _FOLDER, _FILE, with_hash(_Kept(self._kept.key, lineages)))

    def of(self, bound: BoundQuery, names: list[str]) -> QueryLineage:
        query = bound.table.query
        assert query is not None  # noqa: S101  # what was bound
        key = binding_key(query.bare, bound.inputs, bound.table)
        found = self._kept.lineages.get(key)
        if found is None:
            if self._analysis is None:
                self._analysis = self._engine.enter_context(load(_ANALYSIS)())
            found = self._analysis.trace(query.bare, bound.inputs, bound.table.sample_params, names)
            self._new[key] = found
        return found


def _of(table: Table, graph: AssetGraph, bound: BoundQuery | None, traced: _Traced) -> TableLineage:
    declared = None if table.columns is None else [column.name for column in table.columns]
    inputs = graph.upstream(table.name)
    if table.kind == "source":
        return TableLineage(table.name, "source", (), _all(declared, ()))
    if table.query is None:
        return TableLineage(table.name, "table", inputs, _all(declared, None))
    if table.runs_in_storage:
        why = "its query runs in its database"
        return TableLineage(table.name, "unknown", inputs, _all(declared, None), (), why)
    if bound is None or isinstance(bound.result, list):
        return TableLineage(table.name, "unknown", inputs, _all(declared, None), (), _unbound(graph, table))
    returned = [name for name, _ in bound.result]
    # Columns that the contract does not have are dropped.
    wanted = returned if declared is None or table.extra_columns == "keep" else declared
    found = traced.of(bound, returned)
    if found.unknown is not None:
        return TableLineage(table.name, "unknown", inputs, _all(wanted, None), (), found.unknown)
    tables = {str(edge.parameter or edge.table): edge.table for edge in graph.inputs[table.name]}
    by_name = {column.name: _renamed(column, tables) for column in found.columns}
    columns = tuple(by_name.get(name, ColumnLineage(name, None)) for name in wanted)
    return TableLineage(table.name, "columns", inputs, columns, _in_project(found.indirect, tables))


def _all(names: list[str] | None, sources: tuple[()] | None) -> tuple[ColumnLineage, ...] | None:
    return None if names is None else tuple(ColumnLineage(name, sources) for name in names)


def _unbound(graph: AssetGraph, table: Table) -> str:
    """Why a query was not bound: columns that nothing says."""
    return next(_undeclared(graph, table), "its inputs are not known")


def _undeclared(graph: AssetGraph, table: Table) -> Iterator[str]:
    for name in graph.upstream(table.name):
        other = graph.tables[name]
        if other.columns is not None and other.extra_columns == "keep":
            yield f"input `{name}` keeps columns that it does not declare"
        elif other.columns is None and other.query is None:
            yield f"input `{name}` declares no columns"
        elif other.columns is None:
            yield from _undeclared(graph, other)


def _renamed(column: ColumnLineage, tables: Mapping[str, str]) -> ColumnLineage:
    """A column's lineage by the names of the project's tables; two names in a query may be of one table."""
    sources = dict.fromkeys(replace(each, table=tables[each.table]) for each in column.sources or ())
    return ColumnLineage(column.name, tuple(sources), _in_project(column.indirect, tables))


def _in_project(refs: Collection[IndirectRef], tables: Mapping[str, str]) -> tuple[IndirectRef, ...]:
    return tuple(dict.fromkeys(replace(each, table=tables[each.table]) for each in refs))
