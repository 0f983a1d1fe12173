"""Options by column and `from`, as a user sees them: what is shown, stored, planned and refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import DataError
from tests.conftest import Cli, ProjectFolder

PROJECT = """
name: columns
module: transforms
environments: {prod: {storages: {default: {root: prod}}}}
tables:
  raw:
    kind: source
    options: {delimiter: ";"}
    columns:
      index: {type: int64, from: 1}
      country: string
      day: {type: date32, date_format: "%d/%m/%Y", null_values: ["-"]}
      price: {type: "decimal128(6, 2)", decimal: ",", from: "Price (€)"}
  report:
    inputs: [raw]
    columns:
      day: {type: date32, date_format: "%Y%m%d", null_values: ["-"]}
      price: {type: "decimal128(6, 2)"}
"""
DATA = ";country;day;Price (€)\n0;NA;31/12/2024;1,50\n1;-;-;2,25\n"


@pytest.fixture
def columns(folder: ProjectFolder) -> ProjectFolder:
    """A source and a computed table with options by column."""
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", "def report(raw):\n    return raw[['day', 'price']]\n")
    folder.write("data/raw.csv", DATA)
    return folder


def rows(cli: Cli, table: str) -> list[dict[str, object]]:
    shown = cli("show", table, "-o", "json")
    assert shown.code == 0, shown.err
    document = shown.json
    names = [column["name"] for column in document["columns"]]
    return [dict(zip(names, row, strict=True)) if isinstance(row, list) else row for row in document["rows"]]


def reasons(cli: Cli, table: str) -> str:
    document = cli("plan", "-o", "json").json
    (entry,) = (each for each in document["tables"] if each["name"] == table)
    return "; ".join(reason["message"] for reason in entry["reasons"])


def test_columns_are_read_and_written_by_their_options(columns: ProjectFolder, cli: Cli) -> None:
    assert rows(cli, "raw") == [
        {"index": 0, "country": "NA", "day": "2024-12-31", "price": "1.50"},
        {"index": 1, "country": "-", "day": None, "price": "2.25"},
    ]
    assert cli("run").code == 0
    assert columns.read("data/report.csv") == "day,price\n20241231,1.50\n-,2.25\n"
    assert rows(cli, "report") == [{"day": "2024-12-31", "price": "1.50"}, {"day": None, "price": "2.25"}]
    assert reasons(cli, "report") == ""


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('%d/%m/%Y", null_values: ["-"]', '%d/%m/%Y"', "`null_values` of column `day` is gone"),
        ('from: "Price (€)"', "from: 4", "`from` of column `price` changed"),
        ("country: string", 'country: {type: string, null_values: ["-"]}', "`null_values` of column `country` is new"),
        ('decimal: ","', 'decimal: "."', "`decimal` of column `price` changed"),
    ],
)
def test_plan_names_the_option_of_an_input_column(
    columns: ProjectFolder, cli: Cli, before: str, after: str, reason: str
) -> None:
    assert cli("run").code == 0
    assert PROJECT.count(before) == 1
    columns.write("lakehouse.yaml", PROJECT.replace(before, after))
    assert reasons(cli, "report") == f"`raw` is read differently now ({reason})"


def test_stored_table_ignores_changed_column_options(columns: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    columns.write("lakehouse.yaml", PROJECT.replace('"%Y%m%d"', '"%Y%d%m"'))
    assert reasons(cli, "report") == "`date_format` of column `day` changed"
    shown = cli("show", "report")
    assert shown.code == 1
    assert "was stored in another way than it is declared now (`date_format` of column `day` changed)" in shown.err
    assert cli("run").code == 0
    assert columns.read("data/report.csv") == "day,price\n20243112,1.50\n-,2.25\n"


def test_from_in_every_format(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: formats
        module: transforms
        storages: {db: {type: sqlite, root: x.sqlite}}
        defaults: {columns: {n: {type: int64, from: "a b"}, m: int64}}
        tables:
          c: {kind: source}
          p: {kind: source, format: parquet}
          i: {kind: source, format: ipc}
          j: {kind: source, format: jsonl}
          x: {kind: source, format: excel}
          t: {kind: source, storage: db}
          all: {inputs: [c, p, i, j, x, t], columns: {n: int64, m: int64}, key: [n, m]}
        """,
    )
    table = pa.table({"m": [1, 2], "a b": [3, 4]})
    data = Path("data")
    data.mkdir()
    folder.write("data/c.csv", "m,a b\n1,3\n2,4\n")
    folder.write("data/j.jsonl", '{"m": 1, "a b": 3}\n{"m": 2, "a b": 4}\n')
    pq.write_table(table, data / "p.parquet")
    with pa.ipc.new_file(data / "i.arrow", table.schema) as writer:
        writer.write_table(table)
    book = openpyxl.Workbook()
    for row in (["m", "a b"], [1, 3], [2, 4]):
        book.active.append(row)
    book.save(data / "x.xlsx")
    with closing(sqlite3.connect("x.sqlite")) as database, database:
        database.execute('create table t (m integer, "a b" integer)')
        database.executemany("insert into t values (?, ?)", [(1, 3), (2, 4)])
    folder.write(
        "transforms.py",
        "import pandas as pd\n\n\ndef all(*tables):\n"
        "    return pd.concat([t.assign(m=t.m + 10 * i) for i, t in enumerate(tables)])\n",
    )
    for name in "cpijxt":
        assert rows(cli, name) == [{"n": 3, "m": 1}, {"n": 4, "m": 2}], name
    ran = cli("run")
    assert ran.code == 0, ran.err
    assert folder.read("data/all.csv").count("\n") == 13
    assert reasons(cli, "all") == ""
    folder.write("data/j.jsonl", '{"m": 1, "a b": "x"}\n')
    assert '`"x"` in column `a b` of `data/j.jsonl` is not int64' in cli("show", "j").err
    with pytest.raises(DataError) as caught:
        Project.load().read("j")
    assert [violation.column for violation in caught.value.violations] == ["n"]


def test_sources_may_share_a_path(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: shared
        module: transforms
        environments: {prod: {storages: {default: {root: prod}}}}
        tables:
          north: {kind: source, path: book, format: excel, options: {sheet: North}, columns: {n: int64}}
          south: {kind: source, path: book, format: excel, options: {sheet: South}, columns: {n: int64}}
          as_text: {kind: source, path: x, columns: {n: string}}
          as_numbers: {kind: source, path: x, columns: {n: {type: int64, null_values: [NA]}}}
          out: {inputs: [north, south, as_text, as_numbers], columns: {a: int64, b: int64, c: string, d: int64}}
        """,
    )
    folder.write(
        "transforms.py",
        "def out(north, south, as_text, as_numbers):\n"
        "    return north.rename(columns={'n': 'a'}).assign(b=south.n, c=as_text.n, d=as_numbers.n)\n",
    )
    folder.write("data/x.csv", "n\nNA\n")
    book = openpyxl.Workbook()
    for title, value in (("North", 1), ("South", 2)):
        sheet = book.create_sheet(title)
        sheet.append(["n"])
        sheet.append([value])
    book.save("data/book.xlsx")
    assert cli("validate").code == 0
    ran = cli("run")
    assert ran.code == 0, ran.err
    assert rows(cli, "out") == [{"a": 1, "b": 2, "c": "NA", "d": None}]
    assert reasons(cli, "out") == ""
    assert cli("clean", "--dry-run").out == "nothing to clean\n"
    refused = cli("copy", "--to", "prod", "--sources", "-o", "json")
    assert refused.code == 1
    tables = {each["name"]: each for each in refused.json["tables"]}
    assert tables["as_text"]["status"] == "refused"
    assert tables["as_text"]["note"] == "`as_numbers` shares its path, and a copy would hold the columns of one"
    assert cli("copy", "--to", "prod", "--sources", "--force").code == 1
    assert not Path("prod").exists()
    Path("prod").mkdir()
    for name in ("x.csv", "book.xlsx"):
        Path("prod", name).write_bytes(Path("data", name).read_bytes())
    copied = cli("copy", "--to", "prod", "--sources", "-o", "json")
    assert copied.statuses == {
        "north": "unchanged",
        "south": "unchanged",
        "as_text": "unchanged",
        "as_numbers": "unchanged",
        "out": "copied",
    }
    assert {t["name"]: t["action"] for t in cli("plan", "-e", "prod", "-o", "json").json["tables"]}["out"] == "skip"
    folder.write("data/x.csv", "n\n7\n")
    changed = reasons(cli, "out")
    assert "content of `as_text` changed" in changed
    assert "content of `as_numbers` changed" in changed


def test_computed_table_shares_its_path_with_no_source(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        "name: x\nmodule: transforms\ntables:\n  a: {kind: source, path: x}\n  b: {kind: source, path: X}\n"
        "  c: {path: x}\n",
    )
    folder.write("transforms.py", "def c(a):\n    return a\n")
    assert "tables `a` and `c` are stored on one path, `x`" in cli("validate").err


def test_source_with_from_is_not_copied(columns: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    refused = cli("copy", "--to", "prod", "--sources", "--force", "-o", "json")
    assert refused.code == 1
    (entry,) = (each for each in refused.json["tables"] if each["name"] == "raw")
    assert entry["note"] == "columns of it are read by `from`, and a copy would have them under their own names"
    assert not Path("prod").exists()
    columns.write("prod/raw.csv", DATA)
    assert cli("copy", "--to", "prod", "--sources").code == 0
    assert Path("prod/report.csv").exists()


@pytest.mark.parametrize(
    ("table", "kind", "own", "text", "value"),
    [
        ('timestamp_format: "%d/%m/%Y"', "timestamp[s]", "epoch_unit: s", "86400", "1970-01-02 00:00:00"),
        ("epoch_unit: s", "timestamp[s]", 'timestamp_format: "%d/%m/%Y"', "02/01/1970", "1970-01-02 00:00:00"),
        ("epoch_unit: s", "timestamp[s]", "epoch_unit: none", "1970-01-02", "1970-01-02 00:00:00"),
        ('timestamp_format: "%d/%m/%Y"', "timestamp[s]", "timestamp_format: none", "1970-01-02", "1970-01-02 00:00:00"),
        ('date_format: "%d/%m/%Y"', "date32", "date_format: none", "1970-01-02", "1970-01-02"),
        ("duration_unit: ms", "duration[s]", 'time_format: "%H:%M"', "01:00", "3600 s"),
        ("time_format: interval", "duration[s]", "duration_unit: ms", "1000", "1 s"),
        ('thousands: "."', "float64", "thousands: none, decimal: .", "1.25", "1.25"),
        ("percent: number", "float64", "percent: fraction", "50%", "0.5"),
        ("null_values: [NA]", "string", "null_values: []", "NA", "NA"),
    ],
)
def test_options_of_a_column_win(
    folder: ProjectFolder, cli: Cli, table: str, kind: str, own: str, text: str, value: str
) -> None:
    decimal = ', decimal: ","' if "thousands" in table else ""
    folder.write(
        "lakehouse.yaml",
        f"name: p\ntables:\n  s: {{kind: source, options: {{delimiter: ';', {table}{decimal}}},"
        f" columns: {{x: {{type: '{kind}', {own}}}}}}}\n",
    )
    folder.write("data/s.csv", f"x;y\n{text};1\n")
    (row,) = rows(cli, "s")
    assert str(row["x"]).replace("T", " ") == value


@pytest.mark.parametrize("option", ["thousands", "percent", "currency", "negative"])
def test_none_unsets_what_the_table_sets(folder: ProjectFolder, cli: Cli, option: str) -> None:
    values = {"thousands": '" "', "percent": "number", "currency": "$", "negative": "trailing"}
    texts = {"thousands": "1 000", "percent": "5%", "currency": "$5", "negative": "5-"}
    folder.write(
        "lakehouse.yaml",
        f"name: p\ntables:\n  s: {{kind: source, options: {{{option}: {values[option]}}},"
        f" columns: {{x: {{type: float64, {option}: none}}, y: float64}}}}\n",
    )
    folder.write("data/s.csv", f"x,y\n{texts[option]},{texts[option]}\n")
    shown = cli("show", "s")
    assert "1 of 1 value of column `x` is not float64" in shown.err
    assert "column `y`" not in shown.err


def test_json_of_columns_has_from_and_options(columns: ProjectFolder, cli: Cli) -> None:
    shown = cli("show", "raw", "-o", "json").json["columns"]
    listed = {table["name"]: table["columns"] for table in cli("ls", "-o", "json").json["tables"]}
    assert shown == listed["raw"]
    assert [(column["from"], column["options"]) for column in shown] == [
        (1, {}),
        (None, {}),
        (None, {"date_format": ["%d/%m/%Y"], "null_values": ["-"]}),
        ("Price (€)", {"decimal": ","}),
    ]


def declare_by_position(folder: ProjectFolder, columns: str, options: str = "") -> None:
    folder.write(
        "lakehouse.yaml",
        f"name: p\ntables:\n  s: {{kind: source, options: {{header: false{options}}}, columns: {{{columns}}}}}\n",
    )


@pytest.mark.parametrize("columns", ["a: {from: 1}, b: {from: 3}", "b: {from: 3}, a: {from: 1}"])
def test_highest_position_counts_where_rows_end_early(folder: ProjectFolder, cli: Cli, columns: str) -> None:
    folder.write("data/s.csv", "1\n\n2,3\n4,5,6\n")
    columns = columns.replace("{from", "{type: int64, from")
    declare_by_position(folder, columns, ", missing_values: null")
    assert rows(cli, "s") == [{"a": 1, "b": None}, {"a": 2, "b": None}, {"a": 4, "b": 6}]
    folder.write("data/s.csv", "1\n\n2,3\n4,5,x\n")
    assert "row 3 (line 4): x" in cli("show", "s").err


def test_fault_in_a_file_without_header_names_the_column_there(folder: ProjectFolder, cli: Cli) -> None:
    declare_by_position(folder, "c: {type: string, from: 3}, a: {type: string, from: 1}")
    folder.write("data/s.csv", 'x,y,"z"z\n')
    assert "in column `c`" in cli("show", "s").err
    folder.write("data/s.csv", 'x,"y"y,z\n')
    assert "in column 2" in cli("show", "s").err
