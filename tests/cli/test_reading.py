"""How an input is read decides what is computed from it, as much as its bytes do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.test_incremental import reasons, statuses
from tests.conftest import Cli, ProjectFolder

OTHER_OPTIONS = "option `null_values` changed"


@pytest.fixture
def measured(folder: ProjectFolder, cli: Cli) -> ProjectFolder:
    """A source of texts and numbers in a storage of its own, and the texts of what is read."""
    folder.write(
        "lakehouse.yaml",
        """
        name: measured
        module: transforms
        storages:
          raw: {root: raw, options: {null_values: [""]}}
        tables:
          s:
            kind: source
            storage: raw
            columns:
              k: string
              v: float64
          seen: {columns: {columns: string, nulls: int64, first: string}}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pandas as pd

        def seen(s):
            nulls = [int(s.isna().sum().sum())]
            return pd.DataFrame({"columns": [",".join(s.columns)], "nulls": nulls, "first": [str(s["v"].iloc[0])]})
        """,
    )
    folder.write("raw/s.csv", "k,v,w\nM,1,2\nx,2,3\n")
    assert cli("run").code == 0
    return folder


@pytest.mark.parametrize(
    ("before", "after", "why", "content"),
    [
        ('null_values: [""]', 'null_values: ["", M]', OTHER_OPTIONS, '"k,v",1,1.0'),
        ("kind: source\n", "kind: source\n    options: {null_values: [x]}\n", OTHER_OPTIONS, '"k,v",1,1.0'),
        ("v: float64", "v: string", "column `v` float64 → string", '"k,v",0,1'),
        ("v: float64", "v: float64\n      w: int64", "column `w` added", '"k,v,w",0,1.0'),
    ],
)
def test_a_source_that_is_read_otherwise(
    measured: ProjectFolder, cli: Cli, before: str, after: str, why: str, content: str
) -> None:
    measured.edit("lakehouse.yaml", before, after)
    assert reasons(cli) == {"seen": [("input_changed", f"`s` is read differently now ({why})")]}
    assert statuses(cli) == {"seen": "materialized"}
    assert measured.read("data/seen.csv").splitlines()[1] == content
    assert reasons(cli) == {}


def test_columns_and_options_at_once(measured: ProjectFolder, cli: Cli) -> None:
    measured.edit("lakehouse.yaml", 'null_values: [""]', 'null_values: ["", M]')
    measured.edit("lakehouse.yaml", "v: float64", "v: int64")
    [(_, message)] = reasons(cli)["seen"]
    assert message == "`s` is read differently now (column `v` float64 → int64, option `null_values` changed)"


def test_columns_that_are_declared_no_more(measured: ProjectFolder, cli: Cli) -> None:
    measured.edit("lakehouse.yaml", "    columns:\n      k: string\n      v: float64\n", "")
    [(_, message)] = reasons(cli)["seen"]
    assert message == "`s` is read differently now (no columns are declared any more)"


def test_wide_source_reports_changed_columns(measured: ProjectFolder, cli: Cli) -> None:
    names = [f"a_rather_long_name_{i}" for i in range(400)]
    measured.write("raw/s.csv", f"k,v,{','.join(names)}\nM,1{',1' * 400}\n")
    declared = "".join(f"\n      {name}: int64" for name in names)
    measured.edit("lakehouse.yaml", "v: float64", f"v: float64{declared}")
    assert cli("run").code == 0
    measured.edit("lakehouse.yaml", f"{names[7]}: int64", f"{names[7]}: string")
    assert reasons(cli)["seen"] == [("input_changed", "`s` is read differently now (other columns or types)")]


def test_the_values_of_options_are_kept_nowhere(
    measured: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTHING", "hunter2")
    measured.edit("lakehouse.yaml", 'null_values: [""]', 'null_values: ["${NOTHING}"]')
    assert cli("run").code == 0
    assert "hunter2" not in measured.read("data/.lakehouse/manifests/seen.json")


def test_what_does_not_decide_how_a_source_is_read(measured: ProjectFolder, cli: Cli) -> None:
    measured.edit("lakehouse.yaml", "v: float64", "v: {type: double, nullable: false, description: of the meter}")
    measured.edit("lakehouse.yaml", "kind: source", "kind: source\n    tags: [a]\n    owner: somebody")
    assert reasons(cli) == {}
    measured.edit("lakehouse.yaml", "raw: {root: raw,", "raw: {root: elsewhere,")
    shutil.move(measured.path / "raw", measured.path / "elsewhere")
    assert reasons(cli) == {}


def test_changed_format_counts_in_a_fresh_clone(measured: ProjectFolder, cli: Cli, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(measured.path, clone, copy_function=shutil.copy)
    assert cli("plan", "-C", str(clone), "--exit-code").code == 0
    text = (clone / "lakehouse.yaml").read_text()
    (clone / "lakehouse.yaml").write_text(text.replace('null_values: [""]', 'null_values: ["", M]'))
    assert cli("plan", "-C", str(clone), "--exit-code").code == 4


TWO = """
name: two
module: transforms
tables:
  s: {kind: source, columns: {v: string}}
  a: {columns: {v: int64}}
  b: {columns: {total: string}}
"""
TWO_CODE = """
def a(s):
    return s.assign(v=s["v"].astype("int64"))


def b(a):
    return a.iloc[:1].assign(total=str(a["v"].sum()))[["total"]]
"""


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_the_same_bytes_of_another_type_are_not_the_same(folder: ProjectFolder, cli: Cli, executor: str) -> None:
    folder.write("lakehouse.yaml", TWO)
    folder.write("transforms.py", TWO_CODE)
    folder.write("data/s.csv", "v\n1\n2\n")
    assert cli("run", "--executor", executor).code == 0
    assert folder.read("data/b.csv") == "total\n3\n"
    folder.edit("lakehouse.yaml", "a: {columns: {v: int64}}", "a: {columns: {v: string}}")
    folder.edit("transforms.py", 'astype("int64")', "astype(str)")
    before = folder.read("data/a.csv")
    assert statuses(cli, "--executor", executor) == {"a": "materialized", "b": "materialized"}
    assert folder.read("data/a.csv") == before
    assert folder.read("data/b.csv") == "total\n12\n"
    assert reasons(cli) == {}


def test_types_of_an_input_that_declares_none(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", TWO.replace("a: {columns: {v: int64}}", "a: {}"))
    folder.write("transforms.py", TWO_CODE)
    folder.write("data/s.csv", "v\n1\n2\n")
    assert cli("run").code == 0
    assert reasons(cli) == {}
    folder.edit("transforms.py", 'astype("int64")', "astype(str)")
    assert statuses(cli, "a") == {"a": "materialized"}
    assert reasons(cli) == {"b": [("input_changed", "`a` is read differently now (column `v` int64 → string)")]}
    assert statuses(cli, "b") == {"b": "materialized"}
    assert folder.read("data/b.csv") == "total\n12\n"
    assert reasons(cli) == {}


def test_table_of_an_earlier_version_is_computed_once(measured: ProjectFolder, cli: Cli) -> None:
    path = "data/.lakehouse/manifests/seen.json"
    document = json.loads(measured.read(path))
    del document["project"], document["inputs"]["s"][4:]
    measured.write(path, json.dumps(document | {"format": 1}))
    assert reasons(cli) == {"seen": [("input_changed", "how `s` was read is not recorded")]}
    assert statuses(cli) == {"seen": "materialized"}
    assert reasons(cli) == {}
