"""Imitate what Snowflake's COPY INTO unloads as CSV and JSON, by its documentation.

https://docs.snowflake.com/en/user-guide/data-unload-considerations: with FIELD_OPTIONALLY_ENCLOSED_BY texts have
quotes, and null is nothing with NULL_IF = (). Moments are spelled by TIMESTAMP_OUTPUT_FORMAT and its like, whose
default ends in FF3 TZHTZM; OBJECT_CONSTRUCT leaves nulls out.
"""

import gzip
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = ["ID", "CODE", "NOTE", "PRICE", "WEIGHT", "PAID", "DAY", "MOMENT", "SEEN", "CLOCK", "PHOTO", "DOC"]
ROWS: list[list[Any]] = [
    [1, "007", "plain", 12.30, 0.1, True, "2024-02-29", "2024-02-29 23:59:59.001", "2024-02-29 15:59:59.001 -0800",
     "08:05:00", "00FF61", [1, None, {"a": "x"}]],
    [2, "é日", 'say "hi", C:\\new\ttab\nnext line', 0.00, "NaN", False, "0001-01-01", "0001-01-01 00:00:00.000",
     "1970-01-01 05:30:00.000 +0530", "23:59:59", "", []],
    [9223372036854775807, "", "", -0.01, 1e300, None, "9999-12-31", "9999-12-31 23:59:59.999",
     "9999-12-31 23:59:59.999 Z", "00:00:00", "5C2C22", {}],
    [4, *[None] * 11],
    [5, "NULL", " x ", 7.00, "-inf", True, "2024-12-24", "2024-12-24 00:00:00.000", "2024-12-24 12:00:00.000 +0000",
     "12:00:00", "61", "\\N"],
]  # fmt: skip


def cell(name: str, value: Any) -> str:
    """A value in CSV: all but numbers and truth values has quotes."""
    if value is None:
        return ""
    if name == "DOC":
        value = json.dumps(value, separators=(",", ":"))
    if isinstance(value, bool):
        return str(value).lower()
    if name == "PRICE":
        return f"{value:.2f}"
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) and name != "WEIGHT" else str(value)


lines = [",".join(f'"{name}"' for name in NAMES)]
lines += [",".join(cell(name, value) for name, value in zip(NAMES, row, strict=True)) for row in ROWS]
objects = [{name: value for name, value in zip(NAMES, row, strict=True) if value is not None} for row in ROWS]
texts = [json.dumps(each, ensure_ascii=False, separators=(",", ":"), sort_keys=True) for each in objects]
for name, written in {"data_0_0_0.csv.gz": lines, "data_0_0_0.json.gz": texts}.items():
    data = "".join(f"{line}\n" for line in written).encode()
    (HERE / name).write_bytes(gzip.compress(data, mtime=0))
