"""`partitions: [file]`: each file of a source is computed by itself, once, and again when it changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Cli, ProjectFolder

TABLES = """
sales: {kind: source, path: raw/sales_*, columns: {id: int64}}
loaded: {partitions: [file], columns: {file: string, id: int64}, inputs: [sales]}
total: {inputs: [loaded], columns: {n: int64}}
"""
CHAINED = "both: {partitions: [file], inputs: [loaded, sales], columns: {id: int64}}\n"
CODE = """
import pandas as pd

def loaded(sales, file):
    assert file.startswith("raw/sales_")
    return sales

def total(loaded):
    return pd.DataFrame({"n": [len(loaded)]})
"""


@pytest.fixture
def files(folder: ProjectFolder) -> ProjectFolder:
    """Two files, none of which is computed yet."""
    folder.declare(TABLES, CODE)
    folder.write("data/raw/sales_1.csv", "id\n1\n")
    folder.write("data/raw/sales_a b=é.csv", "id\n2\n")
    return folder


def ran(cli: Cli, *arguments: str) -> dict[str, Any]:
    """By table, the files that a run computed, and its rows."""
    found = json.loads(cli("run", "-o", "json", *arguments).out)
    return {t["name"]: sorted(each["key"]["file"] for each in t.get("partitions", [])) for t in found["tables"]}


def rows(cli: Cli) -> list[tuple[str, int]]:
    shown = json.loads(cli("show", "loaded", "-o", "json").out)["rows"]
    return [(row["file"], row["id"]) for row in shown]


def test_new_and_changed_files_are_computed_alone(files: ProjectFolder, cli: Cli) -> None:
    assert ran(cli)["loaded"] == ["raw/sales_1.csv", "raw/sales_a b=é.csv"]
    assert rows(cli) == [("raw/sales_1.csv", 1), ("raw/sales_a b=é.csv", 2)]
    assert not any(ran(cli).values())
    files.write("data/raw/sales_1.csv", "id\n10\n")
    files.write("data/raw/sales_2.csv", "id\n3\n")
    assert ran(cli)["loaded"] == ["raw/sales_1.csv", "raw/sales_2.csv"]
    assert rows(cli) == [("raw/sales_1.csv", 10), ("raw/sales_2.csv", 3), ("raw/sales_a b=é.csv", 2)]
    assert json.loads(cli("show", "total", "-o", "json").out)["rows"] == [{"n": 3}]


def test_file_that_is_gone_follows_gone(files: ProjectFolder, cli: Cli) -> None:
    ran(cli)
    (files.path / "data/raw/sales_1.csv").unlink()
    assert cli("run").code == 1
    assert len(rows(cli)) == 2
    files.edit("lakehouse.yaml", "[file]", "[file], gone: drop")
    assert cli("run").code == 0
    assert rows(cli) == [("raw/sales_a b=é.csv", 2)]


def test_one_file_is_chosen(files: ProjectFolder, cli: Cli) -> None:
    del files
    assert ran(cli, "loaded", "--partition", "file=raw/sales_a b=é.csv") == {"loaded": ["raw/sales_a b=é.csv"]}


def test_bad_file_fails_alone(files: ProjectFolder, cli: Cli) -> None:
    files.write("data/raw/sales_0.csv", "id\nx\n")
    failed = cli("run", "loaded")
    assert failed.code == 1
    assert "raw/sales_0.csv" in failed.err
    assert rows(cli) == [("raw/sales_1.csv", 1), ("raw/sales_a b=é.csv", 2)]


def test_files_of_a_folder_are_partitions(files: ProjectFolder, cli: Cli) -> None:
    files.edit("lakehouse.yaml", "raw/sales_*", "raw/")
    files.write("data/raw/day=1/sales_1.csv", "id\n9\n")
    assert cli("run").code == 1  # the function asserts the name
    assert rows(cli) == [("raw/sales_1.csv", 1), ("raw/sales_a b=é.csv", 2)]


def test_source_is_read_by_file_and_by_what_its_path_says(files: ProjectFolder, cli: Cli) -> None:
    files.edit("lakehouse.yaml", "raw/sales_*", '"raw/sales_{name}"')
    files.add("lakehouse.yaml", "  named: {function: t, partitions: [name], inputs: [sales]}\n")
    files.add("transforms.py", "\ndef t(sales): return sales\n")
    assert cli("run").code == 0
    assert len(rows(cli)) == 2
    shown = json.loads(cli("show", "named", "-o", "json").out)
    assert shown["partitions"] == [{"name": "1"}, {"name": "a b=é"}]


def test_key_holds_across_files(files: ProjectFolder, cli: Cli) -> None:
    files.edit("lakehouse.yaml", "partitions: [file]", "partitions: [file], key: id")
    assert cli("run").code == 0
    files.write("data/raw/sales_2.csv", "id\n2\n")
    failed = cli("run")
    assert failed.code == 1
    assert "key `id`: 1 row has a key of another partition" in failed.err
    files.edit("lakehouse.yaml", "key: id", "key: [file, id]")
    assert cli("run").code == 0


def test_tables_by_file_read_one_another(files: ProjectFolder, cli: Cli) -> None:
    """Beside the source itself; a file that is gone is gone from all."""
    files.edit("lakehouse.yaml", "total: {inputs: [loaded]", f"{CHAINED}  total: {{inputs: {{loaded: both}}")
    files.add("transforms.py", "\ndef both(loaded, sales, file):\n    return pd.concat([loaded[['id']], sales])\n")
    both = ["raw/sales_1.csv", "raw/sales_a b=é.csv"]
    assert ran(cli) == {"loaded": both, "both": both, "total": []}
    files.write("data/raw/sales_1.csv", "id\n10\n11\n")
    files.write("data/raw/sales_2.csv", "id\n3\n")
    assert ran(cli)["both"] == ["raw/sales_1.csv", "raw/sales_2.csv"]
    assert json.loads(cli("show", "total", "-o", "json").out)["rows"] == [{"n": 8}]
    files.edit("lakehouse.yaml", "[file]", "[file], gone: drop")
    (files.path / "data/raw/sales_2.csv").unlink()
    assert ran(cli)["both"] == ["raw/sales_2.csv"]
    assert json.loads(cli("show", "total", "-o", "json").out)["rows"] == [{"n": 6}]
    assert not any(ran(cli).values())


def test_files_of_two_sources_are_no_partitions(files: ProjectFolder, cli: Cli) -> None:
    """Through other tables either."""
    tables = f"{TABLES}other: {{kind: source, path: raw/other_*, columns: {{id: int64}}}}\n"
    code = f"{CODE}\ndef both(loaded, other):\n    return loaded\n"
    files.declare(tables + CHAINED.replace("sales]", "other]"), code)
    refused = cli("validate")
    assert refused.code == 3
    assert "`both` has a partition of each file, and reads more than one source of many files: `other`, `sales`" in (
        refused.err
    )
    tables += "second: {partitions: [file], function: loaded, inputs: [other], columns: {file: string, id: int64}}\n"
    files.declare(f"{tables}both: {{inputs: [loaded, second], columns: {{id: int64}}}}\n", code)
    assert cli("validate").code == 0  # as the hint says
