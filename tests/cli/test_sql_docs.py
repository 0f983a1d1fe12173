"""docs/sql.md: its example runs, its error is the one that is shown, and what it declares elsewhere is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Cli, ProjectFolder

DOCS = (Path(__file__).parents[2] / "docs" / "sql.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


@pytest.fixture
def weather(folder: ProjectFolder) -> ProjectFolder:
    """The page's first example, with four observations."""
    query = blocks("sql")[0]
    folder.write("lakehouse.yaml", blocks("yaml")[0])
    folder.write(query.splitlines()[0].removeprefix("-- "), query)
    folder.write(
        "data/raw/observations.csv",
        """
        station,valid,tmpf
        SFO,2025-05-01T12:00:00,61.5
        SFO,2025-05-01T13:00:00,64
        SEA,2025-05-01T12:00:00,50
        SEA,2025-05-02T12:00:00,-90
        """,
    )
    return folder


def test_first_example_runs(weather: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert weather.read("data/daily_highs.csv") == "station,day,high\nSEA,2025-05-01,50.0\nSFO,2025-05-01,64.0\n"
    assert weather.read("data/hottest_dates.csv") == "station,day,high\nSFO,2025-05-01,64.0\nSEA,2025-05-01,50.0\n"


def test_error_is_the_one_shown(weather: ProjectFolder, cli: Cli) -> None:
    file = weather.path / "sql" / "hottest_dates.sql"
    file.write_text(file.read_text("utf-8").replace("high desc", "hihg desc"), "utf-8")
    refused = cli("validate")
    assert refused.code == 3
    assert refused.err.startswith(blocks("text")[0])


def test_lineage_is_the_one_shown(weather: ProjectFolder, cli: Cli) -> None:
    page = (Path(__file__).parents[2] / "docs" / "graph-and-clean.md").read_text("utf-8")
    [shown] = re.findall(r"^\$ lakehouse graph (--columns .*)\n((?:.+\n)+?)```$", page, re.MULTILINE)
    assert cli("graph", *shown[0].split()).out == shown[1]


def test_pivot_takes_its_inputs(weather: ProjectFolder, cli: Cli) -> None:
    declared = blocks("yaml")[0] + blocks("yaml")[1]
    weather.write("lakehouse.yaml", declared)
    assert cli("run").code == 0
    assert weather.read("data/by_station.csv").startswith("day,SEA,SFO\n")
    weather.write("lakehouse.yaml", declared.replace("    inputs: [daily_highs]\n", ""))
    refused = cli("validate")
    assert refused.code == 3
    assert "list them under `inputs:`" in refused.err


def test_params_of_the_page_are_bound(weather: ProjectFolder, cli: Cli) -> None:
    rows = "(1.09, 'paid', date '2024-01-01'), (1.10, 'paid', date '2024-01-01'), (2.00, 'returned', date '2024-01-01')"
    query = f"select total from (values {rows}) orders(total, status, day) {blocks('sql')[1].strip()}"
    weather.write("lakehouse.yaml", f'name: t\ntables:\n  t:\n    sql: "{query}"\n{blocks("yaml")[2]}')
    assert cli("run").code == 0
    assert weather.read("data/t.csv") == "total\n1.10\n"
