#!/bin/sh
# DuckDB and the folders `k=value` that it writes of a column of texts.
#
# Expected: what `COPY … (PARTITION_BY (k))` writes of texts is read back by DuckDB itself as texts; where types are
# guessed, numbers and dates are taken for such.
# Observed: the words `epoch` and `infinity` are read as the dates 1970-01-01 and 9999-12-31, `0x1F` as the number 31, and
# the text `NULL` beside numbers as null; `null` stays a text. `hive_types_autocast = false` keeps all of them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import sys

import duckdb

print("duckdb", duckdb.__version__)
connection = duckdb.connect()


def read_back(folder, texts, options=""):
    rows = ", ".join(f"({n}, '{text}')" for n, text in enumerate(texts))
    query = f"select * from (values {rows}) t(n, k)"
    connection.execute(f"copy ({query}) to '{folder}' (format parquet, partition_by (k), overwrite_or_ignore)")
    found = connection.sql(f"select k from read_parquet('{folder}/*/*.parquet'{options}) order by n").fetchall()
    return [value for (value,) in found]


expected = {
    ("epoch",): [datetime.date(1970, 1, 1)],
    ("infinity",): [datetime.date(9999, 12, 31)],
    ("0x1F", "1"): [31, 1],
    ("NULL", "1"): [None, 1],
    ("null",): ["null"],
}
holds = True
for number, (texts, values) in enumerate(expected.items()):
    found = read_back(f"t{number}", texts)
    kept = read_back(f"t{number}", texts, ", hive_types_autocast = false")
    print("texts written:", list(texts), "read:", found, "without autocast:", kept)
    holds = holds and found == values and kept == list(texts)
print("as found" if holds else "no longer as found")
sys.exit(0 if holds else 1)
PYTHON
