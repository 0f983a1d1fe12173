"""How a process ends: with its exit code, whatever threads its libraries have."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ProjectFolder

# Stands for a thread of Arrow's that lets go of a Python object when the interpreter is already being taken apart.
AT_THE_END = """
import atexit, os, sys
import pyarrow
from lakehouse_cli.cli.main import main
atexit.register(os.abort)
main(sys.argv[1:])
"""


def test_commands_that_import_nothing_of_the_users_leave_at_once(project: ProjectFolder) -> None:
    for command in (["validate"], ["plan"], ["ls"]):
        done = subprocess.run([sys.executable, "-c", AT_THE_END, *command], cwd=project.path, check=False)
        assert done.returncode == 0


def test_after_a_run_what_the_users_code_registered_is_called(project: ProjectFolder) -> None:
    code = "import atexit, threading, time\natexit.register(lambda: open('left', 'w').close())\n"
    code += "threading.Thread(target=lambda: (time.sleep(1), open('waited', 'w').close())).start()\n"
    code += "print('the last word', end='')\n" + project.read("transforms.py")
    project.write("transforms.py", code)
    done = subprocess.run([sys.executable, "-m", "lakehouse_cli", "run"], cwd=project.path, check=False)
    assert done.returncode == 0
    assert (project.path / "left").exists()
    assert (project.path / "waited").exists()


def unread(folder: ProjectFolder, *argv: str, errors: bool = False, buffered: bool = True) -> tuple[int, str]:
    """The exit code of a command whose output nobody reads, as after `| head -1`, and what it complained of."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "lakehouse_cli", *argv],
        cwd=folder.path,
        stdout=write_end,
        stderr=write_end if errors else subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
        text=True,
        check=False,
        timeout=60,
    )
    os.close(write_end)
    return done.returncode, done.stderr or ""


@pytest.mark.slow
def test_output_that_nobody_reads_is_no_failure(project: ProjectFolder) -> None:
    """Also where it is more than Python holds back until the end."""
    many = "".join(f"  source_{number}: {{kind: source, columns: {{a: int64}}}}\n" for number in range(500))
    project.write("lakehouse.yaml", project.read("lakehouse.yaml") + many)
    assert unread(project, "run", "best+", "+best") == (0, "")
    commands = ["plan", "ls", "graph", "runs", "runs show last", "env", "schema", "validate", "show orders", "diff"]
    commands += ["clean", "ls -o json", "graph --format dot", "--help", "run --help", "--version"]
    for command in commands:
        assert (command, *unread(project, *command.split())) == (command, 0, "")


@pytest.mark.parametrize("buffered", [True, False])
def test_a_failure_is_one_though_nobody_reads_of_it(project: ProjectFolder, buffered: bool) -> None:
    assert unread(project, "ls", "nothing", errors=True, buffered=buffered)[0] == 2
    (project.path / "data/orders.csv").unlink()
    assert unread(project, "run", errors=True, buffered=buffered)[0] == 1
    assert unread(project, "plan", "--exit-code", errors=True, buffered=buffered)[0] == 4
    project.write("lakehouse.yaml", "tabels:")
    assert unread(project, "validate", errors=True, buffered=buffered)[0] == 3
