#!/bin/sh
# DuckDB's result may have columns that differ in case alone, "a" and "A", and shows both; the next step of the same
# relation takes either name, in quotes too, for the first of them.
#
# That names are compared without case, quotes or not, is documented and meant:
# https://duckdb.org/docs/2.0/sql/dialect/keywords_and_identifiers, https://github.com/duckdb/duckdb/issues/8803
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==2.0.0 pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import pyarrow as pa

print(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}")
con = duckdb.connect()
relation = con.sql('SELECT 1 AS "a", 2 AS "A"')
print(f"The relation: columns {relation.columns}, rows {relation.fetchall()}")
assert (relation.columns, relation.fetchall()) == (["a", "A"], [(1, 2)])

print("One would expect the second column by its name in quotes, as in the standard, or an error that it is ambiguous.")
for what, found, columns, rows in [
    ("""project('"a", "A"')""", relation.project('"a", "A"'), ["a", "a"], [(1, 1)]),
    ("""relation["A"]""", relation["A"], ["A"], [(1,)]),
    ("""filter('"A" = 2')""", relation.filter('"A" = 2'), ["a", "A_1"], []),
    ("""aggregate('max("A")')""", relation.aggregate('max("A") AS m'), ["m"], [(1,)]),
    ("""order('"A"'), which renames""", relation.order('"A"'), ["a", "A_1"], [(1, 2)]),
]:
    print(f"{what}: columns {found.columns}, rows {found.fetchall()}")
    assert (found.columns, found.fetchall()) == (columns, rows)

table = pa.table({"a": [1], "A": [2]})
con.register("arrow", table)
found = con.sql('SELECT "a", "A" FROM arrow').to_arrow_table()
print(f"An Arrow table {table.to_pylist()}, by SELECT \"a\", \"A\": {found.column_names} {found.columns[1].to_pylist()}")
assert found.column_names == ["a", "a"]
assert [column.to_pylist() for column in found.columns] == [[1], [1]]
PYTHON
