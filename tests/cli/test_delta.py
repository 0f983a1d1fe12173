"""Delta tables through the command line."""

from __future__ import annotations

import errno
import os
import sys

import deltalake
import pyarrow as pa
import pytest

from lakehouse_cli.storage.delta import files
from tests import preloaded
from tests.conftest import Cli, ProjectFolder


@pytest.fixture
def lake(project: ProjectFolder) -> ProjectFolder:
    text = project.read("lakehouse.yaml")
    text = text.replace("tables:", "storages:\n  lake: {type: delta, root: lake/delta}\ntables:", 1)
    for name in ("totals", "best"):
        text = text.replace(f"  {name}:\n", f"  {name}:\n    storage: lake\n", 1)
    project.write("lakehouse.yaml", text)
    return project


def actions(cli: Cli) -> dict[str, str]:
    return {t["name"]: t["action"] for t in cli("plan", "-o", "json").json["tables"]}


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_run_and_run_again(lake: ProjectFolder, cli: Cli, executor: str) -> None:
    first = cli("run", "-o", "json", "--executor", executor)
    assert first.code == 0, first.out
    assert [t["uri"] for t in first.json["tables"]] == ["lake/delta/totals", "lake/delta/best"]
    assert actions(cli) == {"orders": "read", "totals": "skip", "best": "skip"}
    assert cli("show", "best", "-o", "json").json["rows"] == [{"customer": "007", "total": 6}]


def test_early_cut_off(lake: ProjectFolder, cli: Cli) -> None:
    cli("run")
    lake.write("data/orders.csv", "customer,amount\n007,6\n008,2\n")
    tables = cli("run", "-o", "json").statuses
    assert tables["best"] == "unchanged"
    assert deltalake.DeltaTable("lake/delta/best").version() == 0


def test_outside_commit_is_seen(lake: ProjectFolder, cli: Cli) -> None:
    cli("run")
    row = pa.table({"customer": ["009"], "total": pa.array([1], pa.int64())})
    deltalake.write_deltalake("lake/delta/totals", row, mode="append")
    planned = {t["name"]: t for t in cli("plan", "-o", "json").json["tables"]}
    assert [r["code"] for r in planned["totals"]["reasons"]] == ["data_changed"]
    cli("run")
    assert cli("show", "totals", "-o", "json").json["row_count"] == 2
    assert cli("show", "totals", "--version", "1", "-o", "json").json["row_count"] == 3


def test_full_disk_is_said_with_what_to_do(lake: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_file", fail)
    error = cli("run", "-o", "json").json["tables"][0]["error"]
    assert error["message"] == "lake/delta/totals cannot be written: no space left on device"
    assert error["hint"] == "make room on the disk and run again"


def test_plan_refuses_a_table_inside_of_another(lake: ProjectFolder, cli: Cli) -> None:
    cli("run")
    lake.edit("lakehouse.yaml", "  best:\n", "  best:\n    path: totals/best\n")
    assert (
        "lake/delta/totals/best is inside of a Delta table, `totals`, whose vacuum would remove it" in cli("plan").out
    )


def test_show_an_older_version(lake: ProjectFolder, cli: Cli) -> None:
    cli("run")
    lake.write("data/orders.csv", "customer,amount\n007,50\n")
    cli("run")
    assert cli("show", "totals", "-o", "json").json["rows"] == [{"customer": "007", "total": 50}]
    assert "totals · lake/delta/totals · version 0 · 2 rows" in cli("show", "totals", "--version", "0").out
    reported = cli("show", "totals", "--version", "9")
    assert (reported.code, reported.out) == (2, "")
    assert "`totals` has no version 9" in reported.err
    assert "its latest is 1" in reported.err


def test_storages_without_versions_say_so(lake: ProjectFolder, cli: Cli) -> None:
    reported = cli("show", "orders", "--version", "0")
    assert reported.code == 2
    assert "storage `default` keeps no versions of `orders`" in reported.err


def test_any_delta_table_may_be_a_source(lake: ProjectFolder, cli: Cli) -> None:
    data = pa.table({"customer": ["1", "2"], "amount": pa.array([1, 2], pa.int32()), "more": [1.5, 2.5]})
    deltalake.write_deltalake("lake/delta/orders", data)
    lake.edit("lakehouse.yaml", "    kind: source", "    kind: source\n    storage: lake")
    assert cli("run").code == 0
    assert set(actions(cli).values()) == {"read", "skip"}
    deltalake.write_deltalake("lake/delta/orders", data, mode="append")
    assert actions(cli)["totals"] == "run"


def test_foreign_table_is_refused_before_computing(lake: ProjectFolder, cli: Cli) -> None:
    deltalake.write_deltalake("lake/delta/totals", pa.table({"x": [1]}))
    lake.write("transforms.py", "def totals(orders):\n    raise OSError\n\n\ndef best(totals, count):\n    1\n")
    would_fail = {t["name"]: t["would_fail"] for t in cli("plan", "-o", "json").json["tables"]}
    assert would_fail["totals"].endswith("totals was not created by lakehouse (no manifest)")
    result = cli("run", "-o", "json").json
    failed = next(t for t in result["tables"] if t["name"] == "totals")
    assert failed["error"]["message"] == "lake/delta/totals was not created by lakehouse (no manifest)"
    assert "`lakehouse run --force totals`" in failed["error"]["hint"]


def test_force_replaces_a_foreign_table(lake: ProjectFolder, cli: Cli) -> None:
    deltalake.write_deltalake("lake/delta/totals", pa.table({"x": [1]}))
    assert cli("run", "totals", "--force").code == 0
    assert cli("run").code == 0
    assert cli("show", "totals", "--version", "0", "-o", "json").json["rows"] == [{"x": 1}]


def test_unsupported_type_is_refused_on_loading(lake: ProjectFolder, cli: Cli) -> None:
    lake.edit("lakehouse.yaml", "total: {type: int64", "total: {type: uint64")
    reported = cli("validate")
    assert reported.code == 3
    assert "storage type delta cannot hold column `total` of table `totals`: Delta Lake has no uint64" in reported.err


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_what_is_missing_is_named(lake: ProjectFolder, command: str) -> None:
    script = (
        f"import sys; sys.modules['deltalake'] = None; from lakehouse_cli.cli.main import main; main(['{command}'])"
    )
    done = preloaded.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 3
    assert "storage `lake` needs `deltalake`, which is not installed" in done.stderr
    assert "pip install 'lakehouse-cli[delta]'" in done.stderr


def test_projects_without_delta_do_not_load_it(project: ProjectFolder) -> None:
    script = "import sys; from lakehouse_cli.cli.main import invoke; invoke(['run']); print('deltalake' in sys.modules)"
    done = preloaded.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
