"""Partitions of a run that are published together: all that passed, or nothing."""

from __future__ import annotations

from shutil import rmtree
from typing import Any

import pytest

from tests.cli.running import running
from tests.cli.test_partitions import MONTH, ended, put, run
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PostgreSQL
from tests.servers.s3 import S3Server

KINDS = {
    "files": "{root: lake}",
    "parquet": "{type: files, root: lake, format: parquet}",
    "memory": "{type: memory, root: 'memory://partitions-together'}",
    "sqlite": "{type: sqlite, root: w.sqlite}",
    "duckdb": "{type: duckdb, root: w.duckdb}",
    "delta": "{type: delta, root: delta}",
}
TABLES = """
raw: {kind: source, storage: files, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily:
  partitions: [day]
  inputs: [raw]
  gone: drop
  key: [id]
  columns: {day: date32, id: int64}
  checks: [{unique: [id], severity: warn}]
before:
  partitions: [day]
  inputs: {daily: {table: daily, at: {day: [-1, 0]}, missing: skip}}
  gone: drop
  columns: {n: int64}
monthly:
  partitions: [month]
  inputs: [daily]
  columns: {n: {type: int64, max: 100}}
  checks: [{foreign_key: {columns: n, references: daily.id}, severity: warn}]
summary: {inputs: [monthly, before], storage: files, columns: {n: int64, b: int64}}
"""
CODE = """
import pyarrow as pa
import pyarrow.compute as pc

def daily(raw: pa.Table) -> pa.Table:
    return raw

def before(daily: pa.Table) -> pa.Table:
    return pa.table({"n": [daily.num_rows]})

def monthly(daily: pa.Table) -> pa.Table:
    if 13 in daily["id"].to_pylist():
        raise ValueError("thirteen")
    return pa.table({"n": [daily.num_rows]})

def summary(monthly: pa.Table, before: pa.Table) -> pa.Table:
    return pa.table({"n": [pc.sum(monthly["n"]).as_py()], "b": [pc.sum(before["n"]).as_py()]})
"""
DAYS = ("2024-01-30", "2024-01-31", "2024-02-01")


def declare(folder: ProjectFolder, storage: str) -> None:
    folder.declare(TABLES, CODE, top=f"{MONTH}storages:\n  files: {{root: data}}\n  default: {storage}\n")
    for number, day in enumerate(DAYS):
        put(folder, day, 10 * number + 1, 10 * number + 2)


def stored(cli: Cli) -> dict[str, Any]:
    found = {name: cli("show", name, "-n", "99", "-o", "json") for name in ("daily", "before", "monthly", "summary")}
    return {name: shown.json["rows"] if shown.code == 0 else None for name, shown in found.items()}


def all_or_nothing(folder: ProjectFolder, cli: Cli, *options: str) -> None:
    """Run with what fails at first, then with what passes, changes, moves a key and goes."""
    together = ("--together", *options)
    put(folder, "2024-02-01", 13)
    days = dict.fromkeys(DAYS, "held_back")
    assert run(cli, *together, code=1) == {
        "daily": days,
        "before": days,
        "monthly": {"2024-01": "held_back", "2024-02": "failed"},
        "summary": "skipped",
    }
    assert stored(cli) == dict.fromkeys(("daily", "before", "monthly", "summary"))
    put(folder, "2024-02-01", 21, 22)
    done = run(cli, *together)
    assert done["monthly"] == {"2024-01": "materialized", "2024-02": "materialized"}
    assert stored(cli)["summary"] == [{"n": 6, "b": 10}]
    # What was recorded of inputs, and of what checks looked at, is what is stored.
    assert "nothing to do" in cli("plan").out
    before = stored(cli)
    (folder.path / "data/raw/sales_2024-01-30.csv").unlink()
    put(folder, "2024-01-31", 1, 2, 3)
    put(folder, "2024-02-01", 13)
    assert run(cli, *together, code=1)["daily"] == dict.fromkeys(DAYS, "held_back")
    assert stored(cli) == before
    put(folder, "2024-02-01", 21)
    done = run(cli, *together)
    assert done["daily"] == {"2024-01-30": "dropped", "2024-01-31": "materialized", "2024-02-01": "materialized"}
    assert done["summary"] == "materialized"
    assert stored(cli)["daily"] == [
        *({"day": "2024-01-31", "id": each} for each in (1, 2, 3)),
        {"day": "2024-02-01", "id": 21},
    ]
    assert stored(cli)["summary"] == [{"n": 4, "b": 7}]
    assert "nothing to do" in cli("plan").out


@pytest.mark.parametrize("kind", [pytest.param(each, marks=[pytest.mark.slow] * (each == "duckdb")) for each in KINDS])
def test_all_partitions_or_none(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, KINDS[kind])
    all_or_nothing(folder, cli)


def test_processes_and_servers_take_part(
    folder: ProjectFolder, cli: Cli, s3_server: S3Server, postgresql_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", s3_server.options["access_key_id"])
    monkeypatch.setenv("SECRET", s3_server.options["secret_access_key"])
    s3_server.make_bucket("parts-together")
    keys = "access_key_id: '${KEY}', secret_access_key: '${SECRET}'"
    options = f"endpoint: {s3_server.endpoint}, region: us-east-1, allow_http: true, {keys}"
    root = f"s3://parts-together/{folder.path.parent.name}"
    declare(folder, f"{{root: '{root}', format: parquet, options: {{{options}}}}}")
    all_or_nothing(folder, cli, "--executor", "processes", "--workers", "2")
    rmtree("data")
    declare(folder, f"{{type: postgresql, root: '{postgresql_server.url(postgresql_server.new_database())}'}}")
    all_or_nothing(folder, cli)


@pytest.mark.parametrize("kind", ["files", "delta", "sqlite"])
def test_keys_are_judged_by_what_waits(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, KINDS[kind])
    put(folder, "2024-01-31", 2, 3)
    failed = cli("run", "daily", "--together", "-o", "json")
    assert failed.code == 1
    [daily] = failed.json["tables"]
    assert sorted(ended(daily).values()) == ["failed", "held_back", "held_back"]
    assert "1 row has a key" in daily["error"]["message"]
    assert stored(cli)["daily"] is None
    # A key may move to a partition that waits as well.
    put(folder, "2024-01-31", 11, 12)
    assert cli("run", "daily", "--together").code == 0
    put(folder, "2024-01-30", 5)
    put(folder, "2024-01-31", 1, 2)
    assert cli("run", "daily", "--together").code == 0
    assert [row["id"] for row in stored(cli)["daily"]] == [5, 1, 2, 21, 22]
    assert "nothing to do" in cli("plan", "daily").out


def test_warnings_of_unique_count_what_waits_once(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, KINDS["delta"])
    folder.edit("lakehouse.yaml", "    key: [id]\n", "")
    put(folder, "2024-01-31", 2, 3)

    def unique(*options: str) -> list[Any]:
        tables = {each["name"]: each for each in cli("run", "daily", *options, "-o", "json").json["tables"]}
        return [(each["count"], each["status"]) for each in tables["daily"]["checks"]]

    assert unique("--together") == [(1, "warned")]
    assert unique("--force") == [(1, "warned")]


def test_rows_put_aside_are_published_with_their_partition(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, KINDS["parquet"])
    folder.edit(
        "lakehouse.yaml", "columns: {day: date32, id: int64}", "columns: {day: date32, id: {type: int64, max: 99}}"
    )
    folder.edit("lakehouse.yaml", "gone: drop\n    key", "gone: drop\n    quarantine: true\n    key")
    put(folder, "2024-02-01", 13, 100)
    assert run(cli, "--together", code=1)["daily__quarantine"] == dict.fromkeys(DAYS, "held_back")
    assert "was never materialized" in cli("show", "daily__quarantine").err
    put(folder, "2024-02-01", 14, 100)
    assert run(cli, "--together")["daily__quarantine"] == dict.fromkeys(DAYS, "materialized")
    assert [row["id"] for row in cli("show", "daily__quarantine", "-o", "json").json["rows"]] == [100]
    assert "nothing to do" in cli("plan").out


def test_message_names_what_was_held_back(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, KINDS["files"])
    folder.edit("lakehouse.yaml", "module: transforms", "module: transforms\nexecution: {publish: together}")
    put(folder, "2024-02-01", 13)
    shown = " ".join(cli("run").out.split())
    why = "`monthly/month=2024-02` failed, and all of the run is published together"
    assert f" {why}: nothing was published; held back: `daily`, `before`" in shown
    assert "partitions held back" not in shown
    again = cli("run", "--failed", "--dry-run", "-o", "json").json
    assert {each["name"] for each in again["tables"] if each["action"] == "run"} == {
        "daily",
        "before",
        "monthly",
        "summary",
    }


def test_what_cannot_be_committed_fails(folder: ProjectFolder, cli: Cli) -> None:
    """Delta commits partitions many at once, of which none is told to be stored before."""
    declare(folder, KINDS["delta"])
    declared = folder.read("lakehouse.yaml").splitlines(keepends=True)
    folder.write("lakehouse.yaml", "".join([line for line in declared if line.split()[0] not in ("key:", "checks:")]))
    assert cli("run").code == 0
    before = stored(cli)
    folder.edit("lakehouse.yaml", "{day: date32, id: int64}", "{day: date32, id: string}")
    folder.edit("transforms.py", "    return raw\n", "    return raw.cast(pa.schema([('id', pa.string())]))\n")
    found = cli("run", "daily", "--together", "--partition", "day=2024-01-30..2024-01-31", "-o", "json")
    assert found.code == 1
    [daily] = found.json["tables"]
    assert sorted(ended(daily).values()) == ["failed", "held_back"]
    assert "column `id` of delta/daily is" in daily["error"]["message"]
    folder.edit("lakehouse.yaml", "{day: date32, id: string}", "{day: date32, id: int64}")
    assert stored(cli) == before


STORES = """
import os
import signal
import pandas as pd
from lakehouse_cli import AssetStorage


class Files(AssetStorage):
    def save(self, obj: pd.DataFrame, path, _resources) -> None:
        if os.path.exists("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        obj.to_csv(f"{path[-1]}.csv", index=False)

    def load(self, _python_type, path, _resources):
        return pd.read_csv(f"{path[-1]}.csv")
"""


@pytest.mark.parametrize("kind", ["files", "delta", "sqlite"])
def test_killed_while_partitions_are_stored(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    """What is stored by then is whole; the plan says what is out of date, and the next run makes that."""
    declare(folder, KINDS[kind])
    folder.write("stores.py", STORES)
    folder.edit(
        "lakehouse.yaml", "files: {root: data}", "files: {root: data}\n  own: {type: 'stores:Files', root: own}"
    )
    folder.edit(
        "lakehouse.yaml", "monthly:\n", "count: {inputs: [daily], storage: own, columns: {n: int64}}\n  monthly:\n"
    )
    folder.add(
        "transforms.py", "\ndef count(daily: pa.Table) -> pa.Table:\n    return pa.table({'n': [daily.num_rows]})\n"
    )
    assert cli("run").code == 0
    for number, day in enumerate(DAYS):
        put(folder, day, *(100 * number + each for each in range(5)))
    folder.write("die", "")
    with running(folder.path, "run", "--together") as ran:
        assert ran.ends() == -9
    (folder.path / "die").unlink()
    assert len(stored(cli)["daily"]) == 15
    assert stored(cli)["monthly"] == [{"n": 4}, {"n": 2}]
    found = {each["name"] for each in cli("plan", "-o", "json").json["tables"] if each["action"] == "run"}
    assert found == {"count", "monthly", "summary"}
    assert cli("run", "--together").code == 0
    assert stored(cli)["summary"] == [{"n": 15, "b": 25}]
