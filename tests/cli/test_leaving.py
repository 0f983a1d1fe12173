"""How a process ends: with its exit code, whatever threads its libraries have."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from tests import preloaded
from tests.conftest import Cli, Invoked, ProjectFolder

# Stands for a thread of Arrow's that lets go of a Python object when the interpreter is already being taken apart.
AT_THE_END = """
import atexit, os, sys
import pyarrow
from lakehouse_cli.cli.main import main
atexit.register(os.abort)
main(sys.argv[1:])
"""


def test_commands_without_user_code_exit_at_once(project: ProjectFolder) -> None:
    for command in (["validate"], ["plan"], ["ls"]):
        done = preloaded.run([sys.executable, "-c", AT_THE_END, *command], cwd=project.path)
        assert done.returncode == 0


def test_atexit_callbacks_and_threads_finish_after_a_run(project: ProjectFolder) -> None:
    code = "import atexit, threading, time\natexit.register(lambda: open('left', 'w').close())\n"
    code += "threading.Thread(target=lambda: (time.sleep(1), open('waited', 'w').close())).start()\n"
    code += "print('the last word', end='')\n" + project.read("transforms.py")
    project.write("transforms.py", code)
    done = preloaded.run([sys.executable, "-m", "lakehouse_cli", "run"], cwd=project.path)
    assert done.returncode == 0
    assert (project.path / "left").exists()
    assert (project.path / "waited").exists()


LATE = """
import atexit, os, sys, threading, time
import pandas as pd


def totals(orders):
    atexit.register(print, "registered", os.environ["TOKEN"])
    threading.Thread(target=go_on, daemon=False).start()
    return orders.rename(columns={"amount": "total"}).drop_duplicates("customer")


def go_on():
    time.sleep(float(os.environ["SECONDS"]))
    print("late", os.environ["TOKEN"])
    os.system("echo shell $TOKEN")


def best(totals, count):
    return totals
"""


COMMAND = ("-m", "lakehouse_cli")
IMPATIENTLY = ("-c", "import lakehouse_cli.cli.main as main; main._PATIENCE_S = 0.5; main.main()")


def late(
    folder: ProjectFolder, *argv: str, seconds: float = 0.5, start: tuple[str, str] = COMMAND
) -> subprocess.CompletedProcess[str]:
    """A command whose transforms go on, and print a secret, when it has done its work."""
    folder.edit("lakehouse.yaml", "tables:", 'storages: {other: {root: "${TOKEN}"}}\ntables:', 1)
    folder.write("transforms.py", LATE)
    return preloaded.run(
        [sys.executable, *start, *argv],
        cwd=folder.path,
        env={**os.environ, "TOKEN": "s3cr3t-token", "SECONDS": str(seconds)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("argv", [["run", "--executor", "threads"], ["run", "--executor", "serial"], ["diff"]])
def test_late_output_is_masked_and_not_on_stdout(project: ProjectFolder, argv: list[str]) -> None:
    done = late(project, *argv, "-o", "json")
    json.loads(done.stdout)
    assert done.stderr.splitlines() == ["late ${TOKEN}", "shell ${TOKEN}", "registered ${TOKEN}"]
    assert done.returncode == (1 if argv == ["diff"] else 0)


def test_what_is_printed_late_is_json_where_stderr_is(project: ProjectFolder) -> None:
    done = late(project, "run", "--log-format", "json")
    printed = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")][-2:]
    assert [each["text"] for each in printed] == ["late ${TOKEN}", "registered ${TOKEN}"]


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["threads", "serial"])
def test_endless_thread_does_not_keep_the_command_alive(project: ProjectFolder, executor: str) -> None:
    done = late(project, "run", "--executor", executor, seconds=1000, start=IMPATIENTLY)
    assert done.returncode == 0
    reported, registered = done.stderr.splitlines()
    assert reported.startswith("ended with the command, though they went on: threads ")
    assert "(go_on)" in reported
    assert registered == "registered ${TOKEN}"


@pytest.mark.parametrize("executor", ["threads", "serial"])
def test_closing_stderr_loses_no_message(project: ProjectFolder, executor: str) -> None:
    failing = "def totals(orders):\n    import sys\n    sys.stderr = None\n    raise ValueError('so')\n"
    project.add("transforms.py", failing)
    argv = [sys.executable, "-m", "lakehouse_cli", "run", "--executor", executor]
    done = preloaded.run(argv, cwd=project.path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "`totals` raised ValueError: so" in done.stderr


def unread(folder: ProjectFolder, *argv: str, errors: bool = False, buffered: bool = True) -> tuple[int, str]:
    """The exit code of a command whose output nobody reads, as after `| head -1`, and what it wrote to stderr."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = preloaded.run(
        [sys.executable, "-m", "lakehouse_cli", *argv],
        cwd=folder.path,
        stdout=write_end,
        stderr=write_end if errors else subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
        text=True,
    )
    os.close(write_end)
    return done.returncode, done.stderr or ""


@pytest.mark.slow
def test_output_that_nobody_reads_is_no_failure(project: ProjectFolder) -> None:
    """Also where it is more than Python holds back until the end."""
    many = "".join(f"  source_{number}: {{kind: source, columns: {{a: int64}}}}\n" for number in range(500))
    project.add("lakehouse.yaml", many)
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_full_stderr_does_not_fail_the_command(project: ProjectFolder) -> None:
    for argv, code in ((["run"], 0), (["runs"], 0), (["ls"], 0), (["ls", "nothing"], 2)):
        with Path("/dev/full").open("w") as full:
            done = preloaded.run(
                [sys.executable, "-m", "lakehouse_cli", *argv],
                cwd=project.path,
                stdout=subprocess.PIPE,
                stderr=full,
                text=True,
            )
        assert (argv, done.returncode, bool(done.stdout)) == (argv, code, code == 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("argv", [["ls"], ["--help"], ["run"]])
def test_results_that_find_no_room_are_a_failure(project: ProjectFolder, argv: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lakehouse_cli", *argv]
        done = preloaded.run(command, cwd=project.path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "error: the output cannot be written: no space left on device\n")


def test_other_system_errors_are_not_output_errors(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("lakehouse_cli.project.facade.Project.load", load)
    reported = "error: operating system error: too many open files\n  `-v` shows where\n"
    assert cli("run") == Invoked(1, "", reported)
    assert "in load" in cli("run", "-v").err
    assert json.loads(cli("run", "-o", "json").out)["error"]["type"] == "SystemTroubleError"
