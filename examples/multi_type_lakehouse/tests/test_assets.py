"""The functions that compute the tables, each on frames of its own type."""

from __future__ import annotations

from datetime import date

import assets
import duckdb
import polars as pl
import pyarrow as pa


def test_differences_of_polars() -> None:
    """Whatever the order of rows."""
    highs = pl.DataFrame({"valid_date": [date(2016, 4, 2), date(2016, 4, 1)], "max_tmpf": [70.2, 61.0]})
    assert assets.daily_temperature_high_diffs_table(highs)["day_high_diff"].to_list() == [None, 9.2]


def test_sudden_changes_of_pyarrow() -> None:
    """Up or down; a day without a day before is none."""
    diffs = pa.table(
        {"valid_date": [date(2016, 4, day) for day in (1, 2, 3, 4)], "day_high_diff": [None, 9.2, -5.0, 4.9]}
    )
    assert assets.sudden_changes_table(diffs)["day_high_diff"].to_pylist() == [9.2, -5.0]


def test_months_of_duckdb() -> None:
    """A month without sudden changes has none."""
    with duckdb.connect() as connection:
        highs = connection.sql(
            "SELECT * FROM (VALUES (DATE '2016-04-01', 61.0), (DATE '2016-04-02', 70.2), (DATE '2016-05-01', 65.0)) "
            "AS highs(valid_date, max_tmpf)"
        )
        changes = connection.sql("SELECT DATE '2016-04-02' AS valid_date, 9.2 AS day_high_diff")
        rows = assets.months_table(highs, changes).order("month").fetchall()
    assert [(month, float(highest), changes) for month, highest, changes in rows] == [
        (date(2016, 4, 1), 70.2, 1),
        (date(2016, 5, 1), 65.0, 0),
    ]
