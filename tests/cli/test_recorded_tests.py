"""`test --record` writes a test into lakehouse.yaml; `validate --rehearse` calls transforms on rows made up."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Cli, ProjectFolder

YAML = """# at the top
name: p
module: transforms
tables:
  raw: {kind: source, columns: {id: string, n: int64, x: float64}}   # a flow map
  # about best
  best:
    params: {top: 2}   # two
    columns:
      id: string       # kept
      n: int64
    # at the end of best

  flow: {inputs: [raw], columns: {id: string}, extra_columns: drop}
# at the end
"""
CODE = """
def best(raw, top):
    return raw.nlargest(top, "n")[["id", "n"]]

def flow(raw):
    return raw
"""


@pytest.fixture
def recorded(folder: ProjectFolder) -> ProjectFolder:
    folder.write("lakehouse.yaml", YAML)
    folder.write("transforms.py", CODE)
    folder.write("data/raw.csv", 'id,n,x\n007,1,nan\nnull,2,\n"",3,1e300\n"a: [b",4,0.1\n')
    return folder


def test_recorded_test_keeps_the_file_and_passes(recorded: ProjectFolder, cli: Cli) -> None:
    found = cli("test", "best", "--record", "as stored", "--rows", "3")
    assert (found.code, found.out) == (0, "recorded test `as stored` in lakehouse.yaml: 2 rows\n"), found.err
    text = recorded.read("lakehouse.yaml")
    test = """    tests:
      - name: as stored
        given:
          raw:
            - {id: 007, n: 1, x: .nan}
            - {id: 'null', n: 2}
            - {id: '', n: 3, x: 1e+300}
        expect:
          - {id: '', n: 3}
          - {id: 'null', n: 2}
"""
    assert text == YAML.replace("      n: int64\n", f"      n: int64\n{test}")
    assert cli("test").code == 0
    assert cli("test", "best", "--record", "second", "--rows", "0").code == 0
    assert "      - name: second\n        given:\n          raw: []\n        expect: []\n" in recorded.read(
        "lakehouse.yaml"
    )
    assert cli("test").out.count("✓") == 2
    again = cli("test", "best", "--record", "as stored")
    assert again.code == 2
    assert "`--update`" in again.err


def test_recorded_test_stops_the_clock(recorded: ProjectFolder, cli: Cli) -> None:
    recorded.add(
        "transforms.py",
        """
import datetime, random

def stamped(raw):
    return raw[["id"]].assign(at=datetime.datetime.now())

def drawn(raw):
    return raw[["id"]].assign(x=random.random())
""",
    )
    tables = """  drawn: {columns: {id: string, x: float64}}
  today: {sql: 'select id, current_date as day from raw', columns: {id: string, day: date32}}
  stamped:
    columns:
      id: string
      at: timestamp[us]
    tests:
      - {name: mine, given: {raw: [{id: a}]}, expect: [{id: b, at: 2024-01-31 12:00}]}
      - name: ids
        given: {raw: [{id: a}]}
        expect:
          - {id: b}
"""
    recorded.edit("lakehouse.yaml", "# at the end\n", f"{tables}# at the end\n", 1)
    recording = cli("test", "today", "--record", "clock")
    assert recording.code == 0, recording.err
    today = recording.out
    assert re.search(r"(?m)^  now: 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$", today)
    assert cli("test", "stamped", "--record", "clock").code == 0
    assert cli("test", "stamped", "--record", "ids", "--update").code == 0
    assert [each["status"] for each in cli("test", "-o", "json").json["tests"]] == ["failed", "passed", "passed"]
    refused = cli("test", "drawn", "--record", "clock")
    assert (refused.code, refused.out) == (2, "")
    assert "`drawn` comes to something else each time it is computed" in refused.err
    undated = cli("test", "stamped", "--record", "mine", "--update")
    assert undated.code == 2
    assert "test `mine` has no `now`" in undated.err
    assert "add `now: 20" in undated.err


def test_update_takes_what_comes_now(recorded: ProjectFolder, cli: Cli) -> None:
    tests = """    tests:
      - name: mine          # of mine
        params: {top: 1}
        given: {raw: [{id: a, n: 1}, {id: b, n: 2}]}
        # what comes
        expect:
          - {n: 7}          # wrong
        ordered: true
"""
    recorded.edit("lakehouse.yaml", "      n: int64\n", f"      n: int64\n{tests}", 1)
    assert cli("test").code == 1
    assert cli("test", "best", "--record", "mine", "--update").code == 0
    after = tests.replace("          - {n: 7}          # wrong\n", "          - {n: 2}\n")
    assert recorded.read("lakehouse.yaml") == YAML.replace("      n: int64\n", f"      n: int64\n{after}")
    assert cli("test").code == 0
    assert "did you mean `mine`" in cli("test", "best", "--record", "mind", "--update").err


def test_what_has_no_lines_of_its_own_is_printed(recorded: ProjectFolder, cli: Cli) -> None:
    found = cli("test", "flow", "--record", "t", "--rows", "1")
    assert found.code == 0
    assert found.out == "- name: t\n  given:\n    raw:\n      - {id: 007, n: 1, x: .nan}\n  expect:\n    - {id: 007}\n"
    assert recorded.read("lakehouse.yaml") == YAML
    for wrong in (["raw"], ["best", "flow"], [], ["bst"]):
        assert cli("test", *wrong, "--record", "t").code == 2
    assert cli("test", "--rows", "3").code == 2


def test_rehearsal_finds_what_made_up_rows_break(recorded: ProjectFolder, cli: Cli) -> None:
    found = cli("validate", "--rehearse", "--rows", "8", "--seed", "1")
    assert found.code == 0, found.err
    assert "rehearsed on 8 rows of each input, seed 1: 2 passed" in found.out
    recorded.edit("lakehouse.yaml", "n: int64\n", "n: {type: int64, nullable: false}\n", 1)
    recorded.edit("lakehouse.yaml", "id: string, n", "id: string, m: int64, n", 1)
    recorded.edit("transforms.py", 'raw.nlargest(top, "n")[["id", "n"]]', 'raw.rename(columns={"m": "o"})[["id", "n"]]')
    found = cli("validate", "--rehearse")
    assert found.code == 1
    assert "best  column `n` has" in found.err
    document = cli("validate", "--rehearse", "-o", "json").json
    statuses = {each["name"]: each["status"] for each in document["rehearsal"]["tables"]}
    assert statuses == {"best": "failed", "flow": "passed"}
    assert (document["valid"], document["rehearsal"]["rows"], document["rehearsal"]["seed"]) == (True, 20, 0)
    assert cli("validate", "--seed", "3").code == 2


def test_sensitive_columns_are_not_recorded(recorded: ProjectFolder, cli: Cli) -> None:
    text = YAML.replace("n: int64, x: float64", "n: int64, x: {type: float64, sensitive: true}")
    recorded.write(
        "lakehouse.yaml", text.replace("[raw], columns: {id: string}", "[raw], columns: {x: float64, n: int64}")
    )
    recorded.write("transforms.py", CODE.replace('"n")[["id", "n"]]', '"n")[["id", "n"]].assign(n=raw["x"].count())'))
    found = cli("test", "best", "--record", "as stored")
    assert found.code == 0, found.err
    assert "note: left out, as their values are sensitive: `raw.x`; add made-up ones by hand" in found.err
    assert "{id: 007, n: 1}\n" in recorded.read("lakehouse.yaml")
    assert "1e+300" not in recorded.read("lakehouse.yaml")
    assert "{id: '', n: 0}" not in recorded.read("lakehouse.yaml").partition("expect")[0]
    assert cli("test").code == 0


def test_table_stored_in_another_way_is_not_recorded(recorded: ProjectFolder, cli: Cli) -> None:
    recorded.edit(
        "lakehouse.yaml", "# at the end\n", "  low: {inputs: [best], columns: {id: string, n: int64}}\n# at the end\n"
    )
    recorded.add("transforms.py", "\ndef low(best):\n    return best\n")
    assert cli("run").code == 0
    recorded.edit(
        "lakehouse.yaml", "    params: {top: 2}   # two\n", "    options: {null_values: ['4']}\n    params: {top: 2}\n"
    )
    before = recorded.read("lakehouse.yaml")
    found = cli("test", "low", "--record", "as stored")
    assert found.code != 0
    assert "`best` was stored in another way than it is declared now" in found.err
    assert recorded.read("lakehouse.yaml") == before
