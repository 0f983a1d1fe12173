"""Transforms are plain functions: give them small frames, look at what comes out."""

import pandas as pd
import transforms


def highs(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Daily highs of (station, day, high)."""
    frame = pd.DataFrame(rows, columns=["station", "day", "high"])
    return frame.assign(day=pd.to_datetime(frame["day"]), low=0.0)


def test_daily_highs_leaves_out_what_was_not_measured() -> None:
    """Midnight divides the days; a day without any temperature has no row."""
    times = ["2025-06-01 00:56", "2025-06-01 23:56", "2025-06-02 00:56", "2025-06-03 00:56"]
    observations = pd.DataFrame({"station": "SFO", "valid": pd.to_datetime(times), "tmpf": [50.0, 61.0, None, 70.0]})
    result = transforms.daily_highs(observations).reset_index()
    assert result["day"].tolist() == [pd.Timestamp("2025-06-01"), pd.Timestamp("2025-06-03")]
    assert result["high"].tolist() == [61.0, 70.0]
    assert result["low"].tolist() == [50.0, 70.0]


def test_day_to_day_is_null_after_a_gap() -> None:
    """The difference is to the day before, not to the row before, and never to another station."""
    result = transforms.day_to_day(
        highs(
            ("SEA", "2025-05-31", 40.0),
            ("SFO", "2025-06-01", 54.0),
            ("SFO", "2025-06-02", 51.1),
            ("SFO", "2025-06-04", 60.0),
        )
    )
    assert result["change"].isna().tolist() == [True, True, False, True]
    assert result["change"].tolist()[2] == -2.9


def test_hottest_dates_ranks_and_breaks_ties_by_day() -> None:
    """Of equal highs the earlier comes first."""
    days = highs(("SFO", "2025-06-03", 75.0), ("SEA", "2025-06-01", 75.0), ("SFO", "2025-06-02", 60.0))
    result = transforms.hottest_dates(days, top=2)
    assert result["rank"].tolist() == [1, 2]
    assert result["station"].tolist() == ["SEA", "SFO"]
