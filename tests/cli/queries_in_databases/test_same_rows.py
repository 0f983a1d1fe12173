"""What a query gives in its database is what DuckDB gives of the same text, or is refused; never anything else."""

from __future__ import annotations

import duckdb
import pytest

from lakehouse_cli import Project
from tests.cli.queries_in_databases.projects import made, statuses
from tests.conftest import Cli, ProjectFolder

COLUMNS = """\
      id: int64
      amt: "decimal128(10, 2)"
      wide: "decimal128(12, 4)"
      whole: "decimal128(6, 0)"
      f: float64
      day: date32
      wall: "timestamp[us]"
      sec: "timestamp[s]"
      tm: "time64[us]"
      ins: "timestamp[ms, tz=UTC]"
      ok: bool
      dur: "duration[s]"
      raw: binary
      s: string
      n: int8
"""
INPUT = """\
      select id::bigint as id, amt, wide, whole, f::double as f, day::date as day, wall::timestamp as wall,
        sec::timestamp_s as sec, tm::time as tm, ins::timestamptz as ins, ok, dur::interval as dur, raw::blob as raw,
        s, n::tinyint as n
      from (values
        (1, 9.00, 9, 9, '-0.0', '2024-01-01', '2024-01-01', '2024-01-01', '00:00', '2024-01-01', true, '1 day', 'a',
         'b', 1),
        (2, 10.00, 2, 10, '1', '2023-12-31', '2023-12-31 12:00', '2023-12-31 12:00', '12:00', '1970-01-01', false,
         '0 s', '', 'B', 10),
        (3, -1.50, 10, 2, '0.1', '0001-01-01', '1970-01-01 00:00:00.5', '1970-01-01', '00:00:00.5', '1969-12-31', true,
         '9 s', 'B', '', 2),
        (4, 100.25, -1.5, -7, '1e300', '9999-12-31', '9999-12-31', '9999-12-31', '23:59', '9999-12-31', null, '10 s',
         'b', '10', -7),
        (5, 9.00, 100.25, 100, '2.5', '2024-01-01', '2024-01-01', '2024-01-02', '00:00', '2024-01-01 00:00:00.001',
         false, '1 day', 'a', 'b', 1),
        (6, null, null, null, null, null, null, null, null, null, null, null, null, null, null)
      ) v(id, amt, wide, whole, f, day, wall, sec, tm, ins, ok, dur, raw, s, n)"""

#: Queries, what they return where that is not `id` alone, and whether SQLite, of some versions, refuses them.
QUERIES = [
    # Decimals of one column and of others.
    ("select id from a where amt = wide", "", "equal"),
    ("select id from a where amt = whole or wide > whole", "", "equal"),
    ("select x.id from a x join a y on x.amt = y.amt", "", "equal"),
    ("select x.id from a x join a y on x.amt = y.wide", "", "refused"),
    ("select x.id from a x join a y on x.amt = cast(y.wide as real)", "", "equal"),
    ("select id from a join (select distinct amt from a) y using (amt)", "", "equal"),
    ("select id from a natural join (select amt, id from a) y", "", "equal"),
    ("select id from a x where exists (select 1 from a y where y.wide = x.amt)", "", "refused"),
    ("select id from a where amt in (select wide from a)", "", "equal"),
    ("select id from a where amt in (9, 10.0, 100.25)", "", "equal"),
    ("select id from a where amt not in (9, 10.0)", "", "equal"),
    ("select id from a where amt between 9 and 10 or wide not between -1.5 and 10", "", "equal"),
    ("select id from a where amt >= 9.5 and wide < 1e2", "", "equal"),
    ("select id from a where amt > id and whole > n", "", "equal"),
    ("select id from a where amt > f", "", "equal"),
    ("select id from a where whole = amt + 0 or amt * 2 > 19.5", "", "equal"),
    ("select id from a where -amt < -9.5", "", "equal"),
    ("select id from a where wide = amt * 0.1 + 8.1 or amt = n * 9", "", "equal"),
    ("select id from a where round(amt - n * 9, 2) = 0", "", "equal"),
    ("select id from a where abs(amt) < 9.5", "", "equal"),
    # Decimals that SQLite does not know for such.
    ("select id from a x where 9.5 < (select amt from a y where y.id = x.id)", "", "refused"),
    ("select id from a x where 9.5 < cast((select amt from a y where y.id = x.id) as real)", "", "equal"),
    ("select id from a x where amt > (select min(amt) from a)", "", "equal"),
    ("select id from a x where (select max(amt) from a) > 50 and id < 4", "", "equal"),
    (
        "select id from (select id, (select amt from a y where y.id = x.id) as q from a x) z where q > 9.5",
        "",
        "refused",
    ),
    ("select id from a where coalesce(amt, 0) > 5", "", "refused"),
    ("select id from a where cast(coalesce(amt, 0) as real) > 5", "", "equal"),
    ("select id from a where case when id < 4 then amt else wide end > 5", "", "refused"),
    ("select id from a where case amt when 9 then true else false end", "", "equal"),
    ("select id from a where nullif(amt, 9) < 50", "", "refused"),
    ("select id from a where amt is distinct from wide", "", "equal"),
    (
        "select s, max(amt) as amt from a group by s having max(amt) > 5",
        's: string, amt: "decimal128(10, 2)"',
        "refused",
    ),
    ("select s, max(amt) as amt from a group by s", 's: string, amt: "decimal128(10, 2)"', "equal"),
    (
        "select min(amt) as amt, max(wide) as wide from a",
        'amt: "decimal128(10, 2)", wide: "decimal128(12, 4)"',
        "equal",
    ),
    ("select max(coalesce(amt, 0)) as amt from a", 'amt: "decimal128(10, 2)"', "refused"),
    ("select id from (select id, first_value(amt) over (order by id) as q from a) z where q > 9.5", "", "refused"),
    ("select id from (select id, lead(amt) over (order by id) as q from a) z where q > 5", "", "refused"),
    ("select id from (select id, rank() over (order by amt desc) as q from a) z where q = 1", "", "equal"),
    ("select id, amt from a order by amt desc limit 3", 'id: int64, amt: "decimal128(10, 2)"', "equal"),
    ("select id from (select id from a where amt is not null order by coalesce(amt, 0), id limit 2) z", "", "refused"),
    (
        "select distinct amt from (select amt from a union all select wide from a) z",
        'amt: "decimal128(10, 2)"',
        "refused",
    ),
    ("select amt from a union select wide from a", 'amt: "decimal128(10, 2)"', "refused"),
    ("select amt from a intersect select wide from a", 'amt: "decimal128(10, 2)"', "equal"),
    ("select amt from a except select wide from a", 'amt: "decimal128(10, 2)"', "equal"),
    ("select amt, count(*) as c from a group by amt", 'amt: "decimal128(10, 2)", c: int64', "equal"),
    ("select count(distinct amt) as c from a", "c: int64", "equal"),
    (
        "select id from (with v as (select id, max(amt) over () as q from a) select id from v where q > 50) z",
        "",
        "equal",
    ),
    (
        "with recursive r(i, q) as (select 1, (select amt from a where id = 1) union all"
        " select i + 1, (select amt from a where id = i + 1) from r where i < 5) select i as id from r where q > 9.5",
        "",
        "refused",
    ),
    ("select id from a where amt || '' = '10.00'", "", "refused"),
    ("select id from a where cast(amt as varchar) like '%.25'", "", "equal"),
    ("select id from a where length(cast(amt as varchar)) > 4", "", "refused"),
    ("select max(cast(amt as text)) as s from a", "s: string", "refused"),
    ("select max(id) as id from a group by ok having cast(max(amt) as real) = 100.25", "", "equal"),
    # Dates, times, truth values and others.
    ("select id, f from a", "id: int64, f: float64", "equal"),
    ("select id from (select max(f) over (order by id) as g, id from a) z where g >= 1", "", "equal"),
    ("select x.id from a x join a y on x.f = y.f", "", "equal"),
    ("select id, f from a union all select id, f as f from a", "id: int64, f: float64", "equal"),
    ("select id from a where wall >= '2024-01-01' and day < '2024-02-01'", "", "equal"),
    ("select id from a where wall > '1970-01-01 00:00:00.500000' and sec > '1970-01-01 00:00:00'", "", "equal"),
    ("select id from a where tm > '00:00:00.000000' or ins >= '2024-01-01'", "", "equal"),
    (
        "select max(wall) as wall, min(day) as day, max(tm) as tm from a",
        "wall: 'timestamp[us]', day: date32, tm: 'time64[us]'",
        "equal",
    ),
    ("select id from a x where day = (select max(day) from a y where y.s = x.s)", "", "equal"),
    ("select distinct day from a where day not in ('2024-01-01')", "day: date32", "equal"),
    ("select id from a where ok", "", "equal"),
    ("select id from a where ok or 'f' or (ok and '1') or not ('false' or '1' or '0')", "", "equal"),
    ("select id, ok from a where ok = true or ok is null", "id: int64, ok: bool", "equal"),
    ("select id from a where not ok and n > 2", "", "equal"),
    ("select id from (select id from a where dur is not null order by dur, id limit 3) z", "", "equal"),
    ("select id from a where dur = (select max(dur) from a)", "", "equal"),
    ("select x.id from a x join a y on x.raw = y.raw and x.id <> y.id", "", "equal"),
    ("select raw, count(*) as c from a group by raw", "raw: binary, c: int64", "equal"),
    ("select s from a union select s from a where s > 'A'", "s: string", "equal"),
    ("select n from a intersect select whole from a", "n: int8", "refused"),
    ("select id from a where n in (select id from a) or n = whole", "", "equal"),
    ("select s, sum(n) as t from a group by s having sum(n) > 1", "s: string, t: int64", "equal"),
]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_rows_are_those_of_duckdb_or_refused(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, kind: str
) -> None:
    database = made(kind, request, folder)
    wanted = {sql: what if kind == "sqlite" else "equal" for sql, _, what in QUERIES}
    queries = {sql: columns for sql, columns, _ in QUERIES}
    # Those that are equal and of one column in one table.
    alike = [sql for sql, columns in queries.items() if not columns and wanted[sql] == "equal"]
    at_once = "\n      union all ".join(f"select {n} as q, id from ({sql}) z" for n, sql in enumerate(alike))
    rest = {sql: columns for sql, columns in queries.items() if sql not in alike}
    database.declare(
        f"  a:\n    sql: |\n{INPUT}\n    columns:\n{COLUMNS}"
        + "".join(
            f"  t{number}:\n    engine: storage\n    inputs: [a]\n    sql: |\n      {sql}\n"
            f"    columns: {{{columns or 'id: int64'}}}\n"
            for number, (sql, columns) in enumerate([(at_once, "q: int64, id: int64"), *rest.items()])
        )
    )
    ran = statuses(cli("run", "--executor", "serial", "-o", "json"))
    project = Project.load(folder.path)
    with duckdb.connect() as engine:
        engine.register("a", project.read_arrow("a"))

        def verdict(number: int, sql: str) -> str:
            if ran[f"t{number}"] != "materialized":
                return "refused"
            found = project.read_arrow(f"t{number}")
            there = engine.sql(sql).to_arrow_table().select(found.column_names).cast(found.schema)
            one, other = (sorted(map(repr, table.to_pylist())) for table in (found, there))
            return "equal" if one == other else f"{one} is not {other}"

        assert verdict(0, at_once) == "equal"
        found = {sql: verdict(number + 1, sql) for number, sql in enumerate(rest)}
    wrong = {sql: what for sql, what in found.items() if what not in ("equal", wanted[sql])}
    assert not wrong
    assert kind == "duckdb" or "refused" in found.values()
