"""Computed tables that are stored as Excel workbooks: what people see in them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import openpyxl
import pytest

from tests.conftest import Invoked, ProjectFolder

Cli = Callable[..., Invoked]
PROJECT = """
name: books
module: transforms
storages:
  default: {root: data}
  reports: {root: reports, format: excel, options: {sheet: Sales}}
tables:
  orders: {kind: source, columns: {id: string, day: date32, paid: "decimal128(10, 2)", at: "timestamp[s]", n: int64}}
  report:
    storage: reports
    columns: {id: string, day: date32, paid: "decimal128(10, 2)", at: "timestamp[s]", n: int64}
  summary: {columns: {n: int64}}
"""
TRANSFORMS = """
import pyarrow as pa

def report(orders: pa.Table) -> pa.Table:
    return orders

def summary(report: pa.Table) -> pa.Table:
    return pa.table({"n": [report.num_rows]})
"""


@pytest.fixture
def books(folder: ProjectFolder) -> ProjectFolder:
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", TRANSFORMS)
    rows = '007,2024-02-29,1.50,2024-02-29 23:59:59,123456789012345\n"",1900-01-01,,,-1\n'
    folder.write("data/orders.csv", "id,day,paid,at,n\n" + rows)
    return folder


def test_report_for_people(books: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    path = books.path / "reports/report.xlsx"
    sheet = openpyxl.load_workbook(path)["Sales"]
    assert [[cell.value for cell in row][:3] for row in sheet.iter_rows(max_row=1)] == [["id", "day", "paid"]]
    assert sheet.freeze_panes == "A2"
    assert all(cell.font.bold for cell in sheet[1])
    assert [cell.alignment.horizontal for cell in sheet[1]] == [None, "right", "right", "right", "right"]
    assert [cell.number_format for cell in sheet[2]] == ["@", "yyyy-mm-dd", "0.00", "yyyy-mm-dd hh:mm:ss", "0"]
    assert [type(cell.value).__name__ for cell in sheet[2]] == ["str", "datetime", "float", "datetime", "int"]
    assert sheet.column_dimensions["E"].width > sheet.column_dimensions["A"].width
    assert cli("show", "report", "-o", "json").json["rows"] == [
        {"id": "007", "day": "2024-02-29", "paid": "1.50", "at": "2024-02-29 23:59:59", "n": 123456789012345},
        {"id": "", "day": "1900-01-01", "paid": None, "at": None, "n": -1},
    ]
    # The same table is the same file, and nothing below it runs.
    before = path.read_bytes()
    books.edit("transforms.py", "return orders", "return orders.slice(0)")
    again = {each["name"]: each["status"] for each in cli("run", "-o", "json").json["tables"]}
    assert again == {"report": "materialized", "summary": "unchanged"}
    assert path.read_bytes() == before


UNHELD = {
    "large": ("int64", "pa.array([1, 2**53 + 1])", "an integer of more than 15 digits"),
    "digits": ("decimal128(20, 2)", "pa.array([Decimal('0.10'), Decimal('12345678901234.56')])", "more than 15 digits"),
    "early": ("date32", "pa.array([date(1900, 1, 1), date(1899, 12, 31)])", "a date before 1900 or after 9999"),
    "fine": ("timestamp[us]", "pa.array([0, 1], pa.timestamp('us'))", "a time finer than milliseconds"),
    "negative": ("duration[s]", "pa.array([0, -1], pa.duration('s'))", "a negative duration"),
    "nan": ("float64", "pa.array([0.5, float('nan')])", "NaN or an infinity"),
    "infinite": ("float32", "pa.array([0.5, float('inf')], pa.float32())", "NaN or an infinity"),
    "tiny": ("float64", "pa.array([0.0, 5e-324])", "a number so close to zero"),
    "long": ("string", "['a' * 32_767, '\U0001f986' * 16_384]", "a text of more than 32,767 characters"),
    "nul": ("string", "['a', 'b\\0']", "a text with a NUL character"),
}


def test_what_a_cell_does_not_hold_is_refused(books: ProjectFolder, cli: Cli) -> None:
    """By column and row, and what was stored before stays."""
    tables = "".join(f"  {name}: {{inputs: [], columns: {{x: '{kind}'}}}}\n" for name, (kind, _, _) in UNHELD.items())
    books.write("lakehouse.yaml", f"{PROJECT.partition('tables:')[0]}defaults: {{storage: reports}}\ntables:\n{tables}")
    functions = "".join(
        f"def {name}() -> pa.Table: return pa.table({{'x': {made}}})\n" for name, (_, made, _) in UNHELD.items()
    )
    books.write(
        "transforms.py", f"from datetime import date\nfrom decimal import Decimal\nimport pyarrow as pa\n{functions}"
    )
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    for each in ran.json["tables"]:
        assert each["error"]["message"].endswith(f"column `x`, row 2: Excel cannot hold {UNHELD[each['name']][2]}") or (
            each["name"] == "digits" and "column `x`, row 2: Excel cannot hold a number of" in each["error"]["message"]
        )
    assert not list((books.path / "reports").glob("*.xlsx"))


def test_rows_and_names_that_no_sheet_has(books: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    books.write("lakehouse.yaml", PROJECT.partition("  report:")[0] + "  report: {inputs: [], storage: reports}\n")
    for made, reported in (
        ("{'a' * 40_000: [1]}", "the name of column 1 of 1 is a text of more than 32,767 characters"),
        ("{f'c{at}': [at] for at in range(16_385)}", "16,385 columns are more than the 16,384 that a sheet has"),
    ):
        books.write("transforms.py", f"import pyarrow as pa\ndef report() -> pa.Table: return pa.table({made})\n")
        ran = cli("run", "-o", "json")
        assert reported in ran.json["tables"][0]["error"]["message"]
    monkeypatch.setattr("lakehouse_cli.formats.excel.write._MOST_ROWS", 3)
    for rows, status in (([1, 2], "materialized"), ([1, 2, 3], "failed")):
        books.write(
            "transforms.py", f"import pyarrow as pa\ndef report() -> pa.Table: return pa.table({{'a': {rows}}})\n"
        )
        ran = cli("run", "-o", "json", "--executor", "serial")
        assert ran.json["tables"][0]["status"] == status
    assert ran.json["tables"][0]["error"]["message"].endswith("more rows than the 3 of a sheet")


def test_text_that_would_be_read_as_null_is_refused(books: ProjectFolder, cli: Cli) -> None:
    books.edit("lakehouse.yaml", "sheet: Sales", "sheet: Sales, null_values: ['007']")
    ran = cli("run")
    assert ran.code == 1
    assert "column `id`, row 1: Excel cannot hold a text that `null_values` reads as null" in ran.out + ran.err
