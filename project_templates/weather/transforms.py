"""The computed tables: each a function of other tables, frame in, frame out."""

import pandas as pd


def daily_highs(observations: pd.DataFrame) -> pd.DataFrame:
    """High and low of each station and day; days without any temperature are left out."""
    measured = observations.dropna(subset=["tmpf"])
    day = measured["valid"].dt.normalize().rename("day")
    return measured.groupby(["station", day]).agg(high=("tmpf", "max"), low=("tmpf", "min"))


def day_to_day(daily_highs: pd.DataFrame) -> pd.DataFrame:
    """By how much each day's high differs from the day before, where there is a day before."""
    highs = daily_highs[["station", "day", "high"]]
    before = highs.assign(day=highs["day"] + pd.Timedelta(days=1))
    days = highs.merge(before, on=["station", "day"], how="left", suffixes=("", "_before"))
    # Highs have one digit; without rounding their difference would show how binary fractions come out.
    days["change"] = (days["high"] - days["high_before"]).round(1)
    return days[["station", "day", "change"]]


def hottest_dates(daily_highs: pd.DataFrame, top: int) -> pd.DataFrame:
    """The `top` hottest days of all stations; of equal ones the earlier first."""
    order = daily_highs.sort_values(["high", "day", "station"], ascending=[False, True, True])
    hottest = order.head(top).reset_index(drop=True)
    hottest["rank"] = hottest.index + 1
    return hottest[["rank", "station", "day", "high"]]
