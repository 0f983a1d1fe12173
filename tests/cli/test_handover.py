"""Tables that processes hand to each other, without reading them again from where they are stored."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests import preloaded
from tests.cli.running import COMMAND
from tests.conftest import ProjectFolder

STORAGES = "storages: {default: {root: data}, ipc: {root: ipc, format: ipc}, lines: {root: lines, format: jsonl}}"
# What tells whether the table was mapped: files in the temporary folder as the transform of its consumer begins.
CODE = """
import os, pathlib, signal, tempfile
import pandas as pd
import polars as pl
import pyarrow as pa

def files():
    return sorted(path.name for path in pathlib.Path(tempfile.gettempdir()).glob("lakehouse-spill-*/made.arrow"))

def made() -> pa.Table:
    texts = pa.array(["x", None, "", "ä", "1"]).dictionary_encode()
    return pa.table({"id": range(5), "half": [0.1, None, -0.0, 1e300, float("nan")], "text": texts})

def taken(made: pd.DataFrame) -> pd.DataFrame:
    pathlib.Path("seen").write_text(" ".join(files()))
    made["half"] = made["half"] * 2
    return made

def lazily(made: pl.LazyFrame, taken: pa.Table):
    if pathlib.Path("die").exists():
        os.kill(os.getppid(), signal.SIGKILL)
    if pathlib.Path("fail").exists():
        raise ValueError("no")
    return made.join(pl.from_arrow(taken).lazy(), on="id")
"""
COLUMNS = "columns: {id: int64, half: float64, text: string}"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def project(folder: ProjectFolder, temporary: Path) -> ProjectFolder:
    declared(folder, "default")
    folder.write("transforms.py", CODE)
    return folder


def declared(folder: ProjectFolder, storage: str) -> None:
    made = f"  made: {{storage: {storage}, {COLUMNS}}}\n"
    tables = f"{made}  taken: {{storage: lines, {COLUMNS}}}\n  lazily: {{key: id}}\n"
    folder.write("lakehouse.yaml", f"name: x\nmodule: transforms\n{STORAGES}\ntables:\n{tables}")


def run(executor: str = "processes") -> int:
    return preloaded.run([*COMMAND, "run", "--force", "--executor", executor], timeout=120).returncode


def stored(folder: ProjectFolder) -> list[bytes]:
    return [(folder.path / name).read_bytes() for name in ("data/made.csv", "lines/taken.jsonl", "data/lazily.csv")]


def test_result_is_that_of_threads(project: ProjectFolder, temporary: Path) -> None:
    assert run("threads") == 0
    expected = stored(project)
    assert run() == 0
    assert stored(project) == expected
    assert project.read("seen") == "made.arrow"
    assert list(temporary.iterdir()) == []


def test_arrow_files_of_the_storage_are_not_written_twice(project: ProjectFolder, temporary: Path) -> None:
    declared(project, "ipc")
    assert run() == 0
    assert project.read("seen") == ""


def test_full_disk_sends_consumers_to_the_storage(project: ProjectFolder, temporary: Path) -> None:
    assert run("threads") == 0
    expected = stored(project)
    # What is written there goes to a device that is always full.
    full = """
import pathlib, tempfile
for folder in pathlib.Path(tempfile.gettempdir()).glob("lakehouse-spill-*"):
    (folder / "made.arrow").symlink_to("/dev/full")
"""
    project.write(
        "transforms.py",
        CODE.replace("def made() -> pa.Table:", "def made() -> pa.Table:\n    full()")
        + (f"\ndef full():\n    exec({full!r})\n"),
    )
    assert run() == 0
    assert stored(project) == expected
    assert project.read("seen") == ""
    assert list(temporary.iterdir()) == []


def test_nothing_is_left_of_a_failed_run(project: ProjectFolder, temporary: Path) -> None:
    project.write("fail", "")
    assert run() == 1
    assert list(temporary.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(project: ProjectFolder, temporary: Path) -> None:
    project.write("die", "")
    assert run() == -signal.SIGKILL
    assert [path.name for path in temporary.glob("*/*")] != []
    (project.path / "die").unlink()
    assert run("threads") == 0
    assert list(temporary.iterdir()) == []
