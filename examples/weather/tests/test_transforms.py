"""The transforms on frames small enough to check by eye. They need no files and no `lakehouse`: `pytest` runs them."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest
import transforms
from units import celsius


def observations(*rows: tuple[str, str, float | None]) -> pd.DataFrame:
    """Observations of (station, time, temperature) with nothing else to report."""
    frame = pd.DataFrame(rows, columns=["station", "valid", "tmpf"])
    frame["valid"] = pd.to_datetime(frame["valid"])
    return frame.assign(gust=float("nan"), p01i=None, skyc1=pd.Categorical(["CLR"] * len(frame)))


def highs(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Daily highs of (station, day, high)."""
    frame = pd.DataFrame(rows, columns=["station", "day", "high"])
    return frame.assign(day=pd.to_datetime(frame["day"]))


def test_daily_highs_takes_the_extremes_of_each_station_and_day() -> None:
    """Midnight divides the days, and stations are kept apart."""
    result = transforms.daily_highs(
        observations(
            ("SFO", "2025-04-01 00:56", 50.0),
            ("SFO", "2025-04-01 23:56", 61.0),
            ("SFO", "2025-04-02 00:56", 70.0),
            ("SEA", "2025-04-01 12:53", 44.1),
        )
    ).reset_index()
    assert result.to_dict("list") == {
        "station": ["SEA", "SFO", "SFO"],
        "day": list(pd.to_datetime(["2025-04-01", "2025-04-01", "2025-04-02"])),
        "high": [44.1, 61.0, 70.0],
        "low": [44.1, 50.0, 70.0],
        "readings": [1, 2, 1],
    }


def test_daily_highs_leaves_out_what_was_not_measured() -> None:
    """A missing temperature is not counted; a day of nothing else has no row."""
    result = transforms.daily_highs(
        observations(
            ("SFO", "2025-04-01 00:56", None), ("SFO", "2025-04-02 00:56", None), ("SFO", "2025-04-02 01:56", 51)
        )
    ).reset_index()
    assert result["day"].tolist() == [pd.Timestamp("2025-04-02")]
    assert result["readings"].tolist() == [1]


def test_day_to_day_is_null_after_a_gap() -> None:
    """The difference is to the day before, not to the row before."""
    result = transforms.day_to_day(
        highs(("SFO", "2025-04-01", 54.0), ("SFO", "2025-04-02", 51.1), ("SFO", "2025-04-04", 60.0))
    )
    assert result["change"].isna().tolist() == [True, False, True]
    assert result["change"].tolist()[1] == -2.9


def test_day_to_day_keeps_stations_apart() -> None:
    """One station's first day does not follow another's last."""
    result = transforms.day_to_day(highs(("SEA", "2025-04-01", 40.0), ("SFO", "2025-04-02", 60.0)))
    assert result["change"].isna().all()


def test_hottest_dates_ranks_and_breaks_ties_by_day() -> None:
    """Of equal highs the earlier comes first."""
    days = highs(("SAC", "2025-06-03", 95.0), ("RNO", "2025-06-01", 95.0), ("SFO", "2025-06-02", 70.0))
    result = transforms.hottest_dates(days, top=2)
    assert result["rank"].tolist() == [1, 2]
    assert result["station"].tolist() == ["RNO", "SAC"]
    assert result["high_celsius"].tolist() == [35.0, 35.0]


def test_hottest_dates_of_nothing_is_empty() -> None:
    """No days, no rows, and no error."""
    assert transforms.hottest_dates(highs(), top=3).empty


def test_station_report_has_a_row_for_every_station() -> None:
    """Also for one that never reported."""
    reports = observations(("SFO", "2025-04-01 12:56", 60.0), ("SFO", "2025-04-02 12:56", 62.5)).assign(
        gust=[25.0, None], p01i=[Decimal("0.10"), Decimal("0.20")], skyc1=pd.Categorical(["SCT", "BKN"])
    )
    days = transforms.daily_highs(reports).reset_index()
    stations = pd.DataFrame({"id": ["SFO", "SEA"], "name": ["San Francisco", "Seattle"], "elevation_ft": [13, 433]})
    report = transforms.station_report(stations, reports, days, transforms.day_to_day(days)).set_index("station")
    sfo = report.loc["SFO"]
    assert (sfo["observations"], sfo["days"], sfo["mean_high"], sfo["highest"]) == (2, 2, 61.2, 62.5)
    assert sfo["hottest_day"] == pd.Timestamp("2025-04-02")
    assert (sfo["largest_rise"], sfo["strongest_gust"]) == (2.5, 25)
    assert sfo["rain"] == Decimal("0.30")
    assert sfo["usual_sky"] == "BKN", "as frequent as SCT, and before it in the alphabet"
    sea = report.loc["SEA"]
    assert (sea["observations"], sea["days"], sea["rain"]) == (0, 0, Decimal(0))
    assert pd.isna(sea["hottest_day"])


@pytest.mark.parametrize(("fahrenheit", "expected"), [(32.0, 0.0), (212.0, 100.0), (52.0, 11.1), (-40.0, -40.0)])
def test_celsius(fahrenheit: float, expected: float) -> None:
    """Against well-known pairs."""
    assert celsius(pd.Series([fahrenheit])).tolist() == [expected]
