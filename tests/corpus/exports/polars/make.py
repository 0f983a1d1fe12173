"""Write the files of this folder with polars. They are kept; the tests do not run this."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import polars as pl

FOLDER = Path(__file__).parent
UTC = dt.UTC

orders = pl.DataFrame(
    {
        "id": [1, None, 2**63 - 1, 4],
        "customer": ["007", 'O\'Neil, "Bob"', "Zoë\nline two", ""],
        "note": ["NA", None, " padded ", "null"],
        "price": [0.1, float("nan"), 1e300, float("-inf")],
        "ratio": [1 / 3, None, 0.1 + 0.2, 1e-7],
        "amount": [Decimal("12.30"), None, Decimal("-0.01"), Decimal("12345678901234567890.12")],
        "paid": [True, None, False, True],
        "day": [dt.date(2024, 2, 29), None, dt.date(1969, 12, 31), dt.date(9999, 12, 31)],
        "at": [
            dt.datetime(2024, 2, 29, 13, 5, 6, 500000),
            None,
            dt.datetime(1969, 12, 31, 23, 59, 59),
            dt.datetime(1, 1, 1),
        ],
        "moment": [
            dt.datetime(2024, 7, 1, 10, tzinfo=UTC),
            None,
            dt.datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
            dt.datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
        ],
        "took": [
            dt.timedelta(days=1, hours=2),
            None,
            dt.timedelta(seconds=-9.5),
            dt.timedelta(days=-1, microseconds=1),
        ],
        "opens": [dt.time(8, 5), None, dt.time(23, 59, 59, 500000), dt.time(0)],
        "size": ["S", None, "L", "S"],
        "raw": [b"abc", None, b"", b"\xff\x00"],
        "tags": [["a", "b c"], None, [], ["it's", None]],
        "place": [{"city": "Zürich", "zip": 8001}, {"city": None, "zip": None}, {"city": "x", "zip": 0}, None],
    },
    schema_overrides={"amount": pl.Decimal(22, 2), "size": pl.Categorical},
).with_columns(pl.col("moment").dt.convert_time_zone("Europe/Berlin"))

flat = orders.drop("took", "raw", "tags", "place")  # types that write_csv refuses
print(f"polars {pl.__version__}")
flat.write_csv(FOLDER / "orders.csv")
flat.write_csv(
    FOLDER / "german.csv",
    separator=";",
    decimal_comma=True,
    null_value="NULL",
    date_format="%d.%m.%Y",
    include_bom=True,
)
orders.drop("raw").write_ndjson(FOLDER / "orders.jsonl")
orders.drop("raw").write_json(FOLDER / "orders.json")
orders.write_parquet(FOLDER / "orders.parquet")
orders.write_ipc(FOLDER / "orders.arrow")
