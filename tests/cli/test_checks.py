"""Checks, from the project file to the run: what is published, what is reported, what is judged again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, Invoked, ProjectFolder

PROJECT = """
name: weather
module: transforms
storages: {default: {root: data, format: %(format)s}}
tables:
  raw: {kind: source, format: csv, columns: {station: string, high: float64, email: string}}
  stations: {kind: source, format: csv, columns: {station: string}}
  daily:
    inputs: [raw]
    columns:
      station: string
      high: {type: float64, %(high)s}
      email: {type: string, sensitive: true, %(email)s}
    checks: %(checks)s
  report: {inputs: [daily], columns: {n: int64}}
"""
CODE = """
import pandas as pd

def daily(raw):
    print("computed")
    return raw

def report(daily):
    return pd.DataFrame({"n": [len(daily)]})

def plausible(frame):
    return frame["high"] < 60

def short(frame):
    return [True]

def twice(frame):
    return pd.Series([True, True, True], index=[0, 1, 1])

def other(frame):
    return frame.set_index("station")["high"] < 60

def hole(frame):
    return [True] * (len(frame) - 1) + [None]
"""


@pytest.fixture
def weather(folder: ProjectFolder) -> ProjectFolder:
    """Three rows; what they must satisfy is said by `declare`."""
    folder.write("transforms.py", CODE)
    folder.write("data/raw.csv", "station,high,email\nSFO,50,a@b.c\nOAK,70,x@y.z\nSFO,,\n")
    folder.write("data/stations.csv", "station\nSFO\nOAK\n")
    return folder


def declare(folder: ProjectFolder, **parts: str) -> None:
    parts = {"format": "csv", "high": "nullable: true", "email": "nullable: true", "checks": "[]", **parts}
    folder.write("lakehouse.yaml", PROJECT % parts)


def table(ran: Invoked, name: str = "daily") -> Any:
    return next(each for each in ran.json["tables"] if each["name"] == name)


def checks(ran: Invoked) -> dict[str, Any]:
    return {each["name"]: each for each in table(ran)["checks"]}


def test_every_kind_is_judged_and_counted(weather: ProjectFolder, cli: Cli) -> None:
    declare(
        weather,
        high="min: 50, max: 60, checks: [{max: 60, error_above: 50%}, {nulls: {max: 10%}, severity: warn}]",
        checks="""
      - {unique: station, severity: warn}
      - {row_count: {min: 4}, severity: info}
      - {foreign_key: {columns: station, references: stations.station}}
      - {expression: "10 // (high - 70) < 0", name: ratio, where: "station <> 'XXX'", severity: warn}
      - {sql: "select * from this where high > 60", severity: warn}
      - {function: plausible, severity: warn}""",
    )
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    found = checks(ran)
    assert {
        name: (each["status"], each["count"], each["rows"], each["not_judged"]) for name, each in found.items()
    } == {
        "high_min": ("passed", 0, 2, 1),
        "high_max": ("failed", 1, 2, 1),
        "high_max_2": ("passed", 1, 2, 1),
        "high_nulls": ("warned", 1, 3, 0),
        "unique": ("warned", 2, 3, 0),
        "row_count": ("passed", 1, 3, 0),
        "foreign_key": ("passed", 0, 3, 0),
        "ratio": ("errored", 0, 1, 1),
        "sql": ("warned", 1, 3, 0),
        "function": ("warned", 2, 3, 0),
    }
    assert found["high_max"]["examples"] == [{"row": 2, "value": "70.0"}]
    assert (found["high_max_2"]["value"], found["high_max_2"]["threshold"]) == ("1/2", "50%")
    assert found["unique"]["examples"] == [{"row": 1, "value": "'SFO'"}, {"row": 3, "value": "'SFO'"}]
    assert found["row_count"]["value"] == "3"
    # Of three violations, that of the one check which keeps the table from being published.
    assert [each["check"] for each in table(ran)["error"]["violations"]] == ["max"]
    assert not (weather.path / "data/daily.csv").exists()
    assert table(ran, "report")["status"] == "skipped"


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_error_leaves_what_is_stored(weather: ProjectFolder, cli: Cli, executor: str) -> None:
    declare(weather, high="max: 100")
    assert cli("run", "--executor", executor).code == 0
    before = (weather.path / "data/daily.csv").read_bytes()
    weather.write("data/raw.csv", "station,high,email\nSFO,500,a@b.c\n")
    ran = cli("run", "--executor", executor)
    assert ran.code == 1
    assert "check `high_max`: 1 value of `high` is above 100" in ran.err
    assert "row 1: 500.0" in ran.err
    assert (weather.path / "data/daily.csv").read_bytes() == before
    assert cli("show", "daily", "--failed", "-o", "json").json["rows"][0]["values"]["high"] == "500.0"


def test_warnings_are_reported_again(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, high="checks: [{max: 60, severity: warn}]")
    first = cli("run", "--warnings-as-errors")
    assert first.code == 1
    assert (weather.path / "data/daily.csv").exists()
    kept = cli("show", "daily", "--failed", "-o", "json").json
    assert [(row["row"], row["values"]) for row in kept["rows"]] == [
        (2, {"high": "70.0", "station": "OAK", "email": "***"})
    ]
    for again in (cli("run", "--warnings-as-errors"), cli("plan")):
        assert again.code == 0
        assert "warning: daily  check `high_max`: 1 value of `high` is above 60 (1 of 2)" in again.out
        assert "as an earlier run found" in again.out


def test_changed_check_is_judged_on_stored_data(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, high="max: 100")
    assert "computed" in cli("run").err
    declare(weather, high="max: 60")
    planned = table(cli("plan", "-o", "json"))
    assert (planned["action"], [each["code"] for each in planned["reasons"]]) == ("check", ["check_changed"])
    assert cli("plan", "--exit-code").code == 4
    checked = cli("run", "-o", "json")
    assert checked.code == 1
    assert "computed" not in checked.err
    assert (table(checked)["status"], checks(checked)["high_max"]["count"]) == ("failed", 1)
    # Another name, severity or threshold needs no look at the data, whatever becomes of these.
    (weather.path / "data/daily.csv").touch()
    declare(weather, high="checks: [{max: 60, name: hot, error_above: 60%, warn_above: 10%}]")
    assert table(cli("plan", "-o", "json"))["action"] == "skip"
    judged = cli("run", "-o", "json")
    assert (judged.code, checks(judged)["hot"]["status"]) == (0, "warned")
    declare(weather, high="checks: [{max: 60, error_above: 49%}]")
    failing = cli("run", "report", "--force", "-o", "json")
    assert (failing.code, table(failing, "report")["status"]) == (1, "skipped")  # also where it is selected alone
    why = "`daily`: check `high_max`: 1 value of `high` is above 60"
    assert table(failing, "report")["error"]["message"] == why
    weather.write("transforms.py", CODE.replace("len(daily)", "2"))
    assert table(cli("plan", "report", "-o", "json"), "report")["would_fail"] == why
    assert table(cli("diff", "report", "-o", "json"), "report")["error"]["message"] == why
    assert (cli("run").code, table(cli("run", "-o", "json"))["status"]) == (1, "failed")


def test_foreign_key_follows_its_parent(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, checks="[{foreign_key: {columns: station, references: stations.station}}]")
    assert cli("run").code == 0
    weather.write("data/stations.csv", "station\nSFO\n")
    planned = table(cli("plan", "-o", "json"))
    assert (planned["action"], planned["reasons"][0]["code"]) == ("check", "reference_changed")
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert "computed" not in ran.err
    assert checks(ran)["foreign_key"]["examples"] == [{"row": 2, "value": "'OAK'"}]
    weather.write("data/stations.csv", "station\nSFO\nOAK\n")
    assert cli("run").code == 0
    assert table(cli("plan", "-o", "json"))["action"] == "skip"


def test_check_that_was_not_judged_is_said(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, checks="[{row_count: {equals: report}, name: same}]")
    note = "note: `daily`: check `same` was not judged: `report` has no data to look at\n"
    for arguments in ("run",), ("run", "-q"), ("plan",), ("check",), ("run", "--force"):
        ran = cli(*arguments, "daily")
        assert (ran.code, ran.out.count(note)) == (0, "-q" not in arguments), arguments
    assert [cli("run").code, cli("run").code] == [0, 1]  # what `report` is computed from comes first
    assert "was not judged" not in cli("plan").out


def test_check_says_why_its_reference_cannot_be_looked_at(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        raw: {kind: source, columns: {id: {type: int64, max: 5}}}
        daily:
          inputs: []
          columns: {id: int64}
          checks: [{foreign_key: {columns: id, references: raw.id}}, {row_count: {equals: report}, name: same}]
        report: {inputs: [daily], columns: {id: int64}}
        """,
        "import pandas as pd\n\ndef daily():\n    return pd.DataFrame({'id': [1]})\n\n"
        "def report(daily):\n    return daily\n",
    )
    folder.write("data/raw.csv", "id\n7\n")
    ran = cli("run")
    assert ran.code == 1
    for each in ("`foreign_key` was not judged: `raw` failed", "`same` was not judged: `report` is computed after it"):
        assert f"note: `daily`: check {each}\n" in ran.out


def test_reference_to_oneself_and_to_what_is_computed_from_it(weather: ProjectFolder, cli: Cli) -> None:
    weather.write(
        "lakehouse.yaml",
        """
        name: cycle
        module: transforms
        tables:
          raw: {kind: source, columns: {station: string, high: float64, email: string}}
          daily:
            inputs: [raw]
            columns: {station: string, high: float64, email: string}
            checks:
              - {foreign_key: {columns: station, references: daily.station}}
              - {row_count: {equals: report}, severity: warn, name: same}
          report: {inputs: [daily], columns: {n: int64}}
        """,
    )
    ran = cli("run", "-o", "json")
    assert ran.code == 0
    assert {name: each["status"] for name, each in checks(ran).items()} == {"foreign_key": "passed", "same": "skipped"}
    again = cli("run", "-o", "json")
    assert {name: each["status"] for name, each in checks(again).items()} == {"foreign_key": "passed", "same": "warned"}


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("{function: short}", "check `function` returned a mask of 1 value for 3 rows"),
        ("{function: hole}", "check `function` returned a mask with 1 null"),
        ('{expression: "10 // (high - 70) < 0"}', "1 row raises an error in SQL: Division by zero in expression"),
        ('{expression: "station::int > 1"}', "3 rows raise an error in SQL: Could not convert string 'SFO' to INT32"),
        ('{expression: "station::int > 1"}', "    row 1: 'SFO', row 2: 'OAK'"),
        ('{expression: "email::int > 1"}', "2 rows raise an error in SQL\n"),
        ("{function: twice}", "check `function` returned a mask with another index than the table has"),
        ("{function: other}", "check `function` returned a mask with another index than the table has"),
    ],
)
def test_check_that_cannot_be_judged_publishes_nothing(
    weather: ProjectFolder, cli: Cli, check: str, message: str
) -> None:
    declare(weather, checks=f"[{check}]")
    ran = cli("run")
    assert ran.code == 1
    assert message in ran.err
    assert ("next: correct the check, or the data looked at" in ran.err) == ("function" in check)
    assert not (weather.path / "data/daily.csv").exists()


@pytest.mark.parametrize(("severity", "code"), [("error", 1), ("warn", 0)])
def test_rows_that_raise_are_kept(weather: ProjectFolder, cli: Cli, severity: str, code: int) -> None:
    declare(weather, checks=f'[{{expression: "10 // (high - 70) < 0", severity: {severity}, name: ratio}}]')
    assert cli("run").code == code
    found = cli("show", "daily", "--failed", "-o", "json").json
    assert found["count"] == 1
    [row] = found["rows"]
    assert row["row"] == 2
    assert "check `ratio`: 1 row raises an error in SQL: Division by zero in expression" in row["reasons"][0]
    assert row["values"].get("high", row["values"].get("ratio")) == "70.0"


def test_what_is_not_closed_by_itself_is_refused(weather: ProjectFolder, cli: Cli) -> None:
    wrong = [
        '{expression: "high = 1) or (1=1"}',
        '{expression: "high = 1) or (1=1 --"}',
        '{expression: "high > 1; select 1"}',
        '{expression: "station = \'a"}',
        "{expression: high > 1 /*}",
        '{unique: station, where: "high = 1) or (1=1"}',
        '{sql: "select * from this) union (select * from this", name: closed}',
    ]
    right = """
      - {expression: "high > 1 -- )"}
      - {expression: "station <> ')' /* ( */ and (high > 1) or (high < 1)"}"""
    for keep in ("", "extra_columns: keep\n    "):
        declare(weather, email=r"matches: '\p{L})|(?:b'", checks="".join(f"\n      - {each}" for each in wrong) + right)
        weather.edit("lakehouse.yaml", "checks: \n", f"{keep}checks:\n")
        found = cli("validate")
        assert found.code == 3
        lines = [int(each) for each in re.findall(r"lakehouse.yaml:(\d+):", found.err)]
        first = 15 if keep else 14
        assert sorted(lines) == [12, *range(first, first + len(wrong))]
    declare(weather, email=r"matches: '\p{L}+\x{e9}+\Q(?=}+'", checks=right)
    assert cli("validate").code == 0


def test_sensitive_values_appear_nowhere(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, email='matches: "[a-c@.]+", checks: [{unique: true, nulls: fail}]')
    for arguments in (["run"], ["run", "-o", "json"], ["run", "--log-format", "json"]):
        ran = cli(*arguments)
        assert ran.code == 1
        assert "x@y.z" not in ran.out + ran.err
        assert "***" in ran.out + ran.err
    assert "x@y.z" not in cli("show", "daily", "--failed", "-o", "json").out
    declare(weather, email="nullable: true")
    assert cli("run").code == 0
    shown = cli("show", "daily", "-o", "json").json["rows"]
    assert [row["email"] for row in shown] == ["***", "***", None]
    assert "x@y.z" in cli("show", "daily", "--reveal").out
    weather.write("data/raw.csv", "station,high,email\nSFO,50,q@r.s\n")
    assert "q@r.s" not in cli("diff").out
    assert "q@r.s" in cli("diff", "--reveal").out
    kept = [path for path in (weather.path / ".lakehouse").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"x@y.z" in path.read_bytes()]


def test_sensitive_moments_are_hidden_however_they_are_written(folder: ProjectFolder, cli: Cli) -> None:
    types = {"d": "date32", "ts": "timestamp[us]", "zoned": "timestamp[us, tz=Europe/Zurich]", "t": "time64[us]"}
    columns = ", ".join(f"{name}: {{type: '{kind}', sensitive: true}}" for name, kind in types.items())
    moment = "1987-06-05 13:14:15"
    folder.write("data/born.csv", f"{','.join(types)}\n1987-06-05,{moment},{moment}+02:00,13:14:15\n")
    folder.declare(
        f"born: {{kind: source, columns: {{{columns}}}}}\nnext: {{inputs: [born]}}",
        "import pyarrow as pa\n\ndef next(born: pa.Table):\n    raise ValueError(f'{born.to_pylist()[0]}')\n",
    )
    ran = cli("run", "-o", "json", "-v")
    assert ran.code == 1
    message = ran.json["tables"][-1]["error"]["message"]
    assert message.count("***") >= len(types), message
    told = ran.out + ran.err + "".join(each.read_text() for each in folder.path.rglob("*.jsonl"))
    assert "(1987, 6, 5" not in told
    assert "(13, 14, 15" not in told


def test_values_made_of_sensitive_ones_are_hidden(weather: ProjectFolder, cli: Cli) -> None:
    declare(
        weather, checks="[{function: made, severity: warn}, {sql: select upper(email) as z from this group by all}]"
    )
    named = "tests: [{name: told, given: {daily: [{station: SFO, email: u@v.w}]}, expect: []}]}"
    weather.write(
        "lakehouse.yaml",
        (weather.path / "lakehouse.yaml")
        .read_text()
        .replace("all}]", "all, severity: warn}]")
        .replace("csv}}", "csv}, db: {type: duckdb, root: l.db}}")
        + f"  broken: {{inputs: [daily], columns: {{n: int64}}, {named}\n"
        + f"  lazy: {{inputs: [daily], columns: {{n: int64}}, {named}\n"
        + f"  query: {{sql: select email::int64 as n from daily, columns: {{n: int64}}, {named}\n"
        + "  here: {storage: db, sql: select email from daily, columns: {email: {type: string, sensitive: true}}}\n"
        + "  there: {storage: db, engine: storage, sql: select email::int64 as n from here, columns: {n: int64}}\n",
    )
    weather.write(
        "transforms.py",
        CODE
        + """
def made(frame):
    return frame.assign(z=frame.email.str.upper())[["z"]]

def broken(daily):
    raise ValueError(f"not one of {list(daily['email'])}")

def lazy(daily: "polars.LazyFrame"):
    raise ValueError(f"not one of {list(daily.collect()['email'])}")
""",
    )
    ran = [cli("run"), cli("run", "-v", "-o", "json"), cli("test"), cli("test", "-o", "json")]
    assert [each.code for each in ran] == [1, 1, 1, 1]
    for each in ran:
        assert not re.search("x@y.z|u@v.w", each.out + each.err, re.IGNORECASE)
    assert ran[0].out.count("    ***, ***") == 2  # of the two checks
    for where in ran[0].err, ran[2].err + ran[2].out:
        assert where.count("raised ValueError: not one of ['***'") == 2
        assert "Could not convert string '***' to INT64" in where
    assert ran[0].err.count("Could not convert string '***' to INT64") == 2
    kept = [path for path in (weather.path / ".lakehouse").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"x@y.z" in path.read_bytes().lower()]


def test_sensitive_values_that_do_not_fit_are_not_shown(weather: ProjectFolder, cli: Cli) -> None:
    text = (PROJECT % {"format": "csv", "high": "nullable: true", "email": "max: 3", "checks": "[]"}).replace(
        "email: {type: string", "email: {type: int64"
    )
    weather.write("lakehouse.yaml", text)
    ran = cli("run")
    assert ran.code == 1
    assert "a@b.c" not in ran.out + ran.err
    weather.write("lakehouse.yaml", text.replace("email: string", "email: {type: int64, sensitive: true}"))
    ran = cli("run")
    assert ran.code == 1
    assert "a@b.c" not in ran.out + ran.err


def test_empty_table_passes_and_freshness_needs_a_row(weather: ProjectFolder, cli: Cli) -> None:
    weather.write("data/raw.csv", "station,high,email\n")
    declare(
        weather,
        high="min: 1, max: 2",
        checks="[{unique: station}, {expression: high > 1}, {sql: select * from this}, {function: plausible}]",
    )
    ran = cli("run", "-o", "json")
    assert ran.code == 0
    assert {each["status"] for each in checks(ran).values()} == {"passed"}


def test_large_violation_is_bounded(weather: ProjectFolder, cli: Cli) -> None:
    rows = "".join(f"S{row},500,\n" for row in range(20_000))
    weather.write("data/raw.csv", f"station,high,email\n{rows}")
    declare(weather, high="max: 100", checks="[{unique: station}]")
    ran = cli("run")
    assert ran.code == 1
    assert "20,000 values of `high` are above 100" in ran.err
    assert len(ran.out + ran.err) < 3_000


def test_checks_in_python_are_those_of_yaml(weather: ProjectFolder, cli: Cli) -> None:
    weather.write(
        "lake.py",
        """
        from lakehouse_cli import Column, Lakehouse, computed_table, source_table

        raw = source_table("raw", columns=[Column("high", "float64")])

        @computed_table(columns=[Column("high", "float64", max=60, checks=[{"min": 1, "severity": "warn"}])],
                        checks=[{"row_count": {"min": 1}}])
        def hot(raw):
            return raw

        lakehouse = Lakehouse(assets=[hot], name="lake")
        """,
    )
    (weather.path / "lakehouse.yaml").unlink(missing_ok=True)
    ran = cli("-m", "lake", "run", "-o", "json")
    assert ran.code == 1
    found = {each["name"]: each["status"] for each in table(ran, "hot")["checks"]}
    assert found == {"high_max": "failed", "high_min": "passed", "row_count": "passed"}


def manifest(folder: Path, name: str) -> Any:
    return json.loads((folder / "data/.lakehouse/manifests" / f"{name}.json").read_text())


def test_counts_lie_in_the_manifest(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, checks="[{row_count: {change: {max: 50%}}}]")
    assert cli("run").code == 0
    assert manifest(weather.path, "daily")["checks"][0]["state"] == {"rows": "3"}
    weather.write("data/raw.csv", "station,high,email\n" + "SFO,1,\n" * 5)
    ran = cli("run", "-o", "json")
    assert "5 rows after 3: a change of +67%, and the greatest is 50%" in checks(ran)["row_count"]["message"]


def test_checks_of_a_source_stop_what_reads_it(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather)
    text = (weather.path / "lakehouse.yaml").read_text()
    weather.write("lakehouse.yaml", text.replace("high: float64, email", "high: {type: float64, max: 60}, email"))
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert [(each["name"], each["status"]) for each in ran.json["tables"]] == [
        ("raw", "failed"),
        ("daily", "skipped"),
        ("report", "skipped"),
    ]
    assert table(ran, "raw")["checks"][0]["examples"] == [{"row": 2, "value": "70.0", "line": 3}]
    warn = "high: {type: float64, checks: [{max: 60, severity: warn}]}, email"
    weather.write("lakehouse.yaml", text.replace("high: float64, email", warn))
    assert "warning: raw  check `high_max`" in cli("run").out


@pytest.mark.parametrize("arguments", [("raw",), ("+raw", "--executor", "processes"), ("daily",)])
def test_source_is_judged_as_by_check(weather: ProjectFolder, cli: Cli, arguments: tuple[str, ...]) -> None:
    declare(weather)
    text = (weather.path / "lakehouse.yaml").read_text()
    strict = "high: {type: float64, nullable: false, max: 60}, email"
    weather.write("lakehouse.yaml", text.replace("high: float64, email", strict))
    ran = cli("run", *arguments, "-o", "json")
    found = table(ran, "raw")
    assert (ran.code, found["status"]) == (1, "failed")
    # All that is wrong at once, as `lakehouse check` says it.
    assert [each["check"] for each in found["error"]["violations"]] == ["null", "max"]
    assert found["error"] == table(cli("check", "raw", "-o", "json"), "raw")["error"]


@pytest.mark.parametrize("storage", ["type: sqlite, root: lake.sqlite", "type: duckdb, root: lake.duckdb"])
def test_query_in_its_database_is_judged_before_it_is_stored(weather: ProjectFolder, cli: Cli, storage: str) -> None:
    def project(limit: int) -> None:
        weather.write(
            "lakehouse.yaml",
            f"""
            name: inside
            module: transforms
            storages: {{default: {{{storage}}}, files: {{root: data, format: csv}}}}
            tables:
              raw: {{kind: source, storage: files, columns: {{station: string, high: float64, email: string}}}}
              kept: {{function: daily, inputs: [raw], columns: {{station: string, high: float64, email: string}}}}
              best:
                sql: select station, high from kept where high is not null
                engine: storage
                inputs: [kept]
                columns: {{station: string, high: {{type: float64, max: {limit}}}}}
            """,
        )

    project(100)
    assert cli("run").code == 0
    project(60)
    checked = cli("run", "-o", "json")
    assert (checked.code, table(checked, "best")["checks"][0]["count"]) == (1, 1)
    again = table(cli("run", "-o", "json"), "best")
    assert (again["status"], again["checks"][0]["earlier"]) == ("failed", True)
    weather.write("data/raw.csv", "station,high,email\nSFO,90,\nOAK,91,\n")
    ran = cli("run", "-o", "json")
    assert sorted(each["value"] for each in table(ran, "best")["checks"][0]["examples"]) == ["90.0", "91.0"]
    assert sorted(row["high"] for row in cli("show", "best", "-o", "json").json["rows"]) == [50.0, 70.0]


@pytest.mark.parametrize("frame", ["Iterator[pa.RecordBatch]", "pl.LazyFrame"])
def test_stream_is_judged_as_it_passes(weather: ProjectFolder, cli: Cli, frame: str) -> None:
    result = "iter(pa.table(rows).to_batches(max_chunksize=2))" if "pa." in frame else "pl.LazyFrame(rows)"
    weather.write(
        "transforms.py",
        f"""
        from collections.abc import Iterator
        import polars as pl
        import pyarrow as pa

        def numbers(start: int) -> {frame}:
            rows = {{"n": list(range(start, 6)), "g": [n % 3 for n in range(start, 6)]}}
            return {result}
        """,
    )

    def project(start: int) -> None:
        weather.write(
            "lakehouse.yaml",
            f"""
            name: streams
            module: transforms
            storages: {{default: {{root: data, format: parquet}}}}
            tables:
              numbers:
                params: {{start: {start}}}
                order_by: n
                columns: {{n: {{type: int64, max: 5, min: 0}}, g: int64}}
                checks:
                  - {{unique: g, severity: warn}}
                  - {{sql: "select g, count(*) as n from this group by g having count(*) <> 2", name: pairs}}
                  - {{foreign_key: {{columns: g, references: numbers.n}}}}
            """,
        )

    project(0)
    ran = cli("run", "-o", "json")
    assert ran.code == 0
    found = {each["name"]: (each["status"], each["count"], each["rows"]) for each in table(ran, "numbers")["checks"]}
    assert found["unique"] == ("warned", 6, 6)
    assert found["pairs"] == ("passed", 0, 6)
    assert found["foreign_key"] == ("passed", 0, 6)
    before = (weather.path / "data/numbers.parquet").read_bytes()
    project(-1)
    failing = cli("run", "-o", "json")
    assert failing.code == 1
    checks = {each["name"]: each for each in table(failing, "numbers")["checks"]}
    assert checks["n_min"]["examples"] == [{"row": 1, "value": "-1"}]
    assert (checks["pairs"]["status"], checks["pairs"]["count"]) == ("failed", 1)
    assert (weather.path / "data/numbers.parquet").read_bytes() == before


def test_errors_of_sensitive_tables_are_not_shown(weather: ProjectFolder, cli: Cli) -> None:
    weather.write("transforms.py", CODE + "\ndef leak(frame):\n    raise ValueError(list(frame['email']))\n")
    declare(weather, checks="[{function: leak}, {sql: 'select email::int from this group by all', name: cast}]")
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert "x@y.z" not in ran.out + ran.err
    assert {each["status"] for each in checks(ran).values()} == {"errored"}
    declare(weather, email="nullable: true", checks="[{freshness: {column: email, within: 1d}}]")
    text = (weather.path / "lakehouse.yaml").read_text().replace("email: {type: string", "email: {type: date32")
    weather.write("lakehouse.yaml", text)
    assert "check `freshness` of table `daily` shows the newest `email`, which is sensitive" in cli("validate").err


def test_check_of_a_table_that_need_not_run_after_all(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather)
    assert cli("run").code == 0
    weather.write("transforms.py", CODE.replace("return raw", "return raw.copy()"))
    text = (weather.path / "lakehouse.yaml").read_text()
    weather.write("lakehouse.yaml", text.replace("{n: int64}", "{n: {type: int64, max: 2}}"))
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert table(ran)["status"] == "materialized"
    assert (table(ran, "report")["status"], table(ran, "report")["checks"][0]["count"]) == ("failed", 1)


def test_several_results_are_judged_each(weather: ProjectFolder, cli: Cli) -> None:
    def project(limit: int) -> None:
        weather.write("transforms.py", "def halves(raw):\n    return {'first': raw[:1], 'rest': raw[1:]}\n")
        columns = "columns: {station: string, email: string, high: "
        weather.write(
            "lakehouse.yaml",
            f"""
            name: halves
            module: transforms
            tables:
              raw: {{kind: source, columns: {{station: string, high: float64, email: string}}}}
              first: {{function: halves, output: first, {columns} float64}}}}
              rest: {{function: halves, output: rest, {columns} {{type: float64, max: {limit}}}}}}}
            """,
        )

    project(60)
    ran = cli("run", "-o", "json")
    assert {name: table(ran, name)["status"] for name in ("first", "rest")} == {"first": "skipped", "rest": "failed"}
    project(100)
    assert cli("run").code == 0
    project(90)
    planned = cli("plan", "-o", "json")
    assert {name: table(planned, name)["action"] for name in ("first", "rest")} == {"first": "skip", "rest": "check"}
    assert cli("run").code == 0
    assert cli("graph").code == 0


WRONG_SQL = {
    '{expression: "hihg > 3"}': ("23", "names column `hihg`, which the table does not have", "did you mean `high`?"),
    '{expression: "high > 3 and x > 1"}': ("36", "names column `x`", "its columns are `station`, `high`, `email`"),
    "{expression: 'station = \"SFO\"'}": ("33", "names column `SFO`", "a text stands in single quotes: `'SFO'`"),
    '{expression: "daily.high > 3"}': ("23", "names a column of `daily`", "write the column alone, without `daily.`"),
    '{expression: "high > > 3"}': ("30", "has a syntax error at or near `>`", "write one condition on a row"),
    '{expression: "high + 1"}': ("23", "is DOUBLE, not true or false", "compare it"),
    '{expression: "station = high"}': ("23", "compares VARCHAR with DOUBLE", "cast one of the two"),
    '{expression: "high > 1 and station in (1, 2)"}': ("36", "compares VARCHAR with INTEGER", "cast one of the two"),
    "{expression: \"case when station = 'x' then high = (high > 2) end\"}": (
        "52",
        "compares DOUBLE with BOOLEAN",
        "cast",
    ),
    '{expression: "high > 3 and not high"}': ("40", "takes DOUBLE as true or false", "compare it"),
    '{unique: station, where: "high or high > 1"}': ("35", "takes DOUBLE as true or false", "compare it"),
    '{sql: "select * from this a join this b on a.high = b.station"}': ("52", "compares DOUBLE with VARCHAR", "cast"),
    '{sql: "select * from (select high as h from this) where h"}': (
        "65",
        "takes DOUBLE as true or false",
        "compare it",
    ),
    '{expression: "3 > 1"}': ("23", "names no column of the table", "name one"),
    '{expression: "lenght(station) > 3"}': ("23", "calls `lenght`, which DuckDB does not", "did you mean `length`?"),
    '{expression: "length(high) > 3"}': ("23", "calls `length(DOUBLE)`, which DuckDB", "`length(string VARCHAR)"),
    '{expression: "high > (select 1)"}': ("30", "holds a query", "`sql: select * from this where …`"),
    '{expression: "unnest([high > 1])"}': ("23", "makes rows of its own (`unnest`)", "`list_contains`"),
    "{expression: \"high > current_setting('threads')::int\"}": ("30", "calls `current_setting`", "leave it out"),
    '{expression: "read_text(station) is null"}': ("23", "calls `read_text`, which returns a table", "leave it out"),
    '{expression: "high > $x"}': ("30", "has a parameter", "write its value"),
    "{expression: \"high > 'x'\"}": ("30", "has a value that does not fit", "write a value"),
    '{sql: "select * from this where hihg > 3"}': ("41", "names column `hihg`", "did you mean `high`?"),
    '{sql: "select 1 as high"}': ("16", "does not read `this`", "`select * from this where high > 100`"),
    '{sql: "select * from this where high > ?"}': ("16", "has a parameter", "write its value"),
    '{unique: station, where: "hihg > 3"}': ("35", "names column `hihg`", "did you mean `high`?"),
    '{sql: "select this.* from this, duckdb_settings()"}': ("16", "calls `duckdb_settings()`", "leave it out"),
}


def test_wrong_sql_is_refused_at_its_place(weather: ProjectFolder, cli: Cli) -> None:
    def problems(*written: str) -> list[Any]:
        declare(weather, checks="[]")
        text = "".join(f"\n      - {each}" for each in written)
        weather.edit("lakehouse.yaml", "checks: []", f"checks:{text}")
        validated = cli("validate", "-o", "json")
        return [] if validated.code == 0 else validated.json["error"]["problems"]

    found = problems(*WRONG_SQL)
    for line, ((written, expected), problem) in enumerate(zip(WRONG_SQL.items(), found, strict=True), 14):
        column, message, hint = expected
        assert message in problem["message"], written
        assert (problem["line"], str(problem["column"])) == (line, column), written
        assert hint in problem["hint"], written
    [of_lines] = problems("sql: |\n          select *\n          from daily")
    assert (of_lines["line"], of_lines["column"]) == (16, 16)
    assert not problems("{expression: \"high > 3 and this.station = 'x'\"}", '{sql: "from this select max(high)"}')


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("select * from this where random() < 2", "random"),
        ("select * from (select v, uuid() as u from this) where u > 'a'", "uuid"),
        ("select * from this using sample 10%", "sample"),
        ("select * from this using sample reservoir(9 rows) repeatable (3)", None),
    ],
)
def test_query_that_differs_each_time_is_refused(folder: ProjectFolder, cli: Cli, query: str, name: str | None) -> None:
    folder.declare(f's: {{kind: source, columns: {{v: int64}}, checks: [{{sql: "{query}"}}]}}')
    found = cli("validate")
    assert found.code == (0 if name is None else 3)
    assert name is None or f"check `sql` of table `s` is different each time (`{name}`)" in found.err
