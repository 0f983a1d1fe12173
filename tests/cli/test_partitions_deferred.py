"""Partitions that are read from another environment."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.test_partitions import MONTH, planned, put, run
from tests.conftest import Cli, ProjectFolder

TABLES = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], inputs: [raw], gone: drop, columns: {day: date32, id: int64}}
counts: {partitions: [day], inputs: [daily], gone: drop, columns: {n: int64}}
near:
  partitions: [day]
  inputs: {daily: {table: daily, at: {day: [-1, 0]}, missing: skip}}
  gone: drop
  columns: {id: int64}
  checks: [{row_count: {equals: counts}, severity: warn}, {foreign_key: {columns: id, references: daily.id}}]
monthly: {partitions: [month], inputs: [daily], gone: drop, columns: {n: int64}}
loaded: {partitions: [file], inputs: [raw], columns: {id: int64}}
summary: {inputs: [daily], columns: {n: int64}}
"""
CODE = """
import pyarrow as pa

def daily(raw: pa.Table) -> pa.Table:
    return raw

def counts(daily: pa.Table) -> pa.Table:
    return pa.table({"n": [daily.num_rows]})

def near(daily: pa.Table) -> pa.Table:
    return daily.select(["id"])

def monthly(daily: pa.Table) -> pa.Table:
    return pa.table({"n": [daily.num_rows]})

def loaded(raw: pa.Table) -> pa.Table:
    return raw

def summary(daily: pa.Table) -> pa.Table:
    return pa.table({"n": [daily.num_rows]})
"""
DAYS = ("2024-01-30", "2024-01-31", "2024-02-01")
KINDS = {
    "files": "{root: data}",
    "sqlite": "{type: sqlite, root: w.sqlite}",
    "duckdb": "{type: duckdb, root: w.duckdb}",
    "delta": "{type: delta, root: delta}",
}
READERS = ("near", "monthly", "loaded", "summary")
DEV = ("-e", "dev", "--defer", "default")


def declare(folder: ProjectFolder, storage: str = KINDS["files"]) -> None:
    dev = "environments:\n  dev: {storages: {default: {type: files, root: dev, format: parquet}, files: {root: dev}}}\n"
    top = f"{MONTH}storages:\n  files: {{root: data}}\n  default: {storage}\n{dev}"
    folder.declare(TABLES.replace("kind: source,", "kind: source, storage: files,"), CODE, top=top)
    for number, day in enumerate(DAYS):
        put(folder, day, 10 * number + 1, 10 * number + 2)


def rows(cli: Cli, name: str, environment: str = "dev") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("-e", environment, "show", name, "-n", "99", "-o", "json").json["rows"]
    return found


@pytest.mark.parametrize(
    ("kind", "executor"),
    [
        ("files", "processes"),
        ("sqlite", "threads"),
        ("delta", "threads"),
        pytest.param("duckdb", "threads", marks=pytest.mark.slow),
    ],
)
def test_partitions_are_read_there(folder: ProjectFolder, cli: Cli, kind: str, executor: str) -> None:
    declare(folder, KINDS[kind])
    assert cli("run").code == 0
    there = {name: rows(cli, name, "default") for name in ("daily", *READERS)}
    assert "daily` was never materialized" in cli("run", "-e", "dev", "monthly").err
    done = cli("run", *READERS, *DEV, "--executor", executor, "-o", "json")
    assert done.code == 0, done
    assert [each["name"] for each in done.json["deferred"]] == ["raw", "daily", "counts"]
    assert {name: rows(cli, name) for name in READERS} == {name: there[name] for name in READERS}
    [near] = [each for each in done.json["tables"] if each["name"] == "near"]
    assert [(each["name"], each["status"], each["rows"]) for each in near["checks"]] == [
        ("row_count", "warned", 10),
        ("foreign_key", "passed", 10),
    ]
    assert "nothing to do" in cli("plan", *READERS, *DEV).out
    # What changes there makes its partitions here.
    put(folder, "2024-02-01", 5)
    (folder.path / "data/raw/sales_2024-01-30.csv").unlink()
    assert cli("run", "daily", "counts").code == 0
    due = planned(cli, "near", "monthly", "summary", *DEV)
    assert due["near"].keys() == {"2024-01-30", "2024-01-31", "2024-02-01"}
    assert due["monthly"].keys() == {"2024-01", "2024-02"}
    assert run(cli, "near", "monthly", "summary", *DEV)["near"] == {
        "2024-01-30": "dropped",
        "2024-01-31": "materialized",
        "2024-02-01": "materialized",
    }
    assert (rows(cli, "monthly"), rows(cli, "summary")) == ([{"n": 2}, {"n": 1}], [{"n": 3}])
    assert {name: rows(cli, name, "default") for name in READERS} == {name: there[name] for name in READERS}


def test_table_that_has_partitions_here_is_read_here(folder: ProjectFolder, cli: Cli) -> None:
    """By table, as whole tables are: partitions that are only there do not count."""
    declare(folder)
    assert cli("run").code == 0
    assert run(cli, "daily", *DEV, "--partition", "day=2024-01-31")["daily"] == {"2024-01-31": "materialized"}
    done = cli("run", "monthly", *DEV, "-o", "json")
    assert done.json["deferred"] == []
    assert rows(cli, "monthly") == [{"n": 2}]


def test_some_partitions_and_all_together(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    assert cli("run", "daily").code == 0
    some = run(cli, "monthly", *DEV, "--partition", "month=2024-02")
    assert some == {"monthly": {"2024-02": "materialized"}}
    assert run(cli, "monthly", "summary", *DEV, "--together")["summary"] == "materialized"
    assert rows(cli, "monthly") == [{"n": 4}, {"n": 2}]
