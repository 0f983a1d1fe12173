#!/bin/sh
# DuckDB hands an unsigned 128-bit integer to Arrow as a signed one: the greatest UHUGEINT arrives as -1.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==2.0.0 pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import duckdb
import pyarrow as pa

print(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}")
QUERY = "SELECT (1::UHUGEINT << 127) - 1 + i::UHUGEINT AS v FROM range(2) AS r(i) UNION ALL SELECT v FROM most ORDER BY v"
con = duckdb.connect()
con.execute("CREATE TABLE most AS SELECT 340282366920938463463374607431768211455::UHUGEINT AS v")
right = [row[0] for row in con.sql(QUERY).fetchall()]
column = con.sql(QUERY).to_arrow_table().column("v")
print("One would expect an error, or text: decimal128 holds 38 digits, and these have 39.")
print(f"DuckDB's own rows:  {right}")
print(f"Arrow, {column.type}: {column.to_pylist()}")
assert right == [2**127 - 1, 2**127, 2**128 - 1]
assert column.type == pa.decimal128(38, 0)
assert column.to_pylist() == [Decimal(2**127 - 1), Decimal(-(2**127)), Decimal(-1)]

nested = con.sql("SELECT [v] AS v, {'a': v} AS s FROM most").to_arrow_table()
print(f"In a list and a struct: {nested.to_pylist()}")
assert nested.to_pylist() == [{"v": [Decimal(-1)], "s": {"a": Decimal(-1)}}]

print("No warning and no error; the sum of such a column is negative. `SET arrow_lossless_conversion = true` gives bytes")
con.execute("SET arrow_lossless_conversion = true")
lossless = con.sql("SELECT v FROM most").to_arrow_table().column("v").type
print(f"of an extension type instead: {lossless}")
assert "uhugeint" in str(lossless)
PYTHON
