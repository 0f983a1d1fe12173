"""What a query in its database may not do, and what is known before it runs."""

from __future__ import annotations

import re

import pytest

from tests.cli.queries_in_databases.projects import ORDERS, TOTALS, Database, fill, made
from tests.conftest import Cli, ProjectFolder


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from secret", "secret"),
        ("select (select max(b) from secret) as customer from orders", "secret"),
        ("with v as (select * from secret) select * from v", "secret"),
        ("with orders as (select * from mart.secret) select * from orders", "secret"),
        ("select o.customer from orders o join mart.secret s on true", "secret"),
        ("select customer from public.orders", "orders"),
    ],
)
def test_a_query_reads_its_inputs_alone(database: Database, cli: Cli, sql: str, message: str) -> None:
    fill(database)
    if database.kind == "postgresql":
        database.run("CREATE SCHEMA mart")
    else:
        sql = sql.replace("mart.", "main.").replace("public.", "main.")
    database.run(f"CREATE TABLE {'mart.' if database.kind == 'postgresql' else ''}secret (b integer)")
    database.declare(ORDERS + f"  taken:\n    engine: storage\n    inputs: [orders]\n    sql: {sql}\n")
    ran = cli("run")
    assert ran.code in (1, 3)
    assert message in ran.out + ran.err
    if database.kind == "duckdb":
        assert "does not allow" in ran.err
    else:
        assert "which its `inputs` do not list" in ran.out or "which it may not" in ran.out
        assert "list it under `inputs:`, and name it as there, without a schema" in ran.err


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


#: Queries in SQLite, and what they are refused for; nothing for those that are not.
NAMES = [
    ("select amount as a from orders where \"custmer\" <> '007'", "it has no column called `custmer`"),
    ('select amount as a from orders where customer = "007"', "a text goes in single quotes: '007'"),
    ('select amount as a from orders /* /* " */ where "cust" = 1 -- "', "it has no column called `cust`"),
    ('select o."amount" as "a ""b""", \'"x"\' as "`" from "orders" as "o" where "o"."customer" > \'\'', ""),
    ("select count(*) as a from sqlite_master", "it uses `sqlite_master`"),
    ("select count(*) as a from sqlite_schema", "it uses `sqlite_"),
    ("select count(*) as a from sqlite_temp_master", "it uses `sqlite_temp_master`"),
    ("select count(*) as a from [sqlite_schema] as s, orders", "it uses `sqlite_"),
    ("select count(*) as a from pragma_table_list", "it uses `"),
    ("select count(*) as a from lakehouse_manifests", "it uses `lakehouse_manifests`"),
    (
        "with v (b, c) as not materialized (select 1, 2), [w] as (select * from v) select count(*) as a from [w], v",
        "",
    ),
    ("with recursive V as (select 1 as b union all select b + 1 from v where b < 3) select count(*) as a from `v`", ""),
    ("select count(*) as a from (select * from orders), json_each('[1]')", ""),
]


def test_names_in_sqlite_are_of_inputs(request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli) -> None:
    database = made("sqlite", request, folder)
    fill(database)
    database.declare("  lone: {engine: storage, inputs: [], sql: select 1 as a}\n")
    assert cli("run").code == 0  # there is a table of manifests
    database.declare(
        ORDERS
        + "".join(
            f"  t{number}:\n    engine: storage\n    inputs: [orders]\n    sql: |\n      {sql}\n"
            for number, (sql, _) in enumerate(NAMES)
        )
    )
    tables = {each["name"]: each for each in cli("run", "-o", "json").json["tables"]}
    for number, (sql, refused) in enumerate(NAMES):
        error = tables[f"t{number}"].get("error") or {"message": "", "hint": ""}
        assert bool(error["message"]) == bool(refused), (sql, error)
        assert refused in f"{error['message']} {error['hint']}", sql


SEEN = """\
  seen:
    kind: source
    storage: raw
    columns:
      id: int64
      day: date32
      wall: "timestamp[us]"
      sec: "timestamp[s]"
      tm: "time64[us]"
      ok: bool
      s: string
      amt: "decimal128(10, 2)"
      took: "duration[s]"
      spent: "duration[ms]"
      bytes: binary
  other: {kind: source, storage: raw, columns: {id: int64, sec: "timestamp[ms]"}}
"""


SEC = "write '2024-01-01 00:00:00'"
PARTS = "write `julianday(…)` for its days, `strftime('%Y', …)` for a part, or `date(…, '+1 day')`"
DECIMAL = "write `cast(max(amt) as real)` to compare a number, `printf('%.2f', max(amt))` a text"
#: Conditions that SQLite takes for others than they are, and what to write; nothing where it does not.
COMPARISONS = [
    ("wall > '1970-01-01 00:00:00'", "write '1970-01-01 00:00:00.000000'"),
    ("not x.wall = '1970-01-01'", "write '1970-01-01 00:00:00.000000'"),
    ("wall between '1970-01-01' and '1970-01-02 10:00'", "write '1970-01-02 10:00:00.000000'"),
    ("wall in ('1970-01-01 00:00:00.000000', '1970-01-02')", "write '1970-01-02 00:00:00.000000'"),
    ("'1970-01-01' < wall", "write '1970-01-01 00:00:00.000000'"),
    ("wall <= $since", "write '2024-01-01 00:00:00.000000'"),
    ("wall is not '2024-01-01T00:00:00'", "write a text of the form `0000-00-00 00:00:00.000000`"),
    ("wall > datetime('2024-01-01', '-1 day')", "bring both to one form: `datetime(…) || '.000000'`"),
    ("sec > current_date", "bring both to one form: `current_date || ' 00:00:00'`"),
    ("tm > '00:00:00'", "write '00:00:00.000000'"),
    ("day = '2024-01-01 00:00:00'", "write a text of the form `0000-00-00`"),
    ("day < wall", "bring both to one form: `day || ' 00:00:00.000000'`"),
    ("x.sec = wall", "bring both to one form: `sec || '.000000'`"),
    ("id in (select id from seen join other using (sec))", "bring both to one form: `sec || '.000'`"),
    ("id in (select id from seen natural join other)", "bring both to one form: `sec || '.000'`"),
    (
        "id in (select max(id) from seen group by s having max(wall) > '2024-01-01')",
        "write '2024-01-01 00:00:00.000000'",
    ),
    ("((x.wall)) > ('2024-01-01')", "write '2024-01-01 00:00:00.000000'"),
    ("(select min(y.sec) from seen y where y.id < x.id) = '2024-01-01'", SEC),
    ("(select min(sec) from seen) = '2024-01-01'", SEC),
    ("sec > (select max(day) from seen)", "bring both to one form: `(select max(day) …) || ' 00:00:00'`"),
    (
        "id in (select id from (select id, wall as w from seen) where w <= '2024-01-01')",
        "write '2024-01-01 00:00:00.000000'",
    ),
    ("id in (select z.id from (select id, sec from seen) z where z.sec > '2024-01-01')", SEC),
    ("id in (with w as (select id, max(sec) over () as w from seen) select id from w where w = '2024-01-01')", SEC),
    ("id in (with w (a, b) as (select id, sec from seen) select a from w where b = '2024-01-01')", SEC),
    ("coalesce(sec, '1970-01-01 00:00:00') > '2024-01-01'", SEC),
    ("coalesce(sec, '2024-01-01') is null", SEC),
    ("ifnull(x.sec, wall) is null", "bring both to one form: `sec || '.000000'`"),
    ("ok = 'true'", "write `true` or `false`"),
    ("id <> ''", "write a number"),
    ("wall >= '1970-01-01' and wall < '1970-01-02 00:00:00' and '2000-01-01' <= wall", ""),
    ("wall not between '1970-01-01 00:00' and '1970-01-02 00:00:00.000000'", ""),
    ("wall || '' > '2024-01-01'", "write '2024-01-01 00:00:00.000000'"),
    ("max(wall) over () < 2024", "write a text of the form `0000-00-00 00:00:00.000000`"),
    ("time(wall) > '10:00'", "write '10:00:00'"),
    ("max((x.wall), '2024-01-01') is null", "write '2024-01-01 00:00:00.000000'"),
    ("coalesce(s, sec) > '2'", "write `datetime(s)`"),
    ("coalesce(id, '') = 0 or length(x.wall) > 2", "write a number"),
    ("case id when 1 then sec else wall end is null", "bring both to one form: `sec || '.000000'`"),
    ("case when ok then sec else '2024-01-01 00:00:00' end = '2024-01-01'", SEC),
    ("case sec when '2024-01-01' then 1 end = 1", SEC),
    ("nullif(sec, '2024-01-01') is null", SEC),
    ("iif(ok, sec, null) = '2024-01-01'", SEC),
    ("id in (select id from (select id, max(sec) over (order by id) w from seen) where w = '2024-01-01')", SEC),
    ("id in (select z.id from (select 1 as id, '2024-01-01' as b union all values (2, '2025')) z where b = day)", ""),
    ("(id, sec) in (select id, day from seen)", "bring both to one form: `(select day …) || ' 00:00:00'`"),
    ("sec in (values ('2024-01-01'))", SEC),
    ("sec not in (select day from seen)", "bring both to one form: `(select day …) || ' 00:00:00'`"),
    (
        "id in (select id from (select id, day d from seen union select id, sec from seen))",
        "bring both to one form: `day || ' 00:00:00'`",
    ),
    (
        "id in (with recursive r(i, d) as (select 1, day from seen union all select i + 1, sec from r, seen)"
        " select i from r)",
        "bring both to one form: `day || ' 00:00:00'`",
    ),
    ("substr(sec, 1, 10) = wall", "bring both to one form: `substr(…) || ' 00:00:00.000000'`"),
    ("strftime('%Y-%m-%d', sec) = wall", "bring both to one form: `strftime(…) || ' 00:00:00.000000'`"),
    ("strftime('%Y', sec) = 2024", "write `cast(strftime(…) as integer)`"),
    ("sec - wall > 1 or day + 1 > day or sum(day) > 1 or cast(day as integer) = 2024", PARTS),
    ("cast(wall as date) = '2024-01-01'", "write `date(…)`"),
    ("cast(s as string) = ''", "write `cast(… as text)`"),
    ("took > spent", "bring both to one unit: `took * 1000`"),
    ("coalesce(took, spent) is null or took + spent > 0", "bring both to one unit: `took * 1000`"),
    ("ok or 'true'", "compare it, or write `is not null`"),
    ("iif(s, 1, 0) = 1", "compare it, or write `is not null`"),
    (
        "cast(amt as text) >= '2024-01-31'",
        "write `cast(cast(amt as text) as real)` to compare a number, `printf('%.2f', cast(amt as text))` a text",
    ),
    *(
        (f"id in (select max(id) from seen having max(amt) {test})", DECIMAL)
        for test in ("= '10'", "< s", "in (select s from seen)")
    ),
    ("amt = '10' and amt > s and amt || '' = s and cast(max(amt, 0) as text) = s and printf('%.2f', amt) = s", ""),
    ("bytes = 'a'", "write `x'…'` or `cast(… as blob)`"),
    ("sec = json_extract(s, '$.a')", "write `datetime(json_extract(…))`"),
    ("date(wall) = '2024-01-01' and datetime(sec) = sec and day > $since and wall >= day and sec <= wall", ""),
    ("day || ' 00:00:00.000000' < wall and day >= '2024' and wall < 2024 and s > '2024-01-01'", ""),
    (
        "day || ' ' || '00:00:00' = sec and strftime('%Y-%m-%d %H:%M:00', wall) = sec and substr(tm, 1, 5) = '10:00'",
        "",
    ),
    ("ok = true and ok = '1' and id > '5' and wall like '2024-01-01' and took * 1000 > spent * 1", ""),
    ("id in (select id from (select date(wall) as wall from seen) where wall > '2024-01-01')", ""),
    (
        "id in (select z.id from (select id, date(wall) as wall from seen) as z where max(z.wall, '') > '2024-01-01')",
        "",
    ),
    (
        "id in (with z (id, wall) as (select id, date(wall) from seen) select z.id from z where z.wall = '2024-01-01')",
        "",
    ),
    ("max((x.day), '2024-01-01') > '2024-01-01' and (wall) >= ('2024-01-01') and coalesce(day, '') = ''", ""),
    ("coalesce(day, '1970-01-01') = '2024-01-01' and (select date(max(sec)) from seen) = '2024-01-01'", ""),
]


def test_comparisons_of_texts_in_sqlite_are_found(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli
) -> None:
    database = made("sqlite", request, folder)
    database.declare(
        SEEN
        + "".join(
            f"  t{number}:\n    engine: storage\n    inputs: [seen, other]\n    sql: |\n"
            f"      select id from seen as x\n      where {where}\n    columns: {{id: int64}}\n"
            + ("    params: {since: '2024-01-01'}\n" if "$since" in where else "")
            for number, (where, _) in enumerate(COMPARISONS)
        )
    )
    problems = cli("validate", "-o", "json").json["error"]["problems"]
    hints = {each["message"].split("`")[1]: each["hint"] for each in problems}
    found = {where: hints.get(f"t{number}", "") for number, (where, _) in enumerate(COMPARISONS)}
    assert found == dict(COMPARISONS)
    text = database.folder.read("lakehouse.yaml").splitlines()
    assert all("where" in text[each["line"] - 1] for each in problems)


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        (
            "select max(took) as spent from seen",
            "stores `max(took)`, duration[s], as `spent`, duration[ms]",
            "declare `spent` as duration[s]",
        ),
        ("select (took as spent from seen", "is not understood", "correct it or write it another way"),
        (f"select {' + '.join(['took'] * 900)} as spent from seen", "is not understood", "or remove `engine: storage`"),
        ("select max(took) * 1000 as spent from seen", "", ""),
    ],
)
def test_durations_in_sqlite_keep_their_unit(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, sql: str, message: str, hint: str
) -> None:
    database = made("sqlite", request, folder)
    database.declare(
        "  seen: {kind: source, storage: raw, columns: {took: 'duration[s]'}}\n"
        f"  most:\n    engine: storage\n    inputs: [seen]\n    sql: {sql}\n    columns: {{spent: 'duration[ms]'}}\n"
    )
    database.run("CREATE TABLE seen (took INTEGER)")
    database.run("INSERT INTO seen VALUES (3), (5)")
    ran = cli("run")
    if message:
        assert ran.code == 3
        assert message in ran.err
        assert hint in ran.err
    else:
        assert database.rows("most") == [("5000",)]


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    inputs: [orders]\n", ""), "cannot be determined from its text (PostgreSQL)"),
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
