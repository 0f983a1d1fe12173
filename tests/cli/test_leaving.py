"""How a process ends: with its exit code, whatever threads its libraries have."""

from __future__ import annotations

import subprocess
import sys

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
    code = "import atexit\natexit.register(lambda: open('left', 'w').close())\n" + project.read("transforms.py")
    project.write("transforms.py", code)
    done = subprocess.run([sys.executable, "-m", "lakehouse_cli", "run"], cwd=project.path, check=False)
    assert done.returncode == 0
    assert (project.path / "left").exists()
