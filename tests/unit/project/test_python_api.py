"""`from lakehouse_cli import Project`, as notebooks and tests use it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import lakehouse_cli
from lakehouse_cli import Project
from lakehouse_cli.errors import MissingDataError, ProjectError, UsageError
from lakehouse_cli.runs.events import Event, RunFinished, RunStarted, TableFinished, TableStarted
from tests.conftest import ProjectFolder


def test_load_plan_run_read(project: ProjectFolder) -> None:
    loaded = Project.load(project.path)
    assert repr(loaded) == f"<Project 'small': 3 tables in {project.path}>"
    assert list(loaded.tables) == ["orders", "totals", "best"]
    assert [t.name for t in loaded.plan("totals").runs] == ["totals"]
    with pytest.raises(MissingDataError):
        loaded.read("totals")
    result = loaded.run()
    assert result.status == "success"
    assert result["totals"].rows == 2
    with pytest.raises(KeyError):
        result["orders"]
    frame = loaded.read("totals")
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"customer": ["007", "008"], "total": [6, 2]}))
    assert loaded.read_arrow("totals").num_rows == 2


def test_run_leaves_ctrl_c_to_its_caller(project: ProjectFolder) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert Project.load().run(executor="serial").status == "success"
    assert signal.getsignal(signal.SIGINT) is before


def test_load_finds_a_file_a_folder_or_the_nearest(project: ProjectFolder) -> None:
    for path in (None, ".", project.path / "lakehouse.yaml", str(project.path)):
        assert Project.load(path).name == "small"
    with pytest.raises(ProjectError, match=r"there is no lakehouse\.yaml in"):
        Project.load(project.path / "data")
    with pytest.raises(ProjectError, match="does not exist"):
        Project.load(project.path / "nowhere.yaml")


def test_unknown_names(project: ProjectFolder) -> None:
    loaded = Project.load()
    with pytest.raises(UsageError, match="there is no table `totl`"):
        loaded.read("totl")
    with pytest.raises(UsageError, match="there is no table `totl`"):
        loaded.run("totl")
    with pytest.raises(UsageError, match="there is no environment `prod`"):
        Project.load(env="prod")


def test_variables_come_from_the_mapping_given(project: ProjectFolder, tmp_path: Path) -> None:
    project.edit("lakehouse.yaml", "tables:", "storages:\n  default: {root: '${WHERE}'}\ntables:")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/orders.csv").write_text("customer,amount\na,1\n")
    loaded = Project.load(environ={"WHERE": str(tmp_path / "elsewhere")})
    result = loaded.run()
    assert result.status == "success"
    assert (tmp_path / "elsewhere/totals.csv").is_file()
    # What came from a variable is never shown.
    assert result["totals"].uri == "${WHERE}/totals.csv"


def test_events_report_all_that_happens(project: ProjectFolder) -> None:
    events: list[Event] = []
    result = Project.load().run(on_event=events.append)
    kinds = [type(event) for event in events]
    assert kinds == [RunStarted, TableStarted, TableFinished, TableStarted, TableFinished, RunFinished]
    assert events[-1] == RunFinished(result)


def test_two_projects_in_one_process_do_not_mix(project: ProjectFolder, tmp_path: Path) -> None:
    other = ProjectFolder(tmp_path / "other")
    other.path.mkdir()
    other.write("lakehouse.yaml", "name: other\nmodule: transforms\ntables:\n  totals: {}\n")
    other.write("transforms.py", "import pandas as pd\n\ndef totals():\n    return pd.DataFrame({'x': [1]})\n")
    first, second = Project.load(project.path), Project.load(other.path)
    assert first.run().status == second.run().status == first.run().status == "success"
    assert other.read("data/totals.csv") == "x\n1\n"
    assert project.read("data/totals.csv").startswith("customer,total\n")


def test_an_edited_module_is_read_again(project: ProjectFolder) -> None:
    loaded = Project.load()
    assert loaded.run()["best"].rows == 1
    project.edit("transforms.py", "nlargest(count,", "nlargest(count + 1,")
    assert loaded.run()["best"].rows == 2


def test_the_package_has_what_it_says() -> None:
    assert set(lakehouse_cli.__all__) <= set(dir(lakehouse_cli))
    for name in lakehouse_cli.__all__:
        assert getattr(lakehouse_cli, name)
    with pytest.raises(AttributeError):
        lakehouse_cli.nothing  # noqa: B018


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "threads"),
    [("a file", ""), ("stdin", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()")],
)
def test_script_is_not_run_again_by_its_processes(folder: ProjectFolder, how: str, threads: str) -> None:
    """Neither by those that a program with threads starts with, nor by one in place of one that died."""
    folder.declare(
        "{a: {}, b: {}}",
        """
        import os, sys
        import pandas as pd

        def a():
            os._exit(3)

        def b():
            return pd.DataFrame({"argument": [sys.argv[1]]})
        """,
    )
    script = folder.write(
        "script.py",
        f"""
        import threading, time
        from lakehouse_cli import Project
        {threads}
        result = Project.load(".").run(executor="processes", workers=1)
        print(*(f"{{table.name}} {{table.status}}" for table in result.tables))
        """,
    )
    argv, given = ([str(script)], "") if how == "a file" else (["-"], script.read_text())
    command = [sys.executable, *argv, "argument"]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("a failed b materialized\n", "")
    assert folder.read("data/b.csv") == "argument\nargument\n"
