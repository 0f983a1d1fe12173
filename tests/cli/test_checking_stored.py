"""`lakehouse check`: what is stored, validated without computing anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lakehouse_cli.formats.parquet.reading import ParquetReader
from lakehouse_cli.runs.lock import run_lock
from tests.conftest import Cli, Invoked, ProjectFolder

PROJECT = """
name: weather
module: transforms
storages: {default: {root: data, format: parquet}}
tables:
  raw:
    kind: source
    format: csv
    key: [id]
    columns:
      id: int64
      high: {type: float64, max: 60}
      email: {type: string, sensitive: true, nullable: false}
  daily:
    inputs: [raw]
    columns: {id: int64, high: {type: float64, %(high)s}, email: string}
    checks: [{foreign_key: {columns: id, references: raw.id}}]
  report: {inputs: [daily], columns: {n: int64}}
"""
CODE = """
import pandas as pd

def daily(raw):
    print("computed")
    return raw

def report(daily):
    return pd.DataFrame({"n": [len(daily)]})
"""
GOOD = "id,high,email\n1,50,a@b.c\n2,60,x@y.z\n"


@pytest.fixture
def weather(folder: ProjectFolder) -> ProjectFolder:
    folder.write("transforms.py", CODE)
    folder.write("data/raw.csv", GOOD)
    folder.write("lakehouse.yaml", PROJECT % {"high": "max: 100"})
    return folder


def statuses(found: Invoked) -> dict[str, str]:
    return {each["name"]: each["status"] for each in found.json["tables"]}


def of(found: Invoked, name: str) -> Any:
    return next(each for each in found.json["tables"] if each["name"] == name)


def manifest(folder: Path) -> Any:
    return json.loads((folder / "data/.lakehouse/manifests/daily.json").read_text())


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_sources_and_tables_are_validated(weather: ProjectFolder, cli: Cli, executor: str) -> None:
    found = cli("check", "-o", "json")
    assert (found.code, found.json["status"]) == (0, "success")
    assert statuses(found) == {"raw": "passed", "daily": "skipped", "report": "skipped"}
    named = cli("check", "daily")
    assert named.code == 1
    assert "`daily` was never materialized" in named.out
    assert cli("run").code == 0
    weather.write("data/raw.csv", "id,high,email\n1,50,a@b.c\n1,70,\n")
    before = manifest(weather.path)["checks"]
    found = cli("check", "-o", "json", "--executor", executor)
    assert found.code == 1
    assert "computed" not in found.err
    assert statuses(found) == {"raw": "failed", "daily": "failed", "report": "passed"}
    assert [each["check"] for each in of(found, "raw")["error"]["violations"]] == ["null", "key", "max"]
    assert [each["examples"][0].get("line") for each in of(found, "raw")["error"]["violations"]] == [3, 3, 3]
    assert {each["name"]: each["count"] for each in of(found, "daily")["checks"]} == {"high_max": 0, "foreign_key": 1}
    # What was found is recorded beside the data, which stay; a run sees it.
    assert manifest(weather.path)["checks"] != before
    rows = cli("show", "raw", "--failed", "-o", "json").json["rows"]
    assert [(each["line"], each["values"]["email"]) for each in rows] == [(3, None)]
    assert cli("check", "kind:computed", "--exclude", "daily").code == 0


def test_altered_data_are_judged_and_not_recorded(weather: ProjectFolder, cli: Cli) -> None:
    cli("run")
    file = weather.path / "data/daily.parquet"
    table = pq.read_table(file)
    before = manifest(weather.path)
    pq.write_table(table.set_column(1, "high", [[50.0, 500.0]]), file)
    found = cli("check", "daily", "-o", "json")
    assert (found.code, of(found, "daily")["checks"][0]["count"]) == (1, 1)
    assert "not recorded" in of(found, "daily")["notes"][0] + of(found, "daily")["notes"][-1]
    assert manifest(weather.path) == before
    file.unlink()
    gone = cli("check", "daily")
    assert gone.code == 1
    assert "✗" in gone.out
    assert "what was stored of `daily` is gone: data/daily.parquet does not exist" in gone.err


def test_warnings_pass_and_errored_checks_fail(weather: ProjectFolder, cli: Cli) -> None:
    weather.write("lakehouse.yaml", PROJECT % {"high": "checks: [{max: 50, severity: warn}]"})
    cli("run")
    warned = cli("check", "daily")
    assert warned.code == 0
    assert "warning: daily  check `high_max`: 1 value of `high` is above 50" in warned.out
    assert statuses(cli("check", "daily", "-o", "json")) == {"daily": "warned"}
    changed = (PROJECT % {"high": "max: 100"}).replace(
        "{foreign_key: {columns: id, references: raw.id}}", '{expression: "1 // (high - 50) > 0", severity: warn}'
    )
    weather.write("lakehouse.yaml", changed)
    errored = cli("check", "daily", "-o", "json")
    assert (errored.code, statuses(errored)) == (1, {"daily": "failed"})
    assert of(errored, "daily")["checks"][-1]["status"] == "errored"


def test_check_beside_a_run_keeps_nothing(weather: ProjectFolder, cli: Cli) -> None:
    cli("run")
    before = manifest(weather.path)
    weather.write("lakehouse.yaml", PROJECT % {"high": "max: 55"})
    with run_lock(weather.path, "default"):
        found = cli("check", "daily")
    assert found.code == 1
    assert "nothing of what is found is kept" in found.out
    assert cli("show", "daily", "--failed", "-o", "json").json["count"] == 0
    assert manifest(weather.path) == before
    # Else the next run knows what was found, and reads nothing.
    assert cli("check", "daily").code == 1
    (weather.path / "data/daily.parquet").touch()
    failed = cli("run", "daily", "-o", "json")
    assert (failed.code, of(failed, "daily")["status"]) == (1, "failed")
    assert "computed" not in failed.err


def test_data_of_another_form_are_refused(weather: ProjectFolder, cli: Cli) -> None:
    cli("run")
    weather.write("lakehouse.yaml", (PROJECT % {"high": "max: 100"}).replace("email: string}", "email: int64}"))
    found = cli("check", "daily")
    assert found.code == 1
    assert "`lakehouse run +daily` stores it anew" in found.err


FOOTERS = """
name: footers
module: transforms
storages: {default: {root: data, format: parquet}}
tables:
  big:
    columns:
      id: {type: int64, nullable: false, min: 1, max: 3}
      at: {type: date32, checks: [{below: 2025-01-01, severity: warn}]}
      price: {type: "decimal128(6, 2)", above: 0, nulls: {max: 50%%}}
      %s
    checks: [{row_count: {min: 3}}, {freshness: {column: at, within: 99999w}}]
"""
THREE = """
import datetime
import decimal
import pandas as pd

def big():
    days = [datetime.date(2024, 1, day) for day in (1, 2, 3)]
    prices = [decimal.Decimal("1.10"), None, decimal.Decimal("2.20")]
    return pd.DataFrame({"id": [1, 2, 3], "at": days, "price": prices, "share": [0.1, 0.2, 5.0]})
"""


@pytest.fixture
def unread(folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The columns that were read of a stored Parquet table, each time."""
    read: list[list[str]] = []
    pieces = ParquetReader.read_pieces

    def noted(self: ParquetReader, wanted: list[str], *more: Any) -> Any:
        read.append(wanted)
        return pieces(self, wanted, *more)

    folder.write("lakehouse.yaml", FOOTERS % "share: float64")
    folder.write("transforms.py", THREE)
    assert cli("run").code == 0
    monkeypatch.setattr(ParquetReader, "read_pieces", noted)
    return read


def test_footers_answer_what_they_say_exactly(folder: ProjectFolder, unread: list[list[str]], cli: Cli) -> None:
    [ran] = cli("run", "-o", "json").json["tables"]
    found = cli("check", "-o", "json")
    assert (found.code, unread) == (0, [])
    [checked] = found.json["tables"]
    assert (checked["rows"], checked["status"]) == (3, "passed")
    assert checked["checks"] == [{k: v for k, v in each.items() if k != "earlier"} for each in ran["checks"]]
    price = next(each for each in checked["checks"] if each["name"] == "price_above")
    assert (price["rows"], price["not_judged"], price["value"]) == (2, 1, "0/2")
    # A changed check is judged likewise, as the action `check` of a run.
    folder.edit("lakehouse.yaml", "max: 3", "max: 4")
    assert cli("run").code == 0
    assert unread == []


def test_what_footers_do_not_decide_is_read(folder: ProjectFolder, unread: list[list[str]], cli: Cli) -> None:
    folder.write("lakehouse.yaml", FOOTERS % "share: {type: float64, max: 1}")
    folder.edit("lakehouse.yaml", "max: 3", "max: 2")
    found = cli("check", "-o", "json")
    assert (found.code, unread) == (1, [["id", "share"]])
    counts = {each["name"]: each["count"] for each in found.json["tables"][0]["checks"]}
    assert (counts["id_max"], counts["share_max"], counts["price_above"]) == (1, 1, 0)


def test_footers_of_others_are_not_believed(folder: ProjectFolder, unread: list[list[str]], cli: Cli) -> None:
    file = folder.path / "data/big.parquet"
    pq.write_table(pq.read_table(file), file)
    unread.clear()
    assert cli("check").code == 0
    assert [each[0] for each in unread] == ["id"]
    assert "share" in unread[0]


def test_table_up_to_date_stays_beside_a_failing_input(folder: ProjectFolder, cli: Cli) -> None:
    """A run of it alone says so; what is due is not computed from such an input."""
    tables = "{s: {kind: source, columns: {id: int64}}, a: {inputs: [s], columns: {id: int64}}, b: {inputs: [a, s]}}"
    folder.declare(tables, "def a(s): return s\ndef b(a, s): return a\n")
    folder.write("data/s.csv", "id\n1\n")
    assert cli("run").code == 0
    folder.edit("lakehouse.yaml", "int64", "{type: int64, max: 0}")
    assert cli("run", "-o", "json").code == 1
    for command in ("run", "plan"):
        done = cli(command, "b")
        assert done.code == 0
        for name in "sa":
            said = f"`{name}`: check `id_max`: 1 value of `id` is above 0; `b` was computed from it, and stays as it is"
            assert said in done.out
    folder.edit("transforms.py", "return a", "return a[:0]")
    due = cli("run", "b", "-o", "json")
    assert (due.code, due.statuses["b"]) == (1, "skipped")
    assert "stays as it is" not in due.out + due.err
