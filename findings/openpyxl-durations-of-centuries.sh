#!/bin/sh
# openpyxl, and so `pandas.read_excel`, reads about one in ten whole seconds in durations of more than some 500 years
# (`[h]:mm:ss` takes up to 8,000) as the second after: it rounds seconds down as a float, and their microseconds up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q openpyxl==3.1.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from datetime import timedelta

import openpyxl

print("openpyxl", openpyxl.__version__)
print("One would expect the seconds that were written: the doubles in the file are exact to a thousandth of one.")
off = {}
for days in (10_000, 100_000, 200_000, 1_000_000):
    written = [timedelta(days=days, seconds=seconds) for seconds in range(0, 86_400, 61)]
    book = openpyxl.Workbook()
    for each in written:
        book.active.append([each])
        book.active.cell(book.active.max_row, 1).number_format = "[h]:mm:ss"
    book.save("x.xlsx")
    read = [row[0] for row in openpyxl.load_workbook("x.xlsx").active.values]
    wrong = [(a, b) for a, b in zip(written, read, strict=True) if a != b]
    assert all(b - a == timedelta(seconds=1) for a, b in wrong)
    off[days] = len(wrong) / len(written)
    print(f"{days:>9,} days: {off[days]:4.0%} are a second later", *(f"({a} as {b})" for a, b in wrong[:1]))
assert off[10_000] == off[100_000] == 0
assert off[200_000] > 0.05
assert off[1_000_000] > 0.05
PYTHON
