"""The fast commands load nothing that is slow, and nothing of the user's. In processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ProjectFolder

SLOW = {"pandas", "numpy", "pyarrow", "polars", "pydantic", "rich", "transforms", "asyncio"}
SCRIPT = """
import contextlib, io, json, sys
from lakehouse_cli.cli.main import invoke
with contextlib.redirect_stdout(io.StringIO()):
    code = invoke(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def loaded(*argv: str) -> tuple[int, set[str]]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *argv], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout)
    return code, {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["validate"],
        ["ls"],
        ["ls", "-o", "json"],
        ["plan"],
        ["plan", "-o", "json"],
        ["run", "--dry-run"],
        ["schema"],
    ],
    ids=" ".join,
)
def test_fast_commands(project: ProjectFolder, argv: list[str]) -> None:
    code, modules = loaded(*argv)
    assert code == 0
    assert modules & SLOW == set()


@pytest.mark.parametrize("argv", [["plan"], ["run"], ["plan", "best"]], ids=" ".join)
def test_what_is_up_to_date_is_not_counted(project: ProjectFolder, argv: list[str]) -> None:
    assert loaded("run")[0] == 0
    (project.path / "data/orders.csv").touch()
    code, modules = loaded(*argv)
    assert code == 0
    assert modules & SLOW == set()


def test_what_changed_is_counted_without_the_users_code(project: ProjectFolder) -> None:
    assert loaded("run")[0] == 0
    project.write("data/orders.csv", "customer,amount\n007,5\n")
    code, modules = loaded("plan")
    assert code == 0
    assert modules & {"pandas", "polars", "transforms"} == set()


def test_the_check_can_fail(project: ProjectFolder) -> None:
    code, modules = loaded("run")
    assert code == 0
    assert {"pandas", "pyarrow", "transforms"} <= modules


def test_a_run_to_a_log_does_not_load_rich(project: ProjectFolder) -> None:
    _, modules = loaded("run")
    assert "rich" not in modules
