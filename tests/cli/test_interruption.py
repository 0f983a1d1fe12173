"""Ctrl-C, termination and sudden death, in processes of their own."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ProjectFolder

ON_A_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
COMMAND = [sys.executable, "-c", "from lakehouse_cli.cli.main import main; main()", "run"]


@pytest.fixture
def slow(folder: ProjectFolder) -> ProjectFolder:
    """Three tables of which the second takes its time; each tells by a file that it has begun."""
    folder.write(
        "lakehouse.yaml",
        """
        name: slow
        module: transforms
        tables:
          one: {columns: {a: int64}}
          two: {columns: {a: int64}}
          three: {columns: {a: int64}}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pathlib, time
        import pandas as pd

        def one():
            return pd.DataFrame({"a": [1]})

        def two(one):
            pathlib.Path("begun").touch()
            time.sleep(30)
            return one

        def three(two):
            return two
        """,
    )
    return folder


def started(slow: ProjectFolder, *more: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*COMMAND, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=slow.path
    )
    limit = time.monotonic() + 30
    while not (slow.path / "begun").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_ctrl_c_once_finishes_what_is_under_way(slow: ProjectFolder, executor: str) -> None:
    slow.write("transforms.py", slow.read("transforms.py").replace("time.sleep(30)", "time.sleep(1)"))
    process = started(slow, "--executor", executor)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopping; finishing two; Ctrl-C again stops now" in out
    assert "interrupted: 2 materialized, 1 cancelled in" in out
    assert "Traceback" not in out + err
    assert slow.files() == ["one.csv", "two.csv"]


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
@pytest.mark.parametrize("numbers", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]], ids=["twice", "term"])
def test_ctrl_c_twice_or_termination_ends_at_once(
    slow: ProjectFolder, numbers: list[signal.Signals], executor: str
) -> None:
    process = started(slow, "--executor", executor)
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.3)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "interrupted: 1 materialized, 2 cancelled in" in out
    assert "○ two " in out
    assert "○ three " in out
    assert "Traceback" not in out + err
    assert slow.files() == ["one.csv"]


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_ctrl_c_typed_at_a_terminal_reaches_every_process_and_is_the_runs_to_decide(
    slow: ProjectFolder, executor: str, times: int
) -> None:
    seconds = {1: 1, 2: 30}[times]
    slow.write("transforms.py", slow.read("transforms.py").replace("time.sleep(30)", f"time.sleep({seconds})"))
    shown = ctrl_c_at_a_terminal(slow, executor, times)
    assert "Traceback" not in shown
    if times == 1:
        assert "interrupted: 2 materialized, 1 cancelled in" in shown
        assert slow.files() == ["one.csv", "two.csv"]
    else:
        assert "interrupted: 1 materialized, 2 cancelled in" in shown
        assert slow.files() == ["one.csv"]
    # The cursor, which the progress table hides, is shown again.
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("executor", "option"),
    [("processes", ""), ("threads", ", start_new_session=True"), ("serial", ", start_new_session=True")],
)
def test_ctrl_c_typed_at_a_terminal_leaves_programs_alone_that_transforms_started_as_documented(
    slow: ProjectFolder, executor: str, option: str
) -> None:
    program = f"import subprocess; subprocess.run(['sleep', '1'], check=True{option})"
    slow.write("transforms.py", slow.read("transforms.py").replace("time.sleep(30)", program))
    assert "interrupted: 2 materialized, 1 cancelled in" in ctrl_c_at_a_terminal(slow, executor)


def ctrl_c_at_a_terminal(slow: ProjectFolder, executor: str, times: int = 1) -> str:
    """What is shown on the terminal of a run in which Ctrl-C is typed while the second table is under way."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL + COMMAND[2], "run", "--executor", executor]
    process = subprocess.Popen(
        command,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=slow.path,
        env={**os.environ, "NO_COLOR": "1", "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(follower)
    seen = b""
    typed = drawn = 0
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        while chunk := what_is_shown(terminal.fileno()):
            seen += chunk
            if typed == 0 and (slow.path / "begun").exists():
                os.write(leader, b"\x03")
                typed, drawn = 1, seen.count(b"running")
            elif typed == 1 and times == 2 and (b"finishing" in seen or seen.count(b"running") > drawn + 5):
                # The serial executor's only thread is in the transform; it tells when that is done.
                os.write(leader, b"\x03")
                typed = 2
    shown = seen.decode()
    assert process.wait(timeout=20) == 130, shown
    assert typed == times
    return shown


def what_is_shown(leader: int) -> bytes:
    """What came to the screen since; nothing when the process has let go of the terminal."""
    try:
        return os.read(leader, 10000)
    except OSError:  # as Linux tells the end
        return b""


def test_ctrl_c_while_the_command_line_is_loaded_says_so(project: ProjectFolder) -> None:
    code = (
        "import os, signal, sys\n"
        "class Pressing:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Pressing())\n"
        "from lakehouse_cli.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "plan"], cwd=project.path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_in_any_command_says_so(project: ProjectFolder) -> None:
    code = (
        "import os, signal, sys\n"
        "class Pressing:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'lakehouse_cli.project':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Pressing())\n"
        "from lakehouse_cli.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "plan"], cwd=project.path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "interrupted")
