"""The functions that compute the tables, on frames small enough to check by eye."""

from __future__ import annotations

import assets
import pandas as pd


def test_high_is_the_warmest_hour_of_each_day() -> None:
    """Midnight divides the days."""
    weather = pd.DataFrame(
        {
            "valid": pd.to_datetime(["2016-04-01 00:56", "2016-04-01 23:56", "2016-04-02 00:56"]),
            "tmpf": [55.9, 61.0, 70.2],
        }
    )
    highs = assets.daily_temperature_highs_table(weather)
    assert highs["max_tmpf"].to_dict() == {pd.Timestamp("2016-04-01"): 61.0, pd.Timestamp("2016-04-02"): 70.2}


def test_difference_is_to_the_day_before() -> None:
    """Whatever the order of rows; the first day has none."""
    highs = pd.DataFrame({"valid_date": pd.to_datetime(["2016-04-02", "2016-04-01"]), "max_tmpf": [70.2, 61.0]})
    differences = assets.daily_temperature_high_diffs_table(highs)
    assert differences["day_high_diff"].isna().tolist() == [True, False]
    assert differences["day_high_diff"].tolist()[1] == 9.2
