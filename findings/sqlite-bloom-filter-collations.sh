#!/bin/sh
# SQLite 3.40 loses rows of a join by a column with a collation of one's own, through the Bloom filter of its index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q apsw==3.40.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import apsw

print(f"SQLite {apsw.sqlitelibversion()}")
connection = apsw.Connection(":memory:")
connection.createcollation("numbers", lambda a, b: (float(a) > float(b)) - (float(a) < float(b)))
connection.cursor().execute(
    "CREATE TABLE t (id INTEGER, a TEXT COLLATE numbers, b TEXT COLLATE numbers);"
    "INSERT INTO t VALUES (1, '9.0', '9.00'), (2, '10.0', '2.00')"
)
JOIN = "SELECT x.id FROM t AS x JOIN t AS y ON x.a = y.b"


def rows(statement):
    return connection.cursor().execute(statement).fetchall()


found = rows(JOIN)
is_filtered = any(row[1] == "Filter" for row in rows(f"EXPLAIN {JOIN}"))
rows("PRAGMA automatic_index = off")
print("One would expect row 1: the collation says that '9.0' is '9.00'.")
print(f"With the index that SQLite makes for the query:  {found}")
print(f"With `PRAGMA automatic_index = off`:             {rows(JOIN)}")
assert is_filtered
assert found == []
assert rows(JOIN) == [(1,)]
print("The filter compares hashes of the texts. Version 3.54 makes none here.")
PYTHON
