"""`lakehouse run --watch`: what is edited is run again, and what is broken meanwhile is reported and waited for."""

from __future__ import annotations

import pytest

from tests.cli.running import running, until
from tests.conftest import ProjectFolder

WATCHING = "watching for changes; Ctrl-C ends\n"


def edit(folder: ProjectFolder, name: str, before: str, after: str) -> None:
    text = folder.read(name)
    assert before in text
    folder.write(name, text.replace(before, after, 1))


@pytest.mark.slow
def test_every_edit_is_run_and_ctrl_c_ends(project: ProjectFolder) -> None:
    with running(project.path, "run", "--watch") as run:
        assert "2 materialized in" in run.says(WATCHING)
        assert project.read("data/best.csv") == "customer,total\n007,6\n"

        # The module: of the same length, as edits of a digit are.
        edit(project, "transforms.py", '"sum"', '"max"')
        assert run.says("changed: transforms.py\n") == ""
        said = run.says(WATCHING)
        assert "`totals` changed (transforms.py)" in said
        assert "2 materialized in" in said
        assert project.read("data/best.csv") == "customer,total\n007,5\n"

        # The project file.
        edit(project, "lakehouse.yaml", "count: 1", "count: 2")
        assert run.says("changed: lakehouse.yaml\n") == ""
        said = run.says(WATCHING)
        assert "param `count`: 1 → 2" in said
        assert "1 materialized, 1 unchanged in" in said
        assert project.read("data/best.csv") == "customer,total\n007,5\n008,2\n"

        # A source.
        project.write("data/orders.csv", "customer,amount\n007,5\n008,9\n")
        assert run.says("changed: data/orders.csv\n") == ""
        assert "`orders` changed" in run.says(WATCHING)
        assert project.read("data/best.csv") == "customer,total\n008,9\n007,5\n"

        # A module that cannot be read is reported with its line, and stored tables stay as they are.
        edit(project, "transforms.py", "def best(totals, count):", "def best(totals, count:")
        assert run.says("changed: transforms.py\n") == ""
        assert "materialized" not in run.says(WATCHING)
        run.reports("transforms.py:8")
        run.reports("nothing ran")
        assert project.read("data/best.csv") == "customer,total\n008,9\n007,5\n"

        # Fixed, and changed.
        edit(project, "transforms.py", "def best(totals, count:", "def best(totals, count):")
        edit(project, "transforms.py", "nlargest", "nsmallest")
        assert run.says("changed: transforms.py\n") == ""
        assert "1 materialized, 1 unchanged in" in run.says(WATCHING)
        assert project.read("data/best.csv") == "customer,total\n007,5\n008,9\n"

        run.interrupt()
        assert run.ends() == 130
        # What the runs themselves wrote started none.
        assert run.out.count(WATCHING) == 6
        assert "Traceback" not in run.out + run.err


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_transform_that_fails_and_a_helper_module(project: ProjectFolder, executor: str) -> None:
    project.write("adding.py", "def of(values):\n    return values.sm()\n")
    edit(project, "transforms.py", "import pandas as pd", "import adding\nimport pandas as pd")
    edit(project, "transforms.py", '"sum"', "adding.of")
    edit(project, "transforms.py", '("amount", adding.of)', '("amount", lambda values: adding.of(values))')
    with running(project.path, "run", "--watch", "--executor", executor) as run:
        assert "1 failed, 1 skipped in" in run.says(WATCHING)
        run.reports("adding.py:2 in of\n      return values.sm()\n")
        edit(project, "adding.py", "sm()", "mx()")
        assert run.says("changed: adding.py\n") == ""
        assert "1 failed, 1 skipped in" in run.says(WATCHING)
        # The line as it is now.
        run.reports("adding.py:2 in of\n      return values.mx()\n")
        edit(project, "adding.py", "mx()", "sum()")
        assert run.says("changed: adding.py\n") == ""
        assert "2 materialized in" in run.says(WATCHING)
        edit(project, "adding.py", "sum()", "max()")
        run.says("changed: adding.py\n")
        assert "2 materialized in" in run.says(WATCHING)
        assert project.read("data/best.csv") == "customer,total\n007,5\n"


@pytest.mark.slow
def test_watch_waits_for_a_valid_project(project: ProjectFolder) -> None:
    # One above must not be taken for it while it is away.
    (project.path.parent / "lakehouse.yaml").write_text("name: another\ntables: {}\n")
    edit(project, "lakehouse.yaml", "tables:", "tabels:")
    with running(project.path, "run", "--watch") as run:
        assert run.says(WATCHING) == ""
        run.reports("did you mean `tables`?")
        edit(project, "lakehouse.yaml", "tabels:", "tables:")
        assert run.says("changed: lakehouse.yaml\n") == ""
        assert "2 materialized in" in run.says(WATCHING)

        (project.path / "lakehouse.yaml").rename(project.path / "aside")
        assert run.says("changed: lakehouse.yaml\n") == ""
        assert "another" not in run.says(WATCHING)
        run.reports("lakehouse.yaml does not exist")
        (project.path / "aside").rename(project.path / "lakehouse.yaml")
        assert run.says("changed: lakehouse.yaml\n") == ""
        assert "2 unchanged in" in run.says(WATCHING)


def test_ctrl_c_in_a_run_ends_the_watching_too(project: ProjectFolder) -> None:
    edit(project, "transforms.py", "import pandas as pd", "import pathlib, time\nimport pandas as pd")
    edit(
        project,
        "transforms.py",
        "    return orders",
        "    pathlib.Path('begun').touch()\n    while not pathlib.Path('go').exists():\n"
        "        time.sleep(0.01)\n    return orders",
    )
    with running(project.path, "run", "--watch") as run:
        until((project.path / "begun").exists, "the first table")
        run.interrupt()
        run.says("stopping")
        (project.path / "go").touch()
        assert run.ends() == 130
        assert "interrupted: 1 materialized, 1 cancelled in" in run.out
        assert WATCHING not in run.out


def test_watching_and_one_document_exclude_each_other(project: ProjectFolder) -> None:
    with running(project.path, "run", "--watch", "-o", "json") as run:
        assert run.ends() == 2
        assert "one document cannot hold the runs of --watch" in run.out


@pytest.mark.slow
def test_a_module_that_cannot_be_read_is_waited_for(project: ProjectFolder) -> None:
    project.write("sizes.py", "K = 1\n")
    edit(project, "transforms.py", "def best(totals, count):", "import sizes\ndef best(totals, count, more=sizes.K):")
    with running(project.path, "run", "--watch") as run:
        assert "2 materialized in" in run.says(WATCHING)
        project.write("sizes.py", "K = (\n")
        assert run.says("changed: sizes.py\n") == ""
        assert "materialized" not in run.says(WATCHING)
        run.reports("syntax error in sizes.py")
        run.reports("sizes.py:1:5")
        project.write("sizes.py", "K = 2\n")
        assert run.says("changed: sizes.py\n") == ""
        assert "constant `K` changed (sizes.py)" in run.says(WATCHING)
        run.interrupt()
        assert run.ends() == 130
        assert "Traceback" not in run.out + run.err
