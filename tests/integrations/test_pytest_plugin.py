"""pytest's plugin: the tests of `lakehouse.yaml` among those of pytest, and frames of tables for tests of one's own."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest

from lakehouse_cli import Lakehouse, source_table
from lakehouse_cli.errors import ProjectError, UsageError
from lakehouse_cli.testing import assert_keeps_contract, frame
from tests.conftest import ProjectFolder

TABLES = """
orders: {kind: source, columns: {customer: string, amount: int64}}
totals:
  columns: {customer: string, total: int64}
  key: customer
  tests:
  - {name: adds up, given: {orders: [{customer: 007, amount: 2}, {customer: 007, amount: 3}]}, expect: [{total: 5}]}
  - {name: is wrong, given: {orders: [{customer: 007, amount: 2}]}, expect: [{customer: 7, total: 2}]}
"""
CODE = """
def totals(orders):
    return orders.groupby("customer").agg(total=("amount", "sum"))
"""
LEAN = """
import sys
def test_nothing_was_loaded():
    assert "lakehouse_cli.testing.pytest_plugin" in sys.modules
    loaded = {name for name in sys.modules if name.startswith(("lakehouse_cli.", "pyarrow", "pandas", "yaml"))}
    assert loaded <= {"lakehouse_cli." + each for each in ("version", "testing", "testing.pytest_plugin")}
"""


def pytest_of(folder: ProjectFolder, *arguments: str) -> str:
    plugin = ("-p", "no:lakehouse", "-p", "lakehouse_cli.testing.pytest_plugin", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder.path), *plugin, *arguments]
    done = subprocess.run(command, cwd=folder.path, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_project_file_is_collected_where_it_is_meant(folder: ProjectFolder) -> None:
    folder.write("tests/test_lean.py", LEAN)
    folder.write("tests/fixtures/lakehouse.yaml", "name: broken\ntables: 3\n")
    assert "1 passed" in pytest_of(folder)
    folder.declare(TABLES, CODE)
    text = pytest_of(folder, "--ignore=tests/test_lean.py")
    assert "1 failed, 1 passed" in text
    assert "FAILED lakehouse.yaml::totals::is wrong" in text
    assert "+  007           2" in text
    text = pytest_of(folder, "tests/fixtures/lakehouse.yaml", "lakehouse.yaml::totals::adds up")
    assert "1 error" in text  # pytest runs nothing where something cannot be collected
    assert "`tables` is a map" in text
    assert "lakehouse.yaml:2:9" in text
    assert "Traceback" not in text


def test_frames_have_the_declared_types(folder: ProjectFolder) -> None:
    folder.declare(
        't: {kind: source, columns: {id: string, day: date32, d: "decimal128(9, 2)", n: int64}}\nu: {kind: source}'
    )
    found = frame("t", [{"id": "007", "d": Decimal("1.50")}, {"day": dt.date(2024, 2, 29), "n": 2}])
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns) == ["id", "day", "d", "n"]
    assert found["n"].tolist()[1] == 2
    assert found["d"].tolist()[0] == Decimal("1.50")
    assert isinstance(frame("t", [], frame_type=pl.DataFrame), pl.DataFrame)
    assert frame("u", [{"a": 1}])["a"].tolist() == [1]
    with pytest.raises(ProjectError, match=r"`1.5` does not fit column `n`, which is int64"):
        frame("t", [{"n": 1.5}])
    with pytest.raises(ProjectError, match="no column `nn`"):
        frame("t", [{"nn": 1}])
    with pytest.raises(UsageError, match="no table `tt`"):
        frame("tt", [])


def test_contract_of_a_frame(folder: ProjectFolder) -> None:
    folder.declare(TABLES, CODE)
    assert_keeps_contract("totals", pd.DataFrame({"customer": ["a", "b"], "total": [1, 2]}))
    with pytest.raises(AssertionError, match="customer"):
        assert_keeps_contract("totals", pl.DataFrame({"customer": ["a", "a"], "total": [1, 2]}))
    with pytest.raises(AssertionError, match="total"):
        assert_keeps_contract("totals", pd.DataFrame({"customer": ["a"], "total": [1.5]}))
    with pytest.raises(AssertionError, match="list is no frame"):
        assert_keeps_contract("totals", [])


def test_frames_of_a_project_in_python(folder: ProjectFolder) -> None:
    project = Lakehouse([source_table("t", columns={"n": "int64"})]).project(folder=folder.path)
    assert frame("t", [{"n": "12"}], project=project)["n"].tolist() == [12]
