"""`lakehouse clean`: what it finds, what it leaves alone, and that it asks."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import sys
from pathlib import Path

import pytest

from lakehouse_cli import Project
from lakehouse_cli.runs.lock import run_lock
from tests.cli.running import on_a_terminal
from tests.cli.test_what_is_loaded import SLOW, loaded
from tests.conftest import Cli, ProjectFolder
from tests.preloaded import Preloaded

ASIDE = "data/.totals.csv.4711-0.lakehouse-tmp"


@pytest.fixture
def stale(project: ProjectFolder, cli: Cli) -> ProjectFolder:
    """A project that has run, and of which `best` was then renamed; a killed run left something as well."""
    assert cli("run").code == 0
    project.edit("lakehouse.yaml", "  best:", "  finest:\n    function: best")
    project.write(ASIDE, "half")
    return project


def everything(folder: ProjectFolder) -> list[str]:
    """Every file under `data`."""
    root = folder.path / "data"
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if not p.is_dir())


BEFORE = [
    ".lakehouse/manifests/best.json",
    ".lakehouse/manifests/totals.json",
    ".totals.csv.4711-0.lakehouse-tmp",
    "best.csv",
    "orders.csv",
    "totals.csv",
]
AFTER = [".lakehouse/manifests/totals.json", "orders.csv", "totals.csv"]


def test_nothing_to_clean(project: ProjectFolder, cli: Cli) -> None:
    assert (cli("clean").code, cli("clean").out) == (0, "nothing to clean\n")
    cli("run")
    assert cli("clean", "--yes").out == "nothing to clean\n"
    assert cli("clean", "-o", "json").json["found"] == []


def test_without_a_terminal_it_lists_and_removes_nothing(stale: ProjectFolder, cli: Cli) -> None:
    ran = cli("clean")
    assert ran.code == 1
    assert "data/best.csv" in ran.out
    assert f"{(stale.path / 'data/best.csv').stat().st_size} B" in ran.out
    assert "`best`: not declared" in ran.out
    assert f"{ASIDE}   4 B" in ran.out
    assert ran.err == "nothing was removed: 2 things to remove; `--yes` removes them\n"
    assert everything(stale) == BEFORE


def test_dry_run_lists_and_is_no_failure(stale: ProjectFolder, cli: Cli) -> None:
    ran = cli("clean", "--dry-run", "--yes")
    assert ran.code == 0
    assert "data/best.csv" in ran.out
    assert everything(stale) == BEFORE


def test_yes_removes_what_is_listed_and_nothing_else(stale: ProjectFolder, cli: Cli) -> None:
    stale.write("data/mine.csv", "a\n1\n")
    ran = cli("clean", "--yes")
    assert ran.code == 0
    assert "removed 2 things" in ran.out
    assert everything(stale) == sorted([*AFTER, "mine.csv"])
    assert cli("clean", "--yes").out == "nothing to clean\n"
    assert cli("run").code == 0


def test_json(stale: ProjectFolder, cli: Cli) -> None:
    listed = cli("clean", "-o", "json")
    assert listed.code == 1
    assert listed.json["removed"] == 0
    assert {found["kind"] for found in listed.json["found"]} == {"unfinished", "undeclared"}
    size = (stale.path / "data/best.csv").stat().st_size
    ran = cli("clean", "-o", "json", "--yes")
    assert ran.code == 0
    document = ran.json
    assert (document["project"], document["environment"]) == ("small", "default")
    assert (document["removed"], document["bytes"]) == (2, size + 4)
    best = document["found"][1]
    modified = best.pop("modified_at")
    assert modified.startswith("20")
    assert best == {
        "kind": "undeclared",
        "storage": "default",
        "table": "best",
        "uri": "data/best.csv",
        "bytes": size,
        "removed": True,
        "note": None,
    }


@pytest.mark.parametrize(
    ("answer", "code", "left"), [("y\n", 0, AFTER), ("n\n", 1, BEFORE), ("\n", 1, BEFORE), ("\x04", 1, BEFORE)]
)
def test_on_a_terminal_it_asks(stale: ProjectFolder, answer: str, code: int, left: list[str]) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", "from lakehouse_cli.cli.main import main; main()", "clean"]
    process = Preloaded(command, stdin=follower, stdout=follower, stderr=follower, cwd=stale.path)
    os.close(follower)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(leader, 1000)
    assert everything(stale) == BEFORE
    assert b"remove 2 things (" in seen
    os.write(leader, answer.encode())
    assert process.wait(timeout=10) == code
    os.close(leader)
    assert everything(stale) == left


def test_one_removed_thing_is_counted_in_the_singular(stale: ProjectFolder, cli: Cli) -> None:
    (stale.path / ASIDE).unlink()
    assert cli("clean").err == "nothing was removed: 1 thing to remove; `--yes` removes it\n"


def test_outside_modification_is_listed_and_kept(stale: ProjectFolder, cli: Cli) -> None:
    text = stale.read("data/best.csv")
    stale.write("data/best.csv", text.replace("007", "008"))
    ran = cli("clean", "--yes")
    assert ran.code == 0
    assert "`best`: stays: it was altered after the run that stored it" in ran.out
    assert everything(stale) == [name for name in BEFORE if "tmp" not in name]
    [found] = cli("clean", "-o", "json").json["found"]
    assert (found["uri"], found["bytes"]) == ("data/best.csv", len(text))
    assert found["note"].startswith("data/best.csv was altered")


@pytest.mark.parametrize("total", range(1, 9))
def test_edit_of_the_same_size_is_kept(stale: ProjectFolder, cli: Cli, total: int) -> None:
    """Whatever its hash is: totals that were edited are the user's."""
    edited = stale.read("data/best.csv").replace("6", f"{total + (total >= 6)}")
    stale.write("data/best.csv", edited)
    ran = cli("clean", "--yes")
    assert ran.code == 0
    assert "`best`: stays: it was altered after the run that stored it" in ran.out
    assert stale.read("data/best.csv") == edited


def test_narrow_terminal_shows_the_whole_reason(stale: ProjectFolder) -> None:
    stale.add("data/best.csv", "009,1\n")
    for width in (80, 40):
        lines = on_a_terminal(stale.path, "clean", "--dry-run", width=width)
        assert "`best`: stays: it was altered after the run that stored it" in shown_last(lines)
        assert all(len(line) <= width for line in lines)


def shown_last(lines: list[str]) -> str:
    """The text of the last column of a table, of a row that goes on in several lines."""
    begin = lines[0].index("what")
    return " ".join(" ".join(line[begin:] for line in lines).split())


def test_unreadable_manifest_is_reported_and_stays(stale: ProjectFolder, cli: Cli) -> None:
    for text in ("{}", "nonsense", '{"format": 999}', "[]"):
        stale.write("data/.lakehouse/manifests/best.json", text)
        ran = cli("clean", "--yes")
        assert ran.code == 0
        assert "stays: its manifest cannot be read" in ran.out
        assert "best.csv" in everything(stale)


def test_a_manifest_whose_data_are_gone_is_removed(stale: ProjectFolder, cli: Cli) -> None:
    (stale.path / "data/best.csv").unlink()
    assert cli("clean", "--yes").code == 0
    assert everything(stale) == AFTER


def test_data_of_an_unknown_ending_stay(stale: ProjectFolder, cli: Cli) -> None:
    (stale.path / "data/best.csv").rename(stale.path / "data/best.txt")
    ran = cli("clean", "--yes")
    assert "its data may be data/best.txt" in ran.out
    assert "best.txt" in everything(stale)
    assert ".lakehouse/manifests/best.json" in everything(stale)


def test_a_file_somebody_is_writing_is_not_listed(stale: ProjectFolder, cli: Cli) -> None:
    with (stale.path / ASIDE).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ran = cli("clean", "--yes")
    assert ASIDE not in ran.out
    assert (stale.path / ASIDE).exists()


def test_names_that_only_look_like_ours_stay(project: ProjectFolder, cli: Cli) -> None:
    for name in (".lakehouse-tmp", "totals.4711-0.lakehouse-tmp", ".totals.csv.x-0.lakehouse-tmp"):
        project.write(f"data/{name}", "mine")
    (project.path / "data/.d.1-1.lakehouse-tmp").mkdir()
    project.write("data/.git/.totals.csv.4711-0.lakehouse-tmp", "of a hidden folder")
    assert cli("clean", "--yes").out == "nothing to clean\n"


def test_what_another_project_stored_stays(stale: ProjectFolder, cli: Cli) -> None:
    text = stale.read("lakehouse.yaml").replace("name: small", "name: other")
    stale.write("lakehouse.yaml", text)
    (stale.path / ASIDE).unlink()
    ran = cli("clean", "--yes")
    assert ran.code == 0
    assert "`best`: stays: project `small` stored it" in ran.out
    assert cli("clean", "-o", "json").json["found"][0]["note"] == "project `small` stored it"
    assert "best.csv" in everything(stale)
    stale.write("lakehouse.yaml", text.replace("name: other", "name: small"))
    assert cli("clean", "--yes").code == 0
    assert everything(stale) == AFTER


@pytest.mark.parametrize("where", ["data", "folder", "manifests", "manifest", "aside"])
def test_links_are_not_followed(stale: ProjectFolder, cli: Cli, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    data = stale.path / "data"
    outside.mkdir()
    (data / ASIDE.removeprefix("data/")).unlink()
    moved = {
        "data": data / "best.csv",
        "manifests": data / ".lakehouse/manifests",
        "manifest": data / ".lakehouse/manifests/best.json",
    }.get(where)
    if moved is not None:
        moved.rename(outside / moved.name)
        moved.symlink_to(outside / moved.name)
    elif where == "folder":
        (outside / "sub").mkdir()
        (data / "best.csv").rename(outside / "sub/best.csv")
        (data / "sub").symlink_to(outside / "sub")
        (data / ".lakehouse/manifests/sub").mkdir()
        (data / ".lakehouse/manifests/best.json").rename(data / ".lakehouse/manifests/sub/best.json")
    else:
        (outside / ASIDE.removeprefix("data/")).write_text("half")
        (data / "link").symlink_to(outside)
        cli("clean", "--yes")
    before = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if "locks" not in p.as_posix())
    cli("clean", "--yes")
    after = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if "locks" not in p.as_posix())
    assert before == after


def test_declared_table_of_the_same_name_stays(stale: ProjectFolder, cli: Cli) -> None:
    """A second storage whose root lies in the first one's, and a table that is now a source there."""
    text = stale.read("lakehouse.yaml")
    nested = "storages:\n  default: {root: .}\n  inner: {root: data}\n"
    tables = text.replace("module: transforms\n", f"module: transforms\n{nested}").replace(
        "  finest:\n    function: best", "  best:\n    storage: inner"
    )
    stale.write("lakehouse.yaml", tables.replace("  orders:", "  orders:\n    path: data/orders"))
    assert cli("validate").code == 0
    manifest = json.loads(stale.read("data/.lakehouse/manifests/best.json"))
    stale.write(".lakehouse/manifests/data/best.json", json.dumps(manifest))
    found = {found["uri"]: found for found in cli("clean", "-o", "json", "--yes").json["found"]}
    assert found[".lakehouse/manifests/data/best.json"]["note"] == "data/best.csv belongs to a declared table now"
    assert "best.csv" in everything(stale)
    assert "orders.csv" in everything(stale)


def test_a_file_that_changed_since_it_was_listed_stays(stale: ProjectFolder) -> None:
    project = Project.load(stale.path)
    found = project.leftovers()
    assert [stray.keep for stray in found] == [None, None]
    stale.write("data/best.csv", "mine now\n")
    after = project.clean(found)
    assert {stray.uri: stray.keep for stray in after}["data/best.csv"] == "it changed since it was listed"
    assert "best.csv" in everything(stale)
    assert ".lakehouse/manifests/best.json" in everything(stale)


def test_nothing_is_removed_while_a_run_goes_on(stale: ProjectFolder, cli: Cli) -> None:
    with run_lock(stale.path, "default"):
        assert cli("clean", "--dry-run").code == 0
        ran = cli("clean", "--yes")
    assert ran.code == 1
    assert "error: another run (pid " in ran.err
    assert "nothing is removed while a run goes on" in ran.err
    assert everything(stale) == BEFORE


def test_nothing_slow_is_loaded(stale: ProjectFolder) -> None:
    for argv in (["clean", "--dry-run"], ["clean", "--yes"]):
        assert loaded(*argv) & SLOW == set()


def test_failed_rows_of_killed_runs_are_removed(project: ProjectFolder, cli: Cli) -> None:
    mine, others = (f".lakehouse/failed/new@{name}@20260101-000000-abcd@x" for name in ("default", "d@v"))
    for name in (mine, others, ".lakehouse/failed/new@mine"):
        project.write(name, "rows")
    with run_lock(project.path, "default"):
        assert [each["uri"] for each in cli("clean", "--dry-run", "-o", "json").json["found"]] == [others]
    (first, second) = cli("clean", "--dry-run", "-o", "json").json["found"]
    assert (first["kind"], first["storage"], first["uri"], second["uri"]) == ("unfinished", None, others, mine)
    assert "left half-written by a run" in cli("clean", "--dry-run").out
    assert cli("clean", "--yes").out.endswith("removed 2 things, 8 B\n")
    assert [path.name for path in (project.path / ".lakehouse/failed").iterdir()] == ["new@mine"]
    project.write(mine, "rows")
    assert [each.uri for each in Project.load(project.path).clean()] == [mine]
    assert not (project.path / mine).exists()
