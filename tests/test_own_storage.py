"""Storages of one's own: docs/own-storage.md as it stands, and a package of a storage installed beside the wheel."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_examples import Installed, build_and_install, installed, make_environment

__all__ = ["installed"]

ROOT = Path(__file__).parent.parent
DOCS = (ROOT / "docs" / "own-storage.md").read_text("utf-8")
DISTRIBUTION = ROOT / "tests" / "distributions" / "lakehouse-attic"
FILES = re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)
SESSIONS = re.findall(r"^```console\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)


def test_the_documented_storage_is_a_dozen_lines_or_two() -> None:
    source = dict(FILES)["stores.py"]
    body = source[source.index("    def ask") :]
    assert len([line for line in body.splitlines() if line.strip()]) <= 24


@pytest.mark.slow
def test_what_the_documentation_shows_is_what_happens(tmp_path: Path) -> None:
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, module in (("lakehouse", "-m lakehouse_cli"), ("python", "")):
        script = bin_folder / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        script.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{tmp_path}",
        "PYTHONWARNINGS": "error",
        "NO_COLOR": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:xdist",
    }
    assert len(SESSIONS) == 2
    for session in SESSIONS:
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
            done = subprocess.run(
                ["sh", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
            )
            shown = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
            assert re.sub(r"\d\.\d\d s", "0.00 s", shown) == expected, done.stdout + done.stderr


def test_failed_conformance_shows_the_values(tmp_path: Path) -> None:
    """To an author whose tests import the suite from elsewhere."""
    (tmp_path / "test_mine.py").write_text(
        "import pytest\n"
        "from lakehouse_cli.storage.keyed.memory import MemoryStorage\n"
        "from lakehouse_cli.testing.storage import StorageConformance, storage_of\n\n\n"
        "class Nowhere(MemoryStorage):\n"
        "    def uri(self, table):\n        return 'nowhere'\n\n\n"
        "class TestMine(StorageConformance):\n"
        "    @pytest.fixture\n    def storage(self):\n        return storage_of(Nowhere)\n\n"
        "    def put(self, storage, declared, data): ...\n"
        "    def get(self, storage, declared): ...\n"
        "    def break_writing(self, storage, monkeypatch): ...\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "test_paths"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "AssertionError: assert 'with space' in 'nowhere'" in done.stdout


@pytest.fixture(scope="module")
def beside(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment with the wheel, and beside it that of the distribution."""
    folder = tmp_path_factory.mktemp("own") / "installed"
    make_environment(folder, installed.folder)
    shutil.copy(installed.folder / "bin" / "lakehouse", folder / "bin")
    script = folder / "bin" / "lakehouse"
    script.write_text(script.read_text().replace(str(installed.folder), str(folder)))
    ignored = shutil.ignore_patterns("__pycache__")
    build_and_install(folder, shutil.copytree(DISTRIBUTION, folder.parent / "attic", ignore=ignored))
    return Installed(folder)


@pytest.mark.slow
def test_a_storage_of_a_package(beside: Installed, tmp_path: Path) -> None:
    (tmp_path / "lakehouse.yaml").write_text(
        "name: packed\nmodule: transforms\n"
        "storages: {default: {type: attic, root: attic, format: csv, options: {label: box, null_values: [NA]}}}\n"
        "execution: {executor: processes}\n"
        "tables:\n  numbers: {columns: {n: int64}}\n  doubled: {columns: {n: int64}}\n"
    )
    (tmp_path / "transforms.py").write_text(
        "import pandas as pd\n\n\ndef numbers():\n    return pd.DataFrame({'n': [1, None, 3]})\n\n\n"
        "def doubled(numbers):\n    return numbers * 2\n"
    )
    beside.lakehouse("run", cwd=tmp_path)
    assert sorted(file.name for file in (tmp_path / "attic").iterdir()) == [
        "box-.lakehouse%2Fmanifests%2Fdoubled.json",
        "box-.lakehouse%2Fmanifests%2Fnumbers.json",
        "box-doubled.csv",
        "box-numbers.csv",
    ]
    shown = json.loads(beside.lakehouse("show", "doubled", "-o", "json", cwd=tmp_path))
    assert shown["rows"] == [{"n": 2}, {"n": None}, {"n": 6}]
    assert "2 unchanged" in beside.lakehouse("run", cwd=tmp_path)
    (tmp_path / "lakehouse.yaml").write_text("name: p\nstorages: {default: {type: atic}}\ntables: {}\n")
    done = beside.run([str(beside.folder / "bin" / "lakehouse"), "validate"], tmp_path)
    assert done.returncode == 3
    assert "did you mean `attic`?" in done.stderr


@pytest.mark.slow
def test_its_own_tests_pass_where_it_is_installed(beside: Installed, tmp_path: Path) -> None:
    tests = shutil.copytree(DISTRIBUTION / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    command = [str(beside.folder / "bin" / "pytest"), "-q", "-p", "no:cacheprovider", str(tests)]
    done = beside.run(command, tmp_path)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
