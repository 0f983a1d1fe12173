"""Tables whose queries run in their database (`engine: storage`), through the command line."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from tests.conftest import Cli, Invoked, ProjectFolder
from tests.servers.postgresql import PostgreSQL


@dataclass
class Database:
    """A project in a database, and the database's own client."""

    kind: str
    folder: ProjectFolder
    storages: str
    run: Callable[[str], list[tuple[Any, ...]]]

    def declare(self, tables: str) -> None:
        """Write the project."""
        self.folder.path.joinpath("lakehouse.yaml").write_text(f"name: small\n{self.storages}tables:\n{tables}")

    def rows(self, table: str) -> list[tuple[str | None, ...]]:
        """What is stored, sorted, values as texts."""
        schema = "mart." if self.kind == "postgresql" else ""
        return sorted(tuple(map(_text, row)) for row in self.run(f"SELECT * FROM {schema}{table}"))


def _text(value: Any) -> str:
    return "" if value is None else str(value)


@pytest.fixture(params=["postgresql", "duckdb", "sqlite"])
def database(request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    return made(request.param, request, folder)


@pytest.fixture
def server(request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    return made("postgresql", request, folder)


@pytest.fixture
def lake(request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    return made("duckdb", request, folder)


def made(kind: str, request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    if kind == "postgresql":
        running: PostgreSQL = request.getfixturevalue("postgresql_server")
        name = running.new_database()
        url = running.url(name)
        storages = f"""storages:
  default: {{root: '{url}', options: {{schema: mart}}}}
  raw: {{root: '{url}'}}
"""
        return Database(kind, folder, storages, lambda statement: list(running.run(statement, name)))
    client: Any = sqlite3 if kind == "sqlite" else duckdb

    def run(statement: str) -> list[tuple[Any, ...]]:
        with closing(client.connect(str(folder.path / "lake.db"))) as connection:
            rows = connection.execute(statement).fetchall()
            if kind == "sqlite":
                connection.commit()
            return list(rows) if statement.startswith("SELECT") else []

    storages = f"""storages:
  default: {{type: {kind}, root: lake.db}}
  raw: {{type: {kind}, root: lake.db}}
"""
    return Database(kind, folder, storages, run)


ORDERS = """\
  orders:
    kind: source
    storage: raw
    columns: {customer: string, amount: int64}
"""
TOTALS = """\
  totals:
    engine: storage
    inputs: [orders]
    sql: |
      -- $nothing here; nor "here
      select customer, sum(amount) as total, '$least' as told, /* $most */ $least as "$least"
      from orders
      where amount >= $least
      group by customer
    params: {least: 2}
    key: customer
    columns: {customer: string, total: int64, told: string, $least: int64}
"""
BEST = """\
  best:
    sql: select customer, total from totals order by total desc limit 1
"""


def fill(database: Database) -> None:
    database.run("CREATE TABLE orders (customer varchar(10), amount bigint, other varchar(5))")
    database.run("INSERT INTO orders VALUES ('007', 5, NULL), ('008', 2, ''), ('007', 1, 'x'), ('007', 4, 'y')")


def statuses(invoked: Invoked) -> dict[str, str]:
    return {table["name"]: table["status"] for table in invoked.json["tables"]}


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_it_runs_and_is_up_to_date(database: Database, cli: Cli, executor: str) -> None:
    fill(database)
    database.declare(ORDERS + TOTALS + BEST)
    ran = cli("run", "--executor", executor, "-o", "json")
    assert ran.code == 0, ran.out + ran.err
    assert statuses(ran) == {"totals": "materialized", "best": "materialized"}
    assert database.rows("totals") == [("007", "9", "$least", "2"), ("008", "2", "$least", "2")]
    assert cli("plan", "--exit-code").code == 0
    assert cli("diff", "totals").code == 0
    assert cli("show", "best", "-o", "json").json["rows"] == [{"customer": "007", "total": 9}]


def test_diff_is_what_a_run_makes(database: Database, cli: Cli) -> None:
    fill(database)
    twice = (
        TOTALS.replace("totals:", "twice:").replace("[orders]", "{orders: totals}").replace("sum(amount)", "sum(total)")
    )
    twice = twice.replace("amount >=", "total >=")
    database.declare(ORDERS + TOTALS + twice)
    assert cli("run").code == 0
    database.run("INSERT INTO orders VALUES ('009', 7, NULL)")
    compared = cli("diff", "-o", "json")
    found = {t["name"]: (t["added"], t["removed"], t["changed"]) for t in compared.json["tables"]}
    assert found == {"totals": (1, 0, 0), "twice": (1, 0, 0)}, compared.out
    assert len(database.rows("totals")) == 2  # nothing was stored
    assert cli("run").code == 0
    assert database.rows("totals")[-1] == ("009", "7", "$least", "2") == database.rows("twice")[-1]


def test_same_rows_end_it_there(database: Database, cli: Cli) -> None:
    fill(database)
    database.declare(ORDERS + TOTALS + BEST)
    assert cli("run").code == 0
    database.run("INSERT INTO orders VALUES ('010', 1, NULL)")
    ran = cli("run", "-o", "json")
    assert statuses(ran) == {"totals": "materialized", "best": "unchanged"}
