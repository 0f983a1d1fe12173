"""All rows that break a contract, however many: shown in JSON, written to files, without what is not shown."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, ProjectFolder

ROWS = 3_000
SECRET = "correct-horse-battery"
PROJECT = """
    name: many
    module: transforms
    storages: {lake: {root: "s3://b/x", options: {secret_access_key: "${LAKE_SECRET}"}}}
    tables:
      s:
        kind: source
        columns: {k: int64, v: {type: float64, max: 5}, text: string, e: {type: string, sensitive: true}}
        checks:
          - {unique: [k]}
          - {expression: "k <> 7", error_above: 50%}
      t:
        inputs: {s: raw}
        columns: {k: int64, v: float64, parent: int64}
        checks:
          - {foreign_key: {columns: parent, references: t.k}}
          - {expression: "v < 3 or v is null", name: small}
          - {sql: "select * from this where k % 2 = 0", where: "k < 10"}
      raw: {kind: source, path: s}
"""


@pytest.fixture
def many(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A source, and a table of the same rows, nearly all of which break a check, some only by what others hold."""
    monkeypatch.setenv("LAKE_SECRET", SECRET)
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", "def t(s): return s.assign(parent=s.k + 1000)[['k', 'v', 'parent']]\n")
    lines = [f"{row % 2000},{row % 10},{SECRET if row == 2500 else 'word'},a{row}@b.c" for row in range(ROWS)]
    folder.write("data/s.csv", "\n".join(["k,v,text,e", *lines]) + "\n")
    return folder


def wrong_with(row: int) -> set[str]:
    """What is wrong with a row of the source."""
    return {name for name, holds in (("v_max", row % 10 > 5), ("unique", row % 2000 < 1000)) if holds}


def names_of(reasons: list[str]) -> set[str]:
    return {each.split("`")[1] for each in reasons}


def test_all_rows_of_a_source_are_shown_with_their_lines(many: ProjectFolder, cli: Cli) -> None:
    expected = {row + 1: wrong_with(row) for row in range(ROWS) if wrong_with(row)}
    ran = cli("run", "s")
    assert f"`lakehouse show s --failed` shows the {len(expected):,} rows that fail" in ran.err
    shown = cli("show", "s", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (len(expected), 0)
    assert {each["row"]: names_of(each["reasons"]) for each in shown["rows"]} == expected
    assert [each["line"] for each in shown["rows"]] == [row + 1 for row in expected]
    by_row: dict[int, Any] = {each["row"]: each["values"] for each in shown["rows"]}
    assert by_row[2501] == {"k": "500", "v": "0.0", "text": "${LAKE_SECRET}", "e": "***"}
    assert cli("show", "s", "--failed", "--out", "rows.json").code == 0
    assert json.loads(Path("rows.json").read_text()) == shown
    assert cli("show", "s", "--failed", "--out", "rows.csv").out == f"rows.csv · {len(expected):,} rows\n"
    with Path("rows.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert [int(each["row"]) for each in records] == list(expected)
    assert {each["e"] for each in records} == {"***"}
    kept = b"".join(path.read_bytes() for path in Path(".lakehouse").rglob("*") if path.is_file())
    assert SECRET.encode() not in kept
    assert b"@b.c" not in kept
    again = cli("show", "s", "--failed", "--out", "rows.csv")
    assert (again.code, "is there already" in again.err) == (2, True)
    assert cli("show", "s", "--failed", "--out", "rows.txt").code == 2
    assert cli("check", "s").code == 1
    assert cli("show", "s", "--failed", "-o", "json").json["rows"] == shown["rows"]
    # A column that becomes sensitive is hidden in what was kept before.
    many.write(
        "lakehouse.yaml", many.read("lakehouse.yaml").replace("text: string", "text: {type: string, sensitive: true}")
    )
    found = cli("show", "s", "--failed", "-o", "json").json["rows"]
    assert {each["values"]["text"] for each in found} == {"***"}
    many.write("data/s.csv", "k,v,text,e\n1,1,a,b\n")
    assert cli("run", "s").code == 0
    assert not [path.name for path in Path(".lakehouse/failed").iterdir() if path.name != ".gitignore"]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_all_rows_of_a_result_are_shown(many: ProjectFolder, cli: Cli, executor: str) -> None:
    del many
    keys = {row % 2000 for row in range(ROWS)}
    expected: dict[int, set[str]] = {}
    for row in range(ROWS):
        key = row % 2000
        wrong = {"foreign_key": key + 1000 not in keys, "small": row % 10 >= 3, "sql": key < 10 and key % 2 == 0}
        expected[row + 1] = {name for name, holds in wrong.items() if holds}
    Path(".lakehouse/failed").mkdir(parents=True)
    Path(".lakehouse/failed/new@default@of-a-run-that-was-killed@x").touch()
    assert cli("run", "t", "--executor", executor).code == 1
    shown = cli("show", "t", "--failed", "-o", "json").json
    assert {each["row"]: names_of(each["reasons"]) for each in shown["rows"]} == {
        row: names for row, names in expected.items() if names
    }
    assert shown["count"] == len(shown["rows"])
    for each in shown["rows"]:
        key = (each["row"] - 1) % 2000
        values = {"k": str(key), "v": str(float((each["row"] - 1) % 10)), "parent": str(key + 1000)}
        assert each["values"] == values
    assert sorted(path.name for path in Path(".lakehouse/failed").iterdir()) == [
        ".gitignore",
        "t@default.json",
        "t@default.rows",
    ]
