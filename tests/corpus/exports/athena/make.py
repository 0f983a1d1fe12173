"""Imitate what Athena leaves in S3 for a query, by its documentation: all values in quotes, null as nothing.

https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
"""

from pathlib import Path

NAMES = [
    "id",
    "code",
    "note",
    "price",
    "weight",
    "paid",
    "day",
    "moment",
    "seen",
    "wall",
    "clock",
    "photo",
    "sizes",
    "words",
]
ROWS = [
    ["1", "007", "plain", "12.30", "0.1", "true", "2024-02-29", "2024-02-29 23:59:59.000",
     "2024-07-01 00:00:00.000 UTC", "2024-07-01 02:00:00.000 Europe/Zurich", "08:05:00.000", "00FF61", "[1, null, 2]",
     '["x, y",null,"q\\"\\\\"]'],
    ["2", "é日", 'say "hi", C:\\new\ttab\nnext line', "0.00", "NaN", "false", "0001-01-01", "0001-01-01 00:00:00.000",
     "1500-01-01 00:00:00.000 UTC", "2024-01-01 01:00:00.000 Europe/Zurich", "23:59:59.999", "", "[]", "[]"],
    ["9223372036854775807", "", "", "-0.01", "1.0E300", None, "9999-12-31", "9999-12-31 00:00:00.000",
     "9999-12-31 23:59:59.999 UTC", "2024-12-24 12:00:00.000 Europe/Zurich", "00:00:00.000", "5C2C22", "[-1]", None],
    ["4", *[None] * 13],
    ["5", "NULL", " x ", "7.00", "-Infinity", "true", "2024-12-24", "2024-12-24 00:00:00.000",
     "2024-12-24 12:00:00.000 UTC", None, "12:00:00.500", "61", "[7]", '["null"]'],
]  # fmt: skip


def quoted(value: str | None) -> str:
    """A value in quotes; null is nothing."""
    return "" if value is None else '"' + value.replace('"', '""') + '"'


lines = [",".join(map(quoted, row)) for row in [NAMES, *ROWS]]
(Path(__file__).parent / "query.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
