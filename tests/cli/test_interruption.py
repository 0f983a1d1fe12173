"""Ctrl-C, termination and sudden death, in processes of their own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ProjectFolder

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


def test_ctrl_c_once_finishes_what_is_under_way(slow: ProjectFolder) -> None:
    slow.write("transforms.py", slow.read("transforms.py").replace("time.sleep(30)", "time.sleep(1)"))
    process = started(slow)
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


def test_killing_at_any_moment_and_running_again_gives_the_same_bytes(folder: ProjectFolder) -> None:
    lines = ["name: killed", "module: transforms", "tables:"]
    code = ["import pandas as pd", "def t0():", "    return pd.DataFrame({'a': range(20000), 'b': ['x'] * 20000})"]
    for index in range(12):
        lines.append(f"  t{index}: {{columns: {{a: int64, b: string}}}}")
        if index:
            code += [f"def t{index}(t{index - 1}):", f"    return t{index - 1}.assign(a=lambda f: f.a + 1)"]
    folder.write("lakehouse.yaml", "\n".join(lines))
    folder.write("transforms.py", "\n".join(code) + "\n")

    def everything() -> dict[str, bytes]:
        return {name: (folder.path / "data" / name).read_bytes() for name in folder.files()}

    begun = time.monotonic()
    assert subprocess.run(COMMAND, cwd=folder.path, capture_output=True).returncode == 0
    whole = time.monotonic() - begun
    expected = everything()
    chance = random.Random(4)
    killed = 0
    for _ in range(8):
        for name in chance.sample(sorted(expected), 6):
            (folder.path / "data" / name).unlink(missing_ok=True)
        process = subprocess.Popen(
            COMMAND, cwd=folder.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(chance.uniform(0.3, 1.0) * whole)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        # Whatever is there is whole.
        assert all(expected[name] == data for name, data in everything().items() if name in expected)
    assert killed > 0
    assert subprocess.run(COMMAND, cwd=folder.path, capture_output=True).returncode == 0
    assert everything() == expected
    assert not list(Path(folder.path / "data").rglob("*.lakehouse-tmp"))
