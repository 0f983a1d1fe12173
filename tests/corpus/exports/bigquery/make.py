"""Imitate what BigQuery extracts to CSV and to JSON, by its documentation.

https://cloud.google.com/bigquery/docs/exporting-data: integers are texts in JSON, `<`, `>` and `&` are escapes there,
nulls are left out, and bytes are Base64; https://cloud.google.com/bigquery/docs/data-types has the spelling of moments.
"""

import csv
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = ["id", "code", "note", "price", "weight", "paid", "day", "moment", "seen", "clock", "photo"]
ROWS: list[list[Any]] = [
    ["1", "007", "a<b & c", "12.3", 0.1, True, "2024-02-29", "2024-02-29T23:59:59.000001",
     "2024-02-29 23:59:59.000001 UTC", "08:05:00", "AP9h"],
    ["2", "é日", 'say "hi", C:\\new\ttab\nnext line', "0", "NaN", False, "0001-01-01", "0001-01-01T00:00:00",
     "0001-01-01 00:00:00 UTC", "23:59:59.999999", ""],
    ["9223372036854775807", "", "", "-0.01", 1e300, None, "9999-12-31", "9999-12-31T23:59:59.999999",
     "9999-12-31 23:59:59.999999 UTC", "00:00:00", "XCwi"],
    ["4", *[None] * 10],
    ["5", "NULL", " x ", "7", "-Infinity", True, "2024-12-24", "2024-12-24T00:00:00", "2024-12-24 12:00:00 UTC",
     "12:00:00.500000", "YQ=="],
]  # fmt: skip
NESTED: list[dict[str, Any]] = [
    {"sizes": ["1", "2"], "place": {"x": "1", "name": 'a, "b"'}},
    {"sizes": [], "place": {"name": ""}},
    {"sizes": ["-1"]},
    {"sizes": []},
    {"sizes": ["7"], "place": {"x": "7"}},
]
ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&"})


def cell(value: Any) -> str:
    """A value in CSV, where an empty text has quotes."""
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + text.replace('"', '""') + '"' if not text or any(each in text for each in ',"\n') else text


with (HERE / "orders.csv").open("w", encoding="utf-8", newline="") as file:
    csv.writer(file, lineterminator="\n").writerow(NAMES)
    file.writelines(",".join(map(cell, row)) + "\n" for row in ROWS)
with (HERE / "orders.json").open("w", encoding="utf-8", newline="") as file:
    for row, nested in zip(ROWS, NESTED, strict=True):
        fields = {name: value for name, value in zip(NAMES, row, strict=True) if value is not None} | nested
        file.write(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).translate(ESCAPES) + "\n")
