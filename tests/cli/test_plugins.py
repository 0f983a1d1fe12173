"""Formats, serializers, frame types, executors and reporters of a package, found by its entry points."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ProjectFolder

ROOT = Path(__file__).parent.parent.parent
DISTRIBUTION = ROOT / "tests" / "distributions" / "lakehouse-annex"
PROJECT = """
name: annexed
module: transforms
storages: {default: {root: data, format: crate, options: {level: 9}}}
execution: {executor: logged}
tables:
  numbers: {columns: {n: int64, t: string}}
  doubled: {columns: {n: int64}}
  words: {format: labels}
"""
TRANSFORMS = """
from lakehouse_annex import Rows

def numbers() -> Rows:
    return Rows([{"n": 1, "t": "a"}, {"n": None, "t": ""}])

def doubled(numbers: Rows):
    return Rows([{"n": row["n"] and 2 * row["n"]} for row in numbers])

def words(numbers: Rows) -> set:
    return {row["t"] for row in numbers} | {"b"}
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """The distribution as it is where it is installed: its package, and the metadata of its entry points."""
    folder = tmp_path / "packages"
    shutil.copytree(DISTRIBUTION / "lakehouse_annex", folder / "lakehouse_annex")
    project = tomllib.loads((DISTRIBUTION / "pyproject.toml").read_text())["project"]
    info = folder / f"lakehouse_annex-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {target}" for name, target in points.items())])
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups) + "\n")
    return folder


@pytest.fixture
def annexed(folder: ProjectFolder) -> ProjectFolder:
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", TRANSFORMS)
    return folder


def lakehouse(project: ProjectFolder, packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": f"{packages}:{ROOT}", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "lakehouse_cli", *arguments]
    return subprocess.run(command, cwd=project.path, env=env, capture_output=True, text=True, check=False)


def test_a_run_with_all_that_a_package_brings(annexed: ProjectFolder, packages: Path) -> None:
    done = lakehouse(annexed, packages, "run", "--reporter", "tally")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (annexed.path / "data").glob("*")) == [
        ".lakehouse",
        "doubled.crate",
        "numbers.crate",
        "words.labels",
    ]
    assert annexed.read("data/words.labels") == "\na\nb\n"
    assert annexed.read("annex.log") == "computed\n" * 3
    assert "TableFinished 3\n" in annexed.read("tally.txt")
    shown = json.loads(lakehouse(annexed, packages, "show", "doubled", "-o", "json").stdout)
    assert shown["rows"] == [{"n": 2}, {"n": None}]
    assert "3 unchanged" in lakehouse(annexed, packages, "run").stdout


def test_schema_knows_the_names(annexed: ProjectFolder, packages: Path) -> None:
    schema = lakehouse(annexed, packages, "schema").stdout
    assert '"crate"' in schema
    assert '"labels"' in schema
    assert '"logged"' in schema
    assert '"crate"' not in lakehouse(annexed, annexed.path, "schema").stdout


@pytest.mark.parametrize(
    ("wrong", "message", "hint"),
    [
        ("format: crate", "format: crat", "did you mean `crate`?"),
        ("format: crate", "format: sealed", "format sealed is read-only"),
        ("executor: logged", "executor: loged", "did you mean `logged`?"),
        ("{level: 9}", "{level: -1}", "`level`"),
        ("{level: 9}", "{levl: 9}", "did you mean `level`?"),
    ],
)
def test_wrong_names_are_reported(annexed: ProjectFolder, packages: Path, wrong: str, message: str, hint: str) -> None:
    annexed.write("lakehouse.yaml", PROJECT.replace(wrong, message))
    done = lakehouse(annexed, packages, "validate")
    assert done.returncode == 3
    assert hint in done.stderr


def test_names_are_unknown_without_the_package(annexed: ProjectFolder) -> None:
    done = lakehouse(annexed, annexed.path, "validate")
    assert done.returncode == 3
    assert "`crate`" in done.stderr
    assert "`logged`" in done.stderr


def test_unknown_executor_and_reporter_of_the_command_line(annexed: ProjectFolder, packages: Path) -> None:
    done = lakehouse(annexed, packages, "run", "--executor", "loged")
    assert (done.returncode, "did you mean `logged`?" in done.stderr) == (2, True)
    done = lakehouse(annexed, packages, "run", "--reporter", "taly")
    assert done.returncode == 2
    assert "there is no reporter `taly`" in done.stderr
    assert "did you mean `tally`?" in done.stderr
    assert not (annexed.path / "data").exists()


def test_a_reporter_that_fails_does_not_fail_the_run(annexed: ProjectFolder, packages: Path) -> None:
    done = lakehouse(annexed, packages, "run", "--reporter", "broken")
    assert done.returncode == 0
    assert done.stderr == "note: reporter `broken` failed: ConnectionError: nobody listens\n"
    assert "3 materialized" in done.stdout


@pytest.mark.parametrize("group", ["formats", "executors"])
def test_what_cannot_be_imported_is_reported(annexed: ProjectFolder, packages: Path, group: str) -> None:
    name = {"formats": "spec", "executors": "executor"}[group]
    (packages / "lakehouse_annex" / f"{name}.py").write_text("import nonesuch\n")
    done = lakehouse(annexed, packages, "run")
    assert done.returncode == 1
    assert f"of `lakehouse.{group}` cannot be imported: ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_entry_point_that_is_something_else_is_reported(annexed: ProjectFolder, packages: Path) -> None:
    points = next(packages.glob("*.dist-info")) / "entry_points.txt"
    text = points.read_text()
    points.write_text(text.replace("executor:LoggedExecutor", "rows:Rows"))
    done = lakehouse(annexed, packages, "run")
    assert "`logged` of `lakehouse.executors` is not a subclass of `Executor`" in done.stderr
    points.write_text(text.replace("spec:CRATE", "spec:CrateOptions"))
    done = lakehouse(annexed, packages, "run")
    assert "`crate` of `lakehouse.formats` is not a `FormatSpec`" in done.stderr


def test_the_packages_own_tests_pass(packages: Path) -> None:
    """Those of its frame type and its executor are the suites."""
    env = {**os.environ, "PYTHONPATH": f"{packages}:{ROOT}", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", DISTRIBUTION / "tests"]
    done = subprocess.run(command, cwd=packages, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
