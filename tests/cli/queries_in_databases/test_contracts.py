"""Contracts and params in the database: values are exact or refused, as anywhere."""

from __future__ import annotations

import pytest

from tests.cli.queries_in_databases.projects import ORDERS, TOTALS, Database, fill, made
from tests.conftest import Cli, ProjectFolder

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


def test_all_rows_that_break_a_contract_are_kept(database: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of results and of sources, with all that is wrong with each; no secret and no sensitive value in any file."""
    secret = "correct-horse-battery"
    monkeypatch.setenv("LAKE_SECRET", secret)
    values = [
        f"('{row // 2:05}', {row if row // 2 % 3 == 1 else 'NULL'}, '{secret if row == 2500 else 'word'}',"
        f" 'a{row:05}@b.c')"
        for row in range(5000)
    ]
    database.run("CREATE TABLE orders (customer varchar(10), amount bigint, said varchar(50), email varchar(50))")
    database.run(f"INSERT INTO orders VALUES {', '.join(values)}")
    columns = "{customer: string, amount: int64, said: string, email: {type: string, sensitive: true}}"
    strict = columns.replace("int64", "{type: int64, nullable: false}")
    copied = f"""\
  copied:
    engine: storage
    inputs: [orders]
    sql: select customer, amount, said, email from orders
    columns: {strict}
    key: customer
"""
    other = 'name: small\nstorages:\n  other: {root: "s3://b/x", options: {secret_access_key: "${LAKE_SECRET}"}}\n'
    for source in (columns, strict):
        database.declare(f"  orders: {{kind: source, storage: raw, columns: {source}}}\n" + copied)
        database.folder.edit("lakehouse.yaml", "name: small\nstorages:\n", other)
        name = "copied" if source == columns else "orders"
        expected = {
            row + 1: {
                *(["column `amount` has 3,334 nulls but is declared `nullable: false`"] if row // 2 % 3 != 1 else []),
                *(["key `customer`: 2,500 rows repeat earlier keys"] if row % 2 and name == "copied" else []),
            }
            for row in range(5000)
        }
        expected = {row: reasons for row, reasons in expected.items() if reasons}
        ran = cli("run")
        assert (ran.code, f"--failed` shows the {len(expected):,} rows that fail" in ran.err) == (1, True), ran.err
        shown = cli("show", name, "--failed", "-o", "json").json
        assert (shown["count"], shown["left_out"]) == (len(expected), 0)
        assert {each["row"]: set(each["reasons"]) for each in shown["rows"]} == expected
        assert [each["row"] for each in shown["rows"]] == [*expected]
        for row, found in ((each["row"] - 1, each["values"]) for each in shown["rows"]):
            amount, said = str(row) if row // 2 % 3 == 1 else None, "${LAKE_SECRET}" if row == 2500 else "word"
            assert found == {"customer": f"{row // 2:05}", "amount": amount, "said": said, "email": "***"}
        folder = database.folder.path / ".lakehouse/failed"
        assert not [*folder.glob("new@*")]
        written = (folder / f"{name}@default.rows").read_bytes()
        assert [text in written for text in (b"correct-horse", b"@b.c", b"word")] == [False, False, True]


def test_all_rows_of_many_violations_are_kept(database: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """More violations than one query asks for: each row has all of its own."""
    monkeypatch.setattr("lakehouse_cli.storage.relational.contract_sql._AT_ONCE", 2)
    names = [f"c{number}" for number in range(5)]
    values = [["NULL" if row % (at + 2) == 0 else f"{row}" for at in range(5)] for row in range(1999)]
    database.run(f"CREATE TABLE orders (id bigint, {', '.join(f'{name} bigint' for name in names)})")
    listed = (f"({row}, {', '.join(each)})" for row, each in enumerate(values))
    database.run(f"INSERT INTO orders VALUES {', '.join(listed)}")
    columns = ", ".join(f"{name}: {{type: int64, nullable: false}}" for name in names)
    database.declare(
        f"""\
  orders: {{kind: source, storage: raw, columns: {{id: int64, {", ".join(f"{name}: int64" for name in names)}}}}}
  wide: {{engine: storage, inputs: [orders], sql: "select * from orders", columns: {{id: int64, {columns}}}}}
"""
    )
    assert cli("run").code == 1
    shown = cli("show", "wide", "--failed", "-o", "json").json
    expected = {row + 1: [names[at] for at in range(5) if row % (at + 2) == 0] for row in range(1999)}
    expected = {row: wrong for row, wrong in expected.items() if wrong}
    assert (shown["count"], shown["left_out"]) == (len(expected), 0)
    assert {each["row"]: [reason.split("`")[1] for reason in each["reasons"]] for each in shown["rows"]} == expected
    for each in shown["rows"]:
        row = each["row"] - 1
        assert each["values"] == {"id": str(row)} | {
            name: None if value == "NULL" else value for name, value in zip(names, values[row], strict=True)
        }


def test_all_rows_with_values_of_another_type_are_kept(database: Database, cli: Cli) -> None:
    """Of a source that is read: the whole rows, but for what is sensitive."""
    database.run("CREATE TABLE orders (id bigint, amount numeric(10, 2), pay numeric(10, 2), said varchar(20))")
    values = [(row, row + row % 2 / 2, row + row % 3 / 4, f"'word {row}'") for row in range(3000)]
    listed = ", ".join(f"({', '.join(map(str, row))})" for row in values)
    database.run(f"INSERT INTO orders VALUES {listed}")
    columns = "{id: int64, amount: int64, pay: {type: int64, sensitive: true}, said: string}"
    database.declare(f"  orders: {{kind: source, storage: raw, columns: {columns}}}\n")
    expected = {}
    for row in range(3000):
        if wrong := [*(["amount"] if row % 2 else []), *(["pay"] if row % 3 else [])]:
            expected[row] = wrong
    ran = cli("run", "orders")
    assert (ran.code, f"--failed` shows the {len(expected):,} rows that fail" in ran.err) == (1, True), ran.err
    shown = cli("show", "orders", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (len(expected), 0)
    found = {int(each["values"]["id"]): each for each in shown["rows"]}
    assert found.keys() == expected.keys()
    for row, each in found.items():
        assert (each["row"], len(each["reasons"])) == (row + 1, len(expected[row]))
        assert float(each["values"].pop("amount")) == row + row % 2 / 2
        assert each["values"] == {"id": str(row), "pay": "***", "said": f"word {row}"}
    assert "column `pay` are not as declared" in ran.err
    database.declare("  orders: {kind: source, storage: raw, columns: {pay: {type: int64, sensitive: true}}}\n")
    ran = cli("run", "orders")
    assert "2,000 values of column `pay` are not as declared" in ran.err
    written = database.folder.path.joinpath(".lakehouse/failed/orders@default.json").read_bytes()
    assert b".25" not in written
    database.run("DELETE FROM orders WHERE id % 3 > 0")
    assert cli("run", "orders").code == 0
    assert [each.name for each in database.folder.path.joinpath(".lakehouse/failed").iterdir()] == [".gitignore"]


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


WHERE = [
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
]


@pytest.mark.parametrize("types", SALES_TYPES)
def test_sqlite_compares_values_as_what_they_are_declared(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, types: str
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
    tables = SALES
    for number, (where, _) in enumerate(WHERE):
        params = ", ".join(f"{n}: {v}" for n, v in SALES_PARAMS.items() if "$" + n in where)
        tables += f"""\
  wanted{number}:
    engine: storage
    inputs: [sales]
    sql: select id from sales where {where}
    params: {{{params}}}
    columns: {{id: int64}}
"""
    database.declare(tables)
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    for number, (where, ids) in enumerate(WHERE):
        assert database.rows(f"wanted{number}") == [(each,) for each in ids.split()], where


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
      select sum(cast(round(total * 100) as integer)) as hundredths, printf('%.2f', min(total) * 2) as twice
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
