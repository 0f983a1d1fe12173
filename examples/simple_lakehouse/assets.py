"""The warmest hour of each day, and by how much it differs from the day before: tables declared in Python."""

from __future__ import annotations

import pandas as pd
from pyarrow import date32, float64, timestamp

from lakehouse_cli import Column, Lakehouse, computed_table, source_table

sfo_q2_weather_sample = source_table(
    path=("raw", "sfo_q2_weather_sample"),
    columns=[Column("valid", timestamp("us"), nullable=False), Column("tmpf", float64())],
)


@computed_table(
    input_assets=[sfo_q2_weather_sample],
    columns=[Column("valid_date", date32()), Column("max_tmpf", float64())],
    key=["valid_date"],
)
def daily_temperature_highs_table(weather: pd.DataFrame) -> pd.DataFrame:
    """The highest temperature of each day."""
    day = weather["valid"].dt.normalize().rename("valid_date")
    return weather.groupby(day).agg(max_tmpf=("tmpf", "max"))


@computed_table(
    input_assets=[daily_temperature_highs_table],
    columns=[Column("valid_date", date32()), Column("day_high_diff", float64())],
    key=["valid_date"],
)
def daily_temperature_high_diffs_table(highs: pd.DataFrame) -> pd.DataFrame:
    """By how much the high of each day differs from that of the day before; null for the first."""
    highs = highs.sort_values("valid_date")
    return pd.DataFrame({"valid_date": highs["valid_date"], "day_high_diff": highs["max_tmpf"].diff().round(1)})


simple_lakehouse = Lakehouse(
    name="simple_lakehouse",
    assets=[daily_temperature_highs_table, daily_temperature_high_diffs_table],
    storages={"default": {"root": "data"}},
    environments={"prod": {"storages": {"default": {"root": "prod", "format": "parquet"}}}},
)

if __name__ == "__main__":
    for table in simple_lakehouse.run().tables:
        print(table.name, table.status)
