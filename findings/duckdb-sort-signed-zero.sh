#!/bin/sh
# DuckDB before 2.0 changes a value by sorting: ORDER BY gives 0.0 back for -0.0.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==1.5.6
"$folder/venv/bin/python" - <<'PYTHON'
import math

import duckdb

print(f"duckdb {duckdb.__version__}")
con = duckdb.connect()
con.execute("CREATE TABLE t AS SELECT * FROM (VALUES (1.0::DOUBLE), (-0.0::DOUBLE), (-1.0::DOUBLE)) AS v(x)")


def signs(query):
    return sorted(math.copysign(1, x) for (x,) in con.sql(query).fetchall())


stored, ordered = signs("SELECT x FROM t"), signs("SELECT x FROM t ORDER BY x")
print("One would expect the same three values in another order.")
print(f"Signs of the stored values:   {stored}")
print(f"Signs of the ordered values:  {ordered}")
assert stored == [-1.0, -1.0, 1.0]
assert ordered == [-1.0, 1.0, 1.0]

[(sign, x)] = con.sql("SELECT signbit(x), x FROM t WHERE x = 0 ORDER BY x").fetchall()
print(f"In one row: signbit(x) is {sign}, and x is {x}")
assert sign
assert math.copysign(1, x) == 1
print("Version 2.0 keeps the sign.")
PYTHON
