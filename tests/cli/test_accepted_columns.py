"""`validate --accept` declares the columns that a transform returns."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder

YAML = """# at the top
name: p
module: transforms
tables:
  raw: {kind: source, columns: {id: string, n: int64, when: "timestamp[us]"}}   # a flow map
  daily:
    inputs: [raw]
    columns:
      id: string       # kept
      # about n
      n: {type: string, description: how many}   # n
      gone: int64
      small: int32

  flow: {inputs: [raw], columns: {id: string, gone: int64}, extra_columns: error}
  open:
    inputs: [raw]
    # at the end of open
  keyed: {inputs: [raw], columns: {id: string, gone: int64}, key: [gone]}
# at the end
"""
CODE = """
import pyarrow as pa

def daily(raw):
    return raw[["id", "n", "when"]].assign(small=1)

def flow(raw):
    return raw[["id", "when"]]

def open(raw: pa.Table) -> pa.Table:
    return raw

def keyed(raw):
    return raw[["id"]]
"""
AFTER = (
    YAML.replace("n: {type: string,", "n: {type: int64,")
    .replace("      gone: int64\n", "")
    .replace("      small: int32\n", '      small: int32\n      when: "timestamp[us]"\n')
)


@pytest.fixture
def returning(folder: ProjectFolder) -> ProjectFolder:
    (folder.path / "lakehouse.yaml").write_text(YAML)
    folder.write("transforms.py", CODE)
    return folder


def test_columns_are_written_in_their_lines(returning: ProjectFolder, cli: Cli) -> None:
    shown = cli("validate", "--accept", "daily", "--dry-run")
    assert (shown.code, returning.read("lakehouse.yaml")) == (0, YAML)
    assert "-      gone: int64\n" in shown.out
    assert "+      n: {type: int64, description: how many}   # n\n" in shown.out
    assert "would accept 3 columns of `daily` in lakehouse.yaml" in shown.out
    assert "accepted 3 columns of `daily`" in cli("validate", "--accept", "daily").out
    assert returning.read("lakehouse.yaml") == AFTER
    assert "`daily` declares what its transform returns" in cli("validate", "--accept", "daily").out
    rehearsed = cli("validate", "--rehearse", "-o", "json").json["rehearsal"]["tables"]
    assert {each["name"]: each["status"] for each in rehearsed}["daily"] == "passed"


def test_flow_maps_and_tables_without_columns(returning: ProjectFolder, cli: Cli) -> None:
    found = cli("validate", "--accept", "flow", "-o", "json").json
    assert found["written"]
    assert [(each["column"], each["change"], each["type"], each["before"]) for each in found["changes"]] == [
        ("gone", "removed", None, "int64"),
        ("when", "added", "timestamp[us]", None),
    ]
    assert cli("validate", "--accept", "open").code == 0
    text = returning.read("lakehouse.yaml")
    assert 'flow: {inputs: [raw], columns: {id: string, when: "timestamp[us]"}, extra_columns: error}' in text
    assert '    columns:\n      id: string\n      n: int64\n      when: "timestamp[us]"\n' in text
    assert "    # at the end of open\n" in text


def test_line_breaks_of_the_file_stay(returning: ProjectFolder, cli: Cli) -> None:
    (returning.path / "lakehouse.yaml").write_bytes(f"{YAML}\n\n".replace("\n", "\r\n").encode())
    assert cli("validate", "--accept", "daily").code == 0
    assert returning.read("lakehouse.yaml") == f"{AFTER}\n\n".replace("\n", "\r\n")


def test_what_would_be_invalid_is_not_written(returning: ProjectFolder, cli: Cli) -> None:
    refused = cli("validate", "--accept", "keyed")
    assert (refused.code, returning.read("lakehouse.yaml")) == (2, YAML)
    assert "what `keyed` returns does not fit the rest of the project: " in refused.err
    assert "`gone`" in refused.err


@pytest.mark.parametrize("written", ["*c", "{id: of_type, gone: int64}"], ids=["alias", "named type"])
def test_columns_elsewhere_are_printed(returning: ProjectFolder, cli: Cli, written: str) -> None:
    returning.edit("lakehouse.yaml", "tables:\n", "types: {of_type: {type: int64, min: 1}}\ntables:\n")
    returning.edit("lakehouse.yaml", "columns: {id: string, gone: int64}, key: [gone]", f"columns: {written}")
    returning.edit(
        "lakehouse.yaml", "columns: {id: string, gone: int64}, e", "columns: &c {id: string, gone: int64}, e"
    )
    before = returning.read("lakehouse.yaml")
    shown = cli("validate", "--accept", "keyed")
    assert (shown.code, returning.read("lakehouse.yaml")) == (0, before)
    assert "- gone: int64\n" in shown.out
    assert "not written where they can be edited" in shown.err


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        (["--accept", "raw"], 2, "`raw` is a source, which no transform computes"),
        (["--accept", "dayly"], 2, "did you mean `daily`?"),
        (["--accept", "daily", "--rehearse"], 2, "leave out `--rehearse`"),
    ],
)
def test_what_cannot_be_accepted(returning: ProjectFolder, cli: Cli, argv: list[str], code: int, error: str) -> None:
    refused = cli("validate", *argv)
    assert (refused.code, error in refused.err) == (code, True)
