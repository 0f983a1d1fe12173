"""Two runs of a project in two processes: who is kept out, who waits, and who is never in anybody's way."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Running, running, until
from tests.conftest import ProjectFolder


@pytest.fixture
def slow(project: ProjectFolder) -> ProjectFolder:
    """The small project, whose first table signals by a file that it has begun, and waits for another, `go`."""
    code = """
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return orders"""
    project.edit("transforms.py", "import pandas as pd", "import pathlib, time\nimport pandas as pd")
    project.edit("transforms.py", "\n    return orders", code)
    return project


@pytest.fixture
def holder(slow: ProjectFolder) -> Iterator[Running]:
    """A run that holds the lock in the middle of its first table."""
    with running(slow.path, "run") as run:
        until((slow.path / "begun").exists, "the first table")
        yield run


def reported(run: Running) -> tuple[int, str, str]:
    return run.ends(), run.out, run.err


def test_the_second_ends_at_once_and_names_the_holder(slow: ProjectFolder, holder: Running) -> None:
    with running(slow.path, "run") as second:
        code, out, err = reported(second)
    assert (code, out) == (1, "")
    who = f"pid {holder.process.pid} on {socket.gethostname()} since "
    assert f"error: another run ({who}" in err
    assert "holds `default`" in err
    assert "`--wait` waits for it" in err
    with running(slow.path, "run", "-o", "json") as second:
        code, out, err = reported(second)
    assert (code, err) == (1, "")
    assert json.loads(out)["error"]["type"] == "RunLockedError"
    # It took no part in anything: the first goes on and is the only one in the history.
    (slow.path / "go").touch()
    assert holder.ends() == 0
    assert len(list((slow.path / ".lakehouse/runs").glob("*.jsonl"))) == 1
    assert slow.files() == ["best.csv", "orders.csv", "totals.csv"]


def test_with_wait_it_waits_and_then_does_what_is_left(slow: ProjectFolder, holder: Running) -> None:
    with running(slow.path, "run", "--wait") as second:
        waiting = f"another run (pid {holder.process.pid} on {socket.gethostname()} since "
        second.says(waiting)
        assert second.process.poll() is None
        (slow.path / "go").touch()
        assert holder.ends() == 0
        assert "2 materialized in" in holder.out
        # Planned when the first had ended, not before.
        assert second.ends() == 0
        assert "2 unchanged in" in second.out


def test_ctrl_c_ends_the_waiting_and_not_the_holder(slow: ProjectFolder, holder: Running) -> None:
    with running(slow.path, "run", "--wait") as second:
        second.says("another run")
        second.interrupt()
        assert second.ends() == 130
        assert "Traceback" not in second.err
    (slow.path / "go").touch()
    assert holder.ends() == 0


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_killed_holder_lets_go_at_once(slow: ProjectFolder, executor: str) -> None:
    with running(slow.path, "run", "--executor", executor) as first:
        until((slow.path / "begun").exists, "the first table")
        with running(slow.path, "run", "--wait") as second:
            second.says("another run")
            # The process only: its workers, if it has any, are left to themselves.
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
            (slow.path / "go").touch()
            assert second.ends() == 0
            assert "2 materialized in" in second.out
    with running(slow.path, "runs") as history:
        assert history.ends() == 0
        assert "✗ died" in history.out
        assert "✓ success" in history.out
    with running(slow.path, "run") as third:
        assert third.ends() == 0


def test_workers_end_with_their_parent_process(slow: ProjectFolder) -> None:
    code = slow.read("transforms.py")
    pid = "pathlib.Path('pid').write_text(str(os.getpid()))\n    pathlib.Path('begun').touch()"
    slow.write(
        "transforms.py",
        code.replace('pathlib.Path("begun").touch()', pid).replace("import pathlib", "import os, pathlib"),
    )
    with running(slow.path, "run", "--executor", "processes", "--workers", "2") as first:
        until((slow.path / "begun").exists, "the first table")
        worker = int(slow.read("pid"))
        assert worker != first.process.pid
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        # By the time it could publish, another run may be at work on the same table.
        until(lambda: not alive(worker), "the worker's end")
        (slow.path / "go").touch()
    assert slow.files() == ["orders.csv"]


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_reading_commands_neither_wait_nor_fail(slow: ProjectFolder, holder: Running) -> None:
    commands = [
        (["plan"], "totals"),
        (["run", "--dry-run"], "totals"),
        (["ls"], "orders"),
        (["show", "orders"], "007"),
        (["graph"], "best"),
        (["validate"], "small"),
        (["runs"], "▸ running"),
        (["runs", "show", "last"], "▸ totals"),
        (["clean", "--dry-run"], "nothing to clean"),
    ]
    for argv, text in commands:
        with running(slow.path, *argv) as reading:
            assert reading.ends(patience=10) == 0, f"{argv}\n{reading}"
            assert text in reading.out, f"{argv}\n{reading}"
            assert reading.err == ""
    assert holder.process.poll() is None
    (slow.path / "go").touch()
    assert holder.ends() == 0
