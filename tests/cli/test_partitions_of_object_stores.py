"""Very many partitions in an object store: how many requests a plan takes, and what of others' changes it notices."""

from __future__ import annotations

from pathlib import Path

import obstore
import pytest

from lakehouse_cli.storage.keyed import unit_keys
from tests.conftest import Cli, ProjectFolder
from tests.servers.latency import far_away
from tests.servers.s3 import S3Server

PROJECT = """
name: lake
module: transforms
dimensions: {day: {every: day, start: 2024-01-01, end: 2024-01-20}}
storages:
  default: {root: data}
  lake:
    root: s3://lake/PREFIX
    options: {endpoint: ENDPOINT, region: us-east-1, access_key_id: "${LAKE_KEY}", secret_access_key: "${LAKE_SECRET}",
              allow_http: true}
tables:
  rates: {kind: source, columns: {x: int64}}
  daily: {storage: lake, partitions: [day], inputs: [rates], columns: {x: int64}}
  total: {inputs: [daily], columns: {x: int64}}
"""
TRANSFORMS = """
import pyarrow as pa


def daily(rates: pa.Table) -> pa.Table:
    return rates


def total(daily: pa.Table) -> pa.Table:
    return daily
"""
SECOND = "daily/day=2024-01-02/data.csv"


@pytest.fixture
def project(
    folder: ProjectFolder, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Cli
) -> ProjectFolder:
    """One whose table has more partitions than are listed each time, after a run and the plan that listed them."""
    s3_server.make_bucket("lake")
    monkeypatch.setattr(unit_keys, "MANY", 10)
    for name, option in (("LAKE_KEY", "access_key_id"), ("LAKE_SECRET", "secret_access_key")):
        monkeypatch.setenv(name, s3_server.options[option])
    folder.write("lakehouse.yaml", PROJECT.replace("PREFIX", prefix(tmp_path)).replace("ENDPOINT", s3_server.endpoint))
    folder.write("transforms.py", TRANSFORMS)
    folder.write("data/rates.csv", "x\n1\n")
    ran = cli("run", "--executor", "serial")
    assert ran.code == 0, ran.out
    assert due(cli) == {}
    return folder


def prefix(tmp_path: Path) -> str:
    return f"many-{tmp_path.name}"


def due(cli: Cli) -> dict[str, list[str]]:
    """The partitions that a plan would run, by table."""
    tables = cli("plan", "-o", "json").json["tables"]
    runs = [each for each in tables if each["action"] == "run"]
    return {each["name"]: [part["key"]["day"] for part in each.get("partitions", ())] for each in runs}


def requests_of_plan(project: ProjectFolder, server: S3Server, cli: Cli) -> int:
    with far_away(server.ports[0], 0) as far:
        project.edit("lakehouse.yaml", server.endpoint, f"http://127.0.0.1:{far.port}")
        assert due(cli) == {}
        project.edit("lakehouse.yaml", f"http://127.0.0.1:{far.port}", server.endpoint)
    return far.requests


def test_plan_with_nothing_due_lists_no_data_again(
    project: ProjectFolder, s3_server: S3Server, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = requests_of_plan(project, s3_server, cli)
    monkeypatch.setattr(unit_keys, "REMEMBERED_SECONDS", 0)
    assert remembered == requests_of_plan(project, s3_server, cli) - 1 <= 9


def test_removed_object_is_noticed_within_the_hour(
    project: ProjectFolder, s3_server: S3Server, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3_server.store("lake").delete(f"{prefix(tmp_path)}/{SECOND}")
    assert due(cli) == {}
    monkeypatch.setattr(unit_keys, "REMEMBERED_SECONDS", 0)
    assert due(cli) == {"daily": ["2024-01-02"], "total": []}


def test_changed_object_is_noticed_where_something_is_due(
    project: ProjectFolder, s3_server: S3Server, cli: Cli, tmp_path: Path
) -> None:
    s3_server.store("lake").put(f"{prefix(tmp_path)}/{SECOND}", b"x\n7\n")
    assert due(cli) == {}
    project.edit("transforms.py", "return daily", "return daily.slice(0)")
    assert due(cli) == {"daily": ["2024-01-02"], "total": []}
    assert cli("run", "--executor", "serial").code == 0
    assert project.read("data/total.csv") == "x\n" + "1\n" * 20
    assert due(cli) == {}


def test_reading_looks_at_all_data(project: ProjectFolder, s3_server: S3Server, cli: Cli, tmp_path: Path) -> None:
    s3_server.store("lake").delete(f"{prefix(tmp_path)}/{SECOND}")
    assert due(cli) == {}
    assert cli("check", "daily").code == 1
    assert "day=2024-01-02" in cli("show", "daily").err


def test_a_file_that_goes_or_changes_while_a_run_reads_is_named(
    folder: ProjectFolder, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Cli
) -> None:
    """By the run that planned with another; one that arrives is left to the next."""
    s3_server.make_bucket("lake")
    for name, option in (("LAKE_KEY", "access_key_id"), ("LAKE_SECRET", "secret_access_key")):
        monkeypatch.setenv(name, s3_server.options[option])
    storage = PROJECT.partition("  lake:\n")[2].partition("tables:")[0].replace("ENDPOINT", s3_server.endpoint)
    tables = "s: {kind: source, path: 's_{day:%Y-%m-%d}', columns: {v: int64}}\na: {partitions: [day], inputs: [s]}\n"
    bucket = s3_server.store("lake")
    before = f"{prefix(tmp_path)}-moving"
    top = f"storages:\n  default:\n{storage.replace('PREFIX', before)}"

    def moved(s: object, day: object) -> object:
        if str(day) == "2024-01-01":
            obstore.delete(bucket, f"{before}/s_2024-01-02.csv")
            obstore.put(bucket, f"{before}/s_2024-01-03.csv", b"v\n33\n")
            obstore.put(bucket, f"{before}/s_2024-01-04.csv", b"v\n4\n")
        return s

    folder.declare(
        tables,
        "from tests.cli import test_partitions_of_object_stores as t\na = lambda s, day: t.MOVE(s, day)\n",
        top=top,
    )
    monkeypatch.setitem(globals(), "MOVE", moved)
    for day in (1, 2, 3):
        obstore.put(bucket, f"{before}/s_2024-01-0{day}.csv", b"v\n1\n")
    ran = cli("run", "--executor", "serial")
    assert ran.code == 1
    assert f"s3://lake/{before}/s_2024-01-02.csv is gone since the run was planned" in ran.err
    assert f"s3://lake/{before}/s_2024-01-03.csv changed while it was read" in ran.err
    assert cli("run", "--executor", "serial").code == 0
    assert [row["v"] for row in cli("show", "a", "-o", "json").json["rows"]] == [1, 33, 4]
