"""The computed tables: each a function of other tables, frame in, frame out."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
from units import celsius


def daily_highs(observations: pd.DataFrame) -> pd.DataFrame:
    """High and low of each station and day; days without any temperature are left out."""
    measured = observations.dropna(subset=["tmpf"])
    day = measured["valid"].dt.normalize().rename("day")
    return measured.groupby(["station", day]).agg(high=("tmpf", "max"), low=("tmpf", "min"), readings=("tmpf", "size"))


def day_to_day(daily_highs: pd.DataFrame) -> pd.DataFrame:
    """By how much each day's high differs from the day before, where there is a day before."""
    before = daily_highs[["station", "day", "high"]].assign(day=daily_highs["day"] + pd.Timedelta(days=1))
    days = daily_highs.merge(before, on=["station", "day"], how="left", suffixes=("", "_before"))
    # Highs have one digit; without rounding their difference would show how binary fractions come out.
    days["change"] = (days["high"] - days["high_before"]).round(1)
    return days[["station", "day", "high", "change"]].sort_values(["station", "day"])


def hottest_dates(highs: pd.DataFrame, top: int) -> pd.DataFrame:
    """The `top` hottest days of all stations; of equal ones the earlier first, then by station."""
    hottest = highs.sort_values(["high", "day", "station"], ascending=[False, True, True]).head(top)
    return pd.DataFrame(
        {
            "rank": range(1, len(hottest) + 1),
            "station": hottest["station"].to_numpy(),
            "day": hottest["day"].to_numpy(),
            "high": hottest["high"].to_numpy(),
            "high_celsius": celsius(hottest["high"]).to_numpy(),
        }
    )


def station_report(
    stations: pd.DataFrame, observations: pd.DataFrame, daily_highs: pd.DataFrame, day_to_day: pd.DataFrame
) -> pd.DataFrame:
    """One row per station, in the order of `stations`."""
    by_station = observations.groupby("station")
    hottest = daily_highs.sort_values(["high", "day"], ascending=[False, True]).drop_duplicates("station")
    changes = day_to_day.groupby("station")["change"]
    parts = [
        by_station.agg(observations=("valid", "size"), strongest_gust=("gust", "max")),
        by_station["p01i"].apply(_total).rename("rain"),
        by_station["skyc1"].apply(_most_frequent).rename("usual_sky"),
        daily_highs.groupby("station")["high"].agg(days="size", mean_high="mean").round({"mean_high": 1}),
        hottest.set_index("station")[["day", "high"]].set_axis(["hottest_day", "highest"], axis="columns"),
        changes.agg(largest_rise="max", largest_fall="min"),
    ]
    report = stations.rename(columns={"id": "station"})[["station", "name", "elevation_ft"]]
    for part in parts:
        report = report.merge(part, on="station", how="left")
    report["rain"] = report["rain"].fillna(Decimal(0))
    return report.fillna({"observations": 0, "days": 0})


def _total(amounts: pd.Series) -> Decimal:
    """The exact sum of decimals; what is missing counts as none."""
    return sum(amounts.dropna(), Decimal(0))


def _most_frequent(values: pd.Series) -> str | None:
    """The value that occurs most often, the first in the alphabet among equals."""
    counts = values.dropna().astype(str).value_counts()
    return None if counts.empty else min(counts[counts == counts.max()].index)
