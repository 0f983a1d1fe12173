"""Partitions in each kind of storage, as a user runs, reads, copies and cleans them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.test_partitions import MONTH, TRANSFORMS, put, run
from tests.conftest import Cli, ProjectFolder

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
    """Also where another format, or kind of storage, gives other hashes."""
    declare(folder, KINDS[kind], KINDS[other].replace("root: ", "root: dev_"))
    run(cli)
    copied = cli("copy", "--from", "default", "--to", "dev", "-o", "json")
    assert copied.code == 0, copied
    assert set(copied.statuses.values()) == {"copied"}
    assert len(copied.statuses) == 3 + 2 + 1
    assert all(each["action"] in ("skip", "read") for each in cli("plan", "-e", "dev", "-o", "json").json["tables"])
    assert cli("show", "summary", "-e", "dev", "-o", "json").json["rows"] == [{"n": 6}]
    put(folder, "2024-01-30", 1)
    run(cli)
    again = cli("copy", "--from", "default", "--to", "dev", "-o", "json").statuses
    assert {name for name, status in again.items() if status == "copied"} == {
        *("daily/day=2024-01-30", "monthly/month=2024-01", "summary"),
    }


@pytest.mark.parametrize("kind", ["parquet", "sqlite"])
def test_partitions_of_undeclared_tables_are_cleaned(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, KINDS[kind], "{root: dev}")
    run(cli)
    folder.edit("lakehouse.yaml", "monthly: {partitions", "by_month: {function: monthly, partitions")
    folder.edit("lakehouse.yaml", "inputs: [monthly]", "inputs: {monthly: by_month}")
    listed = cli("clean", "-o", "json").json
    assert sorted(each["table"] for each in listed["found"]) == ["monthly/month=2024-01", "monthly/month=2024-02"]
    assert cli("clean", "--yes").code == 0
    assert cli("clean", "--dry-run").out == "nothing to clean\n"
    assert len(cli("show", "daily", "-o", "json").json["rows"]) == 5 + 1
    if kind == "sqlite":
        with closing(sqlite3.connect(folder.path / "w.sqlite")) as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'monthly'").fetchone() == (0,)
    else:
        assert not list((folder.path / "lake").rglob("month=*"))
