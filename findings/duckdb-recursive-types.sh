#!/bin/sh
# DuckDB gives a recursive CTE the types of its first SELECT: what the second one adds is rounded to them, step by step.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==2.0.0
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import duckdb

print(f"duckdb {duckdb.__version__}")
grown = """
    WITH RECURSIVE savings(year, amount) AS (
        SELECT 0, {first} UNION ALL SELECT year + 1, amount * 1.5 FROM savings WHERE year < 4
    )
    SELECT amount FROM savings ORDER BY year
"""
found = {}
for first in ("1", "CAST(1 AS DECIMAL(10, 1))", "CAST(1 AS DECIMAL(10, 4))"):
    found[first] = [amount for (amount,) in duckdb.sql(grown.format(first=first)).fetchall()]
    print(f"from {first}, half as much again each year: {', '.join(map(str, found[first]))}")
exact = [Decimal("1.5") ** year for year in range(5)]
(widened,) = {str(each) for each in duckdb.sql("SELECT 1 AS amount UNION ALL SELECT 1.5").types}
print(f"Exactly it is {', '.join(map(str, exact))}. A UNION ALL that is not recursive makes {widened} of 1 and 1.5;")
print("one would expect that here too, or an error, as PostgreSQL gives one where the types are not the same.")
assert found["1"] != exact, found
assert found["CAST(1 AS DECIMAL(10, 1))"] != exact, found
assert found["CAST(1 AS DECIMAL(10, 4))"] == exact, found
PYTHON
