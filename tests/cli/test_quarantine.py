"""Quarantine: what passes is published, the rest is stored beside it with the checks that it broke."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from tests import preloaded
from tests.conftest import Cli, Invoked, ProjectFolder
from tests.servers.postgresql import PostgreSQL

PROJECT = """
name: weather
module: transforms
storages:
  default: {root: data, format: csv}
  out: %(storage)s
tables:
  raw: {kind: source, columns: {id: int64, station: string, high: float64, email: {type: string, sensitive: true}}}
  stations: {kind: source, columns: {station: string}}
  daily:
    inputs: [raw]
    storage: out
    %(by)s
    %(quarantine)s
    columns: {id: int64, station: string, high: {type: float64, max: %(max)s}, email: {type: string, sensitive: true}}
    checks:
      - {foreign_key: {columns: station, references: stations.station}}
      - {unique: [station, high]}
      - {expression: "10 // id > 0", where: "station <> 'OAK'"}
      - {function: plausible, name: plausible, where: "station <> 'XXX'"}
      - {row_count: {min: 2}}
  report: {inputs: [daily], columns: {n: int64}}
"""
CODE = """
from collections.abc import Iterator
import pandas as pd
import polars as pl
import pyarrow as pa

def daily(raw):
    return raw

def lazy(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw

def stream(raw: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    for batch in raw:
        for start in range(0, batch.num_rows, 2):
            yield batch.slice(start, 2)

def report(daily):
    return pd.DataFrame({"n": [len(daily)]})

def plausible(frame):
    return frame.sort_values("email", ascending=False)["id"] != 9
"""
ROWS = [
    "1,SFO,50,a",
    "2,OAK,70,b",
    "3,SFO,,c",
    "4,XXX,61,d",
    "5,SFO,1,e",
    "6,SFO,1,f",
    "9,OAK,3,h",
    "11,SFO,2,g",
]
BROKEN = {2: "high_max", 4: "high_max, foreign_key", 5: "unique", 6: "unique", 7: "plausible", 8: "expression"}
FILES = "{root: data, format: parquet}"


def declare(folder: ProjectFolder, **parts: str) -> None:
    given = {"storage": FILES, "by": "tags: []", "quarantine": "quarantine: {max: 80%}", "max": "60", **parts}
    folder.write("lakehouse.yaml", PROJECT % given)


@pytest.fixture
def weather(folder: ProjectFolder) -> ProjectFolder:
    folder.write("transforms.py", CODE)
    folder.write("data/raw.csv", "\n".join(["id,station,high,email", *ROWS]) + "\n")
    folder.write("data/stations.csv", "station\nSFO\nOAK\n")
    declare(folder)
    return folder


def table(ran: Invoked, name: str = "daily") -> Any:
    return next(each for each in ran.json["tables"] if each["name"] == name)


def stored(cli: Cli, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = cli("show", name, "-n", "100", "-o", "json").json["rows"]
    return rows


@pytest.mark.parametrize("executor", ["serial", "processes"])
@pytest.mark.parametrize("by", ["tags: []", "function: lazy", "function: stream", "sql: select * from raw"])
def test_rows_that_break_checks_are_put_aside(weather: ProjectFolder, cli: Cli, by: str, executor: str) -> None:
    declare(weather, by=by)
    ran = cli("run", "-o", "json", "--executor", executor)
    assert ran.code == 0
    assert [each["id"] for each in stored(cli, "daily")] == [1, 3]
    aside = stored(cli, "daily__quarantine")
    assert {each["_row"]: each["_checks"] for each in aside} == BROKEN
    assert {each["_run_id"] for each in aside} == {ran.json["run_id"]}
    assert (aside[0]["id"], aside[0]["email"]) == (2, "***")
    checks = {each["name"]: (each["status"], each.get("quarantined")) for each in table(ran)["checks"]}
    assert checks["high_max"] == ("warned", 2)
    assert checks["row_count"] == ("passed", None)
    assert table(ran, "report")["rows"] == 1
    # Nothing is due then; the rows put aside are said again, and count for nothing.
    again = cli("run", "--warnings-as-errors")
    assert (again.code, "2 rows put aside (2 of 7), as an earlier run found" in again.out) == (0, True)
    assert cli("check").code == 0


@pytest.mark.parametrize(
    "storage",
    [
        "{root: data, format: csv}",
        "{root: data, type: delta}",
        "{type: duckdb, root: out.duckdb}",
        "{type: sqlite, root: out.sqlite}",
    ],
)
def test_storages_keep_quarantines(weather: ProjectFolder, cli: Cli, storage: str) -> None:
    declare(weather, storage=storage)
    assert cli("run").code == 0
    assert {each["_row"]: each["_checks"] for each in stored(cli, "daily__quarantine")} == BROKEN
    # What is stored passes; what was put aside for it stays on record.
    failed = cli("show", "daily", "--failed", "-o", "json").json["rows"]
    checked = cli("check", "daily", "-o", "json")
    assert (checked.code, table(checked)["status"], table(checked)["checks"][0]["quarantined"]) == (0, "warned", 2)
    assert "2 rows put aside (2 of 7), as an earlier run found" in cli("plan").out
    assert cli("show", "daily", "--failed", "-o", "json").json["rows"] == failed != []
    # With no bad rows it is there, empty.
    weather.write("data/raw.csv", "\n".join(["id,station,high,email", *ROWS[:1], *ROWS[2:3]]) + "\n")
    assert cli("run", "--warnings-as-errors").code == 0
    assert (len(stored(cli, "daily")), stored(cli, "daily__quarantine")) == (2, [])
    assert cli("plan", "--exit-code").code == 0


DYING = """
import os, sys
from importlib import import_module
module, store = import_module(sys.argv.pop(1)), sys.argv.pop(1)
original, calls = getattr(module, store), []
def dying(*arguments):
    calls.append(arguments)
    return original(*arguments) if len(calls) == 1 else os.kill(os.getpid(), 9)
setattr(module, store, dying)
from lakehouse_cli.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("storage", "by", "store", "are_both_old"),
    [
        (FILES, "tags: []", "lakehouse_cli.runner.quarantine publish_pieces", False),
        (FILES, "function: stream", "lakehouse_cli.runner.quarantine publish_pieces", False),
        ("{type: sqlite, root: out.db}", "tags: []", "lakehouse_cli.storage.relational.base publish_table", True),
        ("postgresql", "tags: []", "lakehouse_cli.storage.relational.base publish_table", True),
        (
            "{type: duckdb, root: out.db}",
            "function: stream",
            "lakehouse_cli.storage.relational.base publish_table",
            True,
        ),
    ],
)
def test_run_killed_between_both_loses_nothing(
    request: pytest.FixtureRequest,
    weather: ProjectFolder,
    cli: Cli,
    storage: str,
    by: str,
    store: str,
    are_both_old: bool,
) -> None:
    if storage == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        storage = f"{{type: postgresql, root: '{server.url(server.new_database())}'}}"
    declare(weather, storage=storage, by=by)
    assert cli("run").code == 0
    before = [stored(cli, name) for name in ("daily", "daily__quarantine")]
    weather.write("data/raw.csv", "\n".join(["id,station,high,email", *ROWS[:4], "8,SFO,7,i"]) + "\n")
    command = [sys.executable, "-c", DYING, *store.split(), "run", "daily", "--executor", "serial"]
    assert preloaded.run(command, cwd=weather.path, check=False, capture_output=True).returncode == -9
    kept, aside = (stored(cli, name) for name in ("daily", "daily__quarantine"))
    assert (kept == before[0], aside == before[1]) == (are_both_old, True)
    reasons = [each["message"] for each in table(cli("plan", "-o", "json"), "daily__quarantine")["reasons"]]
    assert any(each.startswith("its rows were put aside by run") for each in reasons) != are_both_old
    assert ("its rows were put aside by run" in cli("show", "daily__quarantine").out) != are_both_old
    assert cli("run").code == 0
    assert [each["id"] for each in stored(cli, "daily")] == [1, 3, 8]
    assert [each["id"] for each in stored(cli, "daily__quarantine")] == [2, 4]
    assert table(cli("plan", "-o", "json"), "daily__quarantine")["action"] == "skip"


def test_beyond_its_share_nothing_is_published(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather)
    assert cli("run", "--warnings-as-errors").code == 1
    files = [weather.path / f"data/{name}.parquet" for name in ("daily", "daily__quarantine")]
    before = [file.read_bytes() for file in files]
    declare(weather, quarantine="quarantine: {max: 50%}", max="49")
    failed = cli("run")
    assert failed.code == 1
    assert "7 of 8 rows break checks, and `quarantine` takes 50%" in failed.err
    assert [file.read_bytes() for file in files] == before
    rows = cli("show", "daily", "--failed", "-n", "100", "-o", "json").json
    assert (rows["count"], rows["rows"][0]["values"]["email"]) == (7, "***")
    # None left is no result to publish, whatever the share.
    declare(weather, quarantine="quarantine: true", max="0")
    for given, text in ((ROWS[1:2], "1 of 1 row breaks checks"), (ROWS[:2], "2 of 2 rows break checks")):
        weather.write("data/raw.csv", "\n".join(["id,station,high,email", *given]) + "\n")
        assert f"{text}, so that none would be left" in cli("run").err
    # What is judged of the table as a whole is judged on the rows that are left.
    declare(weather, quarantine="quarantine: true")
    few = cli("run")
    assert (few.code, "check `row_count`: 1 row, fewer than 2" in few.err) == (1, True)
    assert [file.read_bytes() for file in files] == before


def test_changed_rules_put_rows_aside_anew(weather: ProjectFolder, cli: Cli) -> None:
    cli("run")
    declare(weather, max="80")
    planned = cli("plan", "-o", "json")
    assert [each["action"] for each in planned.json["tables"]][2:4] == ["run", "run"]
    assert cli("run").code == 0
    assert [each["id"] for each in stored(cli, "daily")] == [1, 2, 3]
    weather.write("transforms.py", CODE.replace("!= 9", "!= 8"))
    assert cli("run", "daily__quarantine").code == 0
    assert 7 not in {each["_row"] for each in stored(cli, "daily__quarantine")}
    # A run of the other table brings nothing back that is not stored: it is computed again, and fails as before.
    declare(weather, quarantine="tags: []", by="owner: me", max="80")
    assert cli("run").code == 1
    assert "daily__quarantine" in cli("clean", "--dry-run").out
    assert cli("show", "daily__quarantine").code == 2


def test_other_tables_are_computed_from_a_quarantine(weather: ProjectFolder, cli: Cli) -> None:
    text = (weather.path / "lakehouse.yaml").read_text()
    # What the checks look at is itself computed, and comes first.
    text = text.replace("  stations: {kind", "  places: {path: stations, kind").replace(
        "  report:",
        "  stations: {path: st, sql: from places}\n  bad: {sql: 'select count(*) n from daily__quarantine'}\n  report:",
    )
    weather.write("lakehouse.yaml", text)
    ran = cli("run", "--workers", "4", "-o", "json")
    assert ran.code == 0
    assert {each["name"]: each["rows"] for each in ran.json["tables"]}["daily__quarantine"] == len(BROKEN)
    assert stored(cli, "bad") == [{"n": len(BROKEN)}]
    assert "daily__quarantine" in cli("graph", "+bad").out
    weather.write("transforms.py", CODE.replace("return raw\n", "return raw.assign(_row=1)\n", 1))
    weather.write("lakehouse.yaml", text.replace("daily:\n", "daily:\n    extra_columns: keep\n"))
    failed = cli("run")
    assert "column `_row` is one that its quarantine adds" in failed.err
    assert failed.code == 1


ALL = ("daily", "daily__quarantine", "report")


def test_diff_shows_both_tables(weather: ProjectFolder, cli: Cli) -> None:
    cli("run")
    weather.edit("transforms.py", "return raw\n", "return raw.copy()\n")
    diff = cli("diff", "-o", "json")  # the run is another, and nothing else
    assert {each["name"]: each["status"] for each in diff.json["tables"]} == dict.fromkeys(ALL, "equal")
    weather.write("data/raw.csv", "\n".join(["id,station,high,email", *ROWS, "8,OAK,99,z"]) + "\n")
    found = {each["name"]: each["status"] for each in cli("diff", "-o", "json").json["tables"]}
    assert found["daily"] == "equal"
    assert found["daily__quarantine"] == "different"
    assert pq.read_table(weather.path / "data/daily__quarantine.parquet").num_rows == len(BROKEN)


def test_quarantines_that_cannot_be_are_refused(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, storage="{type: duckdb, root: out.duckdb}", by="sql: select 1 as id\n    engine: storage")
    assert "have DuckDB run the query" in cli("validate").err
    declare(weather, by="output: a")
    assert "one of several results" in cli("validate").err
    declare(weather, quarantine="quarantine: 5")
    assert "write `quarantine: {max: 1%}`" in cli("validate").err
    declare(weather)
    text = (weather.path / "lakehouse.yaml").read_text()
    weather.write(
        "lakehouse.yaml",
        text.replace("  report:", "  daily__quarantine:").replace("email: {type: str", "_row: {type: str"),
    )
    shown = cli("validate").err
    assert "a table of this name is declared" in shown
    assert "column `_row` of table `daily` is one that its quarantine adds" in shown
    weather.write("lakehouse.yaml", text.replace("raw: {kind: source", "raw: {quarantine: true, kind: source"))
    assert "is for computed tables" in cli("validate").err


def test_rows_in_many_pieces_are_put_aside_in_bounded_memory(
    weather: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("lakehouse_cli.runner.quarantine._IN_MEMORY", 1 << 10)
    monkeypatch.setattr("lakehouse_cli.checks.judge._IN_MEMORY", 1 << 10)
    lines = [f"{at + 1},{'SFO' if at % 3 else 'OAK'},{at % 70 + at / 1000},x" for at in range(3000)]
    weather.write("data/raw.csv", "\n".join(["id,station,high,email", *lines]) + "\n")
    text = PROJECT % {"storage": FILES, "by": "function: stream", "quarantine": "quarantine: true", "max": "60"}
    text = text[: text.index("      - {expression")] + text[text.index("  report:") :]
    weather.write("lakehouse.yaml", text)
    assert cli("run").code == 0
    kept, aside = (pq.read_table(weather.path / f"data/{n}.parquet") for n in ("daily", "daily__quarantine"))
    assert kept.num_rows + aside.num_rows == len(lines)
    con = duckdb.connect()
    assert con.sql("select count(*) from kept where high > 60").fetchall() == [(0,)]
    assert con.sql("select count(*) from aside where not high > 60 or _row <> id").fetchall() == [(0,)]


REPLAYED = """
name: replayed
module: transforms
tables:
  raw: {kind: source, columns: {id: int64, part: string, high: float64}}
  daily:
    inputs: [raw]
    %s
    quarantine: true
    columns: {id: int64, part: string, high: {type: float64, max: 60}}
  report: {inputs: [daily], columns: {n: int64}}
"""
FIXED = """
import pathlib
import pandas as pd

def daily(raw):
    return raw.query("id < 5").assign(high=raw["high"] - 25) if pathlib.Path("fixed").exists() else raw

def report(daily):
    return pd.DataFrame({"n": [len(daily)]})
"""


@pytest.fixture
def replayed(folder: ProjectFolder, cli: Cli) -> ProjectFolder:
    """A table of which four rows are put aside; a fix that no plan sees lets two of them pass, and drops one."""
    folder.write("lakehouse.yaml", REPLAYED % "key: [id, part]")
    folder.write("transforms.py", FIXED)
    folder.write("data/raw.csv", "id,part,high\n1,a,10\n2,a,70\n2,b,80\n4,a,90\n5,a,99\n")
    assert cli("run").code == 0
    folder.write("fixed", "")
    assert "nothing to do" in cli("plan").out
    return folder


def test_replay_says_how_many_rows_pass_now(replayed: ProjectFolder, cli: Cli) -> None:
    shown = cli("run", "--replay", "daily__quarantine")
    note = "2 of 4 rows that had been put aside pass now, 1 put aside again, 1 not in the result any more"
    assert (shown.code, f"note: `daily`: {note}" in shown.out) == (0, True)
    assert "`daily__quarantine` is judged again (`--replay`)" in shown.out
    assert "report" not in shown.out
    [left] = cli("show", "daily__quarantine", "-o", "json").json["rows"]
    assert (left["id"], left["high"]) == (4, 65.0)
    again = cli("run", "daily+", "--replay", "daily__quarantine", "-o", "json").json["tables"]
    assert {each["name"]: each["status"] for each in again}["report"] == "materialized"
    assert again[0]["notes"] == ["0 of 1 row that had been put aside pass now, 1 put aside again"]
    assert again[0]["replayed"] == {"rows": 1, "quarantined": 1, "passed": 0, "again": 1, "gone": 0}


def test_replay_without_a_key_counts_alone(replayed: ProjectFolder, cli: Cli) -> None:
    replayed.edit("lakehouse.yaml", "key: [id, part]", "tags: []")
    (replayed.path / "fixed").unlink()
    assert cli("run").code == 0
    replayed.write("fixed", "")
    shown = cli("run", "--replay", "daily__quarantine", "-o", "json").json["tables"][0]
    assert shown["notes"] == ["4 rows had been put aside, 1 now; with a `key`, it would say which of them pass"]
    assert shown["replayed"] == {"rows": 4, "quarantined": 1, "passed": None, "again": None, "gone": None}


def test_replay_of_nothing_computes_nothing(replayed: ProjectFolder, cli: Cli) -> None:
    replayed.edit("lakehouse.yaml", "max: 60", "max: 100")
    assert cli("run").code == 0
    shown = cli("run", "--replay", "daily__quarantine")
    assert shown.code == 0
    assert "`daily__quarantine` has no rows: there is nothing to judge again" in shown.out
    assert "2 unchanged" in shown.out


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["--replay", "daily"], "`daily` is no quarantine\n  write `--replay daily__quarantine`"),
        (["--replay", "dayly__quarantine"], "did you mean `daily__quarantine`?"),
        (
            ["report", "--replay", "daily__quarantine"],
            "runs `daily`, which is not selected",
        ),
    ],
)
def test_wrong_replays_are_refused(replayed: ProjectFolder, cli: Cli, argv: list[str], error: str) -> None:
    refused = cli("run", *argv)
    assert (refused.code, error in refused.err) == (2, True)
