"""Queries that run in their database, by partition."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.cli.queries_in_databases.projects import Database, made
from tests.cli.test_partitions import planned, put, run
from tests.conftest import Cli, ProjectFolder

TABLES = """\
  raw: {kind: source, storage: files, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
  daily: {partitions: [day], inputs: [raw], gone: drop, columns: {day: date32, id: int64}}
  prices: {kind: source, storage: raw, columns: {id: int64, price: int64}}
  sums:
    partitions: [day]
    engine: storage
    gone: drop
    inputs: [daily, prices]
    key: [day, id]
    columns: {day: date32, id: int64, price: int64, same: bool}
    checks: [{row_count: {min: 1}}, {foreign_key: {columns: id, references: prices.id}, severity: warn}]
    sql: |
      select daily.id, coalesce(price, 0) as price, day = $day as same
      from daily left join prices on daily.id = prices.id
  change:
    partitions: [day]
    engine: storage
    gone: drop
    inputs: {now: sums, before: {table: sums, at: {day: -1}}}
    columns: {n: int64, m: int64}
    sql: select (select count(*) from now) as n, (select count(*) from before) as m
  monthly:
    partitions: [month]
    engine: storage
    inputs: [sums]
    columns: {month: string, n: int64, total: int64}
    sql: select count(*) as n, cast(sum(price) as bigint) as total from sums
  near:
    partitions: [day]
    engine: storage
    gone: drop
    inputs: {sums: {table: sums, at: {day: [-1, 0]}, missing: skip}}
    columns: {n: int64}
    sql: select count(*) as n from sums
  everything:
    engine: storage
    inputs: [sums, monthly]
    columns: {n: int64, months: int64}
    sql: select (select count(*) from sums) as n, (select count(*) from monthly) as months
"""
DAYS = ("2024-01-30", "2024-01-31", "2024-02-01")


@pytest.fixture(params=["postgresql", pytest.param("duckdb", marks=pytest.mark.slow), "sqlite"])
def divided(request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    """A file a day, and what queries in the database make of them."""
    database = made(request.param, request, folder)
    database.folder.write("transforms.py", "def daily(raw):\n    return raw\n")
    declare(database, TABLES)
    database.run("CREATE TABLE prices (id bigint, price bigint)")
    for each in (1, 2, 3):
        database.run(f"INSERT INTO prices VALUES ({each}, {10 * each})")
    for day, ids in zip(DAYS, ((1, 2), (2, 3), (3,)), strict=True):
        put(database.folder, day, *ids)
    return database


def declare(database: Database, tables: str) -> None:
    top = "module: transforms\ndimensions: {month: {every: month}}\n"
    database.storages = f"{top}{database.storages.removeprefix(top)}"
    if "files: " not in database.storages:
        database.storages += "  files: {root: data}\n"
    database.declare(tables)


def rows(cli: Cli, name: str) -> list[list[Any]]:
    return [[*each.values()] for each in cli("show", name, "-n", "99", "-o", "json").json["rows"]]


def test_queries_run_by_partition(divided: Database, cli: Cli) -> None:
    done = run(cli)
    assert done["sums"] == done["near"] == dict.fromkeys(DAYS, "materialized")
    assert rows(cli, "sums") == [
        ["2024-01-30", 1, 10, True],
        ["2024-01-30", 2, 20, True],
        ["2024-01-31", 2, 20, True],
        ["2024-01-31", 3, 30, True],
        ["2024-02-01", 3, 30, True],
    ]
    assert rows(cli, "change") == [[2, 0], [2, 2], [1, 2]]
    assert rows(cli, "near") == [[2], [4], [3]]
    assert rows(cli, "monthly") == [["2024-01", 4, 80], ["2024-02", 1, 30]]
    assert rows(cli, "everything") == [[5, 2]]
    assert "nothing to do" in cli("plan").out
    # A changed day is its partition, and what is computed from that.
    put(divided.folder, "2024-02-01", 1, 2, 9)
    assert {name: [*each] for name, each in planned(cli).items() if isinstance(each, dict)} == {
        "daily": ["2024-02-01"],
        "sums": ["2024-02-01"],
        "change": ["2024-02-01"],
        "near": ["2024-02-01"],
        "monthly": ["2024-02"],
    }
    compared = cli("diff", "daily", "sums", "-o", "json").json["tables"]
    assert [each["rows"] for each in compared] == [{"before": 5, "after": 7}] * 2
    assert run(cli)["sums"] == {"2024-02-01": "materialized"}
    assert rows(cli, "monthly") == [["2024-01", 4, 80], ["2024-02", 3, 30]]
    assert "nothing to do" in cli("plan").out
    (divided.folder.path / "data/raw/sales_2024-01-30.csv").unlink()
    assert run(cli)["sums"]["2024-01-30"] == "dropped"
    assert rows(cli, "everything") == [[5, 2]]
    assert rows(cli, "change") == [[2, 0], [3, 2]]
    assert "nothing to do" in cli("plan").out
    # Nothing of a transaction stays.
    listed = {
        "postgresql": "SELECT tablename FROM pg_tables",
        "duckdb": "SELECT table_name FROM duckdb_tables()",
        "sqlite": "SELECT name FROM sqlite_schema",
    }
    names = [str(row[0]) for row in divided.run(listed[divided.kind])]
    assert not [name for name in names if name.startswith(("lakehouse_input", "lakehouse_new"))]


def test_failure_of_one_partition_is_its_own(divided: Database, cli: Cli) -> None:
    tables = TABLES.replace(
        "id: int64, price: int64, same: bool", "id: {type: int64, max: 2}, price: int64, same: bool"
    )
    declare(divided, tables.replace("$day as same", "$day as same, daily.day"))
    done = run(cli, "daily", "sums", "monthly", code=1)
    assert done["sums"] == {"2024-01-30": "materialized", "2024-01-31": "failed", "2024-02-01": "failed"}
    assert done["monthly"] == dict.fromkeys(("2024-01", "2024-02"), "skipped")
    assert [each[1] for each in rows(cli, "sums")] == [1, 2]
    # Rows of another partition are refused.
    others = "$day as same, case when daily.id = 3 then null else daily.day end as day"
    declare(divided, TABLES.replace("$day as same", others).replace("key: [day, id]", "order_by: [id]"))
    done = run(cli, "sums", code=1)
    assert done["sums"] == {"2024-01-30": "materialized", "2024-01-31": "failed", "2024-02-01": "failed"}
    failed = cli("run", "sums").err
    assert "column `day` has values other than that of its partition, day=2024-01-31: 1 row" in failed


def test_all_rows_of_other_partitions_are_kept(divided: Database, cli: Cli) -> None:
    tables = (
        TABLES.split("  prices:")[0]
        + """\
  spread:
    partitions: [day]
    engine: storage
    inputs: [daily]
    columns: {day: date32, id: int64, e: {type: string, sensitive: true}}
    sql: select case when id % 3 = 0 then null else day end as day, id, 'x' as e from daily
"""
    )
    put(divided.folder, DAYS[0], *range(6000))
    for day in DAYS[1:]:
        (divided.folder.path / f"data/raw/sales_{day}.csv").unlink()
    declare(divided, tables)
    ran = cli("run")
    assert ran.code == 1
    message = "column `day` has values other than that of its partition, day=2024-01-30: 2,000 rows"
    assert message in ran.err
    found = cli("show", "spread", "--failed", "-o", "json").json
    assert (found["count"], found["left_out"]) == (2000, 0)
    assert {tuple(row["reasons"]) for row in found["rows"]} == {(message,)}
    assert {(*row["partition"].items(),) for row in found["rows"]} == {(("day", DAYS[0]),)}
    expected = [{"day": None, "id": str(number), "e": "***"} for number in range(0, 6000, 3)]
    assert sorted((row["values"] for row in found["rows"]), key=lambda row: int(row["id"])) == expected


def test_keys_hold_across_partitions(divided: Database, cli: Cli) -> None:
    checks = (
        "    checks: [{row_count: {min: 1}}, {foreign_key: {columns: id, references: prices.id}, severity: warn}]\n"
    )
    assert checks in TABLES
    declare(divided, TABLES.replace("key: [day, id]", "key: [id]").replace(checks, ""))
    failed = cli("run", "daily", "sums", "--workers", "1", "-o", "json")
    assert failed.code == 1
    [sums] = [each for each in failed.json["tables"] if each["name"] == "sums"]
    assert [each["status"] for each in sums["partitions"]] == ["materialized", "failed", "materialized"]
    assert "key `id`: 1 row has a key of another partition" in sums["error"]["message"]
    put(divided.folder, "2024-01-31", 5, 6)
    assert cli("run", "daily", "sums").code == 0
    assert [each[1] for each in rows(cli, "sums")] == [1, 2, 5, 6, 3]


@pytest.mark.parametrize("key", ["", "key: [id], "])
def test_rows_by_time_are_those_that_functions_get(divided: Database, cli: Cli, key: str) -> None:
    columns = 'id: int64, a: date32, b: "timestamp[us]", c: "timestamp[us, tz=UTC]"'
    tables = f"events: {{kind: source, storage: raw, {key}columns: {{{columns}}}}}\n"
    inputs = {
        "a": "{table: events, within: {column: a}}",
        "b": "{table: events, within: {column: b, around: [-1h, +1h]}}",
        "c": "{table: events, within: {column: c}}",
        "d": "{table: events, within: {column: a, around: [-36h, -1h]}}",
    }
    listed = ", ".join(f"{name}: {each}" for name, each in inputs.items())
    for name, where in (("here", "engine: storage"), ("there", "storage: files")):
        by_day = f"partitions: [day], inputs: {{{listed}}}, columns: {{day: date32, input: string, id: int64}}"
        query = " union all ".join(f"select '{each}' as input, id from {each}" for each in inputs)
        tables += f'{name}: {{{where}, {by_day}, order_by: [input, id], sql: "{query}"}}\n'
    declare(divided, "".join(f"  {line}\n" for line in tables.splitlines()))
    divided.folder.edit(
        "lakehouse.yaml",
        "month: {every: month}",
        "day: {every: day, start: 2024-03-30, end: 2024-04-01, timezone: Europe/Zurich}",
    )
    divided.storages = divided.folder.read("lakehouse.yaml").split("storages:")[0]
    a, b, c = ("text", "text", "text") if divided.kind == "sqlite" else ("date", "timestamp", "timestamptz")
    divided.run(f"CREATE TABLE events (id bigint, a {a}, b {b}, c {c})")
    zone = "Z" if divided.kind == "sqlite" else "+00"
    moments = ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59"]
    times = ("00:00:00", "00:59:59.999999", "21:59:59.999999", "22:00:00", "22:00:00.000001", "23:00:00")
    days = ("2024-03-29", "2024-03-30", "2024-03-31", "2024-04-01", "2024-04-02")
    moments += [f"{day} {time}" for day in days for time in times]
    rows = [f"({at}, '{each[:10]}', '{each}', '{each}{zone}')" for at, each in enumerate(moments)]
    divided.run(f"INSERT INTO events VALUES {', '.join(rows)}, (-1, NULL, NULL, NULL)")
    assert run(cli)["here"] == dict.fromkeys(("2024-03-30", "2024-03-31", "2024-04-01"), "materialized")
    found = [cli("show", name, "-n", "999", "-o", "json").json["rows"] for name in ("here", "there")]
    assert found[0] == found[1]
    counts = Counter((row["day"], row["input"]) for row in found[0])
    # The day in which the clocks are put forward has 23 hours.
    assert [counts["2024-03-31", each] for each in inputs] == [6, 9, 4, 12]
    assert planned(cli) == {}


def test_texts_and_hours_are_bound(divided: Database, cli: Cli) -> None:
    """Values of dimensions are params as any other; one that is null is none that a key may have."""
    tables = """\
  raw: {kind: source, storage: files, path: "hours/{region}_{hour:%Y%m%dT%H}", columns: {moment: "timestamp[s]"}}
  hourly: {partitions: [region, hour], inputs: [raw], columns: {region: string, moment: "timestamp[s]"}}
  found:
    partitions: [region, hour]
    engine: storage
    inputs: [hourly]
    columns: {region: {type: string, nullable: false}, hour: "timestamp[s]", n: int64}
    sql: select count(*) as n from hourly where moment >= $hour and region = $region
"""
    divided.folder.write("transforms.py", "def hourly(raw):\n    return raw\n")
    declare(divided, tables)
    divided.folder.write("data/hours/eu_20240103T14.csv", "moment\n2024-01-03 13:59:59\n2024-01-03 14:00:00\n")
    assert run(cli)["found"] == {"eu/2024-01-03T14": "materialized"}
    assert rows(cli, "found") == [["eu", "2024-01-03 14:00:00", 1]]
    divided.folder.write("data/hours/__HIVE_DEFAULT_PARTITION___20240103T15.csv", "moment\n2024-01-03 15:00:00\n")
    null = run(cli, code=1)["found"]
    assert null == {"__HIVE_DEFAULT_PARTITION__/2024-01-03T15": "failed"}
    assert "column `region` is null in its partition, and is declared `nullable: false`" in cli("run").err
