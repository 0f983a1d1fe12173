"""Code and sources that are edited while a run goes on: what is recorded is what was used."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

import pytest

from lakehouse_cli import Project
from tests.conftest import Cli, ProjectFolder

PROJECT = """
name: edited
module: transforms
storages:
  default: {root: data}
  other: OTHER
tables:
  s: {kind: source, columns: {a: int64}}
  r: {kind: source, storage: other, columns: {f: int64}}
  first: {inputs: [s], columns: {a: int64}}
  code: {inputs: [first], columns: {a: int64}}
  data: {inputs: [first, r], columns: {a: int64}}
  last: {inputs: [code, data], columns: {a: int64}}
  again: {inputs: [last, r], columns: {a: int64}}
"""
TRANSFORMS = """
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.compute as pc

FACTOR = 10
FOLDER = pathlib.Path(__file__).parent


def edit(name):
    script = FOLDER / name
    if script.exists():
        subprocess.run([sys.executable, str(script)], cwd=FOLDER, check=True)


def times(table, number):
    return pa.table({"a": pc.multiply(table["a"], number)})


def first(s: pa.Table):
    edit("first.edit")
    return s


def code(first: pa.Table):
    from helpers import HELP
    from pack.inner import plus

    return plus(times(first, FACTOR * HELP))


def data(first: pa.Table, r: pa.Table):
    return times(first, r["f"][0])


def last(code: pa.Table, data: pa.Table):
    edit("last.edit")
    return pa.table({"a": pc.add(code["a"], data["a"])})


def again(last: pa.Table, r: pa.Table):
    return times(last, r["f"][0])
"""
INNER = """
import pyarrow as pa
import pyarrow.compute as pc

PLUS = 10


def plus(table):
    return pa.table({"a": pc.add(table["a"], PLUS)})
"""
EDIT_CODE = """
import pathlib
for name, word in [("transforms.py", "FACTOR"), ("helpers.py", "HELP"), ("pack/inner.py", "PLUS")]:
    file = pathlib.Path(name)
    before, text = f"{{word}} = {0}\\n", file.read_text()
    assert before in text
    other = file.with_suffix(".new")
    other.write_text(text.replace(before, f"{{word}} = {1}\\n"))
    other.replace(file)
"""
# Of each storage: how the project declares it, and a script that stores one number in it.
STORAGES: dict[str, tuple[str, str]] = {
    "csv": ("{root: other}", "pathlib.Path('other/r.csv').write_text('f\\n{}\\n')"),
    "parquet": (
        "{root: other, format: parquet}",
        "import pyarrow as pa, pyarrow.parquet as pq; pq.write_table(pa.table({{'f': [{}]}}), 'other/r.parquet')",
    ),
    "sqlite": (
        "{type: sqlite, root: other/r.db}",
        "import sqlite3; c = sqlite3.connect('other/r.db', timeout=30); c.execute('DROP TABLE IF EXISTS r');"
        " c.execute('CREATE TABLE r (f INTEGER)'); c.execute('INSERT INTO r VALUES ({})'); c.commit(); c.close()",
    ),
    "duckdb": (
        "{type: duckdb, root: other/r.duckdb}",
        "import duckdb, time\nfor _ in range(500):\n    try:\n        c = duckdb.connect('other/r.duckdb')\n"
        "        break\n    except duckdb.IOException:\n        time.sleep(0.02)\n"
        "c.execute('CREATE OR REPLACE TABLE r (f BIGINT)'); c.execute('INSERT INTO r VALUES ({})'); c.close()",
    ),
}
POSTGRESQL = """
from adbc_driver_postgresql.dbapi import connect
with connect("{url}", autocommit=True) as connection, connection.cursor() as cursor:
    for statement in "DROP TABLE IF EXISTS r", "CREATE TABLE r (f bigint)", "INSERT INTO r VALUES ({{}})":
        cursor.execute(statement)
"""
EXECUTORS = ("threads", "serial", "processes")


def run_script(text: str) -> None:
    exec(f"import pathlib\n{text}", {})


def edit_code(before: int, after: int) -> str:
    return EDIT_CODE.format(before, after)


@pytest.fixture
def write(folder: ProjectFolder, request: pytest.FixtureRequest) -> Callable[[int], str]:
    """A project whose source `r` is in a storage; returns the script that stores a number there."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        url = server.url(server.new_database())
        declared, script = f"{{type: postgresql, root: '{url}'}}", POSTGRESQL.format(url=url)
    else:
        declared, script = STORAGES[request.param]
    folder.write("lakehouse.yaml", PROJECT.replace("OTHER", declared))
    folder.write("transforms.py", TRANSFORMS)
    folder.write("helpers.py", "HELP = 10\n")
    folder.write("pack/__init__.py", "")
    folder.write("pack/inner.py", INNER)
    folder.write("data/s.csv", "a\n1\n2\n")
    (folder.path / "other").mkdir()
    run_script(script.format(10))
    return script.format


def values(name: str) -> list[int]:
    return [int(value) for value in Project.load().read(name)["a"]]


def truth(number: int, factor: int = 10) -> dict[str, list[int]]:
    code = [a * factor * factor + factor for a in (1, 2)]
    data = [a * number for a in (1, 2)]
    last = [c + d for c, d in zip(code, data, strict=True)]
    return {"first": [1, 2], "code": code, "data": data, "last": last, "again": [each * number for each in last]}


def due(cli: Cli) -> set[str]:
    return {t["name"] for t in cli("plan", "-o", "json").json["tables"] if t["action"] == "run"}


def assert_true(cli: Cli, right: dict[str, list[int]]) -> set[str]:
    """What the plan takes to be up to date is right, and the next run makes all right; returns what it ran."""
    ran = due(cli)
    assert {name: values(name) for name in right if name not in ran} == {
        name: each for name, each in right.items() if name not in ran
    }
    assert cli("run").code == 0
    assert {name: values(name) for name in right} == right
    assert due(cli) == set()
    return ran


def without_edits(folder: ProjectFolder) -> None:
    for script in folder.path.glob("*.edit"):
        script.unlink()


#: Each storage by threads; each executor on files and on a database.
PAIRS = [(storage, "threads") for storage in [*STORAGES, "postgresql"]]
PAIRS += [("csv", "serial"), ("csv", "processes"), ("sqlite", "processes")]


@pytest.mark.slow
@pytest.mark.parametrize(("write", "executor"), PAIRS, indirect=["write"])
class TestEdits:
    def test_edit_that_is_undone_after_the_run(
        self, folder: ProjectFolder, cli: Cli, write: Callable[[int], str], executor: str
    ) -> None:
        folder.write("first.edit", edit_code(10, 1000) + write(1000))
        assert cli("run", "--executor", executor).code == 0
        assert values("code") == truth(10)["code"]
        run_script(edit_code(1000, 10) + write(10))
        without_edits(folder)
        ran = assert_true(cli, truth(10))
        assert "code" not in ran
        assert "data" in ran

    def test_edit_that_is_undone_in_the_run(
        self, folder: ProjectFolder, cli: Cli, write: Callable[[int], str], executor: str
    ) -> None:
        folder.write("first.edit", edit_code(10, 1000) + write(1000))
        folder.write("last.edit", edit_code(1000, 10) + write(10))
        assert cli("run", "--executor", executor).code == 0
        without_edits(folder)
        assert_true(cli, truth(10))

    def test_edit_that_stays(self, folder: ProjectFolder, cli: Cli, write: Callable[[int], str], executor: str) -> None:
        folder.write("first.edit", edit_code(10, 1000) + write(1000))
        assert cli("run", "--executor", executor).code == 0
        without_edits(folder)
        reasons = {t["name"]: t["reasons"] for t in cli("plan", "-o", "json").json["tables"]}
        assert [reason["code"] for reason in reasons["code"]] == ["function_changed"]
        assert "data" not in due(cli)
        assert_true(cli, truth(1000, 1000))

    def test_edit_of_the_second_run(
        self, folder: ProjectFolder, cli: Cli, write: Callable[[int], str], executor: str
    ) -> None:
        """What is unchanged so far comes out the same, or is computed from what was read."""
        assert cli("run", "--executor", executor).code == 0
        folder.write("first.edit", edit_code(10, 1000) + write(1000))
        assert cli("run", "--force", "first", "--executor", executor).code == 0
        assert cli("run", "--executor", executor).code == 0
        run_script(edit_code(1000, 10) + write(10))
        without_edits(folder)
        assert_true(cli, truth(10))


@pytest.fixture
def one(folder: ProjectFolder) -> ProjectFolder:
    """A project of one table whose code is in two modules."""
    folder.write("lakehouse.yaml", "name: one\nmodule: transforms\ntables: {a: {columns: {v: int64}}, b: {}}\n")
    folder.write("helpers.py", "VALUE = 1\n")
    folder.write(
        "transforms.py",
        """
        import pathlib
        import subprocess
        import sys

        import pandas as pd

        FOLDER = pathlib.Path(__file__).parent


        def a():
            script = FOLDER / "a.edit"
            if script.exists():
                subprocess.run([sys.executable, str(script)], cwd=FOLDER, check=True)
            return pd.DataFrame({"v": [0]})


        def b(a):
            from helpers import VALUE

            return a + VALUE
        """,
    )
    return folder


def write_script(folder: ProjectFolder, *statements: str) -> None:
    folder.write("a.edit", "\n".join(["import pathlib, shutil, sys", "here = pathlib.Path.cwd()", *statements]))


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "statement",
    [
        "(here / 'helpers.py').unlink()",
        "(here / 'helpers').mkdir(); (here / 'helpers/__init__.py').write_text('VALUE = 9')",
        "(here / 'helpers.py').write_text('VALUE = 9')",
        "(here / 'helpers.py').write_text('VALUE = ')",
    ],
    ids=["removed", "hidden by a package", "edited", "broken"],
)
def test_helper_is_imported_as_planned(one: ProjectFolder, cli: Cli, executor: str, statement: str) -> None:
    write_script(one, statement)
    assert cli("run", "--executor", executor).code == 0
    assert one.read("data/b.csv") == "v\n1\n"


def test_shown_lines_are_those_that_ran(one: ProjectFolder, cli: Cli) -> None:
    one.write("helpers.py", "def fail():\n    raise ValueError('as planned')\n")
    one.edit("transforms.py", "import VALUE", "import fail")
    one.edit("transforms.py", "VALUE", "fail()")
    write_script(one, "(here / 'helpers.py').write_text('def fail():\\n    return 1  # edited\\n')")
    done = cli("run", "-v")
    assert done.code == 1
    assert "raise ValueError('as planned')" in done.out + done.err
    assert "edited" not in done.out + done.err


LOADING = {
    "exec": "exec((FOLDER / 'helpers.py').read_text(), names := {}); VALUE = names['VALUE']",
    "run_path": "import runpy; VALUE = runpy.run_path(str(FOLDER / 'helpers.py'))['VALUE']",
    "by location": "import importlib.util as u; s = u.spec_from_file_location('h', FOLDER / 'helpers.py');"
    " m = u.module_from_spec(s); s.loader.exec_module(m); VALUE = m.VALUE",
    "import_module": "import importlib; VALUE = importlib.import_module('helpers').VALUE",
    "sys.path": "sys.path.insert(0, str(FOLDER / 'lib')); from lib_helpers import VALUE",
}


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("way", LOADING)
def test_code_loaded_in_other_ways_is_right_or_due(one: ProjectFolder, cli: Cli, executor: str, way: str) -> None:
    one.write("lib/lib_helpers.py", "VALUE = 1\n")
    one.edit("transforms.py", "from helpers import VALUE", LOADING[way])
    for name in ("helpers.py", "lib/lib_helpers.py"):
        os.utime(one.path / name, (1_700_000_000, 1_700_000_000))
    write_script(one, "[p.write_text('VALUE = 9\\n') for p in (here / 'helpers.py', here / 'lib/lib_helpers.py')]")
    assert cli("run", "--executor", executor).code == 0
    for name in ("helpers.py", "lib/lib_helpers.py"):
        one.write(name, "VALUE = 1\n")
        # Python takes kept bytecode for that of a file of the same size and second.
        os.utime(one.path / name, (1_700_000_100, 1_700_000_100))
    (one.path / "a.edit").unlink()
    assert "b" in due(cli) or one.read("data/b.csv") == "v\n1\n"
    assert cli("run").code == 0
    assert one.read("data/b.csv") == "v\n1\n"


def test_code_not_followed_is_up_to_date(one: ProjectFolder, cli: Cli) -> None:
    one.edit("transforms.py", "from helpers import VALUE", LOADING["exec"])
    assert cli("run").code == 0
    assert due(cli) == set()


def test_comment_added_during_a_run_leaves_all_up_to_date(one: ProjectFolder, cli: Cli) -> None:
    write_script(one, "(here / 'helpers.py').write_text('VALUE = 1  # of course\\n')")
    assert cli("run").code == 0
    assert "of course" in one.read("helpers.py")
    assert due(cli) == set()


def test_edits_between_runs_are_picked_up(one: ProjectFolder) -> None:
    """As in a notebook, also where the module was imported there."""
    project = Project.load()
    one.write("helpers.py", "VALUE = 2\n")
    assert project.run()["b"].status == "materialized"
    assert one.read("data/b.csv") == "v\n2\n"
    one.write("helpers.py", "VALUE = 3\n")
    assert project.run()["b"].status == "materialized"
    assert one.read("data/b.csv") == "v\n3\n"
    assert project.run()["b"].status == "unchanged"


def test_module_imported_before_an_edit_is_not_used(one: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(one.path))
    for name in ("helpers", "transforms"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import helpers  # type: ignore[import-not-found]

    one.write("helpers.py", "VALUE = 2\n")
    assert Project.load().run()["b"].status == "materialized"
    assert one.read("data/b.csv") == "v\n2\n"
    assert sys.modules["helpers"] is helpers
    assert helpers.VALUE == 1
    monkeypatch.delitem(sys.modules, "helpers")


def test_difference_is_computed_with_code_as_planned(one: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    write_script(one, "(here / 'helpers.py').write_text('VALUE = 76543210')")
    one.edit("transforms.py", "[0]", "[1]")
    tables = cli("diff", "-o", "json").json["tables"]
    assert {table["name"]: table["status"] for table in tables} == {"a": "different", "b": "different"}
    [changed] = [table for table in tables if table["name"] == "b"]
    assert "7654321" not in json.dumps(changed)


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_stored_table_that_is_altered_meanwhile(one: ProjectFolder, cli: Cli, executor: str) -> None:
    one.edit("lakehouse.yaml", "b: {}", "b: {}, c: {columns: {v: int64}}")
    one.add("transforms.py", "\n\ndef c(a, b):\n    return a + b\n")
    assert cli("run", "--executor", executor).code == 0
    assert one.read("data/c.csv") == "v\n1\n"
    write_script(one, "(here / 'data/b.csv').write_text('v\\n7\\n')")
    assert cli("run", "a", "c", "--force", "--executor", executor).code == 0
    (one.path / "a.edit").unlink()
    assert one.read("data/c.csv") == "v\n7\n"
    one.write("data/b.csv", "v\n1\n")
    assert due(cli) == {"c"}
    assert cli("run").code == 0
    assert one.read("data/c.csv") == "v\n1\n"
