#!/bin/sh
# DuckDB 2.0 lists v0.10.2 among the versions that it writes files for; what it writes then, DuckDB 0.10.2 does not open.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/new"
"$folder/new/bin/pip" install -q duckdb==2.0.0
python3 -m venv "$folder/old"
"$folder/old/bin/pip" install -q duckdb==0.10.2
python3 -m venv "$folder/one"
"$folder/one/bin/pip" install -q duckdb==1.0.0
"$folder/new/bin/python" - "$folder/file.duckdb" <<'PYTHON'
import sys

import duckdb

print(f"duckdb {duckdb.__version__} writes a table of one BIGINT with storage_compatibility_version v0.10.2")
with duckdb.connect(sys.argv[1], config={"storage_compatibility_version": "v0.10.2"}) as con:
    con.execute("CREATE TABLE t AS SELECT 1::BIGINT AS x")
    ((tags,),) = con.sql("SELECT tags FROM duckdb_databases() WHERE database_name = 'file'").fetchall()
print(f"It names the format: {tags}")
PYTHON
cat >"$folder/read.py" <<'PYTHON'
import sys

import duckdb

try:
    con = duckdb.connect(sys.argv[1], read_only=True)
    rows = con.execute("FROM t").fetchall()
except duckdb.Error as error:
    rows = None
    print(f"duckdb {duckdb.__version__} does not open it: {error}")
else:
    print(f"duckdb {duckdb.__version__} reads {rows}")
assert (rows == [(1,)]) == (sys.argv[2] == "opens"), rows
PYTHON
echo "One would expect that 0.10.2 opens it, or that 2.0 refuses the name."
"$folder/old/bin/python" "$folder/read.py" "$folder/file.duckdb" fails
"$folder/one/bin/python" "$folder/read.py" "$folder/file.duckdb" opens
