"""The types of the original: the highs of each day by pandas, their differences by Spark."""

from __future__ import annotations

from assets import daily_temperature_highs_table
from pyspark.sql import DataFrame, functions

from lakehouse_cli import Lakehouse, computed_table


@computed_table(
    storage_key="spark",
    input_assets=[daily_temperature_highs_table],
    columns={"valid_date": "date32", "day_high_diff": "float64"},
    key=["valid_date"],
)
def daily_temperature_high_diffs_table(highs: DataFrame) -> DataFrame:
    """By how much the high of each day differs from that of the day before."""
    day_after = functions.date_add("valid_date", 1)
    before = highs.select(day_after.alias("valid_date"), functions.col("max_tmpf").alias("before"))
    difference = functions.round(functions.col("max_tmpf") - functions.col("before"), 1)
    return highs.join(before, "valid_date", "left").select("valid_date", difference.alias("day_high_diff"))


spark_lakehouse = Lakehouse(
    assets=[daily_temperature_high_diffs_table],
    storages={"filesystem": {"root": "data"}, "spark": {"root": "data/spark", "format": "parquet"}},
    # Java's Spark on this machine, unless another environment names a server of Spark Connect.
    environments={"connect": {"execution": {"spark": {"remote": "${SPARK_SERVER}"}}}},
)
