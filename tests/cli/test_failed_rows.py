"""The rows that break a contract: named with line and key, and kept for `lakehouse show --failed`."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import on_a_terminal
from tests.conftest import Cli, Invoked, ProjectFolder

EXECUTORS = ["serial", "threads", "processes"]


@pytest.fixture
def readings(folder: ProjectFolder) -> ProjectFolder:
    """A source with a key, and a table whose rows the test decides."""
    folder.write(
        "lakehouse.yaml",
        """
        name: readings
        module: transforms
        tables:
          s:
            kind: source
            key: [station, day]
            columns: {station: string, day: date32, high: {type: float64, nullable: false}}
          t:
            inputs: [s]
            key: [station, day]
            columns: {station: string, day: date32, high: {type: float64, nullable: false}, n: int8}
        environments:
          dev: {storages: {default: {root: dev}}}
        """,
    )
    folder.write("transforms.py", "def t(s): return s.assign(n=1)\n")
    folder.write("data/s.csv", "station,day,high\nSFO,2024-01-01,50\nSJC,2024-01-01,51\n")
    return folder


def failure(ran: Invoked, name: str) -> Any:
    (found,) = [table for table in ran.json["tables"] if table["name"] == name]
    assert found["status"] == "failed"
    return found


def failed_rows(cli: Cli, *arguments: str) -> Any:
    shown = cli("show", *arguments, "--failed", "-o", "json")
    assert shown.code == 0
    return shown.json


def test_nulls_of_a_source_name_line_and_key(readings: ProjectFolder, cli: Cli) -> None:
    readings.write("data/s.csv", "station,day,high\nSFO,2024-01-01,50\n\nSJC,2024-01-01,\nOAK,2024-01-02,52\n")
    ran = cli("run")
    assert ran.code == 1
    assert "row 2 (line 4; station 'SJC', day 2024-01-01)" in ran.err
    assert "`lakehouse show s --failed` shows the row that fails" in ran.err
    (violation,) = failure(cli("run", "-o", "json"), "s")["error"]["violations"]
    assert violation["examples"] == [{"row": 2, "value": "null", "line": 4, "key": "station 'SJC', day 2024-01-01"}]


def test_repeated_keys_of_a_source_name_their_lines(readings: ProjectFolder, cli: Cli) -> None:
    readings.write("data/s.csv", 'station,day,high\n"S\nFO",2024-01-01,50\n"S\nFO",2024-01-01,51\n')
    assert "row 2 (line 4): 'S\\nFO', 2024-01-01" in cli("run").err
    (row,) = failed_rows(cli, "s")["rows"]
    assert (row["row"], row["line"]) == (2, 4)
    assert row["values"] == {"station": "S\nFO", "day": "2024-01-01", "high": "51.0"}
    assert row["reasons"] == ["key `station`, `day`: 1 row repeats an earlier key"]


def test_lines_of_json_lines(readings: ProjectFolder, cli: Cli) -> None:
    text = (readings.path / "lakehouse.yaml").read_text()
    readings.write("lakehouse.yaml", text.replace("kind: source", "kind: source\n    format: jsonl"))
    readings.write(
        "data/s.jsonl", '{"station":"a","day":"2024-01-01","high":1}\n\n{"station":"b","day":"2024-01-01"}\n'
    )
    assert "row 2 (line 3; station 'b', day 2024-01-01)" in cli("run").err


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_all_rows_with_values_that_do_not_fit_are_kept(readings: ProjectFolder, cli: Cli, format_: str) -> None:
    text = (readings.path / "lakehouse.yaml").read_text()
    readings.write("lakehouse.yaml", text.replace("kind: source", f"kind: source\n    format: {format_}"))
    values = [float(row) if row % 50 else "warm" for row in range(1, 701)]
    if format_ == "csv":
        lines = ["station,day,high", *(f"a{row},2024-01-01,{value}" for row, value in enumerate(values))]
    else:
        records = ({"station": f"a{row}", "day": "2024-01-01", "high": value} for row, value in enumerate(values))
        lines = [json.dumps(each) for each in records]
    readings.write(f"data/s.{format_}", "\n".join(lines) + "\n")
    ran = cli("run")
    assert "14 of 700 values of column `high` are not float64" in ran.err
    assert "and 9 more" in ran.err
    document = failed_rows(cli, "s", "-n", "100")
    assert document["count"] == 14
    assert [row["row"] for row in document["rows"]] == list(range(50, 701, 50))
    assert [row["line"] for row in document["rows"]] == list(range(51 if format_ == "csv" else 50, 702, 50))


def test_rows_of_a_sheet_are_named(readings: ProjectFolder, cli: Cli) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    text = (readings.path / "lakehouse.yaml").read_text()
    readings.write("lakehouse.yaml", text.replace("kind: source", "kind: source\n    format: excel"))
    book = openpyxl.Workbook()
    for row in (["station", "day", "high"], [], ["b", dt.date(2024, 1, 1), None], ["b", dt.date(2024, 1, 1), 1]):
        book.active.append(row)
    book.save(readings.path / "data/s.xlsx")
    ran = cli("run")
    assert "row 1 (line 3; station 'b', day 2024-01-01)" in ran.err
    assert "row 2 (line 4): 'b', 2024-01-01" in ran.err


@pytest.mark.parametrize("executor", EXECUTORS)
def test_failed_rows_of_a_result_are_kept(readings: ProjectFolder, cli: Cli, executor: str) -> None:
    readings.write(
        "transforms.py",
        """
        import pandas as pd

        def t(s):
            high = [1.5, None, 3.0]
            return pd.DataFrame({"station": ["a", "b", "b"], "day": [pd.Timestamp("2024-01-01")] * 3,
                                 "high": high, "n": [1, 2, 300]})
        """,
    )
    ran = cli("run", "--executor", executor, "-o", "json")
    found = failure(ran, "t")
    assert found["notes"] == ["`lakehouse show t --failed` shows the 2 rows that fail"]
    document = failed_rows(cli, "t")
    assert (document["name"], document["run_id"], document["count"]) == ("t", ran.json["run_id"], 2)
    assert document["rows"] == [
        {
            "row": 2,
            "line": None,
            "reasons": ["column `high` has 1 null but is declared `nullable: false`"],
            "values": {"station": "b", "day": "2024-01-01", "high": None, "n": "2"},
        },
        {
            "row": 3,
            "line": None,
            "reasons": [
                "`n` is declared int8 and holds 1 value that is outside int8 (-128 to 127)",
                "key `station`, `day`: 1 row repeats an earlier key",
            ],
            "values": {"station": "b", "day": "2024-01-01", "high": "3.0", "n": "300"},
        },
    ]
    assert len(failed_rows(cli, "t", "-n", "1")["rows"]) == 1
    text = cli("show", "t", "--failed").out
    assert "t · 2 rows that fail" in text
    assert "  2, 3    3  b        2024-01-01  3.0   300" in text


def test_values_that_arrow_cannot_hold_are_shown(readings: ProjectFolder, cli: Cli) -> None:
    readings.write(
        "transforms.py",
        """
        import pandas as pd
        def t(s):
            return s.assign(n=pd.Series([1, "x"], dtype=object))
        """,
    )
    assert cli("run").code == 1
    kept = failed_rows(cli, "t")
    assert [(each["row"], each["values"]["station"], each["values"]["n"]) for each in kept["rows"]] == [(2, "SJC", "x")]


@pytest.fixture
def keyed(readings: ProjectFolder) -> ProjectFolder:
    """A table with a key, of a transform that the test writes, beside a source that it may leave as it is."""
    text = readings.read("lakehouse.yaml").split("  t:")[0]
    readings.write(
        "lakehouse.yaml",
        f"{text}  t: {{inputs: [s], key: [k], columns: {{k: int8, w: {{type: bool, nullable: false}}}}}}\n",
    )
    return readings


@pytest.mark.parametrize(
    ("key", "shown", "kept"),
    [
        ("[1, 'x', None, 3]", ["'x'", "null", "3"], ["x", None, "3"]),
        ("[1, '\\u00e9', [2], {'a': 3}]", ["'é'", "[2]", '{"a": 3}'], ["é", "[2]", '{"a": 3}']),
        (
            "[1, b'x', float('nan'), Odd()]",
            ["b'x'", "null", "a value of type Odd"],
            ["b'x'", None, "a value of type Odd"],
        ),
        (
            "pd.period_range('2023-12', periods=4, freq='M')",
            ["2024-01", "2024-02", "2024-03"],
            ["2024-01", "2024-02", "2024-03"],
        ),
        ("np.array([0, 1, 2, 3j])", ["(1+0j)", "(2+0j)", "3j"], ["(1+0j)", "(2+0j)", "3j"]),
    ],
)
def test_key_that_arrow_cannot_hold_is_named(
    keyed: ProjectFolder, cli: Cli, key: str, shown: list[str], kept: list[str | None]
) -> None:
    keyed.write(
        "transforms.py",
        f"""
        import numpy as np
        import pandas as pd
        class Odd:
            def __str__(self): raise ValueError
        def t(s):
            k = {key}
            k = pd.Series(k, dtype=object) if isinstance(k, list) else k
            return pd.DataFrame({{"k": k, "w": pd.Series([True, "yes", "no", None], dtype=object)}})
        """,
    )
    ran = cli("run", "t", "-o", "json")
    found = [v for v in failure(ran, "t")["error"]["violations"] if v["column"] == "w"]
    assert [(each["row"], each["value"], each["key"]) for violation in found for each in violation["examples"]] == [
        (2, "'yes'", f"k {shown[0]}"),
        (3, "'no'", f"k {shown[1]}"),
        (4, "null", f"k {shown[2]}"),
    ]
    document = failed_rows(cli, "t")
    assert document["count"] == 3
    assert [row["values"] for row in document["rows"]] == [
        {"k": value, "w": w} for value, w in zip(kept, ["yes", "no", None], strict=True)
    ]


@pytest.mark.parametrize(
    ("frame", "rows"),
    [
        ("pd.DataFrame({'o': pd.Series(['x'] * 3000 + [1] * 2000, dtype=object)})", 3000),
        ("pa.table({'o': ['x'] * 3000 + ['1'] * 2000})", 3000),
        ("pd.DataFrame({'o': pd.Series([1, 'x', 300, 2.5, None] * 1000, dtype=object)})", 3000),
        ("pd.DataFrame({'o': pd.Series([[1], ['x'], 2] * 1000, dtype=object)})", 2000),
    ],
)
def test_all_failed_rows_of_objects_are_counted(readings: ProjectFolder, cli: Cli, frame: str, rows: int) -> None:
    text = readings.read("lakehouse.yaml").split("  t:")[0]
    readings.write("lakehouse.yaml", f"{text}  t: {{inputs: [s], columns: {{o: int8}}}}\n")
    readings.write("transforms.py", f"import pandas as pd\nimport pyarrow as pa\ndef t(s): return {frame}\n")
    ran = cli("run")
    assert f"`lakehouse show t --failed` shows the {rows:,} rows that fail" in ran.err
    document = failed_rows(cli, "t", "-n", "5000")
    assert (document["count"], len(document["rows"])) == (rows, rows)


def test_key_that_a_query_refuses_is_named(keyed: ProjectFolder, cli: Cli) -> None:
    large = f"1{'0' * 38}"
    query = f"SELECT * FROM (VALUES (1::HUGEINT, 'true'), ({large}, 'yes'), (3, 'no')) AS v (k, w)"
    text = keyed.read("lakehouse.yaml")
    keyed.write("lakehouse.yaml", text.replace("inputs: [s], key", f'sql: "{query}", key'))
    found = failure(cli("run", "t", "-o", "json"), "t")["error"]["violations"]
    assert [each.get("key") for each in found[-1]["examples"]] == ["k 3", f"k '{large}'"]
    assert [row["values"]["k"] for row in failed_rows(cli, "t")["rows"]] == ["3", large]


def test_failed_rows_of_a_column_of_a_database_add_up(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: p
        storages: {default: {type: sqlite, root: data.db}}
        tables: {s: {kind: source, path: s, columns: {n: int8}}}
        """,
    )
    with closing(sqlite3.connect(folder.path / "data.db")) as database:
        database.execute("CREATE TABLE s (n)")
        database.executemany("INSERT INTO s VALUES (?)", [(1.5,), (300,), (1,)] * 20)
        database.commit()
    ran = cli("run", "s")
    assert "1 column of data.db/s is not as declared" in ran.err
    assert "`lakehouse show s --failed` shows the 40 rows that fail" in ran.err
    found = failed_rows(cli, "s", "-n", "100")
    assert (found["count"], [row["values"]["n"] for row in found["rows"]]) == (40, ["1.5", "300"] * 20)


def test_values_that_are_not_kept_are_blank(readings: ProjectFolder, cli: Cli) -> None:
    readings.write("data/s.csv", "a,b\nx,1\n2,y\n")
    declared = "tables:\n  s: {kind: source, columns: {a: int64, b: int64}}\n  t: {}\n"
    readings.write("lakehouse.yaml", f"name: p\nmodule: transforms\n{declared}")
    assert cli("run").code == 1
    shown = cli("show", "s", "--failed").out.splitlines()
    assert [line.split() for line in shown[-2:]] == [["1", "1", "2", "x"], ["2", "2", "3", "y"]]


def test_columns_of_values_that_do_not_fit_are_in_order(readings: ProjectFolder, cli: Cli) -> None:
    readings.write("data/s.csv", "a,b,c\nx,1,z\n2,y,3\n")
    readings.write("lakehouse.yaml", "name: p\ntables:\n  s: {kind: source, columns: {a: int64, b: int64, c: int64}}\n")
    assert cli("run", "s").code == 1
    assert cli("show", "s", "--failed").out.splitlines()[-3].split() == ["why", "row", "line", "a", "b", "c"]


def test_failed_rows_are_kept_until_the_next_run(readings: ProjectFolder, cli: Cli) -> None:
    good = readings.read("data/s.csv")
    readings.write("data/s.csv", "station,day,high\nSFO,2024-01-01,warm\n")
    assert cli("run").code == 1
    assert failed_rows(cli, "s")["rows"] == [
        {"row": 1, "line": 2, "reasons": ["1 of 1 value of column `high` is not float64"], "values": {"high": "warm"}}
    ]
    assert cli("plan").code == 0
    assert failed_rows(cli, "s")["count"] == 1
    readings.write("data/s.csv", good)
    assert cli("run").code == 0
    nothing = {"name": "s", "run_id": None, "at": None, "count": 0, "left_out": 0, "rows": []}
    assert failed_rows(cli, "s") == nothing
    assert "no failed rows are kept" in cli("show", "s", "--failed").out


def test_environments_keep_failed_rows_apart(readings: ProjectFolder, cli: Cli) -> None:
    readings.write("dev/s.csv", "station,day,high\nSFO,2024-01-01,\n")
    assert "`lakehouse show s -e dev --failed` shows the row that fails" in cli("run", "-e", "dev").err
    assert failed_rows(cli, "s", "-e", "dev")["count"] == 1
    assert failed_rows(cli, "s")["count"] == 0


def test_secrets_in_failed_rows_are_masked(readings: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SECRET", "correct-horse-battery")
    storages = 'storages: {lake: {root: "s3://b/x", options: {secret_access_key: "${LAKE_SECRET}"}}}\n'
    readings.add("lakehouse.yaml", storages)
    readings.write("data/s.csv", "station,day,high\ncorrect-horse-battery,2024-01-01,\n")
    assert cli("run").code == 1
    assert failed_rows(cli, "s")["count"] == 1
    kept = [path.read_text() for path in Path(".lakehouse").rglob("*") if path.is_file()]
    assert len(kept) > 1
    assert not any("correct-horse-battery" in text for text in (*kept, cli("show", "s", "--failed").out))


def test_nothing_is_kept_of_a_comparison(readings: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    readings.write("transforms.py", "def t(s): return s.assign(n=1, high=None)\n")
    cli("diff")
    assert failed_rows(cli, "t")["count"] == 0


def test_many_failed_rows_are_counted(readings: ProjectFolder, cli: Cli) -> None:
    lines = "".join(f"a{at},2024-01-01,\n" for at in range(2_500))
    readings.write("data/s.csv", f"station,day,high\n{lines}")
    assert "shows the 2,500 rows that fail" in cli("run").err
    document = failed_rows(cli, "s", "-n", "5000")
    assert (document["count"], document["left_out"]) == (2500, 0)
    assert [(each["row"], each["line"]) for each in document["rows"]] == [(row, row + 1) for row in range(1, 2501)]
    assert failed_rows(cli, "s") == document
    assert failed_rows(cli, "s", "-n", "1500")["left_out"] == 1000
    assert cli("run", "s").code == 1
    assert failed_rows(cli, "s")["rows"] == document["rows"]
    assert failed_rows(cli, "s", "-n", "10")["left_out"] == 2490
    assert cli("show", "s", "--failed").out.endswith("… and 2,490 more rows; `--out failed.csv` writes all 2,500\n")
    assert "2,500" in cli("show", "s", "--failed", "-n", "5000").out.splitlines()[-1]


def test_columns_that_are_wrong_are_shown_first(readings: ProjectFolder, cli: Cli) -> None:
    names = [f"measurement_{at:02}" for at in range(13)]
    text = ", ".join(f"{name}: {{type: int64, nullable: {str(name != names[-1]).lower()}}}" for name in names)
    readings.write(
        "lakehouse.yaml", f"name: p\nmodule: m\ntables:\n  s: {{kind: source, columns: {{{text}}}}}\n  t: {{}}\n"
    )
    readings.write("m.py", "def t(s): return s\n")
    readings.write("data/s.csv", ",".join(names) + "\n" + ",".join(map(str, range(12))) + ",\n")
    assert cli("run").code == 1
    header = cli("show", "s", "--failed").out.splitlines()[-2].split()
    assert header == ["why", "row", "line", names[-1], *names[:-1]]
    assert list(failed_rows(cli, "s")["rows"][0]["values"]) == [names[-1], *names[:-1]]


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("nullable", [True, False])
def test_wrong_values_are_shown_whatever_the_width(
    readings: ProjectFolder, cli: Cli, width: int, nullable: bool
) -> None:
    names = [f"measurement_{at:02}" for at in range(13)]
    text = ", ".join(f"{name}: {{type: int64, nullable: {str(nullable).lower()}}}" for name in names)
    readings.write(
        "lakehouse.yaml", f"name: p\nmodule: m\ntables:\n  s: {{kind: source, columns: {{{text}}}}}\n  t: {{}}\n"
    )
    readings.write("m.py", "def t(s): return s\n")
    wrong = ["warm and wrong " * 10 if nullable else ""] * 13
    rows = [",".join(wrong[at] if at == row else str(at) for at in range(13)) for row in range(13)]
    readings.write("data/s.csv", "\n".join([",".join(names), *rows]) + "\n")
    assert cli("run").code == 1
    lines = on_a_terminal(readings.path, "show", "s", "--failed", "-n", "13", width=width)
    shown = lines[lines.index("", lines.index("") + 1) + 1 : -1]
    value = "warm and wrong warm and" if nullable else "null"
    header = shown[0].split()[3:]
    assert 0 < len(header) < 13
    assert [line.split(": ")[0].strip() for line in shown if ": " in line] == names[len(header) :]
    assert sum(value in line for line in shown) == 13
    assert all(len(line) <= width for line in lines)
    assert lines[-1] == f"  … and {13 - len(header)} more columns"


def test_row_of_many_reasons_has_its_number(readings: ProjectFolder, cli: Cli) -> None:
    names = [f"measurement_{at:02}" for at in range(13)]
    text = ", ".join(f"{name}: int64" for name in names)
    readings.write("lakehouse.yaml", f"name: p\ntables:\n  s: {{kind: source, columns: {{{text}}}}}\n")
    readings.write("data/s.csv", f"{','.join(names)}\n{','.join('0' * 13)}\n{','.join('x' * 13)}\n")
    assert cli("run", "s").code == 1
    lines = on_a_terminal(readings.path, "show", "s", "--failed", width=40)
    row = next(at for at, line in enumerate(lines) if line.startswith("  1-13"))
    assert lines[row].split()[:3] == ["1-13", "2", "3"]
    below = [line.split() for line in lines[row + 1 :]]
    assert below == [[f"{name}:", "x"] for name in names[-len(below) :]]
    assert len(below) > 10


def test_reasons_of_a_row_are_in_order(readings: ProjectFolder, cli: Cli) -> None:
    readings.write(
        "transforms.py",
        """
        import pandas as pd

        def t(s):
            return pd.DataFrame({"station": ["a", "b", "b"], "day": [pd.Timestamp("2024-01-01")] * 3,
                                 "high": [1.5, 2.5, None], "n": [300, 2, 300]})
        """,
    )
    assert cli("run").code == 1
    shown = cli("show", "t", "--failed").out
    assert [line.split("  ")[1] for line in shown.splitlines()[-2:]] == ["1", "1, 2, 3"]


@pytest.mark.parametrize("nullable", ["true", "false"])
def test_null_in_a_key_is_named_by_the_rest_of_the_key(readings: ProjectFolder, cli: Cli, nullable: str) -> None:
    readings.edit("lakehouse.yaml", "day: date32", f"day: {{type: date32, nullable: {nullable}}}")
    readings.write("data/s.csv", "station,day,high\nSFO,2024-01-01,50\n\nSJC,,51\n")
    assert "row 2 (line 4; station 'SJC')" in cli("run").err
    (violation,) = failure(cli("run", "-o", "json"), "s")["error"]["violations"]
    assert violation["examples"] == [{"row": 2, "value": "null", "line": 4, "key": "station 'SJC'"}]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("SFO,2024-01-01,warm", "1 of 2 values of column `high` is not float64"),
        ("SFO,2024-01-01,", "column `high` has 1 null but is declared `nullable: false`"),
        ("SJC,2024-01-01,50", "key `station`, `day`: 1 row repeats an earlier key"),
    ],
)
def test_named_source_that_is_not_as_declared_fails(readings: ProjectFolder, cli: Cli, row: str, reason: str) -> None:
    good = readings.read("data/s.csv")
    assert cli("run").code == 0
    bad = f"station,day,high\nSJC,2024-01-01,51\n{row}\n"
    readings.write("data/s.csv", bad)
    for selection in ("s", "+s", "s,kind:source"):
        ran = cli("run", selection, "-o", "json")
        assert ran.code == 1, selection
        found = failure(ran, "s")
        assert found["notes"] == ["`lakehouse show s --failed` shows the row that fails"]
        assert failed_rows(cli, "s")["rows"][0]["reasons"] == [reason]
    readings.write("data/s.csv", good)
    assert "nothing to do" in cli("run", "s").out
    assert failed_rows(cli, "s")["count"] == 0


def test_named_source_is_read_once(readings: ProjectFolder, cli: Cli) -> None:
    readings.write("data/s.csv", "station,day,high\nSFO,2024-01-01,\n")
    ran = cli("run", "s", "t", "-o", "json")
    assert [(table["name"], table["status"]) for table in ran.json["tables"]] == [("s", "failed"), ("t", "skipped")]


def test_source_that_is_not_named_is_not_read(readings: ProjectFolder, cli: Cli) -> None:
    readings.edit("lakehouse.yaml", "inputs: [s]", "inputs: []")
    readings.write("transforms.py", "import pandas as pd\ndef t(): return pd.DataFrame()\n")
    readings.write("data/s.csv", "station,day,high\nSFO,2024-01-01,\n")
    cli("run")
    assert failed_rows(cli, "s")["count"] == 0
    assert cli("run", "kind:source").code == 0


def test_each_check_keeps_some_of_its_rows(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        t:
          columns:
            v: {type: int64, max: 5}
            w: {type: int64, max: 5}
            x:
              type: int64
              unique: true
              checks: [{min: 0, error_above: 10}, {max: 1, severity: warn}]
            y: string
          checks: [{unique: [x, y], name: pairs}]
        """,
        """
        import pandas as pd

        def t():
            v, w = [9] * 2500 + [0] * 500, [0] * 2990 + [9] * 10
            return pd.DataFrame({"v": v, "w": w, "x": [-1, -1, *range(2, 3000)], "y": "a"})
        """,
    )
    assert "shows the 2,510 rows that fail" in cli("run").err
    shown = cli("show", "t", "--failed", "-n", "8").out
    assert "check `w_max`: 10 values of `w` are above 5" in shown
    assert "x_min" not in shown
    assert "x_max" not in shown
    document = cli("show", "t", "--failed", "-o", "json").json
    assert (document["count"], len(document["rows"])) == (2510, 2510)
    of = {
        name: [r["row"] for r in document["rows"] if any(f"`{name}`" in why for why in r["reasons"])]
        for name in ("v_max", "w_max", "x_unique", "pairs")
    }
    assert (of["w_max"], of["x_unique"], of["pairs"]) == ([*range(2991, 3001)], [1, 2], [1, 2])
    assert of["v_max"][:2] == [1, 2]
    assert document["rows"][0]["values"] == {"v": "9", "w": "0", "x": "-1", "y": "a"}


@pytest.mark.parametrize(
    ("type_", "result"), [("pa.Table", "s"), ("Iterator[pa.RecordBatch]", "iter(s.to_batches(max_chunksize=2))")]
)
def test_rows_of_unique_keep_all_columns(folder: ProjectFolder, cli: Cli, type_: str, result: str) -> None:
    folder.declare(
        """
        s: {kind: source, columns: {k: int64, z: string}}
        t: {inputs: [s], columns: {k: {type: int64, unique: true}, z: string}}
        """,
        f"""
        from collections.abc import Iterator
        import pyarrow as pa

        def t(s: pa.Table) -> {type_}: return {result}
        """,
    )
    folder.write("data/s.csv", "k,z\n1,a\n2,b\n1,c\n")
    assert cli("run").code == 1
    rows = cli("show", "t", "--failed", "-o", "json").json["rows"]
    assert [(r["row"], r["values"]) for r in rows] == [(1, {"k": "1", "z": "a"}), (3, {"k": "1", "z": "c"})]


FUNCTIONS = """
import pandas as pd

def t(s): return s
def rows(frame): return frame[frame["v"] < 0].assign(why="negative")
def anew(frame): return frame[frame["v"] < 0].reset_index(drop=True)
def less(frame): return frame.loc[frame["v"] < 0, ["v"]]
def hole(frame): return pd.Series([True, None, False, True], dtype="boolean")
"""


@pytest.mark.parametrize(("function", "where"), [("rows", ""), ("rows", ", where: v < 9"), ("anew", ""), ("less", "")])
def test_rows_that_a_function_returns_are_kept(folder: ProjectFolder, cli: Cli, function: str, where: str) -> None:
    folder.declare(
        f"""
        s: {{kind: source, columns: {{k: string, v: int64}}}}
        t:
          columns: {{k: string, v: int64}}
          checks: [{{function: {function}{where}}}]
        """,
        FUNCTIONS,
    )
    folder.write("data/s.csv", "k,v\na,10\nb,-1\nc,1\nd,-2\n")
    ran = cli("run")
    assert ran.code == 1
    known = function == "rows"
    assert ("return a mask, or rows of the frame with its index and all its columns" in ran.err) is not known
    failed = cli("show", "t", "--failed", "-o", "json").json["rows"]
    assert [row["row"] for row in failed] == ([2, 4] if known else [None, None])
    assert [row["values"].get("k") for row in failed] == ([None, None] if function == "less" else ["b", "d"])
    assert [row["values"]["v"] for row in failed] == ["-1", "-2"]
    folder.edit("lakehouse.yaml", "checks:", "quarantine: true\n    checks:")
    assert cli("run").code == (0 if known else 1)
    if known:
        assert [r["k"] for r in cli("show", "t", "-o", "json").json["rows"]] == ["a", "c"]


def test_null_mask_of_pandas_own_type_is_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare("s: {kind: source, columns: {v: int64}, checks: [{function: hole}]}\nt: {inputs: [s]}", FUNCTIONS)
    folder.write("data/s.csv", "v\n1\n2\n3\n4\n")
    assert "check `function` returned a mask with 1 null; say of each row whether it is good" in cli("run").err
