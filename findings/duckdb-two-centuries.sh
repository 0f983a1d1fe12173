#!/bin/sh
# DuckDB has two centuries: extract() begins one in 2001, as PostgreSQL does, and date_trunc() in 2000.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==2.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

print(f"duckdb {duckdb.__version__}")
for unit, first in (("century", 1901), ("millennium", 1001)):
    query = f"""
        SELECT year(date_trunc('{unit}', day)) AS begins, extract({unit} FROM day) AS number, min(year(day)), max(year(day))
        FROM (SELECT make_date(y, 7, 1) AS day FROM range(1990, 2011) AS r(y))
        GROUP BY ALL ORDER BY 3
    """
    rows = duckdb.sql(query).fetchall()
    for begins, number, low, high in rows:
        print(f"{low} to {high}: date_trunc says that the {unit} begins in {begins}, extract that it is number {number}")
    print(f"One would expect that what date_trunc('{unit}', …) puts together has one number: groups by one are")
    print(f"not those by the other. PostgreSQL truncates 2000 to {first}, and 2001 to 2001.")
    of_2000 = {number for begins, number, _, _ in rows if begins == 2000}
    assert len(of_2000) == 2, rows
PYTHON
