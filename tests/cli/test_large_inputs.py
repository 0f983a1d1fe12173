"""Transforms of large tables in memory: one after the other, unless that takes long."""

from __future__ import annotations

import pytest

from lakehouse_cli.runner import large_inputs
from tests.conftest import Cli, ProjectFolder

PROJECT = """
name: large
module: transforms
tables:
  given: {kind: source, columns: {n: int64}}
  one: {columns: {together: bool}}
  other: {columns: {together: bool}}
"""
TRANSFORMS = """
import threading

import pandas as pd

both = threading.Barrier(2, timeout=SECONDS)


def computed(given):
    try:
        both.wait()
    except threading.BrokenBarrierError:
        return pd.DataFrame({"together": [False]})
    return pd.DataFrame({"together": [True]})


def one(given: pd.DataFrame) -> pd.DataFrame:
    return computed(given)


def other(given: pd.DataFrame) -> pd.DataFrame:
    return computed(given)
"""


@pytest.mark.parametrize(
    ("large", "per_second", "seconds", "together"),
    [(1, 0.01, 0.3, "false"), (1, 1e9, 30, "true"), (1 << 28, 0.01, 30, "true")],
    ids=["large", "large-and-slow", "small"],
)
def test_transforms_wait_for_each_other(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch,
    large: int, per_second: float, seconds: float, together: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(large_inputs, "_LARGE", large)
    monkeypatch.setattr(large_inputs, "_PER_SECOND", per_second)
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", TRANSFORMS.replace("SECONDS", str(seconds)))
    folder.write("data/given.csv", "n\n1\n2\n")
    assert cli("run", "--workers", "2").code == 0
    assert [folder.read(f"data/{name}.csv").split() for name in ("one", "other")] == [["together", together]] * 2
