"""All rows of checks that only warn, of tables that are published all the same: `lakehouse show TABLE --failed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_partitions import put
from tests.conftest import Cli, ProjectFolder

ROWS = 3_000
SECRET = "correct-horse-battery"
OF_COLUMNS = "".join(f", {{min: -{number}, severity: warn, name: never{number}}}" for number in range(12))
TABLES = f"""
s: {{kind: source, columns: {{k: int64, v: int64, text: string, e: {{type: string, sensitive: true}}}}}}
t:
  inputs: [s]
  columns:
    k: int64
    v: {{type: int64, max: 100, checks: [{{max: 5, severity: warn, name: high}}{OF_COLUMNS}]}}
    text: string
    e: {{type: string, sensitive: true}}
  checks:
    - {{unique: [k], severity: warn}}
    - {{expression: "k <> 7", severity: info, name: seven}}
    - {{expression: "v <> 0", error_above: 50%, name: zero}}
    - {{expression: "10 // (v - 5) < 100", severity: warn, name: raises}}
    - {{sql: "select v as made, count(*) as n from this where v > 2 group by v", severity: warn, name: groups}}
    - {{sql: "select k as twice from this, unnest(range(2)) where k < 600 order by k", severity: info, name: often}}
"""
WHOLE = "import pandas as pd\ndef t(s: pd.DataFrame) -> pd.DataFrame: return s\n"
IN_PIECES = """
from collections.abc import Iterator
import pyarrow as pa
def t(s: pa.Table) -> Iterator[pa.RecordBatch]: return iter(s.to_batches(max_chunksize=700))
"""


def wrong_with(row: int) -> set[str]:
    """What is wrong with a row, 0-based."""
    key, value = row % 2000, row % 10
    wrong = {"high": value > 5, "unique": key < 1000, "seven": key == 7, "zero": value == 0, "raises": value == 5}
    return {name for name, holds in wrong.items() if holds}


def shown_of(cli: Cli, name: str, *arguments: str) -> Any:
    return cli("show", name, "--failed", "-o", "json", *arguments).json


def names_of(row: Any) -> set[str]:
    return {each.split("`")[1] for each in row["reasons"]}


def kept_files(project: ProjectFolder) -> list[str]:
    return sorted(path.name for path in (project.path / ".lakehouse/failed").glob("[!.]*"))


@pytest.fixture
def many(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A table of rows nearly all of which violate checks, none of which keeps it from being published."""
    monkeypatch.setenv("LAKE_SECRET", SECRET)
    folder.declare(
        TABLES, WHOLE, top='storages: {lake: {root: "s3://b/x", options: {secret_access_key: "${LAKE_SECRET}"}}}\n'
    )
    lines = [f"{row % 2000},{row % 10},{SECRET if row == 2500 else 'word'},a{row}@b.c" for row in range(ROWS)]
    folder.write("data/s.csv", "\n".join(["k,v,text,e", *lines]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("executor", "code"), [("serial", IN_PIECES), ("threads", WHOLE), ("processes", WHOLE), ("processes", IN_PIECES)]
)
def test_all_rows_of_a_published_table_are_shown(many: ProjectFolder, cli: Cli, executor: str, code: str) -> None:
    many.write("transforms.py", code)
    expected = {row + 1: wrong_with(row) for row in range(ROWS) if wrong_with(row)}
    ran = cli("run", "--executor", executor, "-o", "json")
    assert (ran.code, ran.statuses["t"]) == (0, "materialized"), ran.err
    shown = shown_of(cli, "t")
    made = [row for row in shown["rows"] if row["row"] is None]
    total = len(expected) + 7 + 2 * 1200
    assert (shown["run_id"], shown["count"], shown["left_out"]) == (ran.json["run_id"], total, 0)
    assert {row["row"]: names_of(row) for row in shown["rows"][: -len(made)]} == expected
    assert shown["rows"][0]["values"] == {"k": "0", "v": "0", "text": "word", "e": "***"}
    assert {row["values"]["text"] for row in shown["rows"][: -len(made)]} == {"word", "${LAKE_SECRET}"}
    assert [len([row for row in made if names_of(row) == {name}]) for name in ("groups", "often")] == [7, 2400]
    assert {*made[0]["values"]} <= {"column 1", "column 2"}  # which may hold what is sensitive
    assert cli("show", "t", "--failed", "--out", "rows.csv").out == f"rows.csv · {total:,} rows\n"
    assert kept_files(many) == ["t@default.json", "t@default.rows"]
    for path in (many.path / ".lakehouse/failed").iterdir():
        assert not any(text in path.read_bytes() for text in (SECRET.encode(), b"@b.c")), path
    # They stay while nothing is due, and go when the table passes.
    assert cli("run").code == 0
    assert shown_of(cli, "t") == shown
    many.write("data/s.csv", "k,v,text,e\n1700,1,a,b\n")
    assert cli("run", "--executor", executor).code == 0
    assert (shown_of(cli, "t")["count"], kept_files(many)) == (0, [])


def test_rows_of_a_table_that_fails_are_those_of_its_errors(many: ProjectFolder, cli: Cli) -> None:
    """Those of warnings are not counted, nor shown, nor in the way, however many are before them."""
    many.edit("lakehouse.yaml", "{unique: [k], severity: warn}", '{expression: "k < 1960", name: late}')
    assert "`lakehouse show t --failed` shows the 40 rows that fail" in cli("run").err
    shown = shown_of(cli, "t")
    assert [(row["row"], names_of(row)) for row in shown["rows"]] == [(row, {"late"}) for row in range(1961, 2001)]
    assert (shown["count"], shown["left_out"]) == (40, 0)
    # The same rows break both, some of them known at the end alone.
    many.edit("lakehouse.yaml", '{expression: "k < 1960", name: late}', "{unique: [k]}")
    many.edit("lakehouse.yaml", "v <> 0", "v >= 0 and k <> 0")
    for rows, repeated in ((4, 2), (2500, 1000), (4000, 3000)):
        lines = "".join(f"{row % (rows - repeated // 2)},9,w,e\n" for row in range(rows))
        many.write("data/s.csv", f"k,v,text,e\n{lines}")
        assert f"`lakehouse show t --failed` shows the {repeated:,} rows that fail" in cli("run").err
        shown = shown_of(cli, "t")
        assert (shown["count"], len(shown["rows"]), shown["left_out"]) == (repeated, repeated, 0)
        assert {name for row in shown["rows"] for name in names_of(row)} == {"unique"}


@pytest.mark.parametrize("severity", ["error", "warn"])
def test_rows_beyond_the_first_thousand_are_shown(folder: ProjectFolder, cli: Cli, severity: str) -> None:
    """Also the few of a reason of their own, which are among those that are at hand."""
    checks = f"[{{min: 0, severity: {severity}}}, {{max: 9, severity: {severity}, name: large}}]"
    folder.declare(
        f"""
        s: {{kind: source, columns: {{k: int64}}}}
        t: {{inputs: [s], columns: {{k: {{type: int64, checks: {checks}}}}}}}
        """,
        IN_PIECES.replace("700", "1000"),
    )
    folder.write("data/s.csv", "k\n" + "-1\n" * 1000 + "99\n" * 7)
    assert cli("run").code == (severity == "error")
    shown = shown_of(cli, "t")
    assert (shown["count"], shown["left_out"], len(shown["rows"])) == (1007, 0, 1007)


def test_rows_of_stored_data_are_all_shown(many: ProjectFolder, cli: Cli) -> None:
    """By `check`, of sources with their lines, and where a run judges other checks of what stays as it is."""
    checks = "{type: int64, checks: [{min: 900, severity: warn}, {unique: true, severity: info}]}"
    many.edit("lakehouse.yaml", "source, columns: {k: int64,", f"source, columns: {{k: {checks},")
    many.edit("lakehouse.yaml", "10 // (v - 5) < 100", "v <> 5")
    expected = [row + 1 for row in range(ROWS) if row % 2000 < 1000]
    for command in (("run", "s"), ("check", "s"), ("run", "s", "--force")):
        assert cli(*command).code == 0
        shown = shown_of(cli, "s")
        assert [row["row"] for row in shown["rows"]] == expected, command
        assert [row["line"] for row in shown["rows"]] == [row + 1 for row in expected]
        assert {len(row["reasons"]) for row in shown["rows"]} == {1, 2}
    assert cli("run").code == 0
    before = shown_of(cli, "t")
    checked = cli("check", "t", "-o", "json")
    assert checked.json["tables"][0]["status"] == "warned"
    assert shown_of(cli, "t")["rows"] == before["rows"]
    # A check that is new is judged by itself, and what is known of the others stays.
    new = '{expression: "v <> 1", severity: warn, name: one}'
    many.edit("lakehouse.yaml", "{unique: [k], severity: warn}", f"{{unique: [k], severity: warn}}\n      - {new}")
    assert cli("run", "-o", "json").json["tables"][-1]["reasons"][0]["code"] == "check_changed"
    shown = shown_of(cli, "t")
    now = {row["row"]: names_of(row) for row in shown["rows"] if row["row"]}
    assert now == {
        row + 1: wrong for row in range(ROWS) if (wrong := wrong_with(row) | ({"one"} if row % 10 == 1 else set()))
    }
    assert shown["count"] == len(now) + 7 + 2400
    assert kept_files(many) == ["s@default.json", "s@default.rows", "t@default.json", "t@default.rows"]
    # Where the rows of those others are gone, their first.
    Path(".lakehouse/failed/t@default.json").unlink()
    many.edit("lakehouse.yaml", "v <> 1", "v <> 2")
    assert cli("run").code == 0
    shown = shown_of(cli, "t")
    found = [sum(name in names_of(row) for row in shown["rows"]) for name in ("one", "unique", "high", "groups")]
    assert found == [300, 5, 5, 0]
    assert kept_files(many) == ["s@default.json", "s@default.rows", "t@default.json"]


SEVERAL = """
name: several
module: transforms
storages: {default: {root: data}, lite: {type: sqlite, root: a.sqlite}, own: {type: "stores:Files", root: own}}
dimensions: {day: {start: 2024-01-01, every: day}}
types:
  many: {type: int64, checks: [{max: 9, severity: warn}]}
tables:
  raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
  daily: {partitions: [day], inputs: [raw], columns: {id: many}}
  whole: {inputs: {daily: daily}, storage: lite, columns: {id: many}}
  query: {storage: lite, engine: storage, inputs: [whole], sql: "select id from whole", columns: {id: many}}
  left: {function: pair, output: left, inputs: [daily], columns: {id: many}}
  right: {function: pair, output: right, inputs: [daily], columns: {id: many}}
  broken: {inputs: [daily, whole, query, left, right], storage: own, retries: 1, retry_delay: 0, columns: {id: many}}
"""
SEVERAL_CODE = """
def daily(raw): return raw
def whole(daily): return daily
def broken(daily, whole, query, left, right): return daily
def pair(daily): return {"left": daily, "right": daily[::-1]}
"""
STORES = """
from pathlib import Path
from lakehouse_cli import AssetStorage
class Files(AssetStorage):
    def save(self, obj, path, _resources):
        with Path(__file__).with_name("seen").open("a") as seen:
            print(len([*Path(__file__).parent.glob(".lakehouse/failed/new@*")]), file=seen)
        raise OSError("no room")
    def load(self, _python_type, path, _resources): raise FileNotFoundError
"""


@pytest.mark.parametrize("together", [False, True])
def test_rows_of_every_kind_of_table_are_shown(folder: ProjectFolder, cli: Cli, together: bool) -> None:
    """By partition, of several results, of queries in databases, of what waits for others; of no table that fails."""
    folder.write("lakehouse.yaml", SEVERAL)
    folder.write("transforms.py", SEVERAL_CODE)
    folder.write("stores.py", STORES)
    put(folder, "2024-01-01", *range(1500))
    put(folder, "2024-01-02", *range(8))
    put(folder, "2024-01-03", *range(1200))
    if together:
        folder.edit("lakehouse.yaml", "engine: storage, ", "")
        assert cli("run", "--exclude", "broken", "--together").code == 0
    else:
        ran = cli("run", "-o", "json")
        assert (ran.code, ran.statuses["broken"]) == (1, "failed")
        assert folder.read("seen").split() == ["1", "1"], "an attempt leaves no rows to the next"
    shown = shown_of(cli, "daily")
    found = [(row["partition"]["day"], row["row"], row["values"]["id"]) for row in shown["rows"]]
    parts = (("2024-01-01", 1500), ("2024-01-03", 1200))
    assert found == [(day, number + 1, str(number)) for day, rows in parts for number in range(10, rows)]
    ids = [*range(1500), *range(8), *range(1200)]
    for name, rows in (("whole", ids), ("query", sorted(ids)), ("left", ids), ("right", ids[::-1])):
        shown = shown_of(cli, name)
        assert shown["left_out"] == 0
        assert {row["row"]: row["values"]["id"] for row in shown["rows"]} == {
            at: str(number) for at, number in enumerate(rows, 1) if number > 9
        }, name
    assert shown_of(cli, "broken")["count"] == 0
    assert not [each for each in kept_files(folder) if each.startswith("new@")]


def test_rows_of_a_quarantined_table_have_the_numbers_of_its_result(folder: ProjectFolder, cli: Cli) -> None:
    """Those that are put aside, those that only warn, and those within bounds, each once."""
    folder.declare(
        """
        s: {kind: source, columns: {id: int64}}
        t:
          inputs: [s]
          quarantine: true
          columns:
            id: {type: int64, max: 2000, checks: [{min: 1200, severity: warn, name: low}, {min: 500, error_above: 90%}]}
          checks: [{expression: "id % 3 = 0", name: third, severity: warn}]
        """,
        "def t(s): return s",
    )
    ids = [number for row in range(2500) for number in ((9000, row) if row % 7 == 0 else (row,))]
    folder.write("data/s.csv", "id\n" + "".join(f"{number}\n" for number in ids))
    ran = cli("run", "-o", "json")
    assert ran.code == 0
    expected: dict[int, tuple[str, set[str]]] = {}
    for row, number in enumerate(ids, 1):
        wrong = {"id_max": number > 2000, "id_min": number < 500}
        wrong |= {"low": number < 1200, "third": number % 3 != 0} if number <= 2000 else {}
        if any(wrong.values()):
            expected[row] = str(number), {name for name, holds in wrong.items() if holds}
    shown = shown_of(cli, "t")
    assert (shown["count"], shown["left_out"]) == (len(expected), 0)
    assert {row["row"]: (row["values"]["id"], names_of(row)) for row in shown["rows"]} == expected
    [table] = [each for each in ran.json["tables"] if each["name"] == "t"]
    checks = {each["name"]: each for each in table["checks"]}
    low = [row for row, (_, names) in expected.items() if "low" in names]
    assert [each["row"] for each in checks["low"]["examples"]] == low[:5]
    aside = cli("show", "t__quarantine", "-n", "5000", "-o", "json").json["rows"]
    assert [each["_row"] for each in aside] == [row for row, (_, names) in expected.items() if "id_max" in names]
    # What is stored is judged by itself, and what was put aside stays.
    assert cli("check", "t").code == 0
    assert {name for row in shown_of(cli, "t")["rows"] for name in names_of(row)} == {
        "id_max",
        "id_min",
        "low",
        "third",
    }
    assert kept_files(folder) == ["t@default.json", "t@default.rows"]
