"""Hints on files beyond plain text, and on databases: packed data, sheets, JSON, Parquet, Delta, SQLite, DuckDB."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
from contextlib import closing
from datetime import datetime

import deltalake
import duckdb
import pyarrow as pa
import pytest
from openpyxl import Workbook
from pyarrow import parquet

from tests.conftest import Cli, ProjectFolder


def test_column_name_of_a_source_that_a_database_lacks(folder: ProjectFolder, cli: Cli) -> None:
    top = "storages: {default: {root: x.duckdb, type: duckdb}}\n"
    folder.declare("s: {kind: source, columns: {A: int64, a: int64}}", top=top)
    refused = cli("validate")
    assert "leave it out, or give the column another name here and in the duckdb table" in refused.err
    assert "transform" not in refused.err


def test_sqlite_rows_of_the_wrong_type_are_named(folder: ProjectFolder, cli: Cli) -> None:
    with closing(sqlite3.connect("x.sqlite")) as connection:
        connection.execute("CREATE TABLE s (id INTEGER, v REAL)")
        rows = [("a", 1.5), ("b", "x"), (3, "y"), ("four", "z"), (5, 2.5)]
        connection.executemany("INSERT INTO s VALUES (?, ?)", rows)
        connection.commit()
    top = "storages: {default: {root: x.sqlite, type: sqlite}}\n"
    folder.declare("s: {kind: source, columns: {id: int64, v: float64}}", top=top)
    refused = cli("show", "s").err
    assert "`id` is declared int64 and holds text among integers in 3 rows" in refused
    assert "row 1: 'a', row 2: 'b', row 4: 'four'" in refused
    assert "`v` is declared float64 and holds text among floats in 3 rows" in refused
    assert "row 2: 'x', row 3: 'y', row 4: 'z'" in refused


def test_decimals_are_shown_in_full(folder: ProjectFolder, cli: Cli) -> None:
    long = "-1234567.8901234567890123456789012345678"
    folder.write("data/s.csv", f"a,b\n0.0000000001,{long}\n")
    folder.declare('s: {kind: source, columns: {a: "decimal128(20, 10)", b: "decimal128(38, 31)"}}')
    shown = cli("show", "s").out
    assert "0.0000000001" in shown
    assert long in shown
    assert cli("show", "s", "-o", "json").json["rows"] == [{"a": "0.0000000001", "b": long}]


def test_ls_and_show_agree_on_nulls_in_key_columns(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "a,b,c\n1,2,3\n")
    folder.declare("s: {kind: source, key: a, columns: {a: int64, b: {type: int64, nullable: false}, c: int64}}")
    (listed,) = cli("ls", "-o", "json").json["tables"]
    assert listed["columns"] == cli("show", "s", "-o", "json").json["columns"]
    assert [column["nullable"] for column in listed["columns"]] == [False, False, True]


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz"])
@pytest.mark.parametrize(
    ("packed", "what"),
    [
        (lzma.compress(b"a\n1\n"), "xz"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z"),
        (b"Rar!\x1a\x07\x01\x00", "rar"),
        (b"\x04\x22\x4d\x18\x64\x40", "lz4"),
        (b"\x1f\x9d\x90a", "compress"),
    ],
)
def test_packed_data_that_are_not_read_are_named(
    folder: ProjectFolder, cli: Cli, name: str, packed: bytes, what: str
) -> None:
    (folder.path / "data").mkdir()
    (folder.path / "data" / name).write_bytes(packed)
    folder.declare("s: {kind: source, columns: {a: int64}}")
    refused = cli("show", "s").err
    assert (f"it is {what} data: " if name.endswith(".gz") else f"`data/{name}` is {what} data\n") in refused
    assert "unpack it first" in refused


@pytest.mark.parametrize("text", ['{"data":[{"a":1}]}', '{"count": 1,\n "data": [\n{"a": 1}\n]\n}\n'])
def test_array_inside_of_an_object_is_named(folder: ProjectFolder, cli: Cli, text: str) -> None:
    folder.write("data/s.json", text)
    folder.declare("s: {kind: source, format: json, columns: {a: int64}}")
    refused = cli("show", "s").err
    assert 'have the array "data" in it written by itself, to a file of its own' in refused
    assert "jsonl" not in refused


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_plain_text_named_gz(folder: ProjectFolder, cli: Cli, options: dict[str, str]) -> None:
    source = "s: {{kind: source, options: {{{}}}, columns: {{a: int64}}}}"
    text = ", ".join(f"{name}: {value}" for name, value in options.items())
    file = folder.write("data/s.csv.gz", "a\n1\n")
    folder.declare(source.format(text))
    refused = cli("show", "s").err
    assert "`data/s.csv.gz` is not gzip data" in refused
    assert "rename it to `data/s.csv`" in refused
    assert ("remove `compression: gzip` from its options" in refused) == bool(options)
    assert "or set `suffix: .csv.gz` and `compression: none` in its options" in refused

    folder.declare(source.format("suffix: .csv.gz, compression: none"))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1
    file.rename(file.with_suffix(""))
    folder.declare(source.format(""))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_data_named_after_another_compression(folder: ProjectFolder, cli: Cli) -> None:
    file = folder.write("data/s.jsonl.gz", "")
    file.write_bytes(bz2.compress(b'{"a": 1}\n'))
    folder.declare("s: {kind: source, format: jsonl, columns: {a: int64}}")
    assert "it is bz2 data: rename it to `data/s.jsonl.bz2`" in cli("show", "s").err
    file.rename(file.with_suffix(".bz2"))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_gzip_data_that_end_early(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv.gz", "").write_bytes(gzip.compress(b"a\n1\n")[:-3])
    folder.declare("s: {kind: source, columns: {a: int64}}")
    refused = cli("show", "s").err
    assert "is not whole gzip data: it ends early" in refused
    assert "fetch the file again" in refused
    assert "compression" not in refused


@pytest.mark.parametrize("command", ["plan", "run", "show"])
def test_other_ending_of_a_missing_source(folder: ProjectFolder, cli: Cli, command: str) -> None:
    folder.write("data/s.txt", "a\n1\n")
    folder.write("transforms.py", "def t(s): return s\n")
    tables = "s: {{kind: source, {}columns: {{a: int64}}}}\nt: {{columns: {{a: int64}}}}"
    arguments = [command, "s"] if command == "show" else [command]
    folder.declare(tables.format(""))
    shown = cli(*arguments)
    assert "data/s.txt is there: set `suffix: .txt` in its options" in shown.out + shown.err
    folder.declare(tables.format("options: {suffix: .txt}, "))
    followed = cli(*arguments)
    assert followed.code == 0
    assert "s.txt is there" not in followed.out + followed.err


def test_parquet_named_csv(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    parquet.write_table(pa.table({"a": [1]}), folder.path / "data/s.csv")
    folder.declare("s: {kind: source, columns: {a: int64}}")
    refused = cli("show", "s").err
    assert "`data/s.csv` is a Parquet file" in refused
    assert "set `format: parquet`, and in its options `suffix`" in refused
    folder.declare("s: {kind: source, format: parquet, options: {suffix: .csv}, columns: {a: int64}}")
    assert cli("show", "s", "-o", "json").json["rows"] == [{"a": 1}]


def test_cell_with_a_time_of_day_in_a_date_column(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    workbook = Workbook()
    for row in (["at"], [datetime(2024, 1, 1, 5)]):
        workbook.active.append(row)
    workbook.save(folder.path / "data/s.xlsx")
    source = "s: {{kind: source, format: excel, columns: {{at: '{}'}}}}"
    folder.declare(source.format("date32"))
    assert "it has a time of day: declare `timestamp[us]`" in cli("show", "s").err
    folder.declare(source.format("timestamp[us]"))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_text_of_sqlite_in_another_encoding(folder: ProjectFolder, cli: Cli) -> None:
    with closing(sqlite3.connect("x.sqlite")) as connection:
        connection.execute("CREATE TABLE s AS SELECT CAST(x'e941' AS TEXT) AS a")
        connection.commit()
        top = "storages: {default: {root: x.sqlite, type: sqlite}}\n"
        folder.declare("s: {kind: source, columns: {a: string}}", top=top)
        refused = cli("show", "s").err
        assert "select from a view that makes it bytes, `CAST(… AS BLOB)`, and declare the column as binary" in refused
        connection.execute("CREATE VIEW v AS SELECT CAST(a AS BLOB) AS a FROM s")
        connection.commit()
    folder.declare("s: {kind: source, path: v, columns: {a: binary}}", top=top)
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_missing_delta_table(folder: ProjectFolder, cli: Cli) -> None:
    top = "storages: {default: {root: lake, type: delta}}\n"
    folder.declare("s: {kind: source, columns: {a: int64}}", top=top)
    assert "put a Delta table there, or correct `path:` or the storage's `root:`" in cli("show", "s").err
    deltalake.write_deltalake("lake/s", pa.table({"a": [1]}))
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_nameless_column_of_a_sheet(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    workbook = Workbook()
    for row in ([None, "x"], [1, 2]):
        workbook.active.append(row)
    workbook.save(folder.path / "data/s.xlsx")
    source = "s: {{kind: source, format: excel, columns: {{i: {}, x: int64}}}}"
    folder.declare(source.format("int64"))
    assert "column 1 of the file has no name: read it with `from: 1`" in cli("show", "s").err
    folder.declare(source.format("{type: int64, from: 1}"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"i": 1, "x": 2}]


@pytest.mark.parametrize(("kind", "noun"), [("date32", "date"), ("timestamp[s]", "date"), ("time32[s]", "time")])
def test_text_among_dates_of_a_sheet(folder: ProjectFolder, cli: Cli, kind: str, noun: str) -> None:
    (folder.path / "data").mkdir()
    workbook = Workbook()
    for row in (["x"], ["31/12/2020"]):
        workbook.active.append(row)
    workbook.save(folder.path / "data/s.xlsx")
    source = "s: {{kind: source, format: excel, columns: {{x: '{}'}}}}"
    folder.declare(source.format(kind))
    refused = cli("show", "s").err
    assert f"it is a text: make it a {noun} in the sheet, or declare the column as string" in refused
    folder.declare(source.format("string"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": "31/12/2020"}]


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("map<string, int64>", '{"a":1,"a":2}', "the name `a` is there twice"),
        ("struct<a: int64>", '{"a":1,"a":2}', "the name `a` is there twice"),
        ("list<struct<a: int64>>", '[{"a":1,"a":2}]', "the name `a` is there twice"),
        ("map<string, float64>", '{"a":NaN}', 'NaN is no JSON; as text, "NaN", it is read as a float'),
    ],
)
def test_json_that_is_refused_says_why(folder: ProjectFolder, cli: Cli, kind: str, text: str, why: str) -> None:
    folder.write("data/s.csv", f"x;y\n'{text}';1\n")
    source = "s: {{kind: source, options: {{delimiter: ';', quote_char: \"'\"}}, columns: {{x: '{}'}}}}"
    folder.declare(source.format(kind))
    refused = " ".join(cli("show", "s").err.split())
    assert f"{why}: correct the file, or declare the column as string" in refused
    assert "to_json" not in refused
    folder.declare(source.format("string"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": text}]


def test_interval_of_duckdb_in_parquet(folder: ProjectFolder, cli: Cli) -> None:
    (folder.path / "data").mkdir()
    query = "COPY (SELECT {} AS x FROM (SELECT INTERVAL 90 SECOND AS i)) TO 'data/s.parquet' (FORMAT parquet)"
    source = "s: {{kind: source, format: parquet, columns: {{x: '{}'}}}}"
    duckdb.sql(query.format("i"))
    folder.declare(source.format("duration[us]"))
    refused = " ".join(cli("show", "s").err.split())
    assert "as DuckDB's INTERVAL is stored: write `epoch(…)` of it in its place" in refused
    duckdb.sql(query.format("epoch(i)"))
    folder.declare(source.format("float64"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": 90.0}]


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"])
@pytest.mark.parametrize("form", ["{}", "[NULL, {}]", "{{'a': {}}}"])
def test_infinity_of_duckdb_is_shown_by_its_name(folder: ProjectFolder, cli: Cli, kind: str, form: str) -> None:
    values = [form.format(f"'{text}'::{kind}") for text in ("infinity", "2020-01-01", "-infinity")]
    with closing(duckdb.connect("w.duckdb")) as connection:
        connection.execute(f"CREATE TABLE s AS FROM (VALUES ({'), ('.join(values)})) AS t(x)")
    folder.declare("s: {kind: source, storage: w}", top="storages: {w: {root: w.duckdb, type: duckdb}}\n")
    refused = cli("show", "s")
    assert refused.code == 1
    assert "`x` holds 2 values that are infinite" in refused.err
    assert "row 1: infinity, row 3: -infinity\n" in refused.err
