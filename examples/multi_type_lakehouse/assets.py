"""One project, several in-memory types: each function takes and returns what its annotations name."""

from __future__ import annotations

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import compute

from lakehouse_cli import Column, Lakehouse, computed_table, source_table

sfo_q2_weather_sample = source_table(
    storage_key="filesystem",
    path=("raw", "sfo_q2_weather_sample"),
    columns=[Column("valid", pa.timestamp("us"), nullable=False), Column("tmpf", pa.float64())],
)


@computed_table(
    storage_key="filesystem",
    input_assets=[sfo_q2_weather_sample],
    columns=[Column("valid_date", pa.date32()), Column("max_tmpf", pa.float64())],
    key=["valid_date"],
)
def daily_temperature_highs_table(weather: pd.DataFrame) -> pd.DataFrame:
    """The highest temperature of each day, by pandas."""
    day = weather["valid"].dt.normalize().rename("valid_date")
    return weather.groupby(day).agg(max_tmpf=("tmpf", "max"))


@computed_table(
    storage_key="filesystem",
    input_assets=[daily_temperature_highs_table],
    columns=[Column("valid_date", pa.date32()), Column("day_high_diff", pa.float64())],
    key=["valid_date"],
)
def daily_temperature_high_diffs_table(highs: pl.DataFrame) -> pl.DataFrame:
    """By how much the high of each day differs from that of the day before, by polars."""
    ordered = highs.sort("valid_date")
    return ordered.select("valid_date", day_high_diff=pl.col("max_tmpf").diff().round(1))


@computed_table(
    storage_key="filesystem",
    input_assets=[daily_temperature_high_diffs_table],
    columns=[Column("valid_date", pa.date32()), Column("day_high_diff", pa.float64(), nullable=False)],
    key=["valid_date"],
)
def sudden_changes_table(diffs: pa.Table) -> pa.Table:
    """The days that were warmer or colder than the day before by at least five degrees, by pyarrow."""
    return diffs.filter(compute.greater_equal(compute.abs(diffs["day_high_diff"]), 5.0))


@computed_table(
    storage_key="filesystem",
    inputs={"highs": daily_temperature_highs_table, "changes": sudden_changes_table},
    columns={"month": "date32", "highest": "float64", "sudden_changes": "int64"},
    key=["month"],
)
def months_table(highs: duckdb.DuckDBPyRelation, changes: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The highest temperature of each month, and how many sudden changes it had, by DuckDB."""
    changed = changes.project("valid_date AS day")
    joined = highs.join(changed, "valid_date = day", how="left")
    return joined.aggregate(
        "date_trunc('month', valid_date)::DATE AS month, max(max_tmpf) AS highest, count(day) AS sudden_changes",
        "date_trunc('month', valid_date)",
    )


multi_type_lakehouse = Lakehouse(assets=[months_table], storages={"filesystem": {"root": "data"}})
