"""Storages that have only `save` and `load`, through the command line."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests import preloaded
from tests.conftest import Cli, ProjectFolder

STORES = '''
import os
from typing import ClassVar, Tuple

import pandas as pd
from lakehouse_cli import AssetStorage


class Files(AssetStorage):
    """A folder for each table, as Spark lays them out."""

    root_is: ClassVar[str] = "folder"
    name: str = "part-00000.csv"

    def place(self, path: Tuple[str, ...]) -> str:
        return os.path.join(self.spec.root, *path, self.name)

    def save(self, obj: pd.DataFrame, path: Tuple[str, ...], _resources) -> None:
        os.makedirs(os.path.dirname(self.place(path)), exist_ok=True)
        obj.to_csv(self.place(path), index=False)

    def load(self, _python_type, path: Tuple[str, ...], _resources):
        return pd.read_csv(self.place(path))
'''
NOTE = "storage `files` (`stores:Files`) has only `save` and `load`: tables in it are not replaced atomically"


@pytest.fixture
def files(folder: ProjectFolder) -> ProjectFolder:
    """A project whose source and first table are in such a storage."""
    folder.write("stores.py", STORES)
    folder.write("kept/raw/orders/part-00000.csv", "customer,amount\nada,3\nbob,4\nada,5\n")
    folder.write(
        "lakehouse.yaml",
        """
        name: old
        module: transforms
        storages:
          default: {root: data}
          files: {type: "stores:Files", root: kept}
        environments: {prod: {storages: {files: {root: there}, default: {root: beside}}}}
        tables:
          orders: {kind: source, storage: files, path: raw/orders, columns: {customer: string, amount: int64}}
          totals:
            storage: files
            columns: {customer: string, total: int64, day: date32}
            key: customer
          best:
            columns: {customer: string, total: int64}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pandas as pd

        def totals(orders):
            found = orders.groupby("customer", as_index=False).agg(total=("amount", "sum"))
            return found.assign(day=pd.Timestamp("2024-01-01"))

        def best(totals):
            return totals.nlargest(1, "total")[["customer", "total"]]
        """,
    )
    return folder


def reasons(cli: Cli, name: str) -> list[str]:
    planned = {table["name"]: table for table in cli("plan", "-o", "json").json["tables"]}
    return [reason["message"] for reason in planned[name]["reasons"]]


def test_tables_are_stored_and_up_to_date(files: ProjectFolder, cli: Cli) -> None:
    assert cli("validate").code == 0
    planned = cli("plan", "-o", "json").json["tables"]
    assert {table["name"]: table["notes"] for table in planned} == {"orders": [], "totals": [NOTE], "best": []}
    assert f"note: `totals`: {NOTE}" in " ".join(cli("plan").out.split())
    assert cli("run", "-o", "json").statuses == {"totals": "materialized", "best": "materialized"}
    assert files.read("kept/totals/part-00000.csv") == "customer,total,day\nada,8,2024-01-01\nbob,4,2024-01-01\n"
    assert cli("run", "--executor", "processes", "-o", "json").statuses == {"totals": "unchanged", "best": "unchanged"}
    assert [table["notes"] for table in cli("plan", "-o", "json").json["tables"]] == [[], [], []]
    assert cli("show", "totals", "-o", "json").json["rows"][0] == {"customer": "ada", "total": 8, "day": "2024-01-01"}
    assert cli("clean", "-o", "json", "--dry-run").json["found"] == []
    assert cli("copy", "--sources", "--to", "prod").code == 0
    assert cli("-e", "prod", "run", "-o", "json").statuses == {"totals": "unchanged", "best": "unchanged"}
    files.edit("kept/raw/orders/part-00000.csv", "bob,4", "bob,40")
    assert reasons(cli, "totals")[0].startswith("content of `orders` changed")
    ran = cli("run", "--executor", "processes", "-o", "json")
    assert ran.statuses == {"totals": "materialized", "best": "materialized"}
    different = cli("diff", "--against", "prod", "-o", "json")
    assert {table["name"]: table["status"] for table in different.json["tables"]}["totals"] == "different"
    files.edit("kept/totals/part-00000.csv", "bob,40", "bob,41")
    assert reasons(cli, "totals")[0].startswith("kept/totals was modified outside lakehouse")


def test_run_that_is_killed_behind_save_is_not_taken_for_done(files: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    before = files.read("stores.py")
    files.edit("kept/raw/orders/part-00000.csv", "bob,4", "bob,40")
    files.edit("stores.py", "index=False)", "index=False)\n        os.kill(os.getpid(), 9)")
    command = [sys.executable, "-m", "lakehouse_cli", "run", "totals"]
    assert preloaded.run(command, cwd=files.path, capture_output=True, check=False).returncode == -9
    files.write("stores.py", before)
    assert "bob,40" in files.read("kept/totals/part-00000.csv")
    assert "did not finish storing kept/totals" in reasons(cli, "totals")[0]
    ran = cli("run", "best")
    assert (ran.code, "kept/totals may be incomplete: run " in ran.err) == (1, True)
    assert "`lakehouse run +totals` stores it anew" in ran.err
    assert cli("run", "-o", "json").statuses == {"totals": "materialized", "best": "materialized"}


def test_what_does_not_come_back_fails_its_table(files: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    files.edit("kept/raw/orders/part-00000.csv", "bob", "NULL")
    other = "pd.read_csv(self.place(path), keep_default_na=path[0] != 'raw')"
    files.edit("stores.py", "pd.read_csv(self.place(path))", other)
    done = cli("run")
    assert done.code == 1
    shown = " ".join(done.err.split())
    assert "column `customer` of row 1 was saved as `'NULL'` and comes back as `null`" in shown
    assert "kept/totals may be incomplete; the next run stores it anew" in shown
    assert "lakehouse.yaml:10" in done.err
    files.edit("stores.py", "path[0] != 'raw'", "False")
    assert cli("run", "-o", "json").statuses == {"totals": "materialized", "best": "materialized"}


def test_a_column_that_was_not_saved_is_reported(files: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    files.edit("kept/totals/part-00000.csv", "day\n", "day,note\n")
    assert reasons(cli, "totals")[0].startswith("kept/totals was modified outside lakehouse")
    files.edit("stores.py", ", index=False", "")
    done = cli("run")
    assert done.code == 1
    assert "`totals` as it is: column `Unnamed: 0` comes back, which was not saved" in " ".join(done.err.split())
    files.edit("lakehouse.yaml", "key: customer", "key: customer\n    extra_columns: drop")
    assert cli("run", "-o", "json").statuses["totals"] == "materialized"
    assert reasons(cli, "totals") == []


def test_storage_that_fails_leaves_the_table(files: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    files.edit("stores.py", "        os.makedirs", "        raise ValueError('no room')\n        os.makedirs")
    done = cli("run", "--force", "totals")
    assert (done.code, "failed at storing `totals`: ValueError: no room" in done.err) == (1, True)
    assert "stores.py:18" in done.err
    assert "kept/totals is as it was" in done.err
    assert [table["action"] for table in cli("plan", "-o", "json").json["tables"]] == ["read", "skip", "skip"]


def test_fresh_clone_replaces_nothing_unasked(files: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    shutil.rmtree(files.path / ".lakehouse")
    done = cli("run")
    assert (done.code, "kept/totals was not created by lakehouse (no manifest)" in done.err) == (1, True)
    assert cli("run", "--force", "totals").code == 0
    assert cli("run", "-o", "json").statuses == {"totals": "unchanged", "best": "unchanged"}


def test_manifest_that_cannot_be_read_is_replaced(files: ProjectFolder, cli: Cli) -> None:
    files.edit("lakehouse.yaml", "columns: {customer: string, total: int64, day: date32}", "tags: [undeclared]")
    assert cli("run").code == 0
    (manifest,) = (files.path / ".lakehouse" / "stored").glob("*/*.json")
    manifest.write_text("garbage")
    assert "cannot be used: it is not JSON" in reasons(cli, "totals")[0]
    assert cli("run", "-o", "json").statuses == {"totals": "materialized", "best": "unchanged"}
    assert cli("run", "-o", "json").statuses == {"totals": "unchanged", "best": "unchanged"}


def test_source_is_read_as_it_is_declared(files: ProjectFolder, cli: Cli) -> None:
    files.edit("kept/raw/orders/part-00000.csv", "ada,3", "ada,3.5")
    (failed, *_) = cli("run", "-o", "json").json["tables"]
    (violation,) = failed["error"]["violations"]
    assert (violation["column"], violation["examples"][0]["row"], violation["examples"][0]["value"]) == (
        "amount",
        1,
        "3.5",
    )
    files.edit("kept/raw/orders/part-00000.csv", "customer,amount", "client,amount")
    assert "`kept/raw/orders` lacks column `customer`" in cli("run").err
    shutil.rmtree(files.path / "kept/raw")
    assert "kept/raw/orders does not exist" in cli("plan").out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("obj: pd.DataFrame", "obj: 'polars.LazyFrame'", "rows of polars.LazyFrame have no order"),
        ("return pd.read_csv(self.place(path))", "return {}", "`load` returned a dict for `orders`"),
        ("return pd.read_csv(self.place(path))", "return pd.Series().nope", "failed at "),
        ("return pd.read_csv(self.place(path))", "raise SystemExit(3)", "failed at reading `orders`: SystemExit: 3"),
        ("return pd.read_csv(self.place(path))", "return {}['x']", "(`load` raised KeyError('x'))"),
        ("    def load", "    load = iter\n\n    def lod", "expected at most 2 arguments, got 3 (lakehouse.yaml:"),
    ],
)
def test_class_that_cannot_be_used(files: ProjectFolder, cli: Cli, old: str, new: str, message: str) -> None:
    files.edit("stores.py", old, new)
    done = cli("run")
    assert done.code == 1
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("obj: pd.DataFrame", "obj: int", "parameter `obj` of `save` of Files: `int` is not a supported frame type"),
        ("obj: pd.DataFrame", "obj: pd.Series", "`pandas.Series` is not a supported frame type"),
        ("obj: pd.DataFrame", "obj: pl.LazyFrame", "rows of polars.LazyFrame have no order"),
        ("    def save", "    async def save", "`async def` of Files: `save` (stores.py:"),
        ("    def load", "    def lod", "class Files has `save`, and no `load` (stores.py:"),
        (
            "path: Tuple[str, ...], _resources) -> None",
            "path) -> None",
            "cannot be called as `save(obj, path, resources)`",
        ),
    ],
)
def test_methods_that_no_run_can_use(files: ProjectFolder, cli: Cli, old: str, new: str, message: str) -> None:
    files.edit("stores.py", old, new)
    files.write("stores.py", f"import polars as pl\n{files.read('stores.py')}")
    done = cli("validate")
    assert (done.code, message in " ".join(done.err.split())) == (3, True)
    assert "lakehouse.yaml:" in done.err


def test_errors_name_lines_of_the_class(files: ProjectFolder, cli: Cli) -> None:
    library = "def fail(_):\n    raise ValueError('of a library')\n"
    files.write(".venv/lib/python3/site-packages/library.py", library)
    files.write(
        "stores.py", f"import sys\nsys.path.append('.venv/lib/python3/site-packages')\n{files.read('stores.py')}"
    )
    files.edit("stores.py", "return pd.read_csv(", "import library; library.fail(")
    done = cli("run")
    assert "failed at reading `orders`: ValueError: of a library" in " ".join(done.err.split())
    assert "may_replace" not in done.err
    assert "look at stores.py:" in done.err
