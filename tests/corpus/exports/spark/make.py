"""Make the files of this folder with Spark (pip install pyspark; Java): CSV, JSON, Parquet with and without INT96."""

import datetime as dt
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

import pyspark
from pyspark.sql import DataFrame, SparkSession

HERE = Path(__file__).parent
SCHEMA = """id bigint, code string, note string, price decimal(10, 2), weight double, paid boolean, day date,
seen timestamp, local timestamp_ntz, photo binary, sizes array<int>, place struct<x: int, name: string>,
prices map<string, decimal(5, 2)>"""
ROWS = [
    (1, "007", "plain", Decimal("12.30"), 0.1, True, dt.date(2024, 2, 29),
     dt.datetime(2024, 2, 29, 23, 59, 59, 1, dt.UTC), dt.datetime(2024, 2, 29, 23, 59, 59, 1), bytearray(b"\0\xffa"),
     [1, None, 2], (1, 'a, "b"'), {"a": Decimal("1.50"), "b": None}),
    (2, "é日", 'say "hi", C:\\new\ttab\nnext line', Decimal(0), float("nan"), False, dt.date(1, 1, 1),
     dt.datetime(1500, 1, 1, tzinfo=dt.UTC), dt.datetime(1, 1, 1), bytearray(), [], (None, ""), {}),
    (2**63 - 1, "", "", Decimal("-0.01"), 1e300, None, dt.date(9999, 12, 31),
     dt.datetime(9999, 12, 31, 12, tzinfo=dt.UTC), dt.datetime(9999, 12, 31), bytearray(b'\\,"'), [-1], None, None),
    (4, *[None] * 12),
    (5, "NULL", " C:\\dir ", Decimal(7), float("-inf"), True, dt.date(2024, 12, 24),
     dt.datetime(2024, 12, 24, 12, tzinfo=dt.UTC), dt.datetime(2024, 12, 24), bytearray(b"a"), [7], (7, None),
     {"it's": Decimal(0)}),
]  # fmt: skip


def keep_part(frame: DataFrame, kind: str, name: str, **options: str) -> None:
    """Write one part, and take it out of the folder that Spark makes."""
    with tempfile.TemporaryDirectory() as folder:
        frame.coalesce(1).write.mode("overwrite").format(kind).options(**options).save(folder)
        [part] = Path(folder).glob("part-*")
        shutil.move(part, HERE / name)


spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "Europe/Zurich")
    .getOrCreate()
)
print(pyspark.__version__)
orders = spark.createDataFrame(ROWS, SCHEMA)
flat = orders.selectExpr(
    "* except (photo, sizes, place, prices)",
    "base64(photo) as photo",
    "to_json(sizes) as sizes",
    "to_json(place) as place",
    "to_json(prices) as prices",
)
keep_part(flat, "csv", "orders.csv", header="true")
whole = {"ignoreLeadingWhiteSpace": "false", "ignoreTrailingWhiteSpace": "false"}
whole["timestampFormat"] = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXXXX"
whole["timestampNTZFormat"] = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"
keep_part(flat, "csv", "whole.csv", header="true", quoteAll="true", escape='"', nullValue="\\N", **whole)
keep_part(orders, "json", "orders.json")
keep_part(orders, "json", "orders_all.json.gz", ignoreNullFields="false", compression="gzip")
keep_part(orders, "parquet", "orders.snappy.parquet")
spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
keep_part(orders.select("id", "seen", "local"), "parquet", "micros.snappy.parquet")
