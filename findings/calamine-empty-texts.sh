#!/bin/sh
# python-calamine gives one value, an empty text, for five different cells of a workbook: an error such as #N/A, a formula
# that was computed to an error, one that was never computed, one that was computed to an empty text, and an empty cell.
#
# For errors: https://github.com/dimastbk/python-calamine/issues/105. calamine, the Rust library below, tells errors apart.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q python-calamine==0.9.1 openpyxl==3.1.5 XlsxWriter==3.3.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import openpyxl
import xlsxwriter
from python_calamine import CalamineWorkbook

print(", ".join(f"{name} {version(name)}" for name in ("python-calamine", "openpyxl", "XlsxWriter")))
FORMULAS = [
    ("=1/0", "#DIV/0!", "a formula, computed to an error"),
    ('=IF(1=1,"","x")', "", "a formula, computed to an empty text"),
    ("=1+1", 2, "a formula, computed to a number"),
]
book = openpyxl.Workbook()
for row in (["#N/A", "an error"], ["=1+1", "a formula, not computed yet"], [None, "an empty cell"], [2, "a number"]):
    book.active.append(row)
book.save("stored.xlsx")
with xlsxwriter.Workbook("computed.xlsx") as book:
    sheet = book.add_worksheet()
    for row, (formula, value, what) in enumerate(FORMULAS):
        sheet.write_formula(row, 0, formula, None, value)
        sheet.write_string(row, 1, what)

print("One would expect the errors by name, or None, or an exception: openpyxl has them by name.")
given = {}
for name in ("stored.xlsx", "computed.xlsx"):
    others = openpyxl.load_workbook(name, data_only=True).active.iter_rows(values_only=True)
    for (value, what), (other, _) in zip(CalamineWorkbook.from_path(name).get_sheet_by_index(0).to_python(), others):
        given[what] = value
        print(f"{what}: {value!r}; openpyxl: {other!r}")
numbers = {what: given.pop(what) for what in ("a number", "a formula, computed to a number")}
assert set(numbers.values()) == {2.0}
assert len(given) == 5
assert set(given.values()) == {""}
print("So a column that lost its values to a broken reference reads like one that was never filled in.")
PYTHON
