#!/bin/sh
# openpyxl, XlsxWriter and so `pandas.DataFrame.to_excel` print floats into workbooks with 16 digits: a quarter of random
# doubles come back as their neighbours. Excel itself prints 17, by which every double is read back as it was.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q openpyxl==3.1.5 XlsxWriter==3.3.1 pandas==3.1.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import random
from importlib.metadata import version

import pandas as pd

print(", ".join(f"{name} {version(name)}" for name in ("openpyxl", "XlsxWriter", "pandas")))
print("One would expect the floats that were written: the file holds text of any length, and CSV brings them all back.")
chance = random.Random(1)
written = pd.DataFrame({"x": [0.1 + 0.2, *(chance.random() for _ in range(9_999))]})
written.to_csv("x.csv", index=False)
assert pd.read_csv("x.csv").equals(written)
for engine in ("openpyxl", "xlsxwriter"):
    written.to_excel("x.xlsx", index=False, engine=engine)
    read = pd.read_excel("x.xlsx", engine="openpyxl")
    others = int((read["x"] != written["x"]).sum())
    print(f"{engine}: {written['x'][0]!r} came back as {read['x'][0]!r}, as did {others:,} of {len(read):,} as others")
    assert read["x"][0] == 0.3
    assert 2_000 < others < 3_000
PYTHON
