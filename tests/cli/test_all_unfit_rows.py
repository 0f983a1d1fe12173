"""All rows with values that do not fit their types, however many: of text files, typed files and sources of many."""

from __future__ import annotations

import datetime as dt
import json
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.conftest import Cli, ProjectFolder

ROWS = 2_600
SECRET = "correct-horse-battery"
COLUMNS = """{
    n: {type: int64, checks: [{max: 2599, name: last}]}, a: int64, d: {type: date32},
    t: {type: string, nullable: false}, e: {type: int64, sensitive: true}}"""


def row(n: int) -> dict[str, Any]:
    """A row of which nearly every value may be wrong, by its number."""
    secret = SECRET if n == 2_500 else f"x{n}"
    return {
        "n": n,
        "a": secret if n % 3 else n,
        "d": f"day {n}" if n % 2 else "2026-02-28",
        "t": None if n % 5 == 0 else "broken\nline" if n % 7 == 0 else "plain",
        "e": n if n % 4 else f"{n}@b.c",
    }


def wrong_with(n: int) -> dict[str, str | None]:
    """The values of a row that are wrong, as they are shown."""
    values, secret = row(n), "${LAKE_SECRET}" if n == 2_500 else f"x{n}"
    wrong = {"a": secret if n % 3 else "", "d": values["d"] if n % 2 else "", "e": "" if n % 4 else "***"}
    found = {name: value for name, value in wrong.items() if value}
    return found | ({"t": None} if n % 5 == 0 else {}) | ({"n": str(n)} if n == ROWS else {})


def csv_lines(rows: range) -> tuple[list[str], dict[int, int]]:
    """The lines of rows behind a header on line 3, some of them broken or behind a blank one, and where each begins."""
    lines, begin = ["a preamble", "of two", "n,a,d,t,e"], {}
    for n in rows:
        lines += [""] if n % 11 == 0 else []
        begin[n] = len(lines) + 1
        text = ",".join('"broken\nline"' if "\n" in str(each) else str(each or "") for each in row(n).values())
        lines += text.split("\n")
    return lines, begin


@pytest.fixture
def masked(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A project whose storage has a secret."""
    monkeypatch.setenv("LAKE_SECRET", SECRET)
    folder.write(
        "lakehouse.yaml",
        f"""
        name: unfit
        module: transforms
        storages: {{lake: {{root: "s3://b/x", options: {{secret_access_key: "${{LAKE_SECRET}}"}}}}}}
        tables:
          s: {{kind: source, format: FORMAT, path: PATH, options: OPTIONS, columns: {COLUMNS}}}
          t: {{inputs: [s]}}
        """,
    )
    folder.write("transforms.py", "def t(s): return s\n")
    return folder


def declared(folder: ProjectFolder, format_: str, options: str = "{}", path: str = "s") -> None:
    folder.edit(
        "lakehouse.yaml",
        "format: FORMAT, path: PATH, options: OPTIONS",
        f"format: {format_}, path: {path}, options: {options}",
    )


def shown_rows(cli: Cli, table: str = "s") -> Any:
    """All failed rows, of which none are left out, each with its reasons by column."""
    shown = cli("show", table, "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (len(shown["rows"]), 0)
    for each in shown["rows"]:
        names = [re.findall("`([a-z])`", reason)[0] for reason in each["reasons"]]
        assert len({*names}) == len(names)
        each["wrong"] = {name: each["values"][name] for name in names}
    return shown["rows"]


def kept_of(texts: Iterable[bytes]) -> list[bool]:
    """Which of some texts are anywhere in the project's own folder."""
    kept = b"".join(path.read_bytes() for path in Path(".lakehouse").rglob("*") if path.is_file())
    return [text in kept for text in texts]


def write_csv(folder: ProjectFolder) -> dict[int, int]:
    declared(folder, "csv", "{skip_rows: 2, encoding: latin-1}")
    lines, begin = csv_lines(range(1, ROWS + 1))
    folder.write("data/s.csv", "")
    (folder.path / "data/s.csv").write_bytes("\n".join([*lines, ""]).encode("latin-1"))
    return begin


def write_csv_in_passes(folder: ProjectFolder) -> dict[int, int]:
    """Columns with spellings of their own are read apart from others."""
    folder.edit("lakehouse.yaml", "a: int64", "a: {type: int64, null_values: [nothing]}")
    return write_csv(folder)


def write_jsonl(folder: ProjectFolder) -> dict[int, int]:
    declared(folder, "jsonl")
    lines: list[str] = []
    begin = {}
    for n in range(1, ROWS + 1):
        lines += [""] if n % 11 == 0 else []
        lines.append(json.dumps(row(n)))
        begin[n] = len(lines)
    folder.write("data/s.jsonl", "\n".join(lines))
    return begin


def write_excel(folder: ProjectFolder) -> dict[int, int]:
    declared(folder, "excel")
    book = openpyxl.Workbook()
    book.active.append([*row(1)])
    for n in range(1, ROWS + 1):
        values = row(n) | ({} if n % 2 else {"d": dt.date(2026, 2, 28)})
        book.active.append([*values.values()])
    folder.write("data/x", "")
    book.save(folder.path / "data/s.xlsx")
    return {n: n + 1 for n in range(1, ROWS + 1)}


@pytest.mark.parametrize("write", [write_csv, write_csv_in_passes, write_jsonl, write_excel])
def test_all_rows_of_a_text_file_are_shown(
    masked: ProjectFolder, cli: Cli, write: Callable[[ProjectFolder], dict[int, int]]
) -> None:
    lines = write(masked)
    ran = cli("run", "s")
    expected = {n: wrong_with(n) for n in range(1, ROWS + 1) if wrong_with(n)}
    assert f"`lakehouse show s --failed` shows the {len(expected):,} rows that fail" in ran.err
    found = shown_rows(cli)
    assert [(each["row"], each["line"]) for each in found] == [(n, lines[n]) for n in expected]
    for each, wrong in zip(found, expected.values(), strict=True):
        shown = {name: value and re.sub(r"^[A-Z]+\d+: |['\"]", "", value) for name, value in each["wrong"].items()}
        assert shown == wrong, each["row"]
    assert cli("check", "s").code == 1
    checked = shown_rows(cli)
    assert [(each["row"], each["line"], each["wrong"]) for each in checked] == [
        (each["row"], each["line"], each["wrong"]) for each in found
    ]
    assert kept_of((b"day", b"@b.c", SECRET.encode())) == [True, False, False]
    assert cli("show", "s", "--failed", "--out", "rows.csv").out == f"rows.csv · {len(found):,} rows\n"
    assert len(cli("show", "s", "--failed", "-o", "json", "-n", "1200").json["rows"]) == 1200
    # Where nothing else is wrong, the file stays as it was written while the source was read.
    masked.edit("lakehouse.yaml", "n: {type: int64, checks: [{max: 2599, name: last}]}", "n: int64")
    masked.edit("lakehouse.yaml", "t: {type: string, nullable: false}", "t: string")
    assert cli("run", "s").code == 1
    assert [each["row"] for each in shown_rows(cli)] == [n for n, wrong in expected.items() if {*wrong} - {"n", "t"}]
    assert kept_of((b"day", b"@b.c", SECRET.encode())) == [True, False, False]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_all_rows_of_many_files_are_shown(masked: ProjectFolder, cli: Cli, executor: str) -> None:
    """Rows have numbers through all files, and stand by their file and line once, whatever is wrong with them."""
    declared(masked, "csv", "{skip_rows: 2}", '"m/*"')
    parts = [range(1, 1401), range(1401, 1402), range(1402, 1410), range(1410, ROWS + 1)]
    places = {}
    for part in parts:
        lines, begin = csv_lines(part)
        masked.write(f"data/m/{part.start:04}.csv", "\n".join([*lines, ""]))
        places |= {n: (f"data/m/{part.start:04}.csv", line) for n, line in begin.items()}
    Path(".lakehouse/failed").mkdir(parents=True)
    Path(".lakehouse/failed/new@default@of-a-run-that-was-killed@x").touch()
    assert cli("run", "t", "--executor", executor).code == 1
    found = shown_rows(cli)
    expected = {n: wrong_with(n) for n in range(1, ROWS + 1) if wrong_with(n)}
    assert [(each["row"], (each["file"], each["line"])) for each in found] == [(n, places[n]) for n in expected]
    assert [each["wrong"] for each in found] == [*expected.values()]
    assert "file_row" not in found[0]
    assert [*Path(".lakehouse").rglob("new@*")] == []
    assert kept_of((b"day", b"@b.c", SECRET.encode())) == [True, False, False]


def test_sensitive_values_of_many_files_are_not_in_reasons(folder: ProjectFolder, cli: Cli) -> None:
    """Why a day does not fit may say which day it is."""
    folder.declare(
        """
        s: {kind: source, path: "m/*", columns: {d: {type: date32, sensitive: true, date_format: "%a %d.%m.%Y"}}}
        t: {inputs: [s]}
        """,
        "def t(s): return s\n",
    )
    for name in "ab":
        folder.write(f"data/m/{name}.csv", "d\nMon 03.02.2026\n")
    ran = cli("run", "s", "-o", "json")
    shown = cli("show", "s", "--failed", "-o", "json")
    assert [each["values"] for each in shown.json["rows"]] == [{"d": "***"}] * 2
    kept = [path.read_text() for path in Path(".lakehouse").rglob("*.json*")]
    assert not any(day in said for said in (ran.out, ran.err, shown.out, *kept) for day in ("2026-02-03", "03.02.2026"))


@pytest.mark.parametrize("format_", ["parquet", "ipc"])
def test_all_rows_of_typed_files_are_shown(folder: ProjectFolder, cli: Cli, format_: str) -> None:
    ending, save = ("parquet", parquet.write_table) if format_ == "parquet" else ("arrow", _write_ipc)
    folder.declare(
        f"""
        s: {{kind: source, format: {format_}, columns: {{a: int8, b: {{type: int64, sensitive: true}}, k: int64}}}}
        m: {{kind: source, format: {format_}, path: m/*, columns: {{a: int8, b: int64, k: int64}}}}
        t: {{}}
        """,
        "def t(): ...\n",
    )
    numbers = range(1, ROWS + 1)
    whole = pa.table(
        {
            "a": pa.array([n if n % 3 else 0 for n in numbers], pa.int32()),
            "b": [98765432100 + n + (0.5 if n % 2 else 0) for n in numbers],
            "k": [*numbers],
        }
    )
    folder.write("data/m/x", "")
    Path("data/m/x").unlink()
    save(whole, "data/s." + ending)
    for start, stop in [(0, 1500), (1500, 1501), (1501, ROWS)]:
        save(whole.slice(start, stop - start), f"data/m/{start:04}.{ending}")
    wrong = {n: {"a": str(n)} if n % 3 and n > 127 else {} for n in numbers}
    wrong = {n: each | ({"b": f"{98765432100 + n}.5"} if n % 2 else {}) for n, each in wrong.items()}
    expected = {n: each for n, each in wrong.items() if each}
    assert f"shows the {len(expected):,} rows that fail" in cli("run", "s").err
    found = shown_rows(cli)
    assert [(each["row"], each["line"]) for each in found] == [(n, None) for n in expected]
    assert [each["values"] for each in found] == [
        each | ({"b": "***"} if "b" in each else {}) for each in expected.values()
    ]
    assert kept_of([b"98765432101.5"]) == [False]
    assert cli("run", "m").code == 1
    found = shown_rows(cli, "m")
    assert [(each["row"], each["values"]) for each in found] == [*expected.items()]
    starts = {n: next(start for start in (1501, 1500, 0) if n > start) for n in expected}
    assert [(each["file"], each["file_row"]) for each in found] == [
        (f"data/m/{start:04}.{ending}", n - start) for n, start in starts.items()
    ]
    # A column of another type altogether is wrong as a whole.
    save(whole.set_column(2, "k", [[str(n) for n in numbers]]), "data/s." + ending)
    assert cli("run", "s").code == 1
    shown = cli("show", "s", "--failed", "-o", "json").json
    assert shown["count"] == ROWS
    assert {*expected} <= {each["row"] for each in shown["rows"]}
    assert [each["row"] for each in shown["rows"]][:1000] == [*range(1, 1001)]
    assert shown["count"] == shown["left_out"] + len(shown["rows"])


def test_rows_of_values_without_a_text_are_shown(folder: ProjectFolder, cli: Cli) -> None:
    """Arrow shows 25:00 as 01:00: the first have a text of our own; of the others there is none."""
    folder.declare(
        """
        s: {kind: source, format: parquet, columns: {c: "time64[us]", k: {type: int64, nullable: false}}}
        t: {}
        """,
        "def t(): ...\n",
    )
    hour = 3_600_000_000
    times = [25 * hour if n % 2 else hour for n in range(1, ROWS + 1)]
    keys = [None if n % 3 == 0 else n for n in range(1, ROWS + 1)]
    folder.write("data/x", "")
    parquet.write_table(pa.table({"c": pa.array(times, pa.int64()).view(pa.time64("us")), "k": keys}), "data/s.parquet")
    assert cli("run", "s").code == 1
    shown = cli("show", "s", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (len(shown["rows"]), 0)
    expected = [n for n in range(1, ROWS + 1) if n % 2 or n % 3 == 0]
    assert [(each["row"], len(each["reasons"])) for each in shown["rows"]] == [
        (n, n % 2 + (n % 3 == 0)) for n in expected
    ]
    known = [each["values"].get("c") for each in shown["rows"] if each["row"] % 2]
    assert known == ["25:00:00"] * 5 + [None] * (ROWS // 2 - 5)


def test_rows_of_examples_stand_beside_others(folder: ProjectFolder, cli: Cli) -> None:
    """Of a database, all values that do not fit, with all nulls."""
    folder.write(
        "lakehouse.yaml",
        """
        name: p
        storages: {default: {type: sqlite, root: data.db}}
        tables: {s: {kind: source, path: s, columns: {n: int8, t: {type: string, nullable: false}}}}
        """,
    )
    with closing(sqlite3.connect(folder.path / "data.db")) as database:
        database.execute("CREATE TABLE s (n, t)")
        rows = [(300 if n % 2 else 1, None if n % 3 == 0 else "x") for n in range(1, ROWS + 1)]
        database.executemany("INSERT INTO s VALUES (?, ?)", rows)
        database.commit()
    assert cli("run", "s").code == 1
    shown = cli("show", "s", "--failed", "-o", "json").json
    found = {each["row"]: len(each["reasons"]) for each in shown["rows"]}
    nulls = dict.fromkeys(range(3, ROWS + 1, 3), 1)
    unfit = dict.fromkeys(range(1, ROWS + 1, 2), 1)
    assert found == unfit | nulls | dict.fromkeys(range(3, ROWS + 1, 6), 2)
    assert (shown["count"], shown["left_out"]) == (len(unfit.keys() | nulls.keys()), 0)


def _write_ipc(table: pa.Table, path: str) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def test_all_rows_of_partitions_are_shown(folder: ProjectFolder, cli: Cli) -> None:
    """Of a check that is judged by partition, and of one that is judged on the whole table, each row once."""
    folder.declare(
        """
        s: {kind: source, path: "{day}/s", columns: {v: int64, day: date32}}
        t: {inputs: [s], partitions: [day], columns: {day: date32, v: int64}}
        """,
        "def t(s): return s[['day', 'v']]\n",
    )
    values = [[n % 9 for n in range(count)] for count in (1500, 1, 1300)]
    for day, some in enumerate(values, 1):
        folder.write(f"data/2026-01-0{day}/s.csv", "v\n" + "".join(f"{each}\n" for each in some))
    assert cli("run").code == 0
    folder.edit(
        "lakehouse.yaml",
        "{day: date32, v: int64}}",
        "{day: date32, v: {type: int64, checks: [{max: 3, error_above: 10%}, {not_in: [8]}]}}}",
    )
    assert cli("check", "t").code == 1
    shown = cli("show", "t", "--failed", "-o", "json").json
    every = [each for some in values for each in some]
    expected = [(n, each) for n, each in enumerate(every, 1) if each > 3]
    assert [(row["row"], int(row["values"]["v"])) for row in shown["rows"]] == expected
    assert (shown["count"], shown["left_out"]) == (len(expected), 0)
    assert {len(row["reasons"]) for row in shown["rows"] if row["values"]["v"] == "8"} == {2}
