"""Queries made at random over a column of each type give the same rows in SQLite as in DuckDB, or are refused."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

import duckdb

from lakehouse_cli import Project
from tests.conftest import Cli, ProjectFolder
from tests.properties.made_sqlite_queries import COLUMNS, DECLARED, MACROS, OF_SQLITE, ROWS
from tests.properties.made_typed_queries import QueryMaker

#: More, and others, are drawn by hand: `DRAWN_QUERIES=500 DRAWN_SEED=2 pytest …`.
_QUERIES = int(os.environ.get("DRAWN_QUERIES", "80"))
_SEED = int(os.environ.get("DRAWN_SEED", "14"))
#: Digits of floats, which may be added up in another order.
_DIGITS = 9


def _counted(rows: Iterable[tuple[Any, Any]]) -> Counter[tuple[Any, Any]]:
    return Counter((row, _plain(value)) for row, value in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else round(value, _DIGITS) or 0.0
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)  # both in UTC
    return value.normalize() or 0 if isinstance(value, Decimal) else value


def test_rows_are_those_of_duckdb_or_refused(folder: ProjectFolder, cli: Cli) -> None:
    maker = QueryMaker(Random(_SEED), OF_SQLITE)
    queries: list[tuple[str, str, Counter[tuple[Any, Any]]]] = []
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(f"{MACROS} CREATE TABLE a AS {ROWS}")
        while len(queries) < _QUERIES:
            query, kind = maker.query("dec" if len(queries) % 3 else None)
            try:
                rows = engine.sql(f"select id::bigint as id, v::{DECLARED[kind][1]} as v from ({query}) z")
                queries.append((query, kind, _counted(rows.fetchall())))
            except duckdb.Error:
                continue

    def declare(numbers: Iterable[int]) -> None:
        tables = "".join(
            f"  t{number}:\n    engine: storage\n    inputs: [a]\n    sql: |\n      {queries[number][0]}\n"
            f"    columns: {{id: int64, v: '{DECLARED[queries[number][1]][0]}'}}\n"
            for number in numbers
        )
        folder.path.joinpath("lakehouse.yaml").write_text(
            "name: small\nstorages: {default: {type: sqlite, root: lake.db}}\n"
            f"tables:\n  a:\n    sql: |\n{ROWS}\n    columns:\n{COLUMNS}{tables}"
        )

    declare(range(_QUERIES))
    problems = cli("validate", "-o", "json").json["error"]["problems"]
    assert not [each for each in problems if "is not understood" in each["message"]]
    refused = {int(each["message"].split("`")[1][1:]) for each in problems}
    left = [number for number in range(_QUERIES) if number not in refused]
    declare(left)
    ran = {each["name"]: each for each in cli("run", "--executor", "serial", "-o", "json").json["tables"]}
    project = Project.load(folder.path)
    wrong, equal = [], 0
    for number in left:
        if ran[f"t{number}"].get("error") is not None:
            continue
        query, _, wanted = queries[number]
        table = project.read_arrow(f"t{number}")
        found = _counted(zip(table["id"].to_pylist(), table["v"].to_pylist(), strict=True))
        if found == wanted:
            equal += 1
        else:
            wrong.append((query, found - wanted, wanted - found))
    assert not wrong
    assert equal > _QUERIES // 4
    assert len(refused) > _QUERIES // 8
