#!/bin/sh
# DuckDB's json_serialize_plan gives the plan of a query over stored tables, and of none over Arrow tables, frames of
# pandas, Parquet, CSV or JSON files, also through a view; what it says instead is no error, but a row.
#
# json_serialize_sql takes them all. The documentation of the two names no such limit:
# https://duckdb.org/docs/preview/data/json/sql_to_and_from_json; the change that added it speaks of "most* operators":
# https://github.com/duckdb/duckdb/pull/9230
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==2.0.0 pyarrow==26.0.1 pandas==3.1.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json

import duckdb
import pandas as pd
import pyarrow as pa

print(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}, pandas {pd.__version__}")
con = duckdb.connect()
con.execute("CREATE TABLE stored AS SELECT 1 AS x")
for form in ("parquet", "csv", "json"):
    con.execute(f"COPY stored TO 'x.{form}'")
con.execute("CREATE VIEW seen AS FROM 'x.parquet'")
con.register("arrow", pa.table({"x": [1]}))
con.register("frame", pd.DataFrame({"x": [1]}))


def answer(function, query):
    [(text,)] = con.execute(f"SELECT {function}(?)", [query]).fetchall()
    found = json.loads(text)
    return found["error_message"] if found["error"] else "given"


print("One would expect a plan of each: all of these are read by EXPLAIN and run.")
for source in ("stored", "range(3)", "arrow", "frame", "'x.parquet'", "'x.csv'", "'x.json'", "seen"):
    query = f"SELECT * FROM {source}"
    assert con.execute(f"EXPLAIN {query}").fetchall()
    assert con.execute(query).fetchall()
    syntax, plan = answer("json_serialize_sql", query), answer("json_serialize_plan", query)
    print(f"{query}: syntax {syntax}; plan: {plan}")
    assert syntax == "given"
    assert (plan == "given") == (source in ("stored", "range(3)"))
query = "INSERT INTO stored SELECT 2"
print(f"{query}: syntax: {answer('json_serialize_sql', query)}; plan {answer('json_serialize_plan', query)}")
assert answer("json_serialize_sql", query) != answer("json_serialize_plan", query) == "given"
PYTHON
