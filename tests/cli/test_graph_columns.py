"""`lakehouse graph --columns`: text, JSON, what is not known, what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lakehouse_cli import Project
from lakehouse_cli.model.column_lineage import ColumnLineage, ColumnRef, IndirectRef, TableLineage
from lakehouse_cli.rendering.column_lineage import column_lineage_lines
from lakehouse_cli.text.terminal import Terminal, text_width
from tests.cli.test_what_is_loaded import loaded
from tests.conftest import Cli, ProjectFolder

DECLARED = """\
name: weather
module: transforms
tables:
  obs:
    kind: source
    columns: {station: string, day: date32, tmpf: float64}
  notes: {kind: source}
  highs:
    sql: |
      select station, day, max(tmpf) as high, count(*) as n
      from Obs
      where tmpf > $least
      group by all
    params: {least: -60}
    columns: {station: string, day: date32, high: float64, n: int64}
    key: [station, day]
  ranks:
    sql: select *, rank() over (partition by day order by high) as r from hot
    inputs: {hot: highs}
  best:
    columns: {station: string}
  named:
    sql: select best.station, length(best.station) as size from best join ranks using (station)
    columns: {station: string}
    extra_columns: drop
  noted:
    sql: from notes
  below_noted:
    sql: from noted
  by_station:
    sql: pivot highs on station using max(high)
    inputs: [highs]
"""


@pytest.fixture
def weather(folder: ProjectFolder) -> ProjectFolder:
    """Queries and a function over a source, without data."""
    folder.write("lakehouse.yaml", DECLARED)
    folder.write("transforms.py", "import pandas as pd\ndef best(ranks): return ranks\n")
    return folder


def document(cli: Cli, *argv: str) -> dict[str, Any]:
    ran = cli("graph", "--columns", "-o", "json", *argv)
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_text(weather: ProjectFolder, cli: Cli) -> None:
    ran = cli("graph", "--columns")
    assert (ran.code, ran.err) == (0, "")
    assert (
        ran.out
        == """\
obs  source
  station, day, tmpf
notes  source
  declares no columns
highs  query
  station ← obs.station
  day     ← obs.day
  high    ← obs.tmpf
  n       ← no column
  rows by filter: obs.tmpf
  rows by group: obs.station, obs.day
ranks  query
  station ← highs.station
  day     ← highs.day
  high    ← highs.high
  n       ← highs.n
  r       ← no column; window: highs.day, highs.high
best  function
  every column may come from every column of ranks
named  query
  station ← best.station
  rows by join: best.station, ranks.station
noted  query
  unknown: input `notes` declares no columns
  every column may come from every column of notes
below_noted  query
  unknown: input `notes` declares no columns
  every column may come from every column of noted
by_station  query
  unknown: DuckDB has no plan of it: Cannot plan statement of type MULTI!
  every column may come from every column of highs
"""
    )


def test_selection(weather: ProjectFolder, cli: Cli) -> None:
    assert [each["name"] for each in document(cli, "+ranks", "--exclude", "obs")["tables"]] == ["highs", "ranks"]
    assert cli("graph", "--columns", "nothing").code == 2


def test_json(weather: ProjectFolder, cli: Cli) -> None:
    found = document(cli)
    assert (found["project"], found["environment"]) == ("weather", "default")
    tables = {each.pop("name"): each for each in found["tables"]}
    assert tables["highs"] == {
        "level": "columns",
        "inputs": ["obs"],
        "columns": [
            {"name": "station", "from": [{"table": "obs", "column": "station"}], "indirect": []},
            {"name": "day", "from": [{"table": "obs", "column": "day"}], "indirect": []},
            {"name": "high", "from": [{"table": "obs", "column": "tmpf"}], "indirect": []},
            {"name": "n", "from": [], "indirect": []},
        ],
        "indirect": [
            {"table": "obs", "column": "tmpf", "by": "filter"},
            {"table": "obs", "column": "station", "by": "group"},
            {"table": "obs", "column": "day", "by": "group"},
        ],
        "unknown": None,
    }
    assert tables["ranks"]["columns"][-1] == {
        "name": "r",
        "from": [],
        "indirect": [
            {"table": "highs", "column": "day", "by": "window"},
            {"table": "highs", "column": "high", "by": "window"},
        ],
    }
    nothing: dict[str, Any] = {"indirect": [], "unknown": None}
    station = {"name": "station", "indirect": []}
    assert tables["obs"]["level"] == "source"
    assert tables["obs"]["columns"][0] == {**station, "from": []}
    assert tables["notes"] == {"level": "source", "inputs": [], "columns": None, **nothing}
    assert tables["best"] == {"level": "table", "inputs": ["ranks"], "columns": [{**station, "from": None}], **nothing}
    assert tables["noted"]["columns"] is None
    assert tables["noted"]["unknown"] == "input `notes` declares no columns"
    assert {name for name, each in tables.items() if each["level"] == "unknown"} == {
        "noted",
        "below_noted",
        "by_station",
    }


def test_from_python(weather: ProjectFolder) -> None:
    [named] = Project.load(weather.path).column_lineage("named")
    assert named.columns == (ColumnLineage("station", (ColumnRef("best", "station"),)),)


@pytest.mark.parametrize("drawn", ["mermaid", "dot"])
def test_it_is_not_drawn(weather: ProjectFolder, cli: Cli, drawn: str) -> None:
    ran = cli("graph", "--columns", "--format", drawn)
    assert ran.code == 2
    assert f"--columns is not drawn as {drawn}" in ran.err


def test_what_was_found_is_kept(weather: ProjectFolder) -> None:
    assert "duckdb" in loaded("graph", "--columns")
    modules = loaded("graph", "--columns")
    assert modules & {"duckdb", "pyarrow", "pandas", "transforms"} == set()


def test_what_is_kept_belongs_to_the_query(weather: ProjectFolder, cli: Cli) -> None:
    before = document(cli)
    assert document(cli) == before
    weather.write("lakehouse.yaml", DECLARED.replace("max(tmpf)", "max(tmpf + length(station))"))
    [highs] = document(cli, "highs")["tables"]
    assert [each["column"] for each in highs["columns"][2]["from"]] == ["station", "tmpf"]
    weather.write("lakehouse.yaml", DECLARED)
    (weather.path / ".lakehouse/cache/lineage.json").write_text("{}")
    assert document(cli) == before


def test_a_project_of_functions(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("graph", "--columns", "totals")
    assert ran.out == "totals  function\n  every column may come from every column of orders\n"


@pytest.mark.parametrize("width", [40, 80])
def test_lines_fit_the_width(width: int) -> None:
    refs = tuple(ColumnRef("a_table_with_a_long_name", f"column_{place}") for place in range(9))
    indirect = tuple(IndirectRef(each.table, each.column, "window") for each in refs)
    table = TableLineage(
        "wide", "columns", ("a_table_with_a_long_name",), (ColumnLineage("a" * 50, refs, indirect),), indirect
    )
    lines = "\n".join(column_lineage_lines(Terminal(width=width), [table])).splitlines()
    assert max(map(text_width, lines)) <= width
