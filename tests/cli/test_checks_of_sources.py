"""Checks of sources: what was found is kept in the project, reported again, and judged anew after changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Cli, Invoked, ProjectFolder

PROJECT = """
name: sources
module: transforms
storages: {{default: {{root: data}}}}
environments: {{prod: {{storages: {{default: {{root: prod}}}}}}}}
tables:
  raw: {{kind: source, columns: {{station: string, high: {high}, day: date32}}, checks: {checks}}}
  stations: {{kind: source, columns: {{station: string}}}}
  daily: {{inputs: [raw], columns: {{station: string, high: float64, day: date32}}}}
"""
ROWS = "station,high,day\nSFO,50,2026-01-01\nOAK,70,2026-01-02\n"
WARN = "{type: float64, checks: [{max: 60, severity: warn}]}"


@pytest.fixture
def lake(folder: ProjectFolder) -> ProjectFolder:
    """Two rows, one of them above 60."""
    folder.write("transforms.py", "def daily(raw):\n    return raw\n")
    folder.write("data/raw.csv", ROWS)
    folder.write("data/stations.csv", "station\nSFO\nOAK\n")
    return folder


def declare(folder: ProjectFolder, high: str = "float64", checks: str = "[]") -> None:
    folder.write("lakehouse.yaml", PROJECT.format(high=high, checks=checks))


def raw_of(ran: Invoked) -> dict[str, object]:
    return next(each for each in ran.json["tables"] if each["name"] == "raw")


def planned(cli: Cli) -> tuple[str, list[str]]:
    found = raw_of(cli("plan", "-o", "json"))
    return str(found["action"]), [each["code"] for each in found["reasons"]]  # type: ignore[attr-defined]


def check_of(ran: Invoked, name: str) -> dict[str, object]:
    return next(each for each in raw_of(ran)["checks"] if each["name"] == name)  # type: ignore[attr-defined]


def test_warnings_are_reported_again(lake: ProjectFolder, cli: Cli) -> None:
    declare(lake, WARN)
    assert planned(cli) == ("check", ["never_checked"])
    before = sorted(path.name for path in (lake.path / "data").iterdir())
    assert cli("run", "--warnings-as-errors").code == 1
    assert planned(cli) == ("read", [])
    line = "warning: raw  check `high_max`: 1 value of `high` is above 60 (1 of 2), as an earlier run found"
    for again in (cli("plan", "--exit-code"), cli("run", "--warnings-as-errors")):
        assert (again.code, again.out.count(line)) == (0, 1)
    assert check_of(cli("run", "-o", "json"), "high_max")["earlier"] is True
    assert "70.0" in cli("show", "raw", "--failed").out
    assert cli("run", "--force").code == 0  # what reads it puts out of the way nothing that was found of it
    assert "70.0" in cli("show", "raw", "--failed").out
    assert sorted(path.name for path in (lake.path / "data").iterdir()) == sorted([*before, "daily.csv", ".lakehouse"])
    assert "raw" not in str([*(lake.path / "data/.lakehouse").rglob("*")])  # nothing lies beside data of others


def test_changed_check_or_data_are_judged(lake: ProjectFolder, cli: Cli) -> None:
    declare(lake)
    assert cli("run").code == 0
    declare(lake, WARN)
    assert planned(cli) == ("check", ["never_checked"])
    assert cli("plan", "--exit-code").code == 4
    ran = cli("run", "-o", "json")
    assert (check_of(ran, "high_max")["count"], "earlier" in check_of(ran, "high_max")) == (1, False)
    declare(lake, "{type: float64, checks: [{max: 65, severity: warn}]}")
    assert planned(cli) == ("check", ["check_changed"])
    assert cli("run").code == 0
    declare(lake, "{type: float64, nullable: false, checks: [{max: 65, severity: warn}]}")
    assert planned(cli) == ("check", ["contract_changed"])
    assert cli("run").code == 0
    lake.write("data/raw.csv", ROWS + "SJC,,2026-01-02\n")
    assert planned(cli) == ("check", ["data_changed"])
    assert cli("run").code == 1
    assert planned(cli) == ("check", ["never_checked"]), "what is not as declared is judged again"


def test_error_stands_until_data_or_check_change(lake: ProjectFolder, cli: Cli) -> None:
    declare(lake, "{type: float64, max: 60}")
    assert raw_of(cli("run", "-o", "json"))["status"] == "failed"
    plan = cli("plan", "-o", "json").json["tables"]
    assert [each["would_fail"] for each in plan if each["name"] != "stations"] == [
        "`raw`: check `high_max`: 1 value of `high` is above 60"
    ] * 2
    assert "✗  raw       failed" in cli("plan").out
    again = cli("run", "-o", "json")
    assert (again.code, raw_of(again)["status"], raw_of(again)["attempts"]) == (1, "failed", 0)
    assert raw_of(again)["error"]["hint"] == "correct the data, or relax the contract"  # type: ignore[index]
    assert [each["status"] for each in again.json["tables"]] == ["failed", "skipped"]
    assert [each["values"]["high"] for each in cli("show", "raw", "--failed", "-o", "json").json["rows"]] == ["70.0"]
    # Another severity is judged by what was counted, other data are read.
    declare(lake, WARN)
    assert planned(cli) == ("read", [])
    assert (cli("run").code, lake.read("data/daily.csv")) == (0, ROWS.replace("50,", "50.0,").replace("70,", "70.0,"))
    declare(lake, "{type: float64, max: 60}")
    assert cli("run").code == 1
    assert cli("run", "daily").code == 0, "`raw` is not selected, and nothing reads it"
    lake.write("data/raw.csv", ROWS.replace("70", "60"))
    assert cli("run").code == 0
    assert not cli("show", "raw", "--failed", "-o", "json").json.get("rows")


def test_freshness_is_judged_when_nothing_is_due(lake: ProjectFolder, cli: Cli) -> None:
    day = (datetime.now(UTC) - timedelta(days=3)).date()
    lake.write("data/raw.csv", f"station,high,day\nSFO,50,{day}\n")
    declare(lake, checks="[{freshness: {column: day, within: 9d}}]")
    assert cli("run").code == 0
    declare(lake, checks="[{freshness: {column: day, within: 2d}}]")  # as if days went by
    assert planned(cli) == ("read", [])
    stale = f"check `freshness`: the newest `day`, {day}, is older than 2d"
    assert stale in cli("plan").out
    ran = cli("run")
    assert (ran.code, ran.err.count(f"raw  {stale}")) == (1, 1)


def test_change_of_rows_is_against_what_passed_last(lake: ProjectFolder, cli: Cli) -> None:
    declare(lake, checks="[{row_count: {change: {min: -10%}}}]")
    header, *rows = (ROWS * 5).splitlines()
    rows = [row for row in rows if row != header]
    for count, code, value in ((10, 0, None), (5, 1, "5 rows after 10"), (6, 1, "6 rows after 10"), (9, 0, None)):
        lake.write("data/raw.csv", "\n".join([header, *rows[:count]]) + "\n")
        for command in ("run", "check"):  # the second time by what was found, or anew, which is the same
            ran = cli(command, "raw", "-o", "json")
            message = check_of(ran, "row_count")["message"]
            assert (ran.code, value is None or value in str(message)) == (code, True), (count, command)


def test_reference_is_looked_at_where_only_what_reads_it_is_run(lake: ProjectFolder, cli: Cli) -> None:
    declare(lake, checks="[{foreign_key: {columns: station, references: stations.station}}]")
    assert check_of(cli("run", "daily", "-o", "json"), "foreign_key")["status"] == "passed"
    lake.write("data/stations.csv", "station\nSFO\n")
    assert planned(cli) == ("check", ["reference_changed"])
    assert check_of(cli("run", "-o", "json"), "foreign_key")["count"] == 1


def test_what_becomes_sensitive_is_not_shown_again(lake: ProjectFolder, cli: Cli) -> None:
    lake.write("data/raw.csv", ROWS.replace("70", "7061.625"))  # as no time or id of a run is written
    declare(lake, WARN)
    assert cli("run").code == 0
    assert "7061.625" in cli("show", "raw", "--failed").out
    declare(lake, WARN.replace("{type", "{sensitive: true, type", 1))
    assert planned(cli) == ("read", [])
    for arguments in (("plan",), ("plan", "-o", "json"), ("show", "raw", "--failed"), ("run",), ("run", "-o", "json")):
        assert "7061.6" not in cli(*arguments).out, arguments


def test_check_keeps_what_it_finds_of_a_source(lake: ProjectFolder, cli: Cli) -> None:
    declare(lake, WARN)
    assert cli("check", "raw").code == 0
    assert planned(cli) == ("read", [])
    declare(lake, "{type: float64, max: 60}")
    assert cli("run").code == 1
    # What is not read for it is no matter of `diff`.
    compared = cli("diff", "-o", "json").json["tables"]
    assert [(each["name"], each["status"]) for each in compared] == [("raw", "failed"), ("daily", "skipped")]
    declare(lake, "{type: float64, checks: [{max: 60, severity: warn}]}")
    assert cli("run").code == 0
    declare(lake, "{type: float64, max: 60}")
    compared = cli("diff", "-o", "json").json["tables"]
    assert [(each["name"], each["status"]) for each in compared] == [("daily", "equal")]


def test_source_of_another_environment_is_judged_there(lake: ProjectFolder, cli: Cli) -> None:
    lake.write("prod/raw.csv", ROWS)
    lake.write("prod/stations.csv", "station\n")
    (lake.path / "data/raw.csv").unlink()
    declare(lake, WARN)
    ran = cli("run", "--defer", "prod", "-o", "json")
    assert (ran.code, check_of(ran, "high_max")["count"]) == (0, 1)
    assert cli("check", "raw", "-e", "prod").code == 0
    assert check_of(cli("run", "--defer", "prod", "-o", "json"), "high_max")["earlier"] is True


def test_damaged_record_is_as_none(lake: ProjectFolder, cli: Cli) -> None:
    declare(lake, WARN)
    assert cli("run").code == 0
    [kept] = (lake.path / ".lakehouse/checks").glob("*.json")
    kept.write_bytes(kept.read_bytes()[:-9])
    assert planned(cli) == ("check", ["never_checked"])


@pytest.mark.parametrize("command", [("run", "raw"), ("run", "daily", "--executor", "processes"), ("check", "raw")])
def test_rest_is_judged_beside_values_of_other_types(lake: ProjectFolder, cli: Cli, command: tuple[str, ...]) -> None:
    found_of = "[{expression: high < 60, name: low}, {expression: length(station) < 4}, {sql: select * from this}, "
    declare(
        lake, checks=found_of + "{unique: station}, {unique: day, where: high > 1, name: days}, {row_count: {max: 2}}]"
    )
    lake.edit("lakehouse.yaml", "station: string,", "station: {type: string, nullable: false},")
    lake.write("data/raw.csv", "station,high,day\nSFO,warm,2026-01-01\nOAKLAND,70,2026-01-02\n,9,2026-01-02\nSFO,8,\n")
    ran = cli(*command, "-o", "json")
    assert ran.code == 1
    violations = raw_of(ran)["error"]["violations"]  # type: ignore[index]
    assert [(each["check"], each["column"], each["count"]) for each in violations] == [
        ("type", "high", 1),
        ("null", "station", 1),
        ("expression", None, 1),
        ("unique", "station", 2),
        ("row_count", None, 1),
    ]
    statuses = {each["name"]: each["status"] for each in raw_of(ran)["checks"]}  # type: ignore[attr-defined]
    assert {name for name, status in statuses.items() if status == "skipped"} == {"low", "sql", "days"}
    assert "check `low` was not judged: values of `high` are not as declared" in cli(*command).err
    kept = cli("show", "raw", "--failed", "-o", "json").json
    assert (kept["count"], [(each["row"], each["line"], len(each["reasons"])) for each in kept["rows"]]) == (
        4,
        [(1, 2, 2), (2, 3, 1), (3, 4, 1), (4, 5, 1)],
    )
    assert planned(cli)[1] == ["never_checked"]


@pytest.mark.parametrize("reader", ["raw", "raw: Iterator[pa.RecordBatch]"])
def test_source_without_checks_is_judged_whole(lake: ProjectFolder, cli: Cli, reader: str) -> None:
    declare(lake)
    lake.edit("lakehouse.yaml", "station: string, high: float64, day: date32}, checks: []", _STRICT)
    result = "raw if isinstance(raw, pd.DataFrame) else pa.Table.from_batches(raw)"
    imports = "from collections.abc import Iterator\nimport pandas as pd\nimport pyarrow as pa\n\n"
    lake.write("transforms.py", f"{imports}def daily({reader}):\n    return {result}\n")
    lake.write("data/raw.csv", "station,high,day\nSFO,warm,2026-01-01\n,9,2026-01-02\n")
    ran = cli("run", "daily", "-o", "json")
    assert ran.code == 1
    violations = raw_of(ran)["error"]["violations"]  # type: ignore[index]
    assert [(each["check"], each["column"]) for each in violations] == [("type", "high"), ("null", "station")]
    assert cli("show", "raw", "--failed", "-o", "json").json["count"] == 2


_STRICT = "station: {type: string, nullable: false}, high: float64, day: date32}"
