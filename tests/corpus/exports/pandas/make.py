"""Write the files of this folder with pandas. They are kept; the tests do not run this."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent

orders = pd.DataFrame(
    {
        "id": [1, 9007199254740993, -5, 4, 5],
        "customer": ["007", 'O\'Neil, "Bob"', "Zoë\nline two", None, ""],
        "count": [3, None, 0, 12, 1],
        "units": pd.array([3, None, 9007199254740993, 12, 1], dtype="Int64"),
        "price": [0.1, float("nan"), 1e300, float("inf"), 0.30000000000000004],
        "amount": [Decimal("12.30"), None, Decimal("-0.01"), Decimal("12345678901234567890.12"), Decimal(7)],
        "paid": [True, None, False, True, True],
        "day": [dt.date(2024, 2, 29), None, dt.date(1900, 1, 1), dt.date(2199, 12, 31), dt.date(1969, 12, 31)],
        "at": pd.to_datetime(
            ["2024-02-29 13:05:06", None, "1969-12-31 23:59:59.5", "2024-01-01", "2024-01-02 03:04:05.678"],
            format="ISO8601",
        ),
        "moment": pd.to_datetime(
            [
                "2024-07-01 10:00:00+00:00",
                None,
                "2024-12-01 10:00:00+00:00",
                "2024-10-27 00:30:00+00:00",
                "2024-10-27 01:30:00+00:00",
            ]
        ).tz_convert("Europe/Berlin"),
        "took": pd.to_timedelta(["1 days 02:00:00", None, "-1 days +23:59:50.5", "00:00:00.000001", "0 days"]),
        "opens": [dt.time(8, 5), None, dt.time(23, 59, 59, 500000), dt.time(0), dt.time(12)],
        "size": pd.Categorical(["S", None, "NA", "M", "M"]),
        "tags": [["a", "b c"], None, [], ["it's"], ["1"]],
        "raw": [b"abc", None, b"", b"\xff\x00", b"a,b"],
    }
)
by_city = pd.DataFrame(
    {"high": [52.5, 61.0, None]},
    index=pd.MultiIndex.from_tuples([("SFO", 2023), ("SFO", 2024), ("NA", 2024)], names=["city", "year"]),
)

print(f"pandas {pd.__version__}")
orders.to_csv(FOLDER / "orders.csv")
orders.to_csv(
    FOLDER / "german.csv", sep=";", decimal=",", na_rep="NA", date_format="%d.%m.%Y %H:%M:%S.%f%z", index=False
)
by_city.to_csv(FOLDER / "by_city.csv")
by_city.unstack("year").to_csv(FOLDER / "wide.csv")
json = orders.drop(columns="raw")
json.to_json(FOLDER / "records.json", orient="records")
json.to_json(FOLDER / "lines.jsonl", orient="records", lines=True, date_format="iso")
excel = orders.drop(columns="raw").assign(
    id=[1, 2, -5, 4, 5],
    moment=orders["moment"].dt.tz_localize(None),  # Excel has no time zones
    units=pd.array([3, None, 123456789012345, 12, 1], dtype="Int64"),  # nor integers of more than 15 digits
    amount=[Decimal("12.30"), None, Decimal("-0.01"), Decimal("1234567890.12"), Decimal(7)],
)
with pd.ExcelWriter(FOLDER / "report.xlsx") as book:
    excel.to_excel(book, sheet_name="orders")
    by_city.to_excel(book, sheet_name="by_city")
orders.to_parquet(FOLDER / "orders.parquet")
by_city.to_parquet(FOLDER / "by_city.parquet")
