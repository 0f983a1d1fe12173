"""Runs on a cluster whose workers are threads of this process: what becomes of tables, whatever the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_cli import registry
from lakehouse_cli.executors.base import WorkerDiedError
from tests.clusters.here import Here, HereExecutor
from tests.conftest import Cli, ProjectFolder

EXECUTION = 'storages: {default: {root: data, shared: true}}\nexecution: {executor: dask, options: {address: "here"}}\n'
CODE = """
import time
from pathlib import Path

import pandas as pd


def numbers():
    with open({notes!r}, "a") as notes:
        notes.write("computed\\n")
    return pd.DataFrame({{"n": [1]}})
"""


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Here]], None]:
    """Has the project run on an engine."""
    monkeypatch.setitem(registry.EXECUTORS, "dask", registry.Entry("tests.clusters.here:HereExecutor"))
    return lambda engine: monkeypatch.setattr(HereExecutor, "of", engine)


@pytest.fixture
def notes(folder: ProjectFolder) -> Path:
    """A project of one table, which notes in this file that it was computed."""
    notes = folder.path / "notes"
    folder.declare("numbers: {columns: {n: int64}}", CODE.format(notes=str(notes)), top=EXECUTION)
    return notes


class DiesOnce(Here):
    """A worker dies when it has done its first piece of work."""

    died = False

    def answered(self, key: str, content: bytes, is_work: bool) -> None:
        if is_work and not self.died:
            self.died = True
            self.lose()
            self.on_answer(key, None, WorkerDiedError("was killed"))
        else:
            super().answered(key, content, is_work)

    def lose(self) -> None:
        """What goes with it."""


class LosesData(DiesOnce):
    """It had written the manifest, and not the data."""

    def lose(self) -> None:
        Path("data/numbers.csv").unlink()


def test_worker_that_dies_when_it_has_stored_a_table(cli: Cli, on: Callable[[type[Here]], None], notes: Path) -> None:
    """The table is taken as it is, and not computed again."""
    on(DiesOnce)
    ran = cli("run", "-o", "json")
    assert ran.statuses == {"numbers": "materialized"}, ran.err
    assert notes.read_text() == "computed\n"
    assert cli("show", "numbers").code == 0


def test_worker_that_dies_before_the_data_are_there(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path
) -> None:
    """A manifest alone is no table: it failed, and the next attempt computes it."""
    on(LosesData)
    ran = cli("run")
    assert ran.code == 1, ran.out
    assert "was killed" in ran.out
    folder.edit("lakehouse.yaml", "{columns:", "{retries: 1, retry_delay: 0.01, columns:")
    ran = cli("run", "-o", "json")
    assert ran.statuses == {"numbers": "materialized"}, ran.err
    assert ran.json["tables"][0]["attempts"] == 2
    assert notes.read_text() == "computed\n" * 3
    assert cli("plan", "-o", "json").json["tables"][0]["action"] == "skip"
