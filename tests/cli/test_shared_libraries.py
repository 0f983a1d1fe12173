"""Libraries with state of the whole process, used by transforms that run at the same time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Invoked, ProjectFolder

Cli = Callable[..., Invoked]

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
    assert "`slow` ran at the same time" in hint
    assert "`duckdb.connect()`" in hint
    assert "`--executor processes`" in hint


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
    folder.write("lakehouse.yaml", "name: p\nmodule: transforms\ntables:\n  quick: {format: csv}\n")
    folder.write(
        "transforms.py",
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
