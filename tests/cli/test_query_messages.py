"""What is said of queries that fail: the place in the text, and advice that can be followed."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder

STORED = "storages: {default: {type: duckdb, root: lake.db}}\n"


@pytest.fixture
def made(folder: ProjectFolder, cli: Cli) -> ProjectFolder:
    folder.write("lakehouse.yaml", "name: q\ntables:\n  made:\n    sql: select 1 as x\n")
    assert cli("run").code == 0
    return folder


@pytest.mark.parametrize("text", ["pivot made\non x using count(*) filter (where x > $least)", None])
def test_params_of_a_pivot_statement(folder: ProjectFolder, cli: Cli, text: str | None) -> None:
    followed = "from (pivot made\non x in (1, 2) using count(*) filter (where x > $least))"
    folder.write("pivoted.sql", text or followed)
    folder.write(
        "lakehouse.yaml",
        """name: q
tables:
  made:
    sql: select 1 as x
  pivoted:
    sql_file: pivoted.sql
    inputs: [made]
    params: {least: 0}
""",
    )
    validated = cli("validate")
    if text is None:  # as the hint says
        assert cli("run").code == 0, validated.err
        return
    assert "the query of `pivoted`: a statement PIVOT has no params, and this has `$least`" in validated.err
    assert "  pivoted.sql:2:39\n" in validated.err
    assert "put it in parentheses, with its values: `from (pivot … on … in (…) using …)`" in validated.err


@pytest.mark.parametrize("engine", ["duckdb", "storage"])
def test_settings_are_not_advised(folder: ProjectFolder, cli: Cli, engine: str) -> None:
    table = f"  made:\n    engine: {engine}\n    sql: select 1 // 0 as x\n"
    folder.write("lakehouse.yaml", f"name: q\n{STORED}tables:\n{table}")
    [failed] = cli("run", "-o", "json").json["tables"]
    message = failed["error"]["message"]
    assert message.endswith("Division by zero in expression (1 // 0). Use TRY(...) to return NULL for this expression")
    folder.write("lakehouse.yaml", f"name: q\n{STORED}tables:\n{table.replace('1 // 0', 'try(1 // 0)::int')}")
    assert cli("run").code == 0


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("select * frm made", "query:1:14\n  |\n1 | select * frm made\n  |              ^"),
        ("select x,\n  xx from made", "query:2:3\n  |\n2 |   xx from made\n  |   ^"),
        ("select x from made where x > $least", None),
        ("select x // 0 from made", None),
    ],
)
def test_sql_shows_the_place(made: ProjectFolder, cli: Cli, query: str, place: str | None) -> None:
    asked = cli("sql", query)
    assert asked.code != 0
    if place is None:
        assert "query:" not in asked.err.replace("the query:", "")
    else:
        assert place in asked.err
