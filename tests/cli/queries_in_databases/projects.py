"""Projects in a database whose queries run there (`engine: storage`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from tests.conftest import Invoked, ProjectFolder
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


def made(kind: str, request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    if kind == "postgresql":
        running: PostgreSQL = request.getfixturevalue("postgresql_server")
        name = request.getfixturevalue("postgresql_database")
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
