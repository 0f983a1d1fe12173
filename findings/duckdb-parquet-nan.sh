#!/bin/sh
# DuckDB leaves out NaN where it filters the floats of a Parquet file by the least and greatest value in the footer.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==2.0.0 pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

print(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}")
file = f"{sys.argv[1]}/floats.parquet"
table = pa.table({"id": [0, 1, 2], "x": [0.5, float("nan"), 1.5]})
pq.write_table(table, file)
statistics = pq.read_metadata(file).row_group(0).column(1).statistics
print(f"pyarrow writes the statistics without NaN, as the format asks: {statistics.min} to {statistics.max}")

con = duckdb.connect()
con.register("arrow", table)


def ids(source, condition):
    return [row for (row,) in con.execute(f"SELECT id FROM {source} WHERE {condition} ORDER BY id").fetchall()]


print("To DuckDB, NaN is greater than all numbers and equal to itself. The same rows, by where they are read from:")
for condition in ("x > 2", "x = 'nan'::DOUBLE", "NOT x <= 2"):
    here, there = ids("arrow", condition), ids(f"'{file}'", condition)
    print(f"  WHERE {condition:20} Arrow table {here}, Parquet file {there}")
    assert (here, there) == ([1], [])
[(here, there)] = con.execute(f"SELECT (SELECT max(x) FROM arrow), (SELECT max(x) FROM '{file}')").fetchall()
print(f"  max(x)                     Arrow table {here}, Parquet file {there}")
assert here != here
assert there == 1.5
print("One would expect the same answers of both.")
PYTHON
