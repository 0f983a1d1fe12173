"""`--defer`: inputs that are not here are read from another environment, and nothing is ever written there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import StorageError
from lakehouse_cli.plan.deferral import Deferral
from lakehouse_cli.storage.local.storage import FileStorage
from tests.conftest import Cli, ProjectFolder

ENVIRONMENTS = """
environments:
  dev: {storages: {default: {root: dev}}}
  prod: {storages: {default: {root: prod, options: {delimiter: ";"}}}}
"""


@pytest.fixture
def deferred(project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """The small project, materialized in `prod` and not at all in `dev`."""
    for name in ("LAKEHOUSE_ENV", "LAKEHOUSE_DEFER"):
        monkeypatch.delenv(name, raising=False)
    project.add("lakehouse.yaml", ENVIRONMENTS)
    project.write("prod/orders.csv", "customer;amount\n007;5\n008;2\n007;1\n")
    assert cli("run", "-e", "prod").code == 0
    return project


def stamps(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.mark.parametrize("executor", ["threads", "processes", "serial"])
def test_inputs_that_are_not_here_are_read_there(deferred: ProjectFolder, cli: Cli, executor: str) -> None:
    before = stamps(deferred.path / "prod")
    refused = cli("run", "-e", "dev", "best")
    assert refused.code == 2
    assert "`totals` was never materialized, and `best` needs it" in refused.err
    done = cli("run", "-e", "dev", "best", "--defer", "prod", "--executor", executor)
    assert done.code == 0
    assert "not materialized here, read from `prod`: `totals`" in done.out
    assert deferred.read("dev/best.csv") == "customer,total\n007,6\n"
    assert sorted(path.name for path in (deferred.path / "dev").glob("*.csv")) == ["best.csv"]
    assert stamps(deferred.path / "prod") == before


def test_a_source_that_is_not_here_is_read_there(deferred: ProjectFolder, cli: Cli) -> None:
    done = cli("run", "-e", "dev", "--defer", "prod", "-o", "json")
    assert done.code == 0
    assert done.json["deferred"] == [{"name": "orders", "environment": "prod", "uri": "prod/orders.csv"}]
    assert deferred.read("dev/totals.csv") == "customer,total\n007,6\n008,2\n"
    assert not (deferred.path / "dev/orders.csv").exists()


def test_the_plan_shows_it(deferred: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    out = cli("plan", "-e", "dev", "totals", "--defer", "prod").out
    assert "not materialized here, read from `prod`: `orders`" in out
    assert "from `prod`" in next(line for line in out.splitlines() if " orders " in line)
    monkeypatch.setenv("LAKEHOUSE_DEFER", "prod")
    document = cli("plan", "-e", "dev", "best", "-o", "json").json
    assert document["deferred"] == [{"name": "totals", "environment": "prod", "uri": "prod/totals.csv"}]
    assert [(t["name"], t["action"], t["uri"]) for t in document["tables"]] == [("best", "run", "dev/best.csv")]
    assert cli("plan", "-e", "prod", "-o", "json").json["deferred"] == [], "to itself: nothing"


def test_what_is_here_is_read_here(deferred: ProjectFolder, cli: Cli) -> None:
    deferred.write("dev/orders.csv", "customer,amount\n1,1\n")
    assert cli("run", "-e", "dev", "totals").code == 0
    done = cli("run", "-e", "dev", "best", "--defer", "prod", "-o", "json")
    assert done.json["deferred"] == []
    assert deferred.read("dev/best.csv") == "customer,total\n1,1\n"


def test_the_manifest_records_what_was_read(deferred: ProjectFolder, cli: Cli) -> None:
    assert cli("run", "-e", "dev", "best", "--defer", "prod").code == 0
    dev, prod = Project.load(env="dev"), Project.load(env="prod")
    manifest = dev.storage("best").read_manifest(dev.table("best"))
    there = prod.storage("totals").read_manifest(prod.table("totals"))
    assert manifest is not None
    assert there is not None
    assert manifest.inputs["totals"].content_hash == there.content_hash
    again = cli("plan", "-e", "dev", "best", "--defer", "prod", "-o", "json").json
    assert [t["action"] for t in again["tables"]] == ["skip"]
    deferred.write("prod/orders.csv", "customer;amount\n007;9\n")
    assert cli("run", "-e", "prod").code == 0
    changed = cli("plan", "-e", "dev", "best", "--defer", "prod", "-o", "json").json
    assert [[r["code"] for r in t["reasons"]] for t in changed["tables"]] == [["input_changed"]]


def test_what_is_in_neither_is_refused(deferred: ProjectFolder, cli: Cli) -> None:
    (deferred.path / "prod/totals.csv").unlink()
    done = cli("plan", "-e", "dev", "best", "--defer", "prod")
    assert done.code == 2
    assert "`totals` was never materialized here, nothing of it is in `prod`, and `best` needs it" in done.err


def test_server_without_answer_is_reported(deferred: ProjectFolder, cli: Cli) -> None:
    options = (
        '{endpoint: "http://127.0.0.1:9", allow_http: true, retry_seconds: 0, access_key_id: a, secret_access_key: b}'
    )
    down = f'  down: {{storages: {{default: {{root: "s3://lake/x", options: {options}}}}}}}\n'
    deferred.add("lakehouse.yaml", down)
    plan = cli("plan", "-e", "dev", "best", "--defer", "down")
    why = "`totals` cannot be read: s3://lake/x/totals.csv cannot be looked at: the server does not answer"
    assert f"a run would fail: 1 of these could not be materialized; {why}" in plan.out
    assert "was never materialized here" not in plan.out + plan.err
    done = cli("run", "-e", "dev", "best", "--defer", "down")
    assert done.code == 1
    assert "the server does not answer" in done.err
    source = cli("plan", "-e", "dev", "totals", "--defer", "down", "-o", "json").json["tables"][0]
    assert source["reasons"][0]["message"].endswith("orders.csv cannot be looked at: the server does not answer")


def test_an_unknown_environment(deferred: ProjectFolder, cli: Cli) -> None:
    done = cli("plan", "--defer", "prd")
    assert done.code == 2
    assert "did you mean `prod`?" in done.err


def test_nothing_is_written_there(deferred: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a run does, and also where it fails: a storage that lets nothing be changed is never asked to."""
    written: list[str] = []

    def guarded(name: str) -> Callable[..., object]:
        own = getattr(FileStorage, name)

        def changed(self: FileStorage, *args: object) -> object:
            if self.spec.root.endswith("prod"):
                written.append(name)
                raise AssertionError(f"{name} in prod")
            return own(self, *args)

        return changed

    for name in ("publish", "delete", "remove_leftovers", "remove_stray"):
        monkeypatch.setattr(FileStorage, name, guarded(name))
    for argv in (["best"], [], ["best", "-f"], ["totals+"], ["--failed"]):
        cli("run", "-e", "dev", "--defer", "prod", "--executor", "serial", *argv)
    deferred.write(
        "transforms.py", "def totals(orders):\n    raise ValueError\ndef best(totals, count):\n    return 1\n"
    )
    assert cli("run", "-e", "dev", "--defer", "prod").code == 1
    assert written == []
    assert (deferred.path / "dev/best.csv").exists()


def test_a_deferred_storage_refuses_to_be_written(deferred: ProjectFolder) -> None:
    deferral = Deferral(Project.load(env="prod").stored)
    table = deferral.tables["totals"]
    storage = deferral.storages[table.storage]
    data = storage.scan(table, table.columns).table()
    with pytest.raises(StorageError, match="is read from environment `prod`"):
        storage.publish(table, data, None)  # type: ignore[arg-type]
    with pytest.raises(StorageError):
        storage.delete(table)
    with pytest.raises(StorageError):
        storage.remove_leftovers([table])


def test_row_count_of_a_changed_deferred_input_is_shown(deferred: ProjectFolder, cli: Cli) -> None:
    assert cli("run", "-e", "dev", "totals", "--defer", "prod").code == 0
    deferred.write("prod/orders.csv", "customer;amount\n007;5\n")
    planned = cli("plan", "-e", "dev", "totals", "--defer", "prod")
    assert "content of `orders` changed (1 row, before 3)" in planned.out


def test_many_inputs_there_are_looked_at_in_one_session(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a database each table would otherwise wait for a connection of its own."""
    names = [f"in{number}" for number in range(40)]
    tables = "".join(f"  {name}: {{columns: {{n: int64}}}}\n" for name in names)
    folder.write(
        "lakehouse.yaml",
        "name: many\nmodule: transforms\n"
        "environments:\n"
        "  dev: {storages: {default: {type: sqlite, root: dev.db}}}\n"
        "  prod: {storages: {default: {type: sqlite, root: prod.db}}}\n"
        f"tables:\n{tables}  out: {{columns: {{n: int64}}}}\n",
    )
    made = "".join(f"def {name}():\n    return pd.DataFrame({{'n': [1]}})\n" for name in names)
    folder.write("transforms.py", f"import pandas as pd\n{made}def out({', '.join(names)}):\n    return in0\n")
    assert cli("run", "-e", "prod").code == 0
    opened: list[str] = []
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda name, **how: (opened.append(name), connect(name, **how))[1])
    planned = cli("plan", "-e", "prod")
    assert planned.code == 0
    there = len(opened)
    opened.clear()
    deferred = cli("plan", "-e", "dev", "out", "--defer", "prod", "-o", "json")
    assert len(deferred.json["deferred"]) == 40
    assert len(opened) == there == 1
