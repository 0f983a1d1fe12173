"""Publishing together: nothing of a run is stored until all of it has passed."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests.cli.running import running
from tests.conftest import Cli, Invoked, ProjectFolder
from tests.servers.postgresql import PostgreSQL
from tests.servers.s3 import S3Server

STORES = """
import os
import signal
import pandas as pd
from lakehouse_cli import AssetStorage


class Files(AssetStorage):
    def save(self, obj: pd.DataFrame, path, _resources) -> None:
        os.makedirs(self.spec.root, exist_ok=True)
        if os.path.exists("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if os.path.exists("interrupt"):
            os.kill(os.getpid(), signal.SIGINT)
        if os.path.exists("full"):
            raise OSError("no room")
        obj.to_csv(f"{self.spec.root}/{path[-1]}.csv", index=False)

    def load(self, _python_type, path, _resources):
        return pd.read_csv(f"{self.spec.root}/{path[-1]}.csv")
"""
PROJECT = """
name: several
module: transforms
storages:
  default: {root: data}
  files: {root: parquet, format: parquet}
  duck: {type: duckdb, root: a.duckdb}
  lite: {type: sqlite, root: a.sqlite}
  delta: {type: delta, root: delta}
  own: {type: "stores:Files", root: own}
tables:
  raw: {kind: source, columns: {id: int64, v: int64}}
  model: {inputs: [raw], format: pickle}
  one: {inputs: [raw, model], storage: files, columns: {id: int64, v: int64}}
  two:
    inputs: [one]
    storage: duck
    columns: {id: int64, v: {type: int64, max: 100}}
    quarantine: true
    checks: [{foreign_key: {columns: id, references: one.id}}]
  three: {inputs: [two, two__quarantine], storage: lite, columns: {id: int64, v: int64}}
  four: {inputs: [three], storage: delta, columns: {id: int64, v: int64}}
  five: {inputs: [four], storage: own, columns: {id: int64, v: {type: int64, max: 1000}}}
  six: {inputs: [five], columns: {n: int64}}
"""
CODE = """
import pandas as pd
import pyarrow as pa

def model(raw):
    return {"rows": len(raw)}

def one(raw: pa.Table, model) -> pa.Table:
    assert model == {"rows": len(raw)}
    return raw

def two(one: pa.RecordBatchReader) -> pa.RecordBatchReader:
    return one

def three(two, two__quarantine):
    return pd.concat([two, two__quarantine[["id", "v"]]])

def four(three):
    return three

def five(four):
    return four

def six(five):
    return pd.DataFrame({"n": [five["v"].sum()]})
"""
COMPUTED = ["model", "one", "two", "two__quarantine", "three", "four", "five", "six"]


@pytest.fixture
def several(folder: ProjectFolder) -> ProjectFolder:
    """A chain of tables, each in another storage."""
    folder.write("stores.py", STORES)
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", CODE)
    give(folder, 300)
    return folder


def give(folder: ProjectFolder, value: int) -> None:
    folder.write("data/raw.csv", f"id,v\n1,10\n2,{value}\n")


def values(cli: Cli) -> dict[str, list[dict[str, object]] | None]:
    """The rows of each table, as `show` has them."""
    found = {name: cli("show", name, "-o", "json") for name in COMPUTED[1:]}
    return {name: shown.json["rows"] if shown.code == 0 else None for name, shown in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_all_or_nothing_across_storages(several: ProjectFolder, cli: Cli, executor: str) -> None:
    argv = ["run", "--together", "--executor", executor, "-o", "json"]
    assert cli(*argv).statuses == dict.fromkeys(COMPUTED, "materialized")
    stored = values(cli)
    assert stored["six"] == [{"n": 310}]
    assert {row["_checks"] for row in stored["two__quarantine"] or ()} == {"v_max"}
    # What was recorded of inputs and of the foreign key's table is what is stored.
    assert "nothing to do" in cli("plan").out
    give(several, 3000)
    failed = cli(*argv)
    assert failed.code == 1
    held = dict.fromkeys(COMPUTED[:6], "held_back")
    assert failed.statuses == {**held, "five": "failed", "six": "skipped"}
    table = failed.json["tables"][0]
    assert table["error"]["message"] == "`five` failed, and all of the run is published together"
    assert values(cli) == stored
    again = cli("run", "--failed", "--dry-run", "-o", "json").json
    assert {each["name"] for each in again["tables"] if each["action"] == "run"} == {*COMPUTED}
    assert cli("runs", "show", "last", "-o", "json").json == failed.json


def test_message_names_what_was_held_back(several: ProjectFolder, cli: Cli) -> None:
    several.edit("lakehouse.yaml", "module: transforms", "module: transforms\nexecution: {publish: together}")
    several.edit("lakehouse.yaml", "max: 1000", "max: 100")
    shown = cli("run", "one", "model", "two", "three", "four", "five")
    assert shown.code == 1
    assert "1 failed, 6 held back" in shown.out
    told = "`five` failed, and all of the run is published together: nothing was published; held back: `model`, `one`,"
    assert told in " ".join(shown.out.split())
    assert not (several.path / "parquet").exists()


def test_inputs_that_come_out_the_same_are_left(several: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    several.edit("transforms.py", "    return raw\n", "    return raw.slice(0)\n")
    found = cli("run", "--together", "-o", "json")
    assert found.statuses == {**dict.fromkeys(COMPUTED, "unchanged"), "one": "materialized"}
    assert "nothing to do" in cli("plan").out


def test_one_that_cannot_be_stored_holds_the_rest(several: ProjectFolder, cli: Cli) -> None:
    several.write("full", "")
    shown = cli("run", "--together", "-o", "json")
    assert shown.code == 1
    stored = dict.fromkeys(COMPUTED[:6], "materialized")
    assert shown.statuses == {**stored, "five": "failed", "six": "held_back"}
    (several.path / "full").unlink()
    assert cli("run", "-o", "json").statuses == {
        **dict.fromkeys(COMPUTED[:6], "unchanged"),
        "five": "materialized",
        "six": "materialized",
    }


def test_killed_while_results_are_stored(several: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    give(several, 301)
    several.write("die", "")
    with running(several.path, "run", "--together") as run:
        assert run.ends() == -9
    (several.path / "die").unlink()
    # Those before it are stored; of the others, the plan says what is out of date.
    found = cli("plan", "-o", "json").json["tables"]
    due = {each["name"]: [reason["code"] for reason in each["reasons"]] for each in found if each["action"] == "run"}
    assert due["six"] == ["upstream_runs"]
    assert due.keys() == {"five", "six"}
    assert cli("run").code == 0
    assert values(cli)["six"] == [{"n": 311}]


def test_ctrl_c_publishes_nothing(several: ProjectFolder, cli: Cli) -> None:
    several.add("transforms.py", "\nimport os, signal\ndef five(four):\n    os.kill(os.getpid(), signal.SIGINT)\n")
    several.add("transforms.py", "    return four\n")
    with running(several.path, "run", "--together", "-o", "json") as run:
        assert run.ends() == 130
    statuses = {table["name"]: table["status"] for table in json.loads(run.out)["tables"]}
    assert statuses == {**dict.fromkeys(COMPUTED[:7], "held_back"), "six": "cancelled"}
    assert not Path("parquet").exists()


def test_ctrl_c_while_results_are_stored(several: ProjectFolder) -> None:
    several.write("interrupt", "")
    with running(several.path, "run", "--together", "-o", "json") as run:
        assert run.ends() == 130
    found = json.loads(run.out)
    assert found["status"] == "cancelled"
    assert {table["name"]: table["status"] for table in found["tables"]} == dict.fromkeys(COMPUTED, "materialized")


def test_verdicts_on_stored_data_wait_as_well(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        raw: {kind: source, columns: {id: int64}}
        parent: {inputs: [raw], columns: {id: int64}}
        child:
          columns: {id: int64}
          checks: [{foreign_key: {columns: id, references: parent.id}}]
        bad: {inputs: [raw], columns: {id: {type: int64, max: 2}}}
        """,
        """
        import pandas as pd

        def parent(raw):
            return raw

        def child():
            return pd.DataFrame({"id": [1]})

        def bad(raw):
            return raw
        """,
        top="execution: {publish: together}\n",
    )
    folder.write("data/raw.csv", "id\n1\n")
    assert cli("run").code == 0
    folder.write("data/raw.csv", "id\n1\n3\n")
    assert cli("run").code == 1
    plan = cli("plan", "-o", "json").json["tables"]
    assert {each["name"]: each["action"] for each in plan}["parent"] == "run"
    folder.write("data/raw.csv", "id\n1\n2\n")
    assert cli("run", "-o", "json").statuses == {"parent": "materialized", "child": "unchanged", "bad": "materialized"}
    assert "nothing to do" in cli("plan").out


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_checks_that_look_at_what_comes_later(folder: ProjectFolder, cli: Cli, executor: str) -> None:
    folder.declare(
        """
        raw: {kind: source, columns: {id: int64}}
        daily:
          inputs: [raw]
          columns: {id: int64}
          checks: [{row_count: {equals: report}, name: same}]
        report: {inputs: [daily], columns: {id: int64}}
        """,
        "def daily(raw):\n    return raw\n\ndef report(daily):\n    return daily\n",
        top="execution: {publish: together}\n",
    )
    run = partial(cli, "run", "--executor", executor)

    def same(ran: Invoked) -> tuple[int, str, str, int]:
        [daily] = [each for each in ran.json["tables"] if each["name"] == "daily"]
        return ran.code, daily["status"], daily["checks"][0]["status"], daily["checks"][0]["rows"]

    folder.write("data/raw.csv", "id\n1\n2\n")
    assert same(run("-o", "json")) == (0, "materialized", "passed", 2)
    assert "nothing to do" in cli("plan").out
    # By what is stored now, neither could ever grow.
    folder.write("data/raw.csv", "id\n1\n2\n3\n")
    assert same(run("-o", "json")) == (0, "materialized", "passed", 3)
    shorter = "def report(daily):\n    return daily[:1]\n"
    folder.write("transforms.py", f"def daily(raw):\n    return raw\n\n{shorter}")
    folder.write("data/raw.csv", "id\n1\n2\n")
    for again in range(2):  # with both computed, and with `daily` left as it is
        ran = run("-o", "json")
        assert same(ran) == (1, "failed", "failed", 2 + again)
        assert ran.statuses["report"] == "held_back"
        assert folder.read("data/report.csv") == folder.read("data/daily.csv") == "id\n1\n2\n3\n"
        folder.write("data/raw.csv", "id\n1\n2\n3\n")
    folder.write("transforms.py", f"def daily(raw):\n    return raw\n\n{shorter.replace('[:1]', '[::-1]')}")
    assert same(run("-o", "json")) == (0, "unchanged", "passed", 3)
    assert "nothing to do" in cli("plan").out


def test_queries_in_databases_are_refused(folder: ProjectFolder, cli: Cli) -> None:
    storages = "storages: {default: {type: duckdb, root: a.duckdb}}\n"
    folder.declare(
        """
        one: {sql: "select 1 as a", engine: storage, columns: {a: int32}}
    """,
        top=storages,
    )
    message = (
        "table `one` cannot be published together with others: its query runs in the transaction that publishes it"
    )
    refused = cli("run", "--together")
    assert (refused.code, message in refused.err, "lakehouse.yaml:5:39" in refused.err) == (2, True, True)
    folder.edit("lakehouse.yaml", "tables:", "execution: {publish: together}\ntables:")
    invalid = cli("validate")
    assert (invalid.code, message in invalid.err, "lakehouse.yaml:6:39" in invalid.err) == (3, True, True)


def test_servers_take_part(
    folder: ProjectFolder, cli: Cli, s3_server: S3Server, postgresql_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", s3_server.options["access_key_id"])
    monkeypatch.setenv("SECRET", s3_server.options["secret_access_key"])
    s3_server.make_bucket("together")
    root = f"s3://together/{folder.path.parent.name}"
    options = f"{{endpoint: {s3_server.endpoint}, region: us-east-1, allow_http: true}}"
    keys = "access_key_id: '${KEY}', secret_access_key: '${SECRET}'"
    folder.declare(
        """
        raw: {kind: source, columns: {id: int64}}
        one: {inputs: [raw], storage: lake, columns: {id: int64}}
        two: {inputs: [one], storage: base, columns: {id: int64}}
        three: {inputs: [two], columns: {id: {type: int64, max: 5}}}
        """,
        """
        def one(raw):
            return raw

        def two(one):
            return one

        def three(two):
            return two
        """,
        top=(
            "storages:\n"
            "  default: {root: data}\n"
            f"  lake: {{root: '{root}', format: parquet, options: {options[:-1]}, {keys}}}}}\n"
            f"  base: {{type: postgresql, root: '{postgresql_server.url(postgresql_server.new_database())}'}}\n"
        ),
    )
    folder.write("data/raw.csv", "id\n9\n")
    held = {"one": "held_back", "two": "held_back", "three": "failed"}
    assert cli("run", "--together", "-o", "json").statuses == held
    assert cli("show", "two").code == 1
    folder.write("data/raw.csv", "id\n3\n")
    assert cli("run", "--together", "-o", "json").statuses == dict.fromkeys(held, "materialized")
    assert "nothing to do" in cli("plan").out
    assert cli("show", "two", "-o", "json").json["rows"] == [{"id": 3}]
