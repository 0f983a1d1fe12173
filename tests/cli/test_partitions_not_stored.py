"""Partitions that were computed, waited to be stored with others, and could not be: what a run says of them."""

from __future__ import annotations

from typing import Any

import deltalake
import pytest

from tests.cli.test_own_storages import SHELF
from tests.cli.test_partitions import ended, planned, put, run
from tests.conftest import Cli, ProjectFolder

TABLES = """
raw: {kind: source, storage: files, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], inputs: [raw], columns: {id: int64}}
total: {storage: files, inputs: [daily], columns: {id: int64}}
"""
CODE = """
import os
import pyarrow as pa
import deltalake

def daily(raw: pa.Table, day) -> pa.Table:
    if day.day == 3 and os.path.exists("trouble.txt"):
        with open("trouble.txt") as file:
            exec(file.read(), {"os": os, "pa": pa, "deltalake": deltalake})
    return raw

def total(daily: pa.Table) -> pa.Table:
    return daily
"""
#: An index that cannot be put any more, as on a full disk or without the right to.
FULL = (
    SHELF.replace(
        "        THINGS[key] = data.read()\n",
        "        if key.endswith('.jsonl') and os.path.exists('full'):\n"
        "            raise RuntimeError('the shelf is full')\n"
        "        THINGS[key] = data.read()\n",
    )
    .replace("\nfrom typing", "\nimport builtins\nimport os\nfrom typing")
    .replace("THINGS = {}", "THINGS = vars(builtins).setdefault('_not_stored', {})")
)
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


@pytest.fixture
def lake(folder: ProjectFolder) -> ProjectFolder:
    """A table of three days in Delta Lake, of which nothing is stored yet."""
    declare(folder, "{type: delta, root: lake}")
    return folder


def declare(folder: ProjectFolder, storage: str) -> None:
    folder.declare(TABLES, CODE, top=f"storages:\n  files: {{root: data}}\n  default: {storage}\n")
    for number, day in enumerate(DAYS):
        put(folder, day, number)


def failed(cli: Cli, *arguments: str) -> dict[str, Any]:
    """A run that fails, which its history and its text say as its JSON does; returns the table by day."""
    done = cli("run", "--executor", "serial", "-o", "json", *arguments)
    assert done.code == 1, done
    daily: dict[str, Any] = done.json["tables"][0]
    kept = cli("runs", "show", "last", "-o", "json").json
    assert (kept["status"], kept["tables"][0]["error"]) == ("failed", daily["error"])
    bad = [{day for day, status in ended(each).items() if status == "failed"} for each in (kept["tables"][0], daily)]
    assert bad[0] == bad[1] != set()
    assert "✗ daily" in cli("runs", "show", "last").out
    return daily


def test_partition_that_others_stored_meanwhile_fails_alone(lake: ProjectFolder, cli: Cli) -> None:
    run(cli, "--partition", "day=2024-01-02")
    other = "deltalake.write_deltalake('lake/daily', pa.table({'id': [9], 'day': ['2024-01-01']}), mode='append')"
    lake.write("trouble.txt", other)
    daily = failed(cli)
    assert ended(daily) == {"2024-01-01": "failed", "2024-01-03": "materialized"}
    assert daily["error"]["message"].startswith("1 partition failed: day=2024-01-01: lake/daily/day=2024-01-01 was not")
    assert "`lakehouse run --force daily --partition day=2024-01-01` replaces" in daily["error"]["hint"]
    (lake.path / "trouble.txt").unlink()
    assert run(cli, "--force", "daily", "--partition", "day=2024-01-01")["daily"] == {"2024-01-01": "materialized"}
    assert run(cli)["total"] == "materialized"
    assert planned(cli) == {}
    assert cli("show", "daily", "-o", "json").json["row_count"] == 3


def test_partitions_that_cannot_be_committed_fail(lake: ProjectFolder, cli: Cli) -> None:
    lake.write("trouble.txt", "open('lake/daily/_delta_log', 'w').close()")
    daily = failed(cli)
    assert set(ended(daily).values()) == {"failed"}
    errors = {each["error"]["message"] for each in daily["partitions"]}
    assert len(errors) == 1
    assert errors.pop().startswith("lake/daily cannot be written: ")
    (lake.path / "trouble.txt").unlink()
    (lake.path / "lake/daily/_delta_log").unlink()
    assert [*lake.path.glob("lake/daily/*.parquet")] == []
    assert set(run(cli)["daily"].values()) == {"materialized"}
    assert planned(cli) == {}


def test_commit_without_its_checkpoint_is_stored(lake: ProjectFolder, cli: Cli) -> None:
    """A checkpoint follows a commit now and then; where that fails delta-rs raises, and the data are committed."""
    lake.edit("lakehouse.yaml", "total: {storage: files, ", "total: {")
    run(cli)
    for table in ("daily", "total"):
        deltalake.DeltaTable(f"lake/{table}").alter.set_table_properties({"delta.checkpointInterval": "1"})
        for version in range(2, 6):
            (lake.path / f"lake/{table}/_delta_log/{version:020}.checkpoint.parquet").mkdir()
    put(lake, "2024-01-02", 7, 8)
    assert run(cli) == {"daily": {"2024-01-02": "materialized"}, "total": "materialized"}
    assert planned(cli) == {}
    assert cli("show", "total", "-o", "json").json["row_count"] == 4


def test_index_that_cannot_be_put_fails_its_partitions(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("shelf.py", FULL)
    declare(folder, '{type: "shelf:Shelf"}')
    folder.write("trouble.txt", "open('full', 'w').close()")
    daily = failed(cli)
    assert set(ended(daily).values()) == {"failed"}
    assert "the shelf is full" in daily["error"]["message"]
    (folder.path / "trouble.txt").unlink()
    (folder.path / "full").unlink()
    assert set(run(cli)["daily"].values()) == {"materialized"}
    assert planned(cli) == {}
