"""A query gives the rows that DuckDB gives of the same data, wherever its table is stored, in PostgreSQL too."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lakehouse_cli import Project
from tests.conftest import Cli, ProjectFolder
from tests.properties.made_typed_queries import COLUMNS, DECLARED, ROWS, QueryMaker
from tests.servers.postgresql import PostgreSQL

#: More, and others, are drawn by hand: `DRAWN_QUERIES=150 DRAWN_SEED=2 pytest …`.
_QUERIES = int(os.environ.get("DRAWN_QUERIES", "40"))
_SEED = int(os.environ.get("DRAWN_SEED", "14"))
_STORAGES = {
    "csv": "{root: csv}",
    "parquet": "{root: parquet, format: parquet}",
    "ipc": "{root: ipc, format: ipc}",
    "jsonl": "{root: jsonl, format: jsonl}",
    "delta": "{root: delta, type: delta}",
    "sqlite": "{root: a.sqlite, type: sqlite}",
    "duckdb": "{root: a.duckdb, type: duckdb}",
}
# What a storage has no values for, and what takes their place.
_OTHERS = {"sqlite": ("'nan'", "'0.25'")}
_WITHOUT = {"delta": ("tm", "dur")}
# What the two give types of their own.
_CAST = {"int": "bigint", "dec": "decimal(30, 6)"}
_COUNTS = {"date": pa.int32(), "wall": pa.int64(), "instant": pa.int64(), "time": pa.int64(), "span": pa.int64()}


@contextmanager
def _alone(rows: str = ROWS) -> Iterator[Any]:
    """DuckDB with the table `a`."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE a AS {rows}")
        yield connection


@pytest.fixture(scope="module")
def queries() -> list[tuple[str, str]]:
    """Queries that DuckDB runs, each with the kind of its value."""
    maker, found = QueryMaker(Random(_SEED)), []
    with _alone() as connection:
        while len(found) < _QUERIES:
            query, kind = maker.query()
            try:
                connection.execute(query).fetchall()
            except duckdb.Error:
                continue
            found.append((query, kind))
    return found


def _all(queries: Sequence[str], value: str) -> str:
    """The rows of all queries, each with the number of its query."""
    rows = (f"select {at} as q, id::bigint as id, {value} as v from ({query}) z" for at, query in enumerate(queries))
    return "\n      union all ".join(rows)


def _as_text(queries: Sequence[tuple[str, str]]) -> str:
    """Likewise, values as texts, which DuckDB writes exactly; of zero without its sign."""
    rows = (
        f"select {at} as q, id::bigint as id, ({'v + 0' if kind == 'float' else 'v'})::varchar as v from ({query}) z"
        for at, (query, kind) in enumerate(queries)
    )
    return "\n      union all ".join(rows)


def _differing(queries: Sequence[str], found: pa.Table, wanted: pa.Table) -> list[str]:
    """The queries whose rows are others."""
    one, other = (set(_counted(table)) for table in (found, wanted))
    return [queries[at] for at in sorted({at for at, *_ in one ^ other})]


def _counted(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Rows, each with how many there are before it that are the same."""
    seen: dict[tuple[Any, ...], int] = {}
    for at, row, value in zip(*(table[name].to_pylist() for name in ("q", "id", "v")), strict=True):
        plain = value
        if isinstance(value, float):
            plain = "nan" if math.isnan(value) else value or 0.0
        seen[at, row, plain] = seen.get((at, row, plain), 0) + 1
        yield at, row, plain, seen[at, row, plain]


def test_rows_are_the_same_of_every_storage(folder: ProjectFolder, cli: Cli, queries: list[tuple[str, str]]) -> None:
    asked = {
        storage: [(query, kind) for query, kind in queries if not any(f".{name}" in query for name in without)]
        for storage in _STORAGES
        for without in [_WITHOUT.get(storage, ())]
    }
    tables = []
    for storage in _STORAGES:
        without = _WITHOUT.get(storage, ())
        columns = "".join(line for line in COLUMNS.splitlines(True) if line.partition(":")[0].strip() not in without)
        rows = f"      select * exclude ({', '.join(without)}) from ({ROWS})" if without else ROWS
        rows = rows.replace(*_OTHERS.get(storage, ("", "")))
        tables += [f"  a_{storage}:\n    storage: {storage}\n    sql: |\n{rows}\n    columns:\n{columns}"]
        tables += [f"  t_{storage}:\n    inputs: {{a: a_{storage}}}\n    sql: |\n      {_as_text(asked[storage])}\n"]
    storages = "".join(f"  {name}: {declared}\n" for name, declared in _STORAGES.items())
    declared = f"name: small\nstorages:\n  default: {{root: data, format: ipc}}\n{storages}tables:\n{''.join(tables)}"
    folder.path.joinpath("lakehouse.yaml").write_text(declared)
    assert cli("run").code == 0
    project = Project.load(folder.path)
    for storage in _STORAGES:
        with _alone(ROWS.replace(*_OTHERS.get(storage, ("", "")))) as connection:
            wanted = connection.sql(_as_text(asked[storage])).to_arrow_table()
        found = project.read_arrow(f"t_{storage}")
        assert _differing([query for query, _ in asked[storage]], found, wanted) == [], storage
        assert found.num_rows == wanted.num_rows > len(asked[storage]) > _QUERIES // 2


def test_rows_in_postgresql_are_those_of_duckdb(
    folder: ProjectFolder,
    cli: Cli,
    postgresql_server: PostgreSQL,
    postgresql_database: str,
    queries: list[tuple[str, str]],
) -> None:
    """Where the two read SQL alike (docs/sql.md has what they do not); and `engine: duckdb` over PostgreSQL."""
    of_kind = {
        kind: [query for query, each in queries if each == kind] for kind in dict.fromkeys(each for _, each in queries)
    }
    tables = "".join(
        f"  t_{kind}:\n    engine: storage\n    inputs: [a]\n    sql: |\n"
        f"      {_all(some, f'cast(v as {_CAST[kind]})' if kind in _CAST else 'v')}\n"
        f"    columns: {{q: int64, id: int64, v: '{DECLARED[kind]}'}}\n"
        for kind, some in of_kind.items()
    )
    url = postgresql_server.url(postgresql_database)
    folder.path.joinpath("lakehouse.yaml").write_text(
        f"name: small\nstorages: {{default: {{root: '{url}'}}}}\ntables:\n  a:\n    sql: |\n{ROWS}\n"
        f"    columns:\n{COLUMNS}  moved:\n    sql: |\n      {_as_text(queries)}\n{tables}"
    )
    ran = cli("run", "--executor", "serial", "-o", "json")
    assert ran.code == 0, [table["error"]["message"] for table in ran.json["tables"] if table.get("error")]
    project = Project.load(folder.path)
    with _alone() as connection:
        wanted = connection.sql(_as_text(queries)).to_arrow_table()
        assert _differing([query for query, _ in queries], project.read_arrow("moved"), wanted) == []
        for kind, some in of_kind.items():
            found = project.read_arrow(f"t_{kind}")
            value = "epoch_us(v)" if kind == "span" else f"cast(v as {_CAST[kind]})" if kind in _CAST else "v"
            wanted = connection.sql(_all(some, value)).to_arrow_table()
            if kind in _COUNTS:  # dates and times before the year 1 are none in Python
                found, wanted = (_counting(table, _COUNTS[kind]) for table in (found, wanted))
            assert _differing(some, found, wanted) == []
            assert found.num_rows == wanted.num_rows


def _counting(table: pa.Table, kind: pa.DataType) -> pa.Table:
    values = table["v"] if pa.types.is_integer(table["v"].type) else table["v"].cast(kind)
    return table.set_column(2, "v", values.cast(pa.int64()))
