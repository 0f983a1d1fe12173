"""What is said of checks: NaN beside a bound, rows that raise beside rows that fail, tables without rows."""

from __future__ import annotations

from typing import Any

from tests.conftest import Cli, ProjectFolder

PROJECT = """
    name: messages
    module: transforms
    tables:
      s:
        kind: source
        columns:
          id: int64
          x: {type: float64, min: -60}
          y: {type: float64, checks: [{max: 3, severity: warn}]}
          z: {type: float64, sensitive: true, min: 0}
        checks:
          - {expression: "id < 2 or (case when id = 3 then 'a' else '0' end)::int > 0", name: both}
          - {expression: "id > 9 or (case when id = 3 then 'a' else '0' end)::int > 0", name: raises, severity: warn}
      e:
        columns: {d: date32}
        checks: [{freshness: {column: d, within: 2d}}]
"""


def test_headlines_say_all_that_is_wrong(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", "import pandas as pd\ndef e(): return pd.DataFrame({'d': pd.to_datetime([])})\n")
    folder.write("data/s.csv", "id,x,y,z\n1,nan,nan,nan\n2,-70,4,1\n3,0,0,1\n5,nan,1,1\n")
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    found: dict[str, Any] = {each["name"]: each for table in ran.json["tables"] for each in table["checks"]}
    said = {name: each["message"] for name, each in found.items()}
    assert said["x_min"] == "check `x_min`: 1 value of `x` is below -60, and 2 are NaN"
    assert [(each["row"], each["value"]) for each in found["x_min"]["examples"]] == [
        (1, "nan"),
        (2, "-70.0"),
        (4, "nan"),
    ]
    assert said["y_max"] == "check `y_max`: 1 value of `y` is above 3, and 1 is NaN"
    assert said["z_min"] == "check `z_min`: 1 value of `z` is below 0"
    assert said["both"].startswith("check `both`: 2 rows do not fulfil `id < 2 or ")
    assert "0`; 1 row raises an error in SQL: Could not convert string 'a' to INT32" in said["both"]
    assert (found["both"]["status"], found["raises"]["status"]) == ("failed", "errored")
    assert found["raises"]["count"] == 3  # which makes a check that only warns no less errored
    assert "3 rows do not fulfil" in said["raises"]
    assert "; 1 row raises an error in SQL" in said["raises"]
    assert said["freshness"] == "check `freshness`: `d` has no value, as there are no rows to judge"
    assert said["both"] in cli("check", "s").err
    rows = cli("show", "s", "--failed", "-o", "json").json["rows"]
    assert {each["row"]: each["reasons"][0] for each in rows if each["row"] != 3} == {
        1: "check `x_min`: 2 values of `x` are NaN",
        2: "check `x_min`: 1 value of `x` is below -60",
        4: "check `x_min`: 2 values of `x` are NaN",
    }


def test_columns_that_are_one_to_a_query_are_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        t:
          columns: {V: int64, v: int64}
          checks: [{sql: "select * from this where V > 3", name: lower}]
        """,
        "def t(): ...\n",
    )
    assert "check `lower` of table `t` cannot be judged: `this` has columns `V` and `v`" in cli("validate").err


def test_nulls_that_fail_are_shown_beside_other_rows(folder: ProjectFolder, cli: Cli) -> None:
    """Rows that the pieces show, and those that only the end does, of one check."""
    checks = {
        "one": ("{unique: [a], nulls: fail}", "4 rows share their `a` with others, or are null", [1, 3, 4, 7]),
        "two": ("{unique: [a, u], nulls: fail}", "4 rows share their `a`, `u` with others, or are null", [1, 3, 4, 7]),
        "itself": (
            "{foreign_key: {columns: a, references: itself.u}, nulls: fail}",
            "4 values of `a` are not in `itself.u`, or null",
            [1, 5, 6, 7],
        ),
        "lone": ("{unique: [n], nulls: fail}", "1 row shares its `n` with others, or is null", [2]),
    }
    columns = "columns: {a: int64, u: int64, n: int64}"
    declared = "\n".join(
        f"{name}: {{function: kid, {columns}, checks: [{check}]}}" for name, (check, *_) in checks.items()
    )
    code = (
        "import pyarrow as pa\ndef kid(): return pa.table({'a': [None, 2, 3, 3, 9, 4, None], "
        "'u': [1, 2, 3, 3, 3, 2, 7], 'n': [1, None, 3, 4, 5, 6, 7]})\n"
    )
    folder.declare(declared, code)
    ran = cli("run", "-o", "json")
    for table in ran.json["tables"]:
        _, said, rows = checks[table["name"]]
        [check] = table["checks"]
        assert (check["count"], check["message"].partition(": ")[2]) == (len(rows), said)
        assert [each["row"] for each in check["examples"]] == rows
        kept = cli("show", table["name"], "--failed", "-o", "json").json
        assert (kept["count"], [each["row"] for each in kept["rows"]]) == (len(rows), rows)
        assert {each["reasons"][0] for each in kept["rows"]} == {check["message"]}
    assert "row 2: null" in cli("run", "lone").err
    aside = "\n".join(declared.splitlines()[:2]).replace("checks:", "quarantine: true, checks:")
    folder.declare(aside, code)
    for table in cli("run", "one", "two", "-o", "json").json["tables"]:
        for check in table.get("checks", ()):
            assert (check["quarantined"], [each["row"] for each in check["examples"]]) == (4, [1, 3, 4, 7])


COMPARED_WITH_NULL = [
    '{expression: "id = null"}',
    "{expression: \"code not in ('b', null)\"}",
    '{expression: "id not between null and 3"}',
    '{expression: "id < null::bigint"}',
    '{unique: id, where: "code <> null"}',
    '{expression: "code not like null"}',
    "{expression: \"code ilike null escape '!'\"}",
    '{expression: "code similar to null"}',
    '{expression: "code ~ null::text"}',
    '{sql: "select * from (select * from this where id = null)"}',
]
NULL_KEPT = """id is distinct from null and nullif(id, null) > 0 and coalesce(id, null) > 0
            and (code is null or case when id > 0 then true else null end)"""


def test_condition_that_compares_with_null_is_refused_as_it_judges_no_row(folder: ProjectFolder, cli: Cli) -> None:
    def validate(*written: str) -> Any:
        listed = "".join(f"\n      - {each}" for each in written)
        source = f"s:\n    kind: source\n    columns: {{id: int64, code: string}}\n    checks:{listed}\n"
        folder.write("lakehouse.yaml", f"name: nulls\nmodule: t\ntables:\n  {source}")
        return cli("validate", "-o", "json")

    folder.write("t.py", "")
    refused = validate(*COMPARED_WITH_NULL)
    assert refused.code == 3
    problems = refused.json["error"]["problems"]
    assert [(each["line"], each["column"]) for each in problems] == [
        (line, len("      - ") + 1 + written.index("null")) for line, written in enumerate(COMPARED_WITH_NULL, 8)
    ]
    assert {each["message"].partition(" compares ")[2] for each in problems} == {"with null, which is true of no row"}
    assert {each["hint"] for each in problems} == {"write `… is null` or `… is not null`"}
    assert validate(f'{{expression: "{NULL_KEPT}"}}').code == 0


def test_words_of_one_check_in_a_column_name_where_they_stand(folder: ProjectFolder, cli: Cli) -> None:
    column = "{type: int64, max: 100, error_above: 5%}"
    declared = "name: x\nmodule: transforms\ntables:\n  t: {kind: source, columns: {n: COLUMN}}\n"
    folder.write("lakehouse.yaml", declared.replace("COLUMN", column))
    wrong = cli("validate")
    assert wrong.code == 3
    assert "write it in the check that it is of, as in `checks: [{max: 100, error_above: 5%}]`" in wrong.err
    folder.write("lakehouse.yaml", declared.replace("COLUMN", "{type: int64, checks: [{max: 100, error_above: 5%}]}"))
    assert cli("validate").code == 0


def test_frame_of_truth_values_is_no_frame_of_wrong_rows(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: x
        tables: {s: {kind: source, columns: {n: int64}, checks: [{function: "judging:small"}]}}
        """,
    )
    folder.write("data/s.csv", "n\n1\n2\n")
    folder.write("judging.py", "def small(frame):\n    return frame[['n']] < 10\n")
    wrong = cli("check")
    assert wrong.code == 1
    assert "returned a frame of truth values; make one truth value a row of it, as by `.all(axis=1)`" in wrong.out
    folder.write("judging.py", "def small(frame):\n    return (frame[['n']] < 10).all(axis=1)\n")
    assert cli("check").code == 0
