"""SQLite files that others hold, or that a killed run left in the middle."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli.storage.relational.duckdb import DuckDBStorage
from lakehouse_cli.storage.relational.one_file import OneFileStorage
from lakehouse_cli.storage.relational.sqlite import SQLiteStorage
from tests.cli.running import running
from tests.conftest import Cli, ProjectFolder

NAMES = ["one", "two", "three"]


@pytest.fixture
def lake(folder: ProjectFolder, request: pytest.FixtureRequest, cli: Cli) -> ProjectFolder:
    """Three tables in one file, materialized."""
    kind = getattr(request, "param", "sqlite")
    tables = "\n".join(f"  {name}: {{columns: {{x: int64}}}}" for name in NAMES)
    folder.write(
        "lakehouse.yaml",
        f"name: lake\nmodule: transforms\nstorages: {{default: {{type: {kind}, root: lake.db,"
        f" options: {{lock_timeout: 1}}}}}}\ntables:\n{tables}\n",
    )
    functions = "\n\n".join(f"def {name}():\n    return pa.table({{'x': [1]}})" for name in NAMES)
    folder.write("transforms.py", f"import pyarrow as pa\n\n\n{functions}\n")
    assert cli("run").code == 0
    return folder


@contextmanager
def locked(path: Path, kind: str) -> Iterator[None]:
    """While the block runs, another program has the file for itself."""
    if kind == "sqlite":
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
    else:
        script = "import duckdb, sys\nc = duckdb.connect('lake.db')\nprint('open', flush=True)\nsys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=path.parent
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == b"open\n"
            yield
            other.stdin.close()


@pytest.mark.parametrize("lake", ["sqlite", "duckdb"], indirect=True)
@pytest.mark.parametrize("argv", [["plan"], ["run"], ["diff"], ["run", "--force"], ["show", "one"]], ids=" ".join)
def test_locked_file_is_waited_for_once(
    argv: list[str], lake: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "sqlite" if "type: sqlite" in lake.read("lakehouse.yaml") else "duckdb"
    storage: type[OneFileStorage] = SQLiteStorage if kind == "sqlite" else DuckDBStorage
    waited = []
    transaction = storage.transaction

    def counted(self: OneFileStorage, path: str, **how: Any) -> Any:
        waited.append(path)
        return transaction(self, path, **how)

    monkeypatch.setattr(storage, "transaction", counted)
    with locked(lake.path / "lake.db", kind):
        done = cli(*argv)
    assert len(waited) == 1
    text = " ".join((done.out + done.err).split())
    assert "lake.db" in text
    assert ("database is locked" if kind == "sqlite" else "lock on file") in text
    assert "lock_timeout" in text
    assert "3 tables up to date" in cli("plan").out


def kill_while_storing(lake: ProjectFolder) -> None:
    """Kill a run that has written half of a great table into the file."""
    lake.write(
        "transforms.py",
        """
        import os, signal, threading, time
        import pyarrow as pa

        def _kill():
            size = os.path.getsize("lake.db")
            while os.path.getsize("lake.db") < size + 500_000:
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGKILL)

        def one():
            threading.Thread(target=_kill, daemon=True).start()
            return pa.table({"x": range(1_000_000)})

        def two():
            return pa.table({"x": [1]})

        def three():
            return pa.table({"x": [1]})
        """,
    )
    with running(lake.path, "run", "one") as process:
        assert process.ends() == -9
    # The old content lies in the hot journal: the next to open the file must put it back.
    assert Path("lake.db-journal").stat().st_size > 0
    lake.edit("transforms.py", "threading.Thread", "# threading.Thread")


@pytest.mark.slow
@pytest.mark.parametrize("argv", [["plan"], ["show", "one"], ["run"]], ids=" ".join)
def test_killed_run_is_undone_by_the_next_command(argv: list[str], lake: ProjectFolder, cli: Cli) -> None:
    kill_while_storing(lake)
    done = cli(*argv)
    assert done.code == 0, done.out + done.err
    assert not Path("lake.db-journal").exists()
    assert cli("run").code == 0
    with closing(sqlite3.connect("lake.db")) as connection:
        assert connection.execute("SELECT count(*) FROM one").fetchone() == (1_000_000,)


@pytest.mark.slow
def test_killed_run_is_explained_to_who_may_not_write(
    lake: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_while_storing(lake)
    with monkeypatch.context() as reader:
        reader.setattr(os, "access", lambda *_: False)
        for argv in (["plan"], ["show", "one"]):
            done = cli(*argv)
            text = " ".join((done.out + done.err).split())
            assert "a killed program left changes half made" in text
            assert "let a user who may write to the file" in text
    assert cli("plan").code == 0
    assert not Path("lake.db-journal").exists()


def test_changed_epoch_unit_makes_tables_out_of_date(folder: ProjectFolder, cli: Cli) -> None:
    project = (
        "name: p\nmodule: transforms\nstorages:\n"
        "  theirs: {type: sqlite, root: their.db, options: {epoch_unit: UNIT}}\n"
        "tables:\n  seen: {kind: source, storage: theirs, columns: {at: 'timestamp[ms]'}}\n"
        "  copy: {inputs: [seen], columns: {at: 'timestamp[ms]'}}\n"
    )
    folder.write("transforms.py", "def copy(seen):\n    return seen\n")
    with closing(sqlite3.connect(folder.path / "their.db")) as connection, connection:
        connection.execute("CREATE TABLE seen (at INTEGER)")
        connection.execute("INSERT INTO seen VALUES (1700000000)")
    folder.write("lakehouse.yaml", project.replace("UNIT", "s"))
    assert cli("run").code == 0
    assert folder.read("data/copy.csv") == "at\n2023-11-14 22:13:20.000\n"
    assert cli("plan", "--exit-code").code == 0
    folder.write("lakehouse.yaml", project.replace("UNIT", "ms"))
    assert cli("plan", "--exit-code").code != 0
    assert cli("run").code == 0
    assert folder.read("data/copy.csv") == "at\n1970-01-20 16:13:20.000\n"
    folder.write("lakehouse.yaml", project.replace("UNIT", "weeks"))
    assert "option `epoch_unit` of storage `theirs`" in cli("validate").err


def test_epoch_unit_of_a_column_is_its_own(folder: ProjectFolder, cli: Cli) -> None:
    project = (
        "name: p\nmodule: transforms\nstorages:\n"
        "  theirs: {type: sqlite, root: their.db, options: {epoch_unit: ms}}\n"
        "tables:\n  seen:\n    kind: source\n    storage: theirs\n    columns:\n"
        "      at: {type: 'timestamp[ms]', epoch_unit: UNIT}\n      until: timestamp[ms]\n"
        "  copy: {inputs: [seen]}\n"
    )
    folder.write("transforms.py", "def copy(seen):\n    return seen\n")
    with closing(sqlite3.connect(folder.path / "their.db")) as connection, connection:
        connection.execute("CREATE TABLE seen (at INTEGER, until INTEGER)")
        connection.execute("INSERT INTO seen VALUES (1700000000, 1700000000)")
    folder.write("lakehouse.yaml", project.replace("UNIT", "s"))
    assert cli("run").code == 0
    assert folder.read("data/copy.csv") == "at,until\n2023-11-14 22:13:20.000,1970-01-20 16:13:20.000\n"
    folder.write("lakehouse.yaml", project.replace("UNIT", "us"))
    assert "`epoch_unit` of column `at` changed" in " ".join(cli("plan").out.split())
    folder.write("lakehouse.yaml", project.replace("UNIT", "weeks"))
    assert "is `s`, `ms`, `us`, `ns`, `julian` or `none`, not `weeks`" in cli("validate").err
