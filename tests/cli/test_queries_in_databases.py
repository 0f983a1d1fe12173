"""Tables whose queries run in their database (`engine: storage`), through the command line."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from tests.cli.running import running, until
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


#: By database: SQL of a value, the declared type, and what is said of it; None where it is stored.
VALUES: dict[str, list[tuple[str, str, str | None]]] = {
    "postgresql": [
        ("1.5::numeric", "int64", "not whole"),
        ("2.0::numeric", "int64", None),
        ("'NaN'::numeric", "int64", "not whole"),
        ("9223372036854775808::numeric", "int64", "outside int64"),
        ("1.5::float8", "int64", "not whole"),
        ("2::float8", "int32", None),
        ("9223372036854775808::float8", "int64", "outside int64"),
        ("128", "int8", "outside int8"),
        ("-1", "uint8", "outside uint8"),
        ("255", "uint8", None),
        ("18446744073709551615::numeric", "uint64", None),
        ("-1::bigint", "uint64", "outside uint64"),
        ("1.005::numeric", '"decimal128(10, 2)"', "not exact in decimal128(10, 2)"),
        ("1.50::numeric(12, 4)", '"decimal128(10, 2)"', None),
        ("123456789.5::numeric", '"decimal128(10, 2)"', "too large for decimal128(10, 2)"),
        ("'NaN'::numeric(5, 2)", '"decimal128(10, 2)"', "not exact in decimal128(10, 2)"),
        ("10::bigint", '"decimal128(3, 2)"', "too large for decimal128(3, 2)"),
        ("0.1", "float64", "not exact in float64"),
        ("0.5", "float64", None),
        ("'NaN'::numeric", "float64", None),
        ("9007199254740993::bigint", "float64", "not exact in float64"),
        ("9007199254740992::bigint", "float64", None),
        ("9223372036854775807::bigint", "float64", "not exact in float64"),
        ("0.1::float8", "float32", "not exact in float32"),
        ("1e300::float8", "float32", "not exact in float32"),
        ("0.25::float8", "float32", None),
        ("timestamp '2024-01-01 12:00'", "date32", "not at midnight"),
        ("date_trunc('month', date '2024-01-31')::timestamp", "date32", None),
        ("date 'infinity'", "date32", "infinite"),
        ("timestamp 'infinity'", '"timestamp[us]"', "infinite"),
        ("timestamp '294276-12-31 23:59:59'", '"timestamp[us]"', "outside the range"),
        ("timestamp '2024-01-01 00:00:00.5'", '"timestamp[s]"', "not exact in timestamp[s]"),
        ("timestamp '2024-01-01 00:00:00.5'", '"timestamp[ms]"', None),
        ("timestamptz '2024-01-01 00:00:00+02'", '"timestamp[s, tz=UTC]"', None),
        ("time '24:00'", '"time64[us]"', "24:00"),
        ("time '12:00:00.5'", '"time32[s]"', "not exact in time32[s]"),
        ("interval '1 month'", '"duration[us]"', "intervals with months"),
        ("interval '1 day 2 hours'", '"duration[s]"', None),
        ("'a'::char(5)", "string", None),
        ("'{\"a\": 1}'::jsonb", "string", None),
        ("array[1.5, 2]", '"list<int64>"', "not whole"),
        ("array[[1, 2], [3, 4]]", '"list<int64>"', "arrays of several dimensions"),
        ("array[1, 2]", '"list<int64>"', None),
        ("1", "string", "the query returns integer"),
        ("'1'", "int64", "the query returns text; cast it in the query, as with `::bigint`"),
        ("1.5::float8", '"decimal128(10, 2)"', "the query returns double precision"),
        ("point(1, 2)", "string", "the query returns point"),
    ],
    "duckdb": [
        ("1.5::decimal(5, 2)", "int64", "not whole"),
        ("2.0::decimal(5, 2)", "int64", None),
        ("9223372036854775808", "int64", "outside the range of int64"),
        ("1.5::double", "int64", "not whole"),
        ("9223372036854775808::double", "int64", "outside the range of int64"),
        ("2::double", "int8", None),
        ("-1", "uint8", "outside the range of uint8"),
        ("1.005::decimal(10, 3)", '"decimal128(10, 2)"', "not exact in decimal128(10, 2)"),
        ("1.5::decimal(12, 4)", '"decimal128(10, 2)"', None),
        ("123456789.5::decimal(12, 1)", '"decimal128(10, 2)"', "too large for decimal128(10, 2)"),
        ("0.1::decimal(3, 1)", "float64", "not exact in float64"),
        ("0.5::decimal(3, 1)", "float64", None),
        ("-1.25::decimal(5, 2)", "float32", None),
        ("9007199254740993", "float64", "not exact in float64"),
        ("9223372036854775807", "float64", "not exact in float64"),
        ("0.1::double", "float32", "not exact in float32"),
        ("1e300::double", "float32", "not exact in float32"),
        ("timestamp '2024-01-01 12:00:00'", "date32", "not at midnight"),
        ("timestamp '2024-01-01'", "date32", None),
        ("'infinity'::date", "date32", "infinite"),
        ("'-infinity'::timestamp", '"timestamp[us]"', "infinite"),
        ("timestamp '2024-01-01 00:00:00.5'", '"timestamp[s]"', "not exact in timestamp[s]"),
        ("timestamp '2024-01-01 00:00:00.5'", '"timestamp[ms]"', None),
        ("timestamptz '2024-01-01 00:00:00.5+00'", '"timestamp[s, tz=UTC]"', "not exact in timestamp[s, tz=UTC]"),
        ("time '12:00:00.5'", '"time32[s]"', "not exact in time32[s]"),
        ("interval '1 month'", '"duration[us]"', "intervals with months"),
        ("interval '1 day'", '"duration[s]"', None),
        ("uuid '00000000-0000-0000-0000-000000000001'", "string", None),
        ("[1::bigint, 2]", '"list<int64>"', None),
    ],
    "sqlite": [
        ("1.5", "int64", "not whole"),
        ("2.0", "int64", None),
        ("'2'", "int64", "not whole"),
        ("9.3e18", "int64", "not whole"),
        ("-1", "uint8", "outside uint8"),
        ("1", "float64", None),
        ("9007199254740993", "float64", "not exact in float64"),
        ("-0.0", "float64", None),
        ("2", "bool", "neither 0 nor 1"),
        ("1", "bool", None),
        ("1", "string", "no text"),
        ("'1'", "binary", "no blob"),
        ("'2024-02-30'", "date32", "no dates such as"),
        ("date('2024-01-31', '+1 day')", "date32", None),
        ("'2024-01-31T00:00:00'", '"timestamp[s]"', "not of the form"),
        ("datetime('2024-01-31')", '"timestamp[us]"', None),
        ("'2024-01-31 00:00:00Z'", '"timestamp[s, tz=UTC]"', None),
        ("'2024-01-31 00:00:00'", '"timestamp[s, tz=UTC]"', "not of the form"),
        ("time('12:00')", '"time32[s]"', None),
        ("1.5", '"decimal128(5, 2)"', "no decimals such as"),
        ("printf('%.2f', -1.5)", '"decimal128(5, 2)"', None),
        ("'-1.5-'", '"decimal128(5, 2)"', "no decimals such as"),
        ("'01.50'", '"decimal128(5, 2)"', "no decimals such as"),
        ("'1234.50'", '"decimal128(5, 2)"', "too large for decimal128(5, 2)"),
        ("7", '"decimal128(5, 2)"', None),
        ("7", '"duration[s]"', None),
    ],
}


@pytest.mark.parametrize("ordered", [True, False], ids=["one row", "second row"])
def test_values_are_exact_or_refused(database: Database, cli: Cli, ordered: bool) -> None:
    cases = VALUES[database.kind]
    selected = ", ".join(f"{value} AS c{number}" for number, (value, _, _) in enumerate(cases))
    nulls = "" if ordered else f"select {', '.join(f'null as c{number}' for number, _ in enumerate(cases))} union all "
    declared = ", ".join(f"c{number}: {kind}" for number, (_, kind, _) in enumerate(cases))
    table = f"""\
  values:
    engine: storage
    inputs: []
    sql: >-
      {nulls}select {selected}
    columns: {{{declared}}}
"""
    database.declare(table)
    if database.kind == "duckdb":  # what no value fits is known before
        assert cli("validate").code == 0
    ran = cli("run", "-o", "json")
    error = ran.json["tables"][0]["error"]
    said = {each["column"]: each["message"] for each in error["violations"]}
    for number, (value, kind, what) in enumerate(cases):
        message = said.get(f"c{number}")
        assert (message is None) == (what is None), (value, kind, message)
        assert what is None or what in str(message), (value, kind, message)


@pytest.mark.parametrize("kind", ["postgresql", "duckdb", "sqlite"])
def test_exact_values_come_back(request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, kind: str) -> None:
    database = made(kind, request, folder)
    cases = [each for each in VALUES[kind] if each[2] is None]
    selected = ", ".join(f"{value} AS c{number}" for number, (value, _, _) in enumerate(cases))
    declared = ", ".join(f"c{number}: {type_}" for number, (_, type_, _) in enumerate(cases))
    database.declare(
        f"  values:\n    engine: storage\n    inputs: []\n    sql: >-\n      select {selected}\n"
        f"    columns: {{{declared}}}\n"
        f"  copied:\n    sql: from values\n    columns: {{{declared}}}\n".replace("from values", 'from "values"')
    )
    ran = cli("run", "-o", "json")
    assert ran.code == 0, ran.out + ran.err
    [row] = cli("show", "values", "-o", "json").json["rows"]
    expected = {
        "postgresql": {"c0": 2, "c4": "1.50", "c5": 0.5, "c11": "2023-12-31 22:00:00Z"},
        "duckdb": {"c0": 2, "c2": "1.50", "c3": 0.5, "c4": -1.25},
        "sqlite": {"c0": 2, "c1": 1.0, "c2": -0.0, "c3": True, "c8": "-1.50", "c9": "7.00"},
    }[kind]
    assert {name: row[name] for name in expected} == expected


def test_a_broken_contract_names_rows(database: Database, cli: Cli) -> None:
    database.run("CREATE TABLE orders (customer varchar(10), amount bigint)")
    database.run("INSERT INTO orders VALUES ('a', 1), ('b', 2), ('a', 3), (NULL, 4), ('c', NULL), ('a', 5)")
    copied = """\
  copied:
    engine: storage
    inputs: [orders]
    sql: select customer, amount, 1 as more from orders
    columns: {customer: string, amount: {type: int64, nullable: false}, lacking: string}
    key: customer
"""
    database.declare(ORDERS + copied.replace(", lacking: string", "").replace(", 1 as more", ""))
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    found = ran.json["tables"][-1]["error"]
    assert [(each["check"], each["count"], each["message"]) for each in found["violations"]] == [
        ("key", 1, "key column `customer` has 1 null"),
        ("null", 1, "column `amount` has 1 null but is declared `nullable: false`"),
        ("key", 2, "key `customer`: 2 rows repeat earlier keys"),
    ]
    null, amount, repeats = (each["examples"] for each in found["violations"])
    # SQLite's rows are in the order of the key.
    rows = (6, 5, 2, 3) if database.kind == "sqlite" else (4, 5, 3, 6)
    assert null == [{"row": rows[0], "value": "null"}]
    assert amount == [{"row": rows[1], "value": "null", "key": "customer 'c'"}]
    assert repeats == [{"row": rows[2], "value": "'a'"}, {"row": rows[3], "value": "'a'"}]
    shown = cli("show", "copied", "--failed", "-o", "json").json
    kept = {each["row"]: each["values"]["amount"] for each in shown["rows"]}
    assert kept == {rows[0]: "4", rows[1]: None, rows[2]: "3", rows[3]: "5"}
    database.declare(ORDERS + copied)
    ran = cli("run", "-o", "json")
    said = ran.out if database.kind != "duckdb" else cli("validate").err  # which binds it
    assert "column `lacking` is not in the result" in said
    assert "column `more` is not declared" in said


def test_wide_tables_are_judged(database: Database, cli: Cli) -> None:
    names = [f"c{number}" for number in range(400)]
    kind = "uint8"
    database.declare(
        f"""\
  wide:
    engine: storage
    inputs: []
    sql: select {", ".join(f"{number % 256} as {name}" for number, name in enumerate(names))}
    columns: {{{", ".join(f"{name}: {{type: {kind}, nullable: false}}" for name in names)}}}
"""
    )
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    text = database.folder.read("lakehouse.yaml")
    database.folder.path.joinpath("lakehouse.yaml").write_text(text.replace("143 as c399", "256 as c399"))
    ran = cli("run", "-o", "json")
    [violation] = ran.json["tables"][0]["error"]["violations"]
    assert (violation["column"], violation["examples"][0]["value"]) == ("c399", "256")


def test_extra_columns_are_dropped_or_kept(database: Database, cli: Cli) -> None:
    fill(database)
    table = """\
  wide:
    engine: storage
    inputs: [orders]
    sql: select customer, amount, amount + 1 as next from orders
    columns: {amount: int64}
    extra_columns: drop
"""
    database.declare(ORDERS + table)
    assert "dropped `customer`, `next`" in cli("run").out
    assert database.rows("wide") == [("1",), ("2",), ("4",), ("5",)]
    database.declare(ORDERS + table.replace("drop", "keep"))
    assert cli("run").code == 0
    assert database.rows("wide")[0] == ("1", "007", "2")
    database.declare(ORDERS + table.replace("    columns: {amount: int64}\n    extra_columns: drop\n", ""))
    assert cli("run").code == 0
    assert database.rows("wide")[0] == ("007", "1", "2")


def test_a_source_is_validated_there(database: Database, cli: Cli) -> None:
    fill(database)
    strict = ORDERS.replace("customer: string", "customer: {type: string, nullable: false}").replace("int64", "int8")
    database.declare(strict + TOTALS.replace("$least: int64", "$least: int64"))
    assert cli("run").code == 0
    database.run("INSERT INTO orders VALUES (NULL, 3, NULL), ('009', 300, NULL)")
    ran = cli("run", "-o", "json")
    tables = {table["name"]: table for table in ran.json["tables"]}
    assert (tables["orders"]["status"], tables["totals"]["status"]) == ("failed", "skipped")
    said = [each["message"] for each in tables["orders"]["error"]["violations"]]
    assert said[0] == "column `customer` has 1 null but is declared `nullable: false`"
    assert "`amount` is declared int8 and holds 1 value that is outside" in said[1]
    assert len(database.rows("totals")) == 2
    database.declare(ORDERS.replace("}", ", lacking: string}") + TOTALS)
    ran = cli("run")
    assert "there is no such column" in ran.out + ran.err
    database.run("DROP TABLE orders")
    database.declare(ORDERS + TOTALS)
    ran = cli("run")
    assert "does not exist" in ran.out + ran.err


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from secret", "secret"),
        ("select (select max(b) from secret) as customer from orders", "secret"),
        ("with v as (select * from secret) select * from v", "secret"),
        ("with orders as (select * from mart.secret) select * from orders", "secret"),
        ("select o.customer from orders o join mart.secret s on true", "secret"),
    ],
)
def test_a_query_reads_its_inputs_alone(database: Database, cli: Cli, sql: str, message: str) -> None:
    fill(database)
    if database.kind == "postgresql":
        database.run("CREATE SCHEMA mart")
    else:
        sql = sql.replace("mart.", "main.")
    database.run(f"CREATE TABLE {'mart.' if database.kind == 'postgresql' else ''}secret (b integer)")
    database.declare(ORDERS + f"  taken:\n    engine: storage\n    inputs: [orders]\n    sql: {sql}\n")
    ran = cli("run")
    assert ran.code in (1, 3)
    assert message in ran.out + ran.err
    assert "which its `inputs` do not list" in ran.out or "does not allow" in ran.err or "which it may not" in ran.out


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        ("select rowid as a from orders", "rowid"),
        ("select amount as a from orders where rowid in (select min(rowid) from orders group by customer)", "rowid"),
        ("select o.OID as a from orders o", "oid"),
        ("select orders.[_rowid_] as a from orders", "_rowid_"),
        ('select "rowid" as a from orders', "rowid"),
        ("select rowid as a from (select * from orders)", "rowid"),
        ("with o as (select * from orders) select rowid as a from o", "rowid"),
        ("select n.rowid as a from numbered, orders n", "rowid"),
        ("select n.rowid as a from numbered n", None),
        ("select rowid as a from (select row_number() over (order by amount) as rowid from orders)", None),
        ("select 'rowid' as rowid, $oid as a from orders -- oid", None),
    ],
)
def test_rows_of_sqlites_inputs_have_no_numbers(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, sql: str, refused: str | None
) -> None:
    database = made("sqlite", request, folder)
    fill(database)
    numbered, params = "", ""
    if "numbered" in sql:
        database.run("CREATE TABLE numbered (rowid INTEGER)")
        database.run("INSERT INTO numbered VALUES (7)")
        numbered = "  numbered: {kind: source, storage: raw, columns: {rowid: int64}}\n"
    if "$" in sql:
        params = "    params: {oid: 1}\n"
    inputs = "[orders, numbered]" if numbered else "[orders]"
    database.declare(
        f"{ORDERS}{numbered}  taken:\n    engine: storage\n    inputs: {inputs}\n    sql: |\n      {sql}\n{params}"
    )
    ran = cli("run")
    assert ran.code == (0 if refused is None else 1), ran.out + ran.err
    if refused is not None:
        assert f"the query of `taken` is refused: it reads `{refused}`" in ran.out
        assert "row_number() OVER" in ran.err
    else:
        assert all(row[-1] for row in database.rows("taken"))


@pytest.mark.parametrize("keys", ["", "    columns: {customer: string}\n    extra_columns: drop\n"])
@pytest.mark.parametrize(
    ("sql", "twice"),
    [
        ("select a.customer, b.* from orders a join orders b on a.amount = b.amount", "customer"),
        ("select customer, amount as a, amount + 1 as a, 3 as a from orders", "a"),
        ("select customer, amount + 1, amount + 1 from orders", "amount + 1"),
        ('select customer, 1 as a, 2 as "a:1", 3 as a from orders', "a"),
        ('select customer, 1 as a, 2 as "a:1", 3 as "b:2" from orders', None),
        ('select customer, 1 as "a:1" from orders limit 0', None),
    ],
)
def test_two_columns_of_one_name_are_refused(
    database: Database, cli: Cli, sql: str, twice: str | None, keys: str
) -> None:
    fill(database)
    if database.kind == "postgresql":
        sql = sql.replace("amount + 1,", 'amount + 1 as "amount + 1",').replace("+ 1 from", '+ 1 as "amount + 1" from')
    database.declare(f"{ORDERS}  taken:\n    engine: storage\n    inputs: [orders]\n    sql: |\n      {sql}\n{keys}")
    ran = cli("run")
    assert (ran.code == 0) == (twice is None), ran.out + ran.err
    if twice is not None:
        assert re.search(
            f"two columns called `{re.escape(twice)}`|specified more than once|two columns", ran.out + ran.err
        )


def test_names_that_differ_in_case_are_one_in_files(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli
) -> None:
    database = made("sqlite", request, folder)
    fill(database)
    database.declare(
        f'{ORDERS}  taken: {{engine: storage, inputs: [orders], sql: "select amount as a, 1 as \\"A\\" from orders"}}\n'
    )
    ran = cli("run")
    assert ran.code == 1
    assert "it returns two columns called `a`" in ran.out


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("select oid::bigint as a from pg_class", "`pg_class`"),
        ("select table_name::text as a from information_schema.tables", "`information_schema.tables`"),
        ("select random() as a", "`random()`"),
        ("select nextval('numbers') as a", "`nextval(regclass)`"),
        ("select a from dirty() as a", "`dirty()`"),
        ("select pg_read_file('/etc/passwd') as a", "`pg_read_file(text)`"),
        ("with d as (delete from orders returning *) select count(*) as a from d", "data-modifying"),
        ("select 1 as a; drop table orders", "several statements"),
        ("drop table orders", "syntax error"),
        ("select 1 as a into other", "INTO"),
        ("select e'\\'' as a, $$;$$ as b, ';' as c, 1 as \";\" /* ; /* ; */ ; */ where false", ""),
        ("select total from orders", 'column "total" does not exist'),
        ("select 1 / 0 as a", "division by zero"),
    ],
)
def test_what_postgresql_refuses(server: Database, cli: Cli, sql: str, what: str) -> None:
    fill(server)
    server.run("CREATE SEQUENCE numbers")
    server.run("CREATE FUNCTION dirty() RETURNS bigint LANGUAGE sql AS 'DELETE FROM orders; SELECT 1::bigint'")
    indented = sql.replace("\n", "\n      ")
    server.declare(ORDERS + f"  taken:\n    engine: storage\n    inputs: [orders]\n    sql: |\n      {indented}\n")
    ran = cli("run")
    assert ran.code == (0 if not what else 3 if what == "several statements" else 1), ran.out + ran.err
    assert what in ran.out + ran.err
    assert server.run("SELECT count(*) FROM orders") == [("4",)]


def test_postgresql_allows_what_is_not_reproducible(server: Database, cli: Cli) -> None:
    server.declare(
        "  taken:\n    engine: storage\n    inputs: []\n    reproducible: false\n"
        "    sql: select random() < 2 as a, clock_timestamp() as b\n"
    )
    assert cli("run").code == 0


def test_errors_name_the_line(server: Database, cli: Cli) -> None:
    fill(server)
    server.declare(
        ORDERS
        + """\
  taken:
    engine: storage
    inputs: [orders]
    sql: |
      select customer, $most as most
      from orders
      where amount < $most and hihg = 1
    params: {most: 1.50}
"""
    )
    ran = cli("run", "-o", "json")
    error = ran.json["tables"][-1]["error"]
    assert error["message"] == 'the query of `taken` failed: column "hihg" does not exist'
    place = error["location"]
    line = server.folder.read("lakehouse.yaml").splitlines()[place["line"] - 1]
    assert line[place["column"] - 1 :] == "hihg = 1"


def test_params_are_values(database: Database, cli: Cli) -> None:
    fill(database)
    text = "it's $x, 'x'); drop table orders; --"
    database.declare(
        ORDERS
        + f"""\
  taken:
    engine: storage
    inputs: [orders]
    sql: select $text as a, $whole + 1 as b, case when $yes then 1 else 0 end as c, $half as d from orders limit $n
    params: {{text: "{text}", whole: 7, yes: true, half: 0.10, n: 1}}
    columns: {{a: string, b: int64, c: int64, d: {"float64" if database.kind == "sqlite" else '"decimal128(3, 2)"'}}}
"""
    )
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    assert database.rows("taken") == [(text, "8", "1", "0.1" if database.kind == "sqlite" else "0.10")]


SALES_COLUMNS = ("id", "total", "day", "at", "code", "paid", "took", "weight")
#: Types of these in SQLite, which decide how it compares a column itself.
SALES_TYPES = {
    "none": ("",) * 8,
    "by affinity": ("INTEGER", "TEXT", "TEXT", "TEXT", "VARCHAR(9)", "BOOLEAN", "DURATION_S", "DOUBLE"),
    "others": ("BLOB", "BLOB", "DATE", "DATETIME", "STRING", "BLOB", "ANY", "NUMERIC"),
}
SALES_PARAMS = {"m": "2.20", "ten": "10.2", "year": "2024", "since": '"2024-01-01"', "yes": "true"}
SALES = """\
  sales:
    kind: source
    storage: raw
    columns:
      id: int64
      total: "decimal128(6, 2)"
      day: date32
      at: "timestamp[ms]"
      code: string
      paid: bool
      took: "duration[s]"
      weight: float64
"""


@pytest.mark.parametrize("types", SALES_TYPES)
@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("total >= $m", "2 3 4"),
        ("$m <= total", "2 3 4"),
        ("total >= 2.2", "2 3 4"),
        ("total >= '2.2'", "2 3 4"),
        ("total = 2.2 or total = -1.5", "1 2"),
        ("total in (2.2, $ten)", "2 3"),
        ("total between 2.2 and 10.20", "2 3"),
        ("total > weight", "2 3 4"),
        ("total > id", "2 3 4"),
        ("total = (select max(total) from sales)", "4"),
        ("id in (select id from sales order by total desc limit 2)", "3 4"),
        ("id in (select s.id from sales s join sales o on s.total = o.total and s.at = o.at)", "1 2 3 4"),
        ("day >= '2024'", "3 4"),
        ("day >= 2024", "3 4"),
        ("day >= $year", "3 4"),
        ("day >= $since and at >= '2024-02-01 00:00:00.000'", "4"),
        ("at < 2024", "1 2"),
        ("code > '5'", "4"),
        ("code < 5", "1 2 3"),
        ("paid = '1' and paid = true and paid = $yes", "2"),
        ("took > 60", "3 4"),
        ("took > '60'", "3 4"),
        ("weight > '1'", "4"),
    ],
)
def test_sqlite_compares_values_as_what_they_are_declared(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, types: str, where: str, ids: str
) -> None:
    database = made("sqlite", request, folder)
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(SALES_COLUMNS, SALES_TYPES[types], strict=True))
    database.run(f"CREATE TABLE sales ({columns})")
    database.run(
        """INSERT INTO sales VALUES
        (1, '-1.50', '2022-12-31', '2022-12-31 00:00:00', '0a', 0, 9, 1.0),
        (2, '2.20', '2023-12-31', '2023-12-31 00:00:00.000', '1b', 1, 60, 0.5),
        (3, '10.20', '2024-01-01', '2024-01-01 00:00:00.500', '10 c', 0, 61, 1.0),
        (4, '100.00', '2024-02-01', '2024-02-01 00:00:00', 'x', 0, 600, 2.0)"""
    )
    database.declare(
        f"""{SALES}\
  wanted:
    engine: storage
    inputs: [sales]
    sql: select id from sales where {where}
    params: {{{", ".join(f"{n}: {v}" for n, v in SALES_PARAMS.items() if "$" + n in where)}}}
    columns: {{id: int64}}
"""
    )
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    assert database.rows("wanted") == [(each,) for each in ids.split()]


def test_what_to_write_of_decimals_in_sqlite(request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli) -> None:
    database = made("sqlite", request, folder)
    database.run("CREATE TABLE sales (total TEXT, day TEXT)")
    database.run("INSERT INTO sales VALUES ('12345678901234567.89', '2024-01-31'), ('-0.05', '2023-01-31')")
    database.declare(
        """\
  sales: {kind: source, storage: raw, columns: {total: "decimal128(20, 2)", day: date32}}
  wanted:
    engine: storage
    inputs: [sales]
    sql: |
      select sum(cast(replace(total, '.', '') as integer)) as hundredths, printf('%.2f', min(total) * 2) as twice
      from sales
      group by day
      having cast(max(total) as real) < 2.2 and cast(strftime('%Y', day) as integer) = $year
      union all
      select 1, null from sales where total >= '12345678901234567.89' and not total > '12345678901234567.89'
    params: {year: 2023}
    columns: {hundredths: int64, twice: "decimal128(20, 2)"}
"""
    )
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    assert database.rows("wanted") == [("-5", "-0.10"), ("1", "")]


def test_sqlite_compares_decimals_in_diff_as_in_a_run(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli
) -> None:
    database = made("sqlite", request, folder)
    database.run("CREATE TABLE sales (id INTEGER, total TEXT)")
    database.run("INSERT INTO sales VALUES (1, '1.10'), (2, '10.20')")
    declared = 'columns: {id: int64, total: "decimal128(6, 2)"}'
    database.declare(
        f"""\
  sales: {{kind: source, storage: raw, {declared}}}
  kept: {{engine: storage, inputs: [sales], sql: "select id, total from sales", {declared}}}
  large: {{engine: storage, inputs: [kept], sql: "select id, total from kept where total >= 2.2", {declared}}}
"""
    )
    assert cli("run").code == 0
    database.run("INSERT INTO sales VALUES (3, '9.00'), (4, '2.19')")
    compared = cli("diff", "-o", "json")
    found = {each["name"]: (each["added"], each["removed"]) for each in compared.json["tables"]}
    assert found == {"kept": (2, 0), "large": (1, 0)}, compared.out
    assert cli("run").code == 0
    assert database.rows("large") == [("2", "10.20"), ("3", "9.00")]


@pytest.mark.parametrize("value", ["[1, 2]", "{a: 1}", "9223372036854775808"])
def test_what_sqlite_cannot_bind(request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, value: str) -> None:
    database = made("sqlite", request, folder)
    database.declare(f"  taken: {{engine: storage, inputs: [], sql: select $p as a, params: {{p: {value}}}}}\n")
    ran = cli("run", "-o", "json")
    assert ran.json["tables"][0]["error"]["message"].startswith("the query of `taken` is refused: param `p` ")


def test_lists_and_maps_as_params_of_postgresql(server: Database, cli: Cli) -> None:
    fill(server)
    server.declare(
        ORDERS
        + """\
  taken:
    engine: storage
    inputs: [orders]
    sql: >-
      select customer, $map ->> 'a' as a, $numbers[2] as n from orders
      where customer = any($names) and amount >= $since::date - date '2024-01-01'
    params: {names: ["008", "x'y"], map: {a: "it's"}, numbers: [1, 2.5], since: "2024-01-02"}
    columns: {customer: string, a: string, n: "decimal128(3, 1)"}
"""
    )
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    assert server.rows("taken") == [("008", "it's", "2.5")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    inputs: [orders]\n", ""), "cannot be told from its text (PostgreSQL)"),
        (("least: 2}", "most: 2}"), "the query has a param `$least`, and `params` has no value"),
        (("inputs: [orders]", "inputs: [ordres]"), "is not a table"),
        (("    storage: raw\n", "    storage: files\n"), "its input `orders` lies in storage `files`"),
        (("    engine: storage\n", "    engine: storage\n    storage: files\n"), "`files` is of type files"),
    ],
)
def test_what_is_wrong_is_known_before(server: Database, cli: Cli, change: tuple[str, str], message: str) -> None:
    server.storages += "  files: {root: data}\n"
    server.declare((ORDERS + TOTALS).replace(*change))
    validated = cli("validate")
    assert validated.code == 3
    assert message in validated.err


@pytest.mark.parametrize("changed", ["orders", "totals"])
def test_sqlites_queries_know_no_float32(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, changed: str
) -> None:
    database = made("sqlite", request, folder)
    fill(database)
    orders = ORDERS.replace("amount: int64", "amount: FLOAT" if changed == "orders" else "amount: float64")
    totals = TOTALS.replace("total: int64", "total: FLOAT" if changed == "totals" else "total: float64")
    database.declare((orders + totals).replace("FLOAT", "float32"))
    validated = cli("validate")
    assert validated.code == 3
    assert f"of `{changed}` is declared float32, which queries in SQLite do not know" in validated.err
    assert "declare it as float64, or remove `engine: storage`" in validated.err
    database.declare((orders + totals).replace("FLOAT", "float64"))
    assert cli("run").code == 0
    database.declare((orders + totals).replace("FLOAT", "float32").replace("    engine: storage\n", ""))
    ran = cli("run", "--force")
    assert ran.code == 0, ran.out + ran.err


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("from main.orders", "uses `main.orders`, which `engine: storage` does not allow"),
        ("from orders, duckdb_tables()", "uses `duckdb_tables()`"),
        ("from query_table('secret')", "uses `query_table()`"),
        ("select current_setting('threads') as a from orders", "uses `current_setting()`"),
        ("show tables", "uses `SHOW`"),
        ("from read_csv('/etc/passwd')", "uses `read_csv()`"),
        ("from other", "uses `other`"),
        ("pivot orders on customer using max(amount)", "is a statement PIVOT"),
        ("select cust from orders", "cust"),
    ],
)
def test_duckdb_is_asked_before(lake: Database, cli: Cli, sql: str, message: str) -> None:
    lake.declare(
        ORDERS + f"  other: {{sql: from orders}}\n  taken:\n    engine: storage\n    inputs: [orders]\n    sql: {sql}\n"
    )
    validated = cli("validate")
    assert validated.code == 3
    assert message in validated.err


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("select customer\nfrom other", "list it under `inputs:`; a query reads these and no others"),
        ("select customer\nfrom stranger", "declare it as a table of the project and list it under `inputs:`"),
        ("select 1 as a\nfrom lakehouse_manifests", "leave it out: `lakehouse_manifests` is lakehouse's own"),
    ],
)
@pytest.mark.parametrize("inputs", ["[orders]", "[]"])
def test_a_table_beside_the_inputs_is_reported_once(lake: Database, cli: Cli, sql: str, hint: str, inputs: str) -> None:
    indented = sql.replace("\n", "\n      ")
    lake.declare(
        ORDERS + "  other: {sql: from orders}\n"
        f"  taken:\n    engine: storage\n    inputs: {inputs}\n    sql: |\n      {indented}\n"
    )
    validated = cli("validate", "-o", "json")
    [problem] = validated.json["error"]["problems"]
    assert "which `engine: storage` does not allow" in problem["message"]
    assert problem["hint"].startswith(hint)
    line = lake.folder.read("lakehouse.yaml").splitlines()[problem["line"] - 1]
    assert sql.endswith(f"from {line[problem['column'] - 1 :]}")


@pytest.mark.parametrize("inputs", ["", "inputs: [], "])
def test_the_table_of_manifests_is_no_input(database: Database, cli: Cli, inputs: str) -> None:
    database.declare("  first: {engine: storage, inputs: [], sql: select 1 as a}\n")
    assert cli("run").code == 0
    inputs = inputs if database.kind == "duckdb" else "inputs: [], "
    database.declare(f"  taken: {{engine: storage, {inputs}sql: select 1 as a from lakehouse_manifests}}\n")
    ran = cli("run")
    assert ran.code in (1, 3)
    assert "leave it out: `lakehouse_manifests` is lakehouse's own" in ran.err


def test_duckdb_finds_inputs_and_stops_the_clock(lake: Database, cli: Cli) -> None:
    fill(lake)
    lake.declare(
        ORDERS
        + "  first:\n    engine: storage\n    sql: select now() as a, current_date as b, customer from Orders\n"
        + "  second:\n    engine: storage\n    sql: select now() as a, current_timestamp as c from first limit 1\n"
    )
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    [(first, _, _), *_] = lake.run("SELECT a::VARCHAR, b, customer FROM first")
    assert lake.run("SELECT a::VARCHAR, c::VARCHAR FROM second") == [(first, first)]


#: By database: a query that does not end within any test.
ENDLESS = {
    "postgresql": "select 1 as a from pg_sleep(3600)",
    "duckdb": "select max(hash(x.range + y.range)) % 2 as a from range(10000000) x, range(10000000) y",
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as a from n",
}


def endless(database: Database, *, keys: str = "") -> str:
    return f"""\
  slow:
    engine: storage
    inputs: []
    reproducible: false
    sql: {ENDLESS[database.kind]}
{keys}"""


def asleep(database: Database) -> bool:
    """Whether the server works on an endless query."""
    return database.run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [("1",)]


def short(folder: ProjectFolder) -> None:
    """Let the table be computed at once."""
    text = folder.read("lakehouse.yaml")
    [line] = [each for each in text.splitlines() if each.startswith("    sql:")]
    folder.path.joinpath("lakehouse.yaml").write_text(text.replace(line, "    sql: select 1 as a"))


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_timeout_ends_the_query(database: Database, cli: Cli, executor: str) -> None:
    database.declare(endless(database))
    short(database.folder)
    assert cli("run").code == 0
    database.declare(endless(database, keys="    timeout: 1\n"))
    ran = cli("run", "--executor", executor, "-o", "json")
    assert ran.json["tables"][0]["error"]["message"] == "the query of `slow` took longer than its timeout of 1 s"
    if database.kind == "postgresql":
        until(lambda: not asleep(database), "end of the query")
    assert database.rows("slow") == [("1",)]
    short(database.folder)
    assert cli("run", "--force", "slow").code == 0  # nothing is locked


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_tables_of_one_file_take_turns(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, kind: str
) -> None:
    database = made(kind, request, folder)
    fill(database)
    lake = f"{{type: {kind}, root: lake.db, options: {{lock_timeout: 1}}}}"
    database.storages = f"storages:\n  default: {lake}\n  raw: {lake}\n"
    quick = "".join(f"  quick_{number}: {{engine: storage, inputs: [], sql: select 1 as a}}\n" for number in range(3))
    quick += "  read: {sql: from orders}\n"
    database.declare(ORDERS + endless(database, keys="    timeout: 3\n") + quick)
    ran = cli("run", "--executor", "threads", "--workers", "5", "-o", "json")
    assert statuses(ran) == {
        "slow": "failed",
        "read": "materialized",
        **{f"quick_{number}": "materialized" for number in range(3)},
    }


def test_enums_and_uuids_are_texts(server: Database, cli: Cli) -> None:
    server.run("CREATE TYPE mood AS ENUM ('sad', 'glad')")
    server.run("CREATE TABLE people (mood mood, id uuid, wide numeric)")
    server.run("INSERT INTO people VALUES ('glad', '00000000-0000-0000-0000-000000000001', 1.50)")
    server.declare(
        """\
  people: {kind: source, storage: raw, columns: {mood: string, id: string, wide: "decimal128(10, 2)"}}
  moods: {engine: storage, inputs: [people], sql: "select * from people where mood = 'glad'", key: id}
"""
    )
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    assert server.rows("moods") == [("glad", "00000000-0000-0000-0000-000000000001", "1.50")]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("executor", ["threads", "processes", "serial"])
def test_end_of_a_run_ends_the_query(server: Database, cli: Cli, how: signal.Signals, executor: str) -> None:
    server.declare(endless(server))
    short(server.folder)
    assert cli("run").code == 0
    server.declare(endless(server))
    with running(server.folder.path, "run", "--executor", executor) as run:
        until(lambda: asleep(server), "query")
        run.process.send_signal(how)
        if how == signal.SIGTERM:
            run.ends()
    until(lambda: not asleep(server), "end of the query")
    assert server.rows("slow") == [("1",)]
    short(server.folder)
    assert cli("run").code == 0
    assert server.run("SELECT count(*) FROM pg_class WHERE relname LIKE 'lakehouse_%' AND relkind = 'r'") == [("1",)]


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
@pytest.mark.parametrize("executor", ["threads", "processes", "serial"])
def test_end_of_a_run_ends_the_query_of_a_file(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, kind: str, executor: str
) -> None:
    database = made(kind, request, folder)
    database.declare(endless(database))
    short(folder)
    assert cli("run").code == 0
    database.declare(endless(database))
    with running(folder.path, "run", "--executor", executor, "--log-format", "json") as run:
        run.complains("table_started")
        run.process.send_signal(signal.SIGTERM)
        assert run.ends() != 0
    assert database.rows("slow") == [("1",)]
    short(folder)
    assert cli("run").code == 0


def test_who_alters_an_input_waits(server: Database, cli: Cli) -> None:
    fill(server)
    server.declare(ORDERS + endless(server).replace("[]", "[orders]").replace(" from", ", customer from orders,"))
    with running(server.folder.path, "run"):
        until(lambda: asleep(server), "query")
        server.run("INSERT INTO orders VALUES ('010', 1, NULL)")
        held = "SET lock_timeout = '50ms'; ALTER TABLE orders ADD COLUMN late integer"
        with pytest.raises(AssertionError, match="lock timeout"):
            server.run(held)


def test_another_makes_the_schema_meanwhile(server: Database, postgresql_server: PostgreSQL) -> None:
    server.declare("".join(f"  t{n}: {{engine: storage, inputs: [], sql: select {n} as a}}\n" for n in range(4)))
    [(name,)] = server.run("SELECT current_database()")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    with postgresql_server.asking(name) as ask:
        ask("BEGIN")
        ask("SELECT pg_advisory_xact_lock(hashtextextended('lakehouse schemas', 0))")
        ask("CREATE SCHEMA mart")
        with running(server.folder.path, "run", "--workers", "4") as run:
            until(lambda: server.run(waiting) == [("4",)], "tables that wait for the schema")
            ask("COMMIT")
            code = run.ends()
    assert code == 0
    assert [server.rows(f"t{n}") for n in range(4)] == [[(str(n),)] for n in range(4)]


def test_a_locked_input_is_reported(server: Database, cli: Cli, postgresql_server: PostgreSQL) -> None:
    fill(server)
    hasty = "options: {lock_timeout: 1}"
    server.storages = server.storages.replace("schema: mart}", "schema: mart, lock_timeout: 1}")
    server.storages = server.storages.replace("'}\n", f"', {hasty}}}\n")
    server.declare(ORDERS + TOTALS)
    [(name,)] = server.run("SELECT current_database()")
    with postgresql_server.asking(name) as ask:
        ask("BEGIN")
        ask("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        ran = cli("run")
        ask("COMMIT")
    assert ran.code == 1
    assert "lock timeout" in ran.out + ran.err
    assert cli("run").code == 0


def test_what_hangs_on_the_table_stays(database: Database, cli: Cli) -> None:
    fill(database)
    database.declare(ORDERS + TOTALS)
    assert cli("run").code == 0
    schema = "mart." if database.kind == "postgresql" else ""
    database.run(f"CREATE INDEX by_total ON {schema}totals (total)")
    database.run(f"CREATE VIEW seen AS SELECT customer FROM {schema}totals")
    if database.kind == "sqlite":
        database.run("CREATE TRIGGER double AFTER INSERT ON totals BEGIN UPDATE totals SET total = total * 2; END")
    database.run("INSERT INTO orders VALUES ('009', 7, NULL)")
    assert cli("run").code == 0
    assert database.rows("totals")[-1][:2] == ("009", "7")
    assert len(database.run("SELECT * FROM seen")) == 3
    assert cli("plan", "--exit-code").code == 0


def test_version_of_the_database_counts(server: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(server)
    server.declare(ORDERS + TOTALS)
    assert cli("run").code == 0
    major = PostgreSQLStorage.engine_version(open_storage(spec_of(server)))
    monkeypatch.setattr(PostgreSQLStorage, "engine_version", lambda self: str(int(major) + 1))
    planned = cli("plan").out
    assert "postgresql" in planned
    assert f"{major} → {int(major) + 1}" in planned


def spec_of(database: Database) -> StorageSpec:
    root = database.storages.split("'")[1]
    return StorageSpec("default", root, root, type=database.kind, format="")


def test_other_inputs_of_another_environment(server: Database, cli: Cli, postgresql_server: PostgreSQL) -> None:
    fill(server)
    other = postgresql_server.url(postgresql_server.new_database())
    first = TOTALS.replace("totals:", "first:")
    server.declare(ORDERS + first + TOTALS.replace("[orders]", "{orders: first}").replace("amount", "total"))
    with server.folder.path.joinpath("lakehouse.yaml").open("a") as file:
        file.write(f"environments: {{dev: {{storages: {{default: {{root: '{other}'}}, raw: {{root: '{other}'}}}}}}}}\n")
    assert cli("run").code == 0
    ran = cli("run", "-e", "dev", "totals", "--defer", "default")
    assert ran.code == 1
    assert "`first` lies in another database than `totals`, where its query runs" in ran.out + ran.err


class Counting:
    """A proxy before a server, which counts the bytes that come from it."""

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self._port = port
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                self.bytes += len(data)
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close all connections."""
        for each in (self._socket, *self._open):
            each.close()


@pytest.fixture
def proxy(postgresql_server: PostgreSQL) -> Iterator[Counting]:
    counting = Counting(postgresql_server.port)
    yield counting
    counting.close()


@pytest.mark.slow
def test_a_million_rows_stay_on_the_server(
    server: Database, cli: Cli, postgresql_server: PostgreSQL, proxy: Counting
) -> None:
    rows = "SELECT 'c' || i AS customer, i::bigint AS amount FROM generate_series"
    server.run(f"CREATE TABLE orders AS {rows}(1, 10) AS i")
    server.storages = server.storages.replace(f":{postgresql_server.port}/", f":{proxy.port}/")
    copied = """\
  copied:
    engine: storage
    inputs: [orders]
    sql: select customer, amount * 1.50 as amount, amount::numeric as key from orders
    key: key
    columns: {customer: {type: string, nullable: false}, amount: "decimal128(12, 2)", key: int64}
"""
    server.declare(ORDERS + copied)
    assert cli("run").code == 0
    few = proxy.bytes
    server.run(f"INSERT INTO orders {rows}(11, 1000000) AS i")
    ran = cli("run", "-o", "json")
    assert ran.code == 0, ran.out
    assert ran.json["tables"][-1]["rows"] == 1_000_000
    many = proxy.bytes - few
    assert server.run("SELECT count(*), sum(amount) FROM mart.copied") == [("1000000", "750000750000.00")]
    assert many < 1.2 * few  # of ten rows as of a million: what connections and catalogs take
    server.declare(ORDERS + copied.replace("int64}\n", "int16}\n"))
    assert cli("run").code == 1
    assert server.run("SELECT count(*) FROM mart.copied") == [("1000000",)]
    assert proxy.bytes < 4 * few  # a thousand rows of those that do not fit are kept
