"""`lakehouse init --from-data`: every value is read as an independent reader reads it, or left as text."""

from __future__ import annotations

import bz2
import gzip
import re
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyarrow import feather

from tests.cli.independent_reading import load, read_by_lakehouse
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PASSWORD, USER, PostgreSQL


def one_text(name: str) -> dict[str, Any]:
    """One column of text with commas."""
    return {"options": {"delimiter": "\t"}, "columns": {name: "string"}}


CASES: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    # name: content, and what is said of the table
    "ids keep zeros and exponents": (
        "zip,hash\n00501,1E5\n10115,2E7\n",
        {"columns": {"zip": "string", "hash": "string"}},
    ),
    "Namibia is no null": (
        "country,city,n,x\nNA,None,NA,1.5\nCH,Bern,2,null\n",
        {
            "columns": {
                "country": "string",
                "city": "string",
                "n": {"type": "int64", "null_values": ["NA"]},
                "x": {"type": "float64", "null_values": ["null"]},
            }
        },
    ),
    "one and zero are integers": (
        "a,b,c\n0,true,T\n1,false,F\n",
        {"columns": {"a": "int64", "b": "bool", "c": "string"}},
    ),
    "integers that floats round": (
        "a,b,c\n9007199254740993,1,123456789012345678901\n1,1.5,2\n",
        {"columns": {"a": "int64", "b": "float64", "c": "string"}},
    ),
    "text among the last numbers": ("a\n" + "1\n" * 30_000 + "x7\n", {"columns": {"a": "string"}}),
    "thousands among the last numbers": (
        "a;b\n" + "1;2,5\n" * 30_000 + "12.345.678;2\n",
        {
            "options": {"delimiter": ";"},
            "columns": {"a": {"type": "int64", "thousands": "."}, "b": {"type": "float64", "decimal": ","}},
        },
    ),
    "day or month first": (
        "a,b\n01/02/2024,13/02/2024\n03/04/2024,01/02/2024\n",
        {"columns": {"a": "string", "b": {"type": "date32", "date_format": "%d/%m/%Y"}}},
    ),
    "dates of eight digits": (
        "a,b,c,day\n20240131,20240101,20240231,20240101\n20240229,20240102,20240301,20240102\n",
        {
            "columns": {
                "a": {"type": "date32", "date_format": "%Y%m%d"},
                "b": "int64",
                "c": "int64",
                "day": {"type": "date32", "date_format": "%Y%m%d"},
            }
        },
    ),
    "marks of null among digits that are no dates": (
        "a,d\n1,NA\n2,20200416\n3,20200417\n",
        {"columns": {"a": "int64", "d": {"type": "int64", "null_values": ["NA"]}}},
    ),
    "commas of fractions or thousands": (
        'a,b\n"1,234",x\n"2,345",y\n',
        {"columns": {"a": "string", "b": "string"}},
    ),
    "a point shows what commas are": (
        'a,b\n"1,234",1.5\n"2,345",2.25\n',
        {"columns": {"a": {"type": "int64", "thousands": ","}, "b": "float64"}},
    ),
    "centuries are not guessed": ("a\n01/31/45\n02/01/99\n", {"columns": {"a": "string"}}),
    "moments": (
        "a,b,c\n2024-01-01 05:06,2024-01-01T05:06:07Z,2024-01-01 05:06:07.123456789\n"
        "2024-01-02,2024-01-01T05:06:07+02:00,2024-01-02\n",
        {"columns": {"a": "timestamp[us]", "b": "timestamp[us, tz=UTC]", "c": "timestamp[ns]"}},
    ),
    "with and without zones": ("a\n2024-01-01T05:06:07Z\n2024-01-01T05:06:07\n", {"columns": {"a": "string"}}),
    "names": (
        "no,,a: b,x,x, sp ,null\n1,2,3,4,5,6,7\n2,3,4,5,6,7,8\n",
        {
            "key": "no",
            "columns": {
                "no": "int64",
                "column_2": {"type": "int64", "from": 2},
                "a: b": "int64",
                "x": {"type": "int64", "from": 4},
                "x_2": {"type": "int64", "from": 5},
                "sp": {"type": "int64", "from": " sp "},
                "null": "int64",
            },
        },
    ),
    "lines before the header and behind the data": (
        '"Source","WDI",\n\n"Name","Code","2021",\n"Aruba","NA","1.5",\n"Peru","PER","",\n\nUpdated: 2024\n',
        {
            "options": {"skip_rows": 2, "skip_footer": 2},
            "columns": {"Name": "string", "Code": "string", "2021": "float64"},
        },
    ),
    "comments": (
        "# a, b\n# c\na,b\n1,2\n# d\n3,4\n",
        {"options": {"comment": "#"}, "columns": {"a": "int64", "b": "int64"}},
    ),
    "no header": (
        "1,2.5,x\n2,3.5,y\n",
        {"options": {"header": False}, "columns": {"column_1": "int64", "column_2": "float64", "column_3": "string"}},
    ),
    "row names of R": (
        '"x" "y"\n"1" 1 "a b"\n"2" 3 "c"\n',
        {
            "options": {"delimiter": "whitespace", "header": False, "skip_rows": 1},
            "columns": {"column_1": "int64", "x": "int64", "y": "string"},
        },
    ),
    "backslashes": (
        'a,b\n1,"say \\"hi\\", you"\n2,x\n',
        {"options": {"escape_char": "\\"}, "columns": {"a": "int64", "b": "string"}},
    ),
    "one column with commas": ("a\nx, y\nz\n", {"options": {"delimiter": "\t"}, "columns": {"a": "string"}}),
    "blanks behind delimiters": (
        "a, b\n1, x\n2, y\n",
        {"options": {"trim": True}, "columns": {"a": "int64", "b": "string"}},
    ),
    "rows that end early": (
        "a,b,c\n" + "1,2,3\n" * 40 + "4,5\n6,7,8\n",
        {"options": {"missing_values": None}, "columns": {"a": "int64", "b": "int64", "c": "int64"}},
    ),
    "Western European": (
        "a;b\nMüller;1,5\n".encode("cp1252"),
        {
            "options": {"delimiter": ";", "encoding": "cp1252"},
            "columns": {"a": "string", "b": {"type": "float64", "decimal": ","}},
        },
    ),
    "UTF-16": (
        "a\tb\nMüller\t1\n".encode("utf-16"),
        {"options": {"delimiter": "\t", "encoding": "utf-16"}, "columns": {"a": "string", "b": "int64"}},
    ),
    "marks of null before any value": (
        "a,b\n" + "NA,1\n" * 5 + "7,1\n",
        {"columns": {"a": {"type": "int64", "null_values": ["NA"]}, "b": "int64"}},
    ),
    "a line that names the delimiter": (
        "sep=;\na;b\n1;2,5\n",
        {
            "options": {"delimiter": ";", "skip_rows": 1},
            "columns": {"a": "int64", "b": {"type": "float64", "decimal": ","}},
        },
    ),
    "a dump of a database": (
        "1\tx\\ty\t\\N\n2\tz\t3\n",
        {
            "options": {"delimiter": "\t", "quote_char": "none", "escape_char": "\\", "header": False},
            "columns": {"column_1": "int64", "column_2": "string", "column_3": "int64"},
        },
    ),
    "line ends in values": (
        'a,b\r\n1,"x\r\nTotal"\r\n2,"y\r\nend"\r\n',
        {"columns": {"a": "int64", "b": "string"}},
    ),
    "other things than numbers": (
        "t,p,m,big\n05:06:07,8%,$5,123456789012345678901\n05:06:08,9%,$6,2\n",
        {"columns": dict.fromkeys(("t", "p", "m", "big"), "string")},
    ),
    "marks with blanks behind": (
        "s,2021 \tn\na,: \t1\nb,: \t2\nc,1.5 \t3\n",
        {
            "options": {"delimiter": "\t"},
            "columns": {"s,2021": {"type": "string", "from": "s,2021 "}, "n": "int64"},
        },
    ),
    "marks among numbers with blanks behind": (
        "s\t2021\na\t: \nb\t1.5 \nc\t:\n",
        {
            "options": {"delimiter": "\t"},
            "columns": {"s": "string", "2021": {"type": "float64", "null_values": [":", ": "]}},
        },
    ),
    "one column of numbers with commas": ("v\n1,234\n5,678\n", one_text("v")),
    "one column of thousands": ("v\n1,234,567\n2,345,678\n", one_text("v")),
    "one column with semicolons": ("v\n1;234\n5;678\n", {"columns": {"v": "string"}}),
    "one column of names": (
        "Name\nDoe, John\nRoe, Jane\n",
        {"options": {"delimiter": "\t"}, "columns": {"Name": "string"}},
    ),
    "one column of moments": ("t\n2024-01-01 10:00\n2024-01-02 11:00\n", {"columns": {"t": "timestamp[us]"}}),
    "one column of prices": ("price\n12,09\n296,50\n7,10\n", one_text("price")),
    "one column of negative prices": ("n0\n-0,05\n-296,50\n", one_text("n0")),
    "one column of currencies": ("v\nEUR 5,50\n7,10\n8,20\n", one_text("v")),
    "one column of addresses": ("a\n3 Main St, 12B\n5 Oak, 7\n6 Elm, 9\n", one_text("a")),
    "one column of dates with commas": (
        "when\nJan 5, 2024\nJan 16, 2024\n",
        {"options": {"delimiter": "\t"}, "columns": {"when": {"type": "date32", "date_format": "%b %d, %Y"}}},
    ),
    "one column with semicolons and zeros": ("v\n12;09\n296;50\n", {"columns": {"v": "string"}}),
    "one column with tabs and zeros": ("v\n12\t09\n296\t50\n", {"columns": {"v": "string"}}),
    "one column, a blank in its header, one row": ('"first name"\n"Anna"\n', {"columns": {"first name": "string"}}),
    "one column, a blank before a digit": ("x y0\n3\n", {"columns": {"x y0": "int64"}}),
    "one column, a semicolon in its header": ("a;b\n3\n", {"columns": {"a;b": "int64"}}),
    "one column, a comma in its header": (
        '"a,b"\n3\n',
        {"options": {"delimiter": "\t"}, "columns": {"a,b": "int64"}},
    ),
    "one column of semicolons in quotes": (
        '"a;b"\n"c;d"\n',
        {"options": {"delimiter": ";"}, "columns": {"a;b": "string"}},
    ),
    "one column of moments below two words": (
        "full name\n2024-01-01 10:00\n2024-01-01 10:30\n",
        {"columns": {"full name": "timestamp[us]"}},
    ),
    "one column of groups of digits": ("total price\n1 234\n5 678\n", {"columns": {"total price": "string"}}),
    "one column of words": ("full name\nAnna Smith\nBob Jones\n", {"columns": {"full name": "string"}}),
    "one column of more words": ("full name\nAnna B Smith\nBob C Jones\n", {"columns": {"full name": "string"}}),
    "columns of numbers between blanks": (
        "x y\n1 2\n3 4\n",
        {"options": {"delimiter": "whitespace"}, "columns": {"x": "int64", "y": "int64"}},
    ),
    "aligned columns": (
        "x   y\na   b\n",
        {"options": {"delimiter": "whitespace"}, "columns": {"x": "string", "y": "string"}},
    ),
    "no header above zeros in front": (
        "12,09\n296,50\n7,10\n",
        {"options": {"header": False}, "columns": {"column_1": "int64", "column_2": "string"}},
    ),
    "no header above commas in quotes": (
        '1,"2,5"\n3,"4,5"\n',
        {"options": {"header": False}, "columns": {"column_1": "int64", "column_2": "string"}},
    ),
    "a title or one column, quotes in rows": ('v\nq,2021\n7:00,"2,85"\n6:00,"8,60"\n', one_text("v")),
    "names with zeros in front": (
        "name,01,02\nA,5,6\nB,7,8\n",
        {"columns": {"name": "string", "01": "int64", "02": "int64"}},
    ),
    "a title set apart": (
        'Report of 2024\n\n"name","city"\n"ann","basel"\n"bob","bern"\n',
        {"options": {"skip_rows": 2}, "columns": {"name": "string", "city": "string"}},
    ),
    "a title or one column, set apart": ("names\n\nSmith, John\nDoe, Jane\n", one_text("names")),
    "a title": ("Report 7\na,b\n1,2\n", {"options": {"skip_rows": 1}, "columns": {"a": "int64", "b": "int64"}}),
    "only a header": ("a,b\n", {"columns": {"a": "string", "b": "string"}}),
}


def test_types_are_conservative_and_read_as_written(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for at, (content, _) in enumerate(CASES.values()):
        data = content.encode() if isinstance(content, str) else content
        Path(f"c{at}.csv").write_bytes(data)
    files = [f"c{at}.csv" for at in range(len(CASES))]
    assert cli("init", "--from-data", *files).code == 0
    declared = yaml.safe_load(Path("lakehouse.yaml").read_text("utf-8"))["tables"]
    for (name, (_, wanted)), table in zip(CASES.items(), declared.values(), strict=True):
        found = {key: value for key, value in table.items() if key in ("options", "columns", "key")}
        assert found == {**({"key": found["key"]} if "key" in found else {}), **wanted}, name
    assert cli("validate").code == 0
    assert cli("plan").code == 0
    read = cli("run", *declared)
    assert read.code == 0, read.out
    spec = load(tmp_path)
    assert read_by_lakehouse(spec, spec.tables["c1"]).to_pylist()[0] == {
        "country": "NA",
        "city": "None",
        "n": None,
        "x": 1.5,
    }


def test_doubts_are_said_with_what_to_write(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("id,when,flow,t\n1,01/02/2024,1.5,05:06\n2,03/04/2024,Ice,06:07\n3,05/06/2024,2.5,1:02\n")
    printed = cli("init", "--from-data", "a.csv", "--dry-run").out
    assert 'when: string # day or month first? `{type: date32, date_format: "%d/%m/%Y"}` or "%m/%d/%Y"' in printed
    Path("one.csv").write_text("v\n1,234\n5,678\n")
    one = cli("init", "--from-data", "one.csv", "--dry-run").out
    assert "has 1 value, and those below have 2: one column, or several below a title?" in one
    assert "`,` before three digits, a fraction or thousands?" in one
    Path("price.csv").write_text("price\n12,09\n296,50\n")
    price = cli("init", "--from-data", "price.csv", "--dry-run").out
    assert 'price: string # one number? `{type: float64, decimal: ","}`' in price
    Path("words.csv").write_text("total price\n1 234\n5 678\n")
    words = cli("init", "--from-data", "words.csv", "--dry-run").out
    assert "blanks in `words.csv` may divide values, or be part of them: one column, or several?" in words
    assert "flow: string # numbers but for `Ice`; if null, `{type: float64, null_values: [Ice]}`" in printed
    assert "key: id # unique, and never null" in printed
    assert not Path("lakehouse.yaml").exists()
    time = '{type: "time32[s]", time_format: "%H:%M"}'
    assert f"times of day or spans? `{time}`" in printed
    printed = printed.replace(" t: string", f" t: {time}")
    followed = printed.replace("when: string #", 'when: {type: date32, date_format: "%d/%m/%Y"} #')
    Path("lakehouse.yaml").write_text(followed.replace("flow: string #", "flow: {type: float64, null_values: [Ice]} #"))
    Path("transforms.py").write_text("")
    rows = cli("show", "a", "-o", "json").json["rows"]
    assert rows[1] == {"id": 2, "when": "2024-04-03", "flow": None, "t": "06:07:00"}


# Texts of which a comment says what else they may be, and what that reads.
DOUBTS: dict[tuple[str, ...], list[Any]] = {
    ("0.1", "123456789012345678"): ["0.1000000000", "123456789012345678.0000000000"],
    ("5", "12345678901234567890"): ["5", "12345678901234567890"],
    ("1e5", "1E5"): [1e5, 1e5],
    ("-0", "1"): [0, 1],
    ("+1", "2"): [1, 2],
    ("+1.5", "NA"): [1.5, None],
    ("(5)", "3"): [-5, 3],
    ("5-", "4"): [-5, 4],
    ("(1,234.50)", "3"): [-1234.5, 3.0],
    ("T", "F"): [True, False],
    ("yes", "no", "-"): [True, False, None],
    ("01/02/2024", "null"): ["2024-02-01", None],
    ("01/02/24 05:06", "NA"): ["2024-02-01 05:06:00.000000", None],
    ("1,234", "?"): [1.234, None],
    ("20200416", "-"): ["2020-04-16", None],
    ("05:06", "NA"): ["05:06:00", None],
    ("5%", "n/a"): [0.05, None],
    ("on", "off"): [True, False],
    ("True", "false"): [True, False],
    (*map(str, range(30_000)), "-0"): [*range(30_000), 0],
}


def test_doubts_read_what_they_say(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for at, texts in enumerate(DOUBTS):
        Path(f"t{at}.csv").write_text("k,v\n" + "".join(f'x,"{text}"\n' for text in texts))
    Path("mixed.jsonl").write_text('{"m": 1, "n": {"x": 1}, "a": 7}\n{"m": "x", "n": {"x": "y"}, "a": 8}\n')
    duckdb.connect("h.duckdb").execute("CREATE TABLE big AS SELECT 7::HUGEINT AS n").close()
    files = [f"t{at}.csv" for at in range(len(DOUBTS))]
    printed = cli("init", "--from-data", *files, "h.duckdb", "mixed.jsonl", "--dry-run").out
    assert "# m is left out: holds text among integers in 1 row" in printed
    assert "# n is left out: holds dicts whose `x` holds text among integers in 1 row" in printed
    assert "n: string # HUGEINT as text; `int64` or `decimal128(38, 0)` where all values fit" in printed
    # A long comment stands above its column.
    printed = re.sub(r"(?m)^      (#.*)\n      (v: [^#\n]+)$", r"      \2 \1", printed).replace("n: string", "n: int64")
    followed, count = re.subn(r"v: [^#\n]+ # [^\n]*?`((?:\{type|[a-z])[^`\n]*)`.*", r"v: \1", printed)
    assert count == len(DOUBTS), printed
    Path("lakehouse.yaml").write_text(followed)
    Path("transforms.py").write_text("")
    for at, values in enumerate(DOUBTS.values()):
        shown = cli("show", f"t{at}", "-n", "40000", "-o", "json")
        assert shown.code == 0, shown.err
        assert [row["v"] for row in shown.json["rows"]] == values
    assert cli("show", "big", "-o", "json").json["rows"] == [{"n": 7}]
    assert cli("show", "mixed", "-o", "json").json["rows"] == [{"a": 7}, {"a": 8}]


def test_other_formats_and_databases_run_as_written(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("crm.sqlite") as lite:
        lite.execute("create table customers (id integer, name text, joined text)")
        lite.execute("insert into customers values (1, 'NA', '2024-01-02'), (2, 'b', '2024-02-03')")
        lite.execute("create table mixed (a)")
        lite.execute("insert into mixed values (1), ('x')")
        lite.execute('create table partly ("a b", id integer, c, d)')
        lite.execute("insert into partly values (1, 7, 1, '2024-01-02'), ('x', 8, x'00', '2024-02-03')")
    with duckdb.connect("lake.duckdb") as lake:
        lake.execute(
            "create table prices as select 1::bigint id, date '2024-01-01' d, 1.5::decimal(10,2) p, interval 1 month i"
        )
        lake.execute("create schema s2; create table s2.u as select 'x' a")
    book = openpyxl.Workbook()
    book.active.title = "Q 1"
    for row in (
        ["Report"],
        [],
        ["Id", "Name", "When", "Rate"],
        [1, "NA", datetime(2024, 1, 1), "NA"],
        [2, "x", datetime(2024, 1, 2), 0.5],
    ):
        book.active.append(row)
    second = book.create_sheet("other")
    for cells in (["a", "mixed"], [True, 1], [False, "x"]):
        second.append(cells)
    book.save("book.xlsx")
    Path("e.jsonl").write_text(
        '{"id":"007","at":"2024-01-02T03:04:05Z","n":1}\n{"id":"1E5","at":"2024-01-02T03:04:06Z","n":2.5}\n'
    )
    pq.write_table(pa.table({"k": [1, 2], "no": ["a", "b"]}), "p.parquet")
    feather.write_feather(pa.table({"null": [1.5]}), "g.feather")
    Path("z.csv.gz").write_bytes(gzip.compress(b"a|b\n1|x\n"))
    Path("y.tsv.bz2").write_bytes(bz2.compress(b"a\tb\n1\tx\n"))
    files = [
        "crm.sqlite",
        "lake.duckdb",
        "book.xlsx",
        "e.jsonl",
        "p.parquet",
        "g.feather",
        "z.csv.gz",
        "y.tsv.bz2",
        "./p.parquet",
    ]
    made = cli("init", "--from-data", *files, "-o", "json").json
    assert made["files"] == ["lakehouse.yaml", "transforms.py"]
    declared = yaml.safe_load(Path("lakehouse.yaml").read_text("utf-8"))["tables"]
    columns = {name: table["columns"] for name, table in declared.items()}
    assert columns == {
        "customers": {"id": "int64", "name": "string", "joined": "date32"},
        "partly": {"id": "int64", "d": "date32"},
        "prices": {"id": "int64", "d": "date32", "p": "decimal128(10, 2)"},
        "u": {"a": "string"},
        "book_Q_1": {
            "Id": "int64",
            "Name": "string",
            "When": "date32",
            "Rate": {"type": "float64", "null_values": ["NA"]},
        },
        "book_other": {"a": "bool"},
        "e": {"id": "string", "at": "timestamp[us, tz=UTC]", "n": "float64"},
        "p": {"k": "int64", "no": "string"},
        "g": {"null": "float64"},
        "z": {"a": "int64", "b": "string"},
        "y": {"a": "int64", "b": "string"},
    }
    written = Path("lakehouse.yaml").read_text("utf-8")
    for comment in (
        "# mixed is left out (crm.sqlite, table mixed): `a` holds text among integers in 1 row",
        '# "a b" is left out: holds text among integers in 1 row',
        "# c is left out: holds bytes among integers in 1 row",
        "# i is left out: holds intervals with months in 1 row",
    ):
        assert comment in written
    assert cli("validate").code == 0
    assert cli("run", *columns).code == 0
    for name in columns:
        assert cli("show", name).code == 0, name


def test_folder_of_dated_files_is_one_source(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as they have the same columns; a column that is not alike in all of them is text."""
    monkeypatch.chdir(tmp_path)
    Path("raw/deeper").mkdir(parents=True)
    files = {
        "sales_2024-01-01.csv": "id,code,day\n1,001,x\n2,a,y\n",
        "sales_2024-01-02.csv": "id,code,day\n3,5,x\n",
        "lack_2024-01-03.csv": "id,code\n3,5\n",
        "lack_2024-01-04.csv": "id,code,more\n3,5,1\n",
        "wrong_2024-02-29.csv": "id\n3\n",
        "wrong_2024-02-30.csv": "id\n3\n",
        "of 202401 and 202402.csv": "id\n1\n",
        "mixed_20240101.csv": "n\n1\n",
        "mixed_2024-01-02.csv": "n\n1\n",
        "stock_20240101.csv": "n\n1\n",
        "stock_20240102.csv": "n\n2\n",
        "other.csv": "id\n1\n",
        "_left.csv": "id\n1\n",
        ".hidden.csv": "id\n1\n",
        "readme.md": "",
        "deeper/x.csv": "id\n1\n",
    }
    for name, text in files.items():
        Path("raw", name).write_text(text)
    assert cli("init", "--from-data", "raw/").code == 0
    tables = load(tmp_path).tables
    paths = {name: table.path for name, table in tables.items()}
    assert paths == {
        "lack_2024_01_03": "lack_2024-01-03",
        "lack_2024_01_04": "lack_2024-01-04",
        "mixed_20240101": "mixed_20240101",
        "mixed_2024_01_02": "mixed_2024-01-02",
        "of_202401_and_202402": "of 202401 and 202402",
        "other": "other",
        "sales": "sales_{file_day:%Y-%m-%d}",
        "stock": "stock_{day:%Y%m%d}",
        "wrong_2024_02_29": "wrong_2024-02-29",
        "wrong_2024_02_30": "wrong_2024-02-30",
    }
    assert cli("check").code == 0
    kinds = {each.name: str(each.type) for each in tables["sales"].columns or ()}
    assert kinds == {"id": "int64", "code": "string", "day": "string"}
    written = Path("lakehouse.yaml").read_text()
    assert "code: string # not alike in all files: string, int64" in written
    assert "# 2 files, raw/sales_2024-01-01.csv to raw/sales_2024-01-02.csv: 3 rows" in written
    assert [row["n"] for row in cli("show", "stock", "-o", "json").json["rows"]] == [1, 2]


BAD: dict[str, tuple[bytes | None, str]] = {
    "empty.csv": (b"", "`empty.csv` is empty"),
    "blank.csv": (b"\n\n\n", "`blank.csv` is empty"),
    "nul.csv": (b"a,b\n1,\0\n", "`nul.csv` holds NUL bytes"),
    "mixed.csv": (
        "a\nMüller\n".encode() + "Müller\n".encode("cp1252"),
        "is neither UTF-8 throughout nor Western European",
    ),
    "long.csv": (b"a,b,c\n" + b"1,2,3\n" * 40 + b"1,2,3,4\n", "has 4 values"),
    "quote.csv": (
        b'a,b,c\n1,"a,b",3\n2,"bolt,3\n3,4,5\n',
        "a quote that opens on line 3 of `quote.csv` is never closed",
    ),
    "short.csv": (
        b"price,qty\n1,234,5\n5,678,6\n",
        "`short.csv` has 2 values, and those below have 3",
    ),
    "zeros.csv": (b"a,b\n1,2,09\n3,4,50\n", "`zeros.csv` has 2 values, and those below have 3"),
    "wide.csv": (b"a,b,c\n1,2\n3,4\n", "`wide.csv` has 3 values, and those below have 2"),
    "a.zip": (b"PK\x03\x04", "no format reads `a.zip` by its ending"),
    "folder": (None, "there is no data file in folder `folder`"),
    "missing.csv": (None, "there is no file `missing.csv`"),
    "x.json": (b'{"a": 1', "`x.json`"),
    "x.xlsx": (b"no workbook", "is not an Excel workbook"),
}


def test_bad_input_is_reported_at_once(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name, (content, _) in BAD.items():
        if content is not None:
            Path(name).write_bytes(content)
    found = cli("init", "--from-data", *BAD)
    assert found.code == 3
    for name, (_, message) in BAD.items():
        assert message in found.err, name
    assert f"{len(BAD)} problems" in found.err
    assert "Traceback" not in found.err
    assert not Path("lakehouse.yaml").exists()


def test_usage_and_files_in_the_way(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    Path("b").mkdir()
    for each in ("a/x.csv", "b/x.csv", "a/2024 class.csv", "a/class.csv"):
        Path(each).write_text("id,n\n1,2\n")
    assert cli("init", "--from-data").code == 2
    assert cli("init", "--dry-run").code == 2
    assert "`lakehouse init --from-data a/x.csv b/x.csv`" in cli("init", "a/x.csv", "b/x.csv").err
    assert cli("init", "--from-data", "a/x.csv", "b/x.csv", "a/2024 class.csv", "a/class.csv", "a/../a/x.csv").code == 0
    assert list(load(tmp_path).tables) == ["a_x", "b_x", "t_2024_class", "class_"]
    written = Path("lakehouse.yaml").read_bytes()
    again = cli("init", "--from-data", "a/x.csv")
    assert again.code == 1
    assert "already has `lakehouse.yaml`, `transforms.py`" in again.err
    assert "choose another folder: `lakehouse init -C DIR --from-data FILES…`" in again.err
    assert Path("lakehouse.yaml").read_bytes() == written


def test_examples_of_a_computed_table_run_uncommented(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("orders.csv", "id,amount\n007,5\n")
    assert cli("init", "--from-data", "orders.csv").code == 0
    folder.write("lakehouse.yaml", re.sub(r"(?m)^  # (?=orders_clean:|  )", "  ", folder.read("lakehouse.yaml")))
    folder.write("transforms.py", re.sub(r"(?m)^# (?=import|def|    )", "", folder.read("transforms.py")))
    assert cli("run").code == 0
    assert folder.read("data/orders_clean.csv") == "id,amount\n007,5\n"


def test_password_of_a_server_is_a_variable(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, postgresql_server: PostgreSQL
) -> None:
    monkeypatch.chdir(tmp_path)
    database = postgresql_server.new_database()
    postgresql_server.run("CREATE TABLE orders AS SELECT 7::bigint AS id, 12.30::numeric(10,2) AS total", database)
    found = cli("init", "--from-data", postgresql_server.url(database))
    assert found.code == 0, found.err
    written = Path("lakehouse.yaml").read_text("utf-8")
    assert f"{USER}:${{PGPASSWORD}}@" in written
    for text in (found.out, found.err, written):
        assert PASSWORD not in text
        assert quote(PASSWORD, safe="") not in text
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert cli("show", "orders", "-o", "json").json["rows"] == [{"id": 7, "total": "12.30"}]
    for password in ("hunter2@secret", "hunter2/secret", "hunter2%2Fsecret"):
        refused = cli("init", "-C", "other", "--from-data", f"postgresql://me:{password}@127.0.0.1:1/db")
        assert refused.code == 3
        assert "hunter2" not in refused.out + refused.err
        assert "secret" not in refused.out + refused.err
