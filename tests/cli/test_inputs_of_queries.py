"""What a query reads: its inputs, and nothing else of the connection that runs it."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder

HEAD = """name: weather
tables:
  obs: {kind: source, columns: {station: string, tmpf: float64}}
"""


@pytest.fixture
def weather(folder: ProjectFolder) -> ProjectFolder:
    folder.write("data/obs.csv", "station,tmpf\nSFO,60.5\n")
    return folder


@pytest.mark.parametrize(
    ("query", "used"),
    [
        ("select current_setting('threads') as a from obs", "current_setting()"),
        ("select station from obs where tmpf > (select count(*) from duckdb_settings())", "duckdb_settings()"),
        ("from pragma_database_size()", "pragma_database_size()"),
        ("select current_query() as q, station from obs", "current_query()"),
        ("select current_connection_id() as c, vector_type(station) as v from obs", "current_connection_id()"),
        ("from checkpoint()", "checkpoint()"),
        ("select pg_get_viewdef(1) as a from obs", "pg_get_viewdef()"),
        ("show tables", "SHOW"),
        ("from (show all tables)", "SHOW"),
        ("from (describe obs)", None),
        ("from (summarize obs)", None),
    ],
)
def test_a_table_is_no_copy_of_settings(weather: ProjectFolder, cli: Cli, query: str, used: str | None) -> None:
    weather.write("lakehouse.yaml", f'{HEAD}  copied:\n    sql: "{query}"\n')
    validated = cli("validate")
    assert validated.code == (0 if used is None else 3), validated.err
    if used is not None:
        assert f"the query of `copied` uses `{used}`, which reads DuckDB's own settings or catalog" in validated.err
        weather.write("lakehouse.yaml", f"{HEAD}  copied: {{sql: from obs}}\n")
        assert cli("sql", query).code == 0


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("from sqlite_master", "`sqlite_master` is not among its inputs", "declare it as a table"),
        ("from information_schema.columns, obs", "`information_schema.columns` is not among", "declare it as a table"),
        ("from obs join high using (station)", "`high` is not among its inputs", "list it under `inputs:`"),
        ("from query('select random() as a, * from obs')", "uses `query()`", "write that text"),
        ("from json_execute_serialized_sql(json_serialize_sql('select random() as r')), obs", "uses `json_", "write"),
        ("pivot (select *, current_setting('threads') a from obs) on station using max(a)", "uses `current_", "leave"),
    ],
)
def test_listed_inputs_are_all_that_a_query_reads(
    weather: ProjectFolder, cli: Cli, query: str, message: str, hint: str
) -> None:
    copied = f'  copied:\n    inputs: [obs]\n    sql: "{query}"\n'
    weather.write("lakehouse.yaml", f"{HEAD}  high: {{sql: from obs}}\n{copied}")
    validated = cli("validate", "-o", "json")
    assert validated.code == 3
    [problem] = validated.json["error"]["problems"]
    assert message in problem["message"]
    assert problem["hint"].startswith(hint)


@pytest.mark.parametrize("inputs", ["", "inputs: [obs], "])
@pytest.mark.parametrize(
    ("query", "wrong", "column"),
    [
        ("from query_table('sqlite_master'), obs", "sqlite_master", 18),
        ("from obs, query_table(['obs', 'main.duckdb_tables'])", "duckdb_tables", 31),
        ('from query_table("Information_Schema".tables), obs', "Information_Schema.tables", 18),
        ("with c as (from query_table('d')), d as (from obs) from c, d", "d", 29),
        ("from histogram(sqlite_master, name), obs", "sqlite_master", 16),
        ("from histogram_values(col_name := name, source := 'sqlite_master'), obs", "sqlite_master", 51),
        ("from obs where station in (select name from query_table('x.csv'))", "x.csv", 57),
        ("from (describe sqlite_master), obs", "sqlite_master", 1),
        ("from query_table('o' || 'bs')", None, 18),
        ("from query_table(['obs', $t]), obs", None, 26),
        ("pivot (from query_table('sqlite_master')) on name using count(*)", None, 1),
    ],
)
def test_tables_by_their_names_in_texts_are_inputs_or_refused(
    weather: ProjectFolder, cli: Cli, query: str, wrong: str | None, column: int, inputs: str
) -> None:
    params = "params: {t: obs}, " if "$t" in query else ""
    weather.write("t.sql", query)
    weather.write("lakehouse.yaml", f"{HEAD}  t: {{{inputs}{params}sql_file: t.sql}}\n")
    validated = cli("validate", "-o", "json")
    assert validated.code == 3
    [problem] = validated.json["error"]["problems"]
    if wrong is None:
        assert "reads a table of which the name is known only when it runs" in problem["message"]
    elif inputs:
        assert f"`{wrong}` is not among its inputs" in problem["message"]
    else:
        assert f"reads `{wrong}`, which is not a table" in problem["message"]
    assert (problem["file"], problem["line"], problem["column"]) == ("t.sql", 1, column)


def test_tables_by_their_names_in_texts_are_read(weather: ProjectFolder, cli: Cli) -> None:
    queries = {
        "by_text": "from query_table('OBS')",
        "in_list": "from query_table(['obs', obs], true) limit 1",
        "in_with": "with c as (from obs) from query_table('c')",
        "counted": "select bin as tmpf, count from histogram_values(obs, tmpf)",
    }
    for name, query in queries.items():
        weather.write(f"sql/{name}.sql", query)
    weather.write("lakehouse.yaml", HEAD + "".join(f"  {name}: {{sql_file: sql/{name}.sql}}\n" for name in queries))
    done = cli("run")
    assert done.code == 0, done.err
    assert [weather.read(f"data/{name}.csv").split()[1] for name in queries] == [*["SFO,60.5"] * 3, "60.5,1"]


def test_a_statement_pivot_that_is_random_is_noted(weather: ProjectFolder, cli: Cli) -> None:
    query = "pivot (select *, Random() r from obs) on station using max(r)"
    weather.write("lakehouse.yaml", f"{HEAD}  t: {{inputs: [obs], sql: '{query}'}}\n")
    assert "`t` uses `random()`: each run gives other rows" in cli("validate").out


def test_a_recursive_query_reads_all_of_its_own_rows(weather: ProjectFolder, cli: Cli) -> None:
    steps = "select 1, 1 union select n, total + 1 from recurring.Tree where total < 3"
    query = f"with recursive tree(n, total) using key (n) as ({steps}) from tree"
    weather.write("lakehouse.yaml", f"{HEAD}  t: {{sql: '{query}'}}\n")
    done = cli("run")
    assert done.code == 0, done.err
    assert weather.read("data/t.csv").split() == ["n,total", "1,3"]
