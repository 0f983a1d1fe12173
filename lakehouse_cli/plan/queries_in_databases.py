"""Queries that run in the database in which their table is stored: what is known of them without asking it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from lakehouse_cli.errors import Problem
from lakehouse_cli.model import ProjectSpec, Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.query import DUCKDB, Mention, QueryProblem, QueryReading
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.storage_types import STORAGE_TYPES
from lakehouse_cli.storage_types.names import MANIFESTS_HINT, OWN, ascii_lower
from lakehouse_cli.text.name_lists import first_few
from lakehouse_cli.text.sql import placeholders, tokens

#: Types of storages that run queries; whether DuckDB reads these.
_DATABASES = {"postgresql": False, "duckdb": True, "sqlite": False}
#: By type of storage, types of columns whose values no query there can tell from others.
_WITHOUT = {"sqlite": ("float32", "float64")}
_SHOWN = 3


class DatabaseEngine(NamedTuple):
    """What runs a query, as a fingerprint has it.

    Attributes:
        type: Of the storage.
        version: Of the database; None where the database cannot be reached.
    """

    type: str
    version: str | None


def read_by_tokens(text: str, storage_type: str) -> QueryReading | None:
    """What the tokens of a query show, in the SQL of a database that no parser here reads; None where one does."""
    if _DATABASES.get(storage_type, True):
        return None
    names = STORAGE_TYPES[storage_type].names
    owner = names.owner if names is not None else storage_type
    found = tokens(text)
    problem = None
    if not found:
        problem = QueryProblem("it is empty", "write one SELECT")
    elif ";" in found:
        problem = QueryProblem("it has several statements", "write one SELECT")
    params = tuple(sorted({name for name, _, _ in placeholders(text)}))
    return QueryReading(params=params, problem=problem, dialect=owner)


def database_problems(graph: AssetGraph, spec: ProjectSpec) -> Iterator[Problem]:
    """What is wrong with where the tables are stored whose queries run in their database."""
    for name, table in graph.tables.items():
        if not table.runs_in_storage or table.quarantine_of or table.storage not in spec.storages:
            continue
        storage = spec.storages[table.storage]
        if storage.type not in _DATABASES:
            yield Problem(
                f"`engine: storage` of table `{name}` is for databases, and its storage `{storage.name}`"
                f" is of type {storage.type}",
                "remove it, for DuckDB to run the query; or store the table in PostgreSQL, DuckDB or SQLite",
                table.where("engine"),
            )
            continue
        edges = graph.inputs.get(name, ())
        yield from _outside(table, edges, graph.tables)
        for each in dict.fromkeys((name, *(edge.table for edge in edges))):
            yield from _unknown_types(table, graph.tables[each], storage.type)
        if storage.type == "sqlite":
            yield from _comparisons(table, edges, graph.tables)
        for edge in edges:
            other = spec.storages.get(graph.tables[edge.table].storage)
            if other is not None and (other.type, other.root) != (storage.type, storage.root):
                yield Problem(
                    f"`engine: storage` of table `{name}`: its query runs in storage `{storage.name}`, and its input"
                    f" `{edge.table}` lies in storage `{other.name}`, which is another database",
                    f"store `{edge.table}` in `{storage.name}`, or remove `engine: storage`",
                    table.where(f"inputs.{edge.parameter}", "inputs", "engine"),
                )


def _comparisons(table: Table, edges: Sequence[Input], tables: Mapping[str, Table]) -> Iterator[Problem]:
    """Comparisons of a query in SQLite that give other rows than the declared types say."""
    from lakehouse_cli.plan.sqlite_comparisons import wrong_comparisons  # not loaded where no table has such a query

    query = table.query
    if query is None or (query.reading is not None and query.reading.problem is not None):
        return
    inputs = {
        edge.parameter or edge.table: {each.name: each.type for each in tables[edge.table].columns or ()}
        for edge in edges
    }
    declared = {each.name: each.type for each in table.columns or ()}
    for wrong in wrong_comparisons(query.bare, inputs, table.sample_params, declared):
        before = query.text[: wrong.offset]
        place = query.place(before.count("\n") + 1, wrong.offset - before.rfind("\n"))
        yield Problem(f"{table.computed_by} {wrong.message}", wrong.hint, place)


def _unknown_types(table: Table, read: Table, storage_type: str) -> Iterator[Problem]:
    """Columns of a table, or of one that its query reads, of a type that queries of the database do not know."""
    unknown, instead = _WITHOUT.get(storage_type, (None, None))
    names = STORAGE_TYPES[storage_type].names
    for column in read.columns or ():
        kind = column.type.plain
        if kind.id == unknown and names is not None:
            yield Problem(
                f"`engine: storage` of table `{table.name}`: column `{column.name}` of `{read.name}` is declared"
                f" {unknown}, which queries in {names.owner} do not know",
                f"declare it as {instead}, or remove `engine: storage`",
                column.location,
            )


def _outside(table: Table, edges: Sequence[Input], tables: Collection[str]) -> Iterator[Problem]:
    """What a query in DuckDB reads beside its inputs: there the parser alone keeps it from that."""
    query = table.query
    reading = query.reading if query is not None else None
    if query is None or reading is None or reading.problem is not None or reading.dialect != DUCKDB:
        return
    if reading.tables is None:
        message = f"{table.computed_by} is a statement {reading.sensitive[0]}, which `engine: storage` does not allow"
        yield Problem(
            message, "put it in parentheses, with its values: `from (pivot … on … in (…) using …)`", query.place(1)
        )
        return
    others = unlisted(table, edges)
    if reading.outside:
        names = first_few(
            [f"`{each}`" for each in dict.fromkeys([*reading.outside, *(e.name for e in others)])], _SHOWN
        )
        message = f"{table.computed_by} uses {names}, which `engine: storage` does not allow"
        hint = "name its inputs, by their names alone: a query reads these and nothing else"
        yield Problem(message, hint, query.place(1))
    elif others:
        names = first_few([f"`{each.name}`" for each in others], _SHOWN)
        message = f"{table.computed_by} uses {names}, which `engine: storage` does not allow"
        hint = unlisted_hint(others, tables)
        yield Problem(message, hint, query.place(others[0].line, others[0].column))


def unlisted(table: Table, edges: Sequence[Input]) -> list[Mention]:
    """What a query in DuckDB reads by its name that its `inputs` do not list; nothing where they are not given.

    Args:
        table: With the query.
        edges: Its inputs.
    """
    reading = table.query.reading if table.query is not None else None
    if table.inputs is None or reading is None:
        return []
    inputs = {ascii_lower(edge.parameter or edge.table) for edge in edges}
    found = {ascii_lower(each.name): each for each in reversed(reading.tables or ())}
    return [each for name, each in reversed(found.items()) if name not in inputs]


def unlisted_hint(others: Sequence[Mention], tables: Collection[str]) -> str:
    """What to do about what `inputs:` does not list.

    Args:
        others: From `unlisted`.
        tables: Of the project.
    """
    if {ascii_lower(each.name) for each in others} <= {ascii_lower(name) for name in tables}:
        return "list it under `inputs:`; a query reads these and no others"
    if any(ascii_lower(each.name) in OWN for each in others):
        return MANIFESTS_HINT
    return "declare it as a table of the project and list it under `inputs:`; a query reads these and no others"
