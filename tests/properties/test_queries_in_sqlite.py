"""Queries made at random over decimals give the same rows in SQLite as in DuckDB, or are refused."""

from __future__ import annotations

from random import Random

import duckdb

from lakehouse_cli import Project
from tests.cli.queries_in_databases.test_same_rows import COLUMNS, INPUT
from tests.conftest import Cli, ProjectFolder

_QUERIES = 60


class _Maker:
    """Makes queries that return `id`, or a count that is called so."""

    def __init__(self, chance: Random) -> None:
        self._one = chance.choice
        self._number = chance.randrange

    def _column(self, table: str = "x") -> str:
        return f"{table}.{self._one(('amt', 'amt', 'wide', 'whole'))}"

    def _value(self, depth: int = 2) -> str:
        """A decimal."""
        column, other = self._column(), self._column()
        if not depth:
            return column
        inside = self._value(depth - 1)
        return self._one(
            (
                column,
                column,
                f"coalesce({inside}, {self._one(('0', '9', other))})",
                f"(select {self._column('y')} from a y where y.id = x.id)",
                "(select max(y.amt) from a y where y.s = x.s)",
                f"case when x.id < {self._number(1, 7)} then {inside} else {self._value(depth - 1)} end",
                f"{column} + {self._one(('0', '1', '0.5', other))}",
                f"abs({inside})",
                f"nullif({column}, {self._one(('9', '10.0'))})",
                f"-{column}",
            )
        )

    def _literal(self) -> str:
        return self._one(("9", "9.0", "9.00", "10", "-1.5", "100.25", "2", "9.5", "0", "x.f", "x.n", "x.id"))

    def _sign(self) -> str:
        return self._one(("=", "<", ">", "<=", ">=", "<>", "is distinct from"))

    def _test(self) -> str:
        some, no = self._value(1), self._one(("", "not "))
        known = "y.amt is not null and y.wide is not null and y.whole is not null"
        return self._one(
            (
                f"{self._value()} {self._sign()} {self._literal()}",
                f"{self._value()} {self._sign()} {self._value()}",
                f"{self._value()} {no}between {self._literal()} and {some}",
                f"{self._value()} {no}in ({self._literal()}, {some}, 9.00)",
                f"{some} in (select {self._column('y')} from a y where y.id <> x.id and {known})",
                f"exists (select 1 from a y where {self._column('y')} {self._sign()} {some})",
            )
        )

    def query(self) -> str:
        """One query."""
        some, column, other = self._value(1), self._column(), self._column()
        derived = f"select x.id, x.f, x.n, x.s, {self._value()} as amt, {some} as wide, {column} as whole from a x"
        windows = f"select x.*, max({column}) over () as most, lag({other}) over (order by x.id) as last from a x"
        combined = f"select {some} as q from a x {self._one(('union', 'intersect', 'except'))} select {other} from a x"
        ranked = f"select x.id, {self._one(('rank', 'dense_rank'))}() over (order by {some} nulls last) as r from a x"
        grouped = f"group by {some} having {self._one(('min', 'max', 'sum'))}({column}) {self._sign()} 9.5"
        return self._one(
            (
                f"select x.id from a x where {self._test()}",
                f"select x.id from a x join a y on {column} = {self._column('y')} and {self._test()}",
                f"select x.id from ({derived}) x where {self._test()}",
                f"with x as ({windows}) select id from x where most {self._sign()} {some} or last > 9.5",
                f"select min(x.id) as id from a x {grouped}",
                f"select id from ({ranked}) z where r <= 2",
                f"select count(*) as id from ({combined}) z where q {self._sign()} 9",
            )
        )


def test_rows_are_those_of_duckdb_or_refused(folder: ProjectFolder, cli: Cli) -> None:
    maker = _Maker(Random(14))
    queries = [maker.query() for _ in range(_QUERIES)]
    tables = "".join(
        f"  t{number}:\n    engine: storage\n    inputs: [a]\n    sql: |\n      {sql}\n    columns: {{id: int64}}\n"
        for number, sql in enumerate(queries)
    )
    folder.path.joinpath("lakehouse.yaml").write_text(
        "name: small\nstorages: {default: {type: sqlite, root: lake.db}}\n"
        f"tables:\n  a:\n    sql: |\n{INPUT}\n    columns:\n{COLUMNS}{tables}"
    )
    ran = {each["name"]: each for each in cli("run", "--executor", "serial", "-o", "json").json["tables"]}
    project = Project.load(folder.path)
    equal = 0
    with duckdb.connect() as engine:
        engine.register("a", project.read_arrow("a"))
        for number, sql in enumerate(queries):
            if (error := ran[f"t{number}"].get("error")) is not None:
                assert "is refused: it gives other rows" in error["message"], sql
                continue
            rows = project.read_arrow(f"t{number}")["id"].to_pylist()
            wanted = [row[0] for row in engine.sql(sql).fetchall()]
            assert sorted(map(str, rows)) == sorted(map(str, wanted)), sql
            equal += 1
    assert equal > _QUERIES // 4
