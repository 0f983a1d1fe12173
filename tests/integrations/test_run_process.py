"""A run in a process of its own: its events as they happen, its end, and what its environment cannot change."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from lakehouse_cli.cli.main import app
from lakehouse_cli.errors import LakehouseError, ProjectError
from lakehouse_cli.integrations import run_process
from lakehouse_cli.integrations.run_process import OPTIONS, Message, RunProcess
from lakehouse_cli.runs.event_json import Beginning, Ending
from lakehouse_cli.runs.events import TableFinished
from lakehouse_cli.runs.lock import run_lock
from tests.conftest import Cli, ProjectFolder

# No pandas: what is computed here is of no account.
CODE = """
import os, sys, time
import pyarrow as pa

def totals() -> pa.Table:
    print("from a transform")
    return pa.table({"a": [1]})

def best(totals: pa.Table) -> pa.Table:
    while not os.path.exists("go"):
        time.sleep(0.02)
    return totals
"""


@pytest.fixture
def waiting(folder: ProjectFolder) -> ProjectFolder:
    """A project whose second table is computed when there is a file `go`."""
    folder.declare("{totals: {inputs: [], columns: {a: int64}}, best: {columns: {a: int64}}}", CODE)
    return folder


def test_events_come_while_the_run_goes_on(waiting: ProjectFolder) -> None:
    with RunProcess(["-C", str(waiting.path), "totals", "best"]) as run:
        seen = []
        for event in run.events():
            seen.append(event)
            if isinstance(event, TableFinished) and event.result.name == "totals":
                waiting.write("go", "")
    finished = {event.result.name: event.result.status for event in seen if isinstance(event, TableFinished)}
    assert finished == {"totals": "materialized", "best": "materialized"}
    assert isinstance(seen[0], Beginning)
    assert isinstance(seen[-1], Ending)
    assert Message("from a transform", True) in seen


def test_a_block_that_is_left_ends_the_run_in_order(
    waiting: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, interruptions = subprocess.Popen.wait, [KeyboardInterrupt, KeyboardInterrupt]

    def interrupted(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if interruptions:
            raise interruptions.pop()
        return wait(process, timeout)

    with RunProcess(["-C", str(waiting.path)]) as run:
        next(event for event in run.events() if isinstance(event, TableFinished))
        monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    assert not interruptions
    assert waiting.files() == ["totals.csv"]
    assert cli("runs", "show", "last", "-o", "json").json["status"] == "cancelled"
    waiting.write("go", "")
    assert cli("run", "-o", "json").statuses == {"totals": "unchanged", "best": "materialized"}


def test_it_waits_for_another_run(waiting: ProjectFolder) -> None:
    waiting.write("go", "")
    with run_lock(waiting.path, "default"):
        run = RunProcess(["-C", str(waiting.path)])
        events = run.events()
        first = next(events)
    with run:
        last = list(events)[-1]
    assert isinstance(first, Message)
    assert "holds `default`" in first.text
    assert isinstance(last, Ending)


def test_options_in_the_environment_change_nothing(waiting: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    command = typer.main.get_command(app)
    context = typer.Context(command)
    run = command.get_command(context, "run")  # type: ignore[attr-defined]
    settable = {str(each.envvar) for each in run.params if each.envvar} | {"LAKEHOUSE_SELECTION"}
    assert settable == {f"LAKEHOUSE_{name}" for name in OPTIONS}
    for name, value in (("DRY_RUN", "1"), ("EXCLUDE", "totals"), ("ENV", "none"), ("OUTPUT", "json")):
        monkeypatch.setenv(f"LAKEHOUSE_{name}", value)
    with RunProcess(["-C", str(waiting.path), "totals"]) as process:
        last = list(process.events())[-1]
    assert isinstance(last, Ending)
    assert waiting.files() == ["totals.csv"]


def test_what_keeps_a_run_from_beginning_is_raised(waiting: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting.edit("lakehouse.yaml", "a: int64", "a: int46")
    with RunProcess(["-C", str(waiting.path)]) as run, pytest.raises(ProjectError) as raised:
        list(run.events())
    assert len(raised.value.problems) == 2
    assert "lakehouse.yaml:3:73: column `a` of table `best`: `int46` is not a column type (did you" in str(raised.value)
    # A process that ends without a word, while one that it started has its pipe.
    waiting.write(
        "stand_in.py",
        """
        import os, subprocess, sys
        subprocess.Popen(["sleep", "3"])
        sys.stderr.write("last words")
        sys.stderr.flush()
        os.abort()
        """,
    )
    monkeypatch.setattr(run_process, "_LOOK_S", 0.05)
    monkeypatch.setattr(subprocess, "Popen", _popen_of([sys.executable, "stand_in.py"]))
    with RunProcess([]) as run, pytest.raises(LakehouseError, match="ended by SIGABRT before it was done\nlast words"):
        list(run.events())


def _popen_of(command: list[str]) -> type[subprocess.Popen[bytes]]:
    class Popen(subprocess.Popen[bytes]):
        def __init__(self, _: object, **how: object) -> None:
            super().__init__(command, **how)  # type: ignore[call-overload]

    return Popen
