"""Types in DuckDB that no value satisfies: `validate` refuses what every run would."""

from __future__ import annotations

import pytest

from lakehouse_cli import Project
from tests.cli.queries_in_databases.projects import made
from tests.conftest import Cli, ProjectFolder

#: SQL of a value, the declared type, what the query returns, and what to do.
REFUSED = [
    ("null", "int64", '"NULL"', "cast it in the query, as with `::BIGINT`"),
    ("null", "list<int64>", '"NULL"', "make list<int64> of it in the query"),
    ("[]", "list<int64>", '"NULL"[]', "make list<int64> of it in the query"),
    ("[1]", "list<int64>", "INTEGER[]", "cast it in the query, as with `::BIGINT[]`"),
    ("[1]", "list<date32>", "INTEGER[]", "make list<date32> of it in the query"),
    ("1::double", "decimal128(5, 2)", "DOUBLE", "cast it in the query, as with `::DECIMAL(5, 2)`"),
    ("date '2020-01-01'", "timestamp[us]", "DATE", "cast it in the query, as with `::TIMESTAMP`"),
    ("timestamptz '2020-01-01'", "date32", "TIMESTAMP WITH TIME ZONE", "cast it in the query, as with `::DATE`"),
    ("'1'", "int64", "VARCHAR", "cast it in the query, as with `::BIGINT`"),
    ("'2020-01-01'", "date32", "VARCHAR", "cast it in the query, as with `::DATE`"),
    ("'1'::enum('1')", "int64", "ENUM('1')", "cast it in the query, as with `::BIGINT`"),
    ("true::varchar", "bool", "VARCHAR", "cast it in the query, as with `::BOOLEAN`"),
    ("time '10:00'", "time64[ns]", "TIME", "cast it in the query, as with `::TIME_NS`"),
    ("time '10:00'::time_ns", "time64[us]", "TIME_NS", "cast it in the query, as with `::TIME`"),
    ("1", "string", "INTEGER", "cast it in the query, as with `::VARCHAR`"),
    ("1::uhugeint", "string", "UHUGEINT", "cast it in the query, as with `::VARCHAR`"),
    ("'1'::bit", "string", "BIT", "cast it in the query, as with `::VARCHAR`"),
    ("1::bignum", "string", "BIGNUM", "cast it in the query, as with `::VARCHAR`"),
    ("timetz '10:00:00+00'", "string", "TIME WITH TIME ZONE", "cast it in the query, as with `::VARCHAR`"),
    ("{'b': 1, 'a': 2}", "struct<a: int32, b: int32>", "STRUCT(b INTEGER, a INTEGER)", "cast it in the query"),
    ("map {'a': 1}", "map<string, int64>", "MAP(VARCHAR, INTEGER)", "cast it in the query, as with `::MAP("),
    ("1::union(a int)", "int64", "UNION(a INTEGER)", "cast it in the query, as with `::BIGINT`"),
]
#: What the database takes, of values that there may be.
TAKEN = [
    ("{'a': 1, 'b': 2}", "struct<a: int32, b: int32>"),
    ("map {'a': 1::bigint}", "map<string, int64>"),
    ("null::bigint", "int64"),
    ("sum(1)", "int8"),
    ("1::double", "int64"),
    ("1.5::decimal(5, 2)", "float64"),
    ("timestamp '2020-01-01'", "date32"),
    ("'1'::enum('1')", "dictionary<string>"),
    ("'1'::json", "string"),
    ("interval 1 day", "duration[s]"),
]


@pytest.mark.parametrize(("value", "declared", "returned", "hint"), REFUSED)
def test_refused_before_the_run(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, value: str, declared: str, returned: str, hint: str
) -> None:
    database = made("duckdb", request, folder)
    table = f"""\
  made:
    engine: storage
    sql: |
      select {value} as x
    columns:
      x: {{type: "{declared}"}}
"""
    database.declare(table)
    found = cli("validate", "-o", "json").json["error"]["problems"]
    assert [each["message"] for each in found] == [
        f"the query of `made`: `x` is declared {declared}, and the query returns {returned}"
    ]
    assert found[0]["hint"].startswith(hint)
    text = database.folder.read("lakehouse.yaml").splitlines()
    assert text[found[0]["line"] - 1].startswith("      x:")


def test_undeclared_types_are_those_of_the_database(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli
) -> None:
    database = made("duckdb", request, folder)
    database.declare("  made: {engine: storage, sql: select 1::uhugeint as x}\n")
    assert "`x` is UHUGEINT, which no column type holds exactly" in cli("validate").err


NESTED = (
    "[1::tinyint]",
    "{'a': 1, 'b c': [{'d': date '2020-01-01'}], 'e': 1.50}",
    "map {'a': {'b': timestamp_s '2020-01-01'}}",
)


def test_nested_types_are_those_of_the_query(request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli) -> None:
    database = made("duckdb", request, folder)
    selected = ", ".join(f"{value} as c{number}" for number, value in enumerate(NESTED))
    query = f"    sql: |\n      select {selected}\n"
    database.declare(f"  made:\n    engine: storage\n{query}  other:\n{query}")
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    project = Project.load(folder.path)
    assert project.read_arrow("made") == project.read_arrow("other")
    database.declare("  made: {engine: storage, sql: \"select {'a': 1::hugeint} as x\"}\n")
    assert "`x` is STRUCT(a HUGEINT), which no column type holds exactly" in cli("validate").err


def test_what_the_database_takes_is_not_refused(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli
) -> None:
    database = made("duckdb", request, folder)
    selected = ", ".join(f"{value} as c{number}" for number, (value, _) in enumerate(TAKEN))
    columns = "\n".join(f'      c{number}: "{declared}"' for number, (_, declared) in enumerate(TAKEN))
    database.declare(f"  made:\n    engine: storage\n    sql: |\n      select {selected}\n    columns:\n{columns}\n")
    validated = cli("validate")
    assert validated.code == 0, validated.err
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
