"""Partitions in each kind of storage, as a user runs, reads, copies and cleans them."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from typing import Any

import duckdb
import pytest

from tests.cli.test_partitions import MONTH, TRANSFORMS, planned, put, run
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PostgreSQL

TABLES = """
raw: {kind: source, storage: files, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], inputs: [raw], columns: {day: date32, id: int64}}
monthly: {partitions: [month], inputs: [daily], columns: {n: int64}}
summary: {inputs: [monthly], columns: {n: int64}}
"""
CODE = TRANSFORMS.replace("return raw", 'return raw.select(["id"])')
KINDS = {
    "parquet": "{type: files, root: lake, format: parquet}",
    "memory": "{type: memory, root: 'memory://stored-partitions'}",
    "sqlite": "{type: sqlite, root: w.sqlite}",
    "duckdb": "{type: duckdb, root: w.duckdb}",
    "delta": "{type: delta, root: delta}",
}
ENVIRONMENTS = "environments:\n  dev: {storages: {default: %s}}\n"


def declare(folder: ProjectFolder, kind: str, other: str) -> None:
    top = f"{MONTH}storages:\n  files: {{root: data}}\n  default: {kind}\n{ENVIRONMENTS % other}"
    folder.declare(TABLES, CODE, top=top)
    for day in ("2024-01-30", "2024-01-31", "2024-02-01"):
        put(folder, day, 1, 2)


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "memory"])
def test_changed_file_makes_its_partitions_alone(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, KINDS[kind], "{root: dev}")
    assert run(cli)["monthly"] == {"2024-01": "materialized", "2024-02": "materialized"}
    assert cli("show", "daily", "-o", "json").json["rows"][-1] == {"day": "2024-02-01", "id": 2}
    put(folder, "2024-02-01", 5, 6, 7)
    again = run(cli)
    assert again["daily"] == {"2024-02-01": "materialized"}
    assert again["monthly"] == {"2024-02": "materialized"}
    assert cli("show", "summary", "-o", "json").json["rows"] == [{"n": 7}]
    assert all(each["action"] in ("skip", "read") for each in cli("plan", "-o", "json").json["tables"])


@pytest.mark.parametrize(("kind", "other"), [("parquet", "parquet"), ("sqlite", "delta"), ("delta", "parquet")])
def test_copies_of_partitions_are_up_to_date(folder: ProjectFolder, cli: Cli, kind: str, other: str) -> None:
    """Also where another format, or kind of storage, gives other hashes; with what checks found."""
    declare(folder, KINDS[kind], KINDS[other].replace("root: ", "root: dev_"))
    folder.edit("lakehouse.yaml", "daily: {", "daily: {checks: [{row_count: {min: 3}, severity: warn}], ")
    check = "{foreign_key: {columns: n, references: daily.id}, severity: warn}"
    folder.edit("lakehouse.yaml", "monthly: {", f"monthly: {{checks: [{check}], ")
    run(cli)
    copied = cli("copy", "--from", "default", "--to", "dev", "-o", "json")
    assert copied.code == 0, copied
    assert copied.statuses == dict.fromkeys(("daily", "monthly", "summary"), "copied")
    assert all(each["action"] in ("skip", "read") for each in cli("plan", "-e", "dev", "-o", "json").json["tables"])
    assert cli("plan", "-e", "dev").out == cli("plan").out.replace(" default ", " dev ", 1)
    assert cli("show", "summary", "-e", "dev", "-o", "json").json["rows"] == [{"n": 6}]
    put(folder, "2024-01-30", 1)
    run(cli)
    again = cli("copy", "--from", "default", "--to", "dev", "-o", "json").json["tables"]
    assert [copied_of(each) for each in again] == [(["2024-01-30"], 2), (["2024-01"], 1), ([], 0)]


def copied_of(table: dict[str, Any]) -> tuple[list[str], int]:
    """The partitions of a table that were copied, and how many were there already."""
    assert table["status"] == "copied"
    parts = table.get("partitions", ())
    assert {each["status"] for each in parts} <= {"copied"}
    return ["/".join(each["key"].values()) for each in parts], table.get("partitions_unchanged", 0)


def test_copy_has_a_line_for_each_table(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, KINDS["parquet"], "{root: dev}")
    run(cli)
    done = cli("copy", "--to", "dev", "--dry-run")
    assert re.findall(r"^▸ +(\S+) +to copy +(.*)", done.out, re.MULTILINE) == [
        *(("daily", "3 partitions, 6 rows"), ("monthly", "2 partitions, 2 rows"), ("summary", "1 row")),
    ]
    assert cli("copy", "--to", "dev", "--partition", "day=2024-01-31").code == 0
    done = cli("copy", "daily", "--to", "dev", "--dry-run")
    assert "to copy    2 of 3 partitions, 6 rows" in done.out


def test_chosen_partitions_are_copied_alone(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, KINDS["sqlite"], "{type: files, root: dev}")
    run(cli)
    copied = cli("copy", "--to", "dev", "--partition", "month=2024-01..2024-01", "-o", "json").json["tables"]
    assert [copied_of(each) for each in copied] == [(["2024-01-30", "2024-01-31"], 0), (["2024-01"], 0)]
    stored = sorted(each.parent.name for each in (folder.path / "dev").rglob("data.csv"))
    assert stored == ["day=2024-01-30", "day=2024-01-31", "month=2024-01"]
    none = cli("copy", "--to", "dev", "--partition", "month=2023-01")
    assert none.code == 2
    assert "no partition of `daily` is month=2023-01" in none.err


def test_copies_one_after_the_other_are_up_to_date(folder: ProjectFolder, cli: Cli) -> None:
    """Those of a month that was computed from days which were copied before, by other hashes."""
    declare(folder, KINDS["parquet"], "{root: dev}")
    run(cli)
    assert cli("copy", "daily", "--to", "dev").code == 0
    assert cli("copy", "monthly", "--to", "dev").code == 0
    assert planned(cli, "monthly", "-e", "dev") == {}


def test_partition_that_was_modified_is_not_copied(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "{root: lake}", "{root: dev}")
    run(cli)
    for day in ("2024-01-30", "2024-01-31"):
        folder.add(f"lake/daily/day={day}/data.csv", f"{day},9\n")
    done = cli("copy", "--to", "dev")
    assert done.code == 1
    assert done.err.count("error:") == 1
    assert "day=2024-01-30 (and 1 partition more): lake/daily/day=2024-01-30/data.csv was modified" in done.err
    hint = re.search("`lakehouse (run daily .*) -e default` computes it anew", done.err)
    assert hint is not None, done.err
    assert cli(*hint[1].split()).code == 0  # the hint works
    assert "and 1 partition more" not in cli("copy", "--to", "dev").err
    assert cli("copy", "daily", "--to", "dev", "--force").code == 0


def test_table_that_was_never_computed_is_missing_in_a_copy(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, KINDS["parquet"], "{root: dev}")
    done = cli("copy", "daily", "--to", "dev", "-o", "json")
    assert (done.code, done.statuses) == (1, {"daily": "missing"})
    assert done.json["tables"][0]["partitions"] == []


@pytest.mark.parametrize("kind", ["parquet", "sqlite"])
def test_partitions_of_undeclared_tables_are_cleaned(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, KINDS[kind], "{root: dev}")
    run(cli)
    folder.edit("lakehouse.yaml", "monthly: {partitions", "by_month: {function: monthly, partitions")
    folder.edit("lakehouse.yaml", "inputs: [monthly]", "inputs: {monthly: by_month}")
    listed = cli("clean", "-o", "json").json
    assert sorted(each["table"] for each in listed["found"]) == ["monthly/month=2024-01", "monthly/month=2024-02"]
    [line] = cli("clean", "--dry-run").out.splitlines()[1:]
    assert re.match(r"(lake|w\.sqlite)/monthly/ .* `monthly` \(2 partitions\): not declared", line), line
    assert cli("clean", "--yes").code == 0
    assert cli("clean", "--dry-run").out == "nothing to clean\n"
    assert len(cli("show", "daily", "-o", "json").json["rows"]) == 5 + 1
    if kind == "sqlite":
        with closing(sqlite3.connect(folder.path / "w.sqlite")) as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'monthly'").fetchone() == (0,)
    else:
        assert not list((folder.path / "lake").rglob("month=*"))


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgresql"])
def test_table_divided_otherwise_is_shown_as_such(
    folder: ProjectFolder, cli: Cli, kind: str, request: pytest.FixtureRequest
) -> None:
    """By days, then by months, not at all, and by days again, each by what the hint says."""
    storage = KINDS.get(kind)
    if storage is None:
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        storage = f"{{root: '{server.url(server.new_database())}'}}"
    declare(folder, storage, "{root: dev}")
    for line in TABLES.splitlines()[-2:]:
        folder.edit("lakehouse.yaml", f"  {line}\n", "")
    run(cli, "daily")

    def refused(why: str, hint: str, *more: list[str]) -> None:
        for command in (["run", "daily"], *more):
            done = cli(*command)
            assert why in done.out + done.err, done
            assert hint in done.out + done.err, done

    by_day = "daily: {partitions: [day], inputs: [raw], columns: {day: date32"
    folder.edit("lakehouse.yaml", by_day, "daily: {partitions: [month], inputs: [raw], columns: {month: date32")
    why = "is divided by day, and `daily` is by month"
    clean = "`lakehouse clean` removes the stored partitions; or give this table another `path:`"
    refused(why, clean, ["plan"], ["show", "daily"], ["show", "daily", "--partition", "month=2024-01"])
    assert why in cli("sql", "select * from daily").err
    folder.edit(
        "lakehouse.yaml",
        "daily: {partitions: [month], inputs: [raw], columns: {month: date32",
        "daily: {inputs: [raw], columns: {day: date32",
    )
    refused("is stored by partition, and `daily` has no partitions", clean, ["plan"], ["run", "--force", "daily"])
    assert cli("clean", "--yes").code == 0
    folder.edit("lakehouse.yaml", "daily: {inputs: [raw], columns: {day: date32, ", "daily: {inputs: [raw], columns: {")
    assert run(cli, "daily") == {"daily": "materialized"}
    folder.edit("lakehouse.yaml", "daily: {inputs: [raw], columns: {", by_day + ", ")
    refused("is stored without partitions, and `daily` is by day", "`lakehouse run --force daily` replaces it")
    assert "cannot be looked at" not in cli("plan").out  # that of a server is refused by the run
    days = run(cli, "--force", "daily")["daily"]
    assert set(days.values()) == {"materialized"}
    assert len(cli("show", "daily", "-n", "99", "-o", "json").json["rows"]) >= len(days)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_table_divided_otherwise_is_made_anew_where_it_is_dropped(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    """As the hint says; nothing that was recorded of its former partitions is in the way."""
    declare(folder, KINDS[kind], "{root: dev}")
    run(cli, "daily")
    folder.edit(
        "lakehouse.yaml",
        "daily: {partitions: [day], inputs: [raw], columns: {day: date32",
        "daily: {partitions: [month], inputs: [raw], columns: {month: date32",
    )
    connect = sqlite3.connect if kind == "sqlite" else duckdb.connect
    with closing(connect(str(folder.path / f"w.{kind}"))) as connection:
        connection.execute("DROP TABLE daily")
        connection.commit()
    assert "was stored by" not in cli("plan", "daily").out
    assert run(cli, "daily")["daily"] == dict.fromkeys(("2024-01", "2024-02"), "materialized")
    assert run(cli, "daily")["daily"] == {}
    assert len(cli("show", "daily", "-o", "json").json["rows"]) == 6
    assert cli("clean", "--dry-run").out == "nothing to clean\n"


@pytest.mark.parametrize("kind", ["parquet", "memory"])
def test_table_that_is_divided_otherwise_says_so(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    place = KINDS[kind].replace("stored-partitions", f"divided-{folder.path.parent.name}")
    declare(folder, place, "{root: dev}")
    run(cli, "daily")
    folder.edit(
        "lakehouse.yaml",
        "daily: {partitions: [day], inputs: [raw], columns: {day: date32",
        "daily: {partitions: [month], inputs: [raw], columns: {month: date32",
    )
    assert planned(cli, "daily")["daily"] == {each: ["never_materialized"] for each in ("2024-01", "2024-02")}
    said = "was stored by day, and is by month: former partitions stay until `lakehouse clean` removes them"
    assert f"note: `daily`: {said}" in " ".join(cli("plan", "daily").out.split())
    [note] = [each["notes"] for each in cli("plan", "daily", "-o", "json").json["tables"] if each["name"] == "daily"]
    assert note == [said]
    assert run(cli, "daily")["daily"] == dict.fromkeys(("2024-01", "2024-02"), "materialized")
    assert "was stored" not in cli("plan", "daily").out
    listed = cli("clean", "--dry-run").out
    assert "`daily` (3 partitions): was stored by day, and `daily` is by month" in " ".join(listed.split())
    assert cli("clean", "--yes").code == 0
    assert cli("clean", "--dry-run").out == "nothing to clean\n"
    assert run(cli, "daily")["daily"] == {}


def test_delta_refuses_times_as_dimensions_when_it_is_loaded(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, KINDS["delta"], "{root: dev}")
    folder.edit("lakehouse.yaml", "columns: {day: date32, id", "columns: {day: 'timestamp[us]', id")
    refused = cli("validate")
    assert refused.code == 3
    assert (
        "has no partitions by column `day` of table `daily`: Delta Lake is not divided by timestamp[us]" in refused.err
    )
    assert "declare it as `string`, or as `date32` for a day" in refused.err
    for kind in ("string", "dictionary<string>", "date32"):
        folder.edit(
            "lakehouse.yaml",
            re.search(r"day: ('.*?'|[a-z0-9<>]+)(?=, id)", folder.read("lakehouse.yaml"))[0],
            f"day: {kind}",
        )
        assert (cli("validate").code, run(cli, "daily", "--force")["daily"]["2024-01-30"]) == (0, "materialized"), kind
        shutil.rmtree(folder.path / "delta")
