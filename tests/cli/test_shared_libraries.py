"""Libraries with state of the whole process, used by transforms that run at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import duckdb
import pytest

from tests.conftest import Cli, Invoked, ProjectFolder

PROJECT = "name: p\nmodule: transforms\ntables:\n  slow: {format: csv}\n  quick: {format: csv}\n"
TRANSFORMS = """
import threading

import duckdb

started, done = threading.Event(), threading.Event()


def slow():
    def hold(x: int) -> int:
        started.set()
        done.wait(10)
        return x

    duckdb.create_function("hold", hold)
    try:
        return duckdb.sql("SELECT hold(1) AS id").df()
    finally:
        duckdb.remove_function("hold")


def quick():
    started.wait(10)
    try:
        return QUICK
    finally:
        done.set()
"""
MODULE_WIDE = 'duckdb.sql("SELECT 1 AS id").df()'


@pytest.fixture(autouse=True)
def _idle() -> Iterator[None]:
    """Leave no rows to fetch in the connection that all of this process share."""
    yield
    with suppress(duckdb.Error):
        duckdb.fetchall()


def hint_of_quick(ran: Invoked) -> str:
    (failed,) = [table for table in ran.json["tables"] if table["name"] == "quick"]
    return failed["error"]["hint"] or ""


@pytest.fixture
def write(folder: ProjectFolder) -> Callable[[str], None]:
    def write(quick: str) -> None:
        folder.write("lakehouse.yaml", PROJECT)
        folder.write("transforms.py", TRANSFORMS.replace("QUICK", quick))

    return write


def test_module_wide_duckdb_in_threads_gets_a_hint(write: Callable[[str], None], cli: Cli) -> None:
    write(MODULE_WIDE)
    ran = cli("run", "--executor", "threads", "--workers", "2", "-o", "json")
    assert ran.code == 1
    hint = hint_of_quick(ran)
    assert "`slow` ran at the same time and may have" in hint
    assert "`duckdb.connect()`" in hint
    assert "`--executor processes`" in hint


SHARING = """
import duckdb


def a(s):
    return duckdb.sql("SELECT * FROM s").df()


def rows(s):
    duckdb.register("s", s)
    return duckdb.execute("SELECT * FROM s").df()


def b(s):
    return rows(s)


def c(s):
    return duckdb.connect().sql("SELECT * FROM s").df()


def d(a):
    return duckdb.default_connection().query("SELECT 1 AS id").df()
"""
TABLES = "  s: {kind: source, columns: {id: int64}}\n  a: {}\n  b: {}\n  c: {}\n  d: {}\n"
SHARED = (
    "`a`, `b`, `d` share DuckDB's module-wide connection under `threads`: "
    "use `duckdb.connect()` in each, or `executor: processes`"
)


def notes(cli: Cli) -> list[str]:
    """The notes of `plan`, which are those of `validate`."""
    found: list[str] = cli("validate", "-o", "json").json["notes"]
    assert [note for table in cli("plan", "-o", "json").json["tables"] for note in table["notes"]] == found
    assert all(f"note: {note}\n" in cli("plan").out for note in found)
    return found


@pytest.mark.parametrize(
    ("execution", "noted"),
    [
        ("{workers: 2}", [SHARED]),
        ("{executor: threads, workers: 2}", [SHARED]),
        ("{workers: 1}", []),
        ("{executor: serial}", []),
        ("{executor: processes, workers: 2}", []),
    ],
)
def test_shared_duckdb_is_noted(folder: ProjectFolder, cli: Cli, execution: str, noted: list[str]) -> None:
    folder.write("lakehouse.yaml", f"name: p\nmodule: transforms\nexecution: {execution}\ntables:\n{TABLES}")
    folder.write("transforms.py", SHARING)
    folder.write("data/s.csv", "id\n1\n")
    assert notes(cli) == noted
    assert cli("run", "c", "-q").code == 0  # which keeps what was read of the code
    assert notes(cli) == noted


def test_tables_one_after_the_other_share_nothing(folder: ProjectFolder, cli: Cli) -> None:
    tables = TABLES.replace("  b: {}\n", "")
    folder.write("lakehouse.yaml", f"name: p\nmodule: transforms\nexecution: {{workers: 2}}\ntables:\n{tables}")
    folder.write("transforms.py", SHARING)
    folder.write("data/s.csv", "id\n1\n")
    assert notes(cli) == []


def test_the_hint_for_module_wide_duckdb_works(write: Callable[[str], None], cli: Cli) -> None:
    write(MODULE_WIDE.replace("duckdb.", "duckdb.connect()."))
    assert cli("run", "--executor", "threads", "--workers", "2").code == 0


@pytest.mark.parametrize(
    "quick",
    [
        'duckdb.connect().sql("SELECT * FROM nowhere").df()',
        'duckdb.connect().sql("SELEC").df()',
        "exec(\"raise ValueError('connection is busy')\")",
    ],
)
def test_other_failures_get_no_hint_of_connections(write: Callable[[str], None], cli: Cli, quick: str) -> None:
    write(quick)
    ran = cli("run", "--executor", "threads", "--workers", "2", "-o", "json")
    assert ran.code == 1
    assert "duckdb.connect" not in hint_of_quick(ran)


def test_alone_a_busy_connection_gets_no_hint_of_others(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        "quick: {format: csv}",
        """
        import duckdb


        def quick():
            duckdb.execute("SELECT * FROM range(10)").fetchone()
            return duckdb.sql("SELECT 1 AS id").df()
        """,
    )
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert "at the same time" not in hint_of_quick(ran)


def test_hint_names_tables_that_use_duckdb_alone(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", PROJECT)
    folder.write(
        "transforms.py",
        """
        import threading

        import duckdb
        import pandas as pd

        started, done = threading.Event(), threading.Event()


        def slow():
            started.set()
            done.wait(10)
            return pd.DataFrame({"id": [1]})


        def quick():
            started.wait(10)
            try:
                duckdb.execute("SELECT * FROM range(10)").fetchone()
                return duckdb.sql("SELECT 1 AS id").df()
            finally:
                done.set()
        """,
    )
    ran = cli("run", "--executor", "threads", "--workers", "2", "-o", "json")
    assert ran.code == 1
    assert "duckdb.connect" not in hint_of_quick(ran)
