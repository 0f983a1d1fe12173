"""Transforms are plain functions: give them small frames, look at what comes out."""

import pandas as pd
import transforms


def test_sensor_summary_does_not_count_what_is_missing() -> None:
    """A sensor without any temperature is still there."""
    measurements = pd.DataFrame({"sensor": ["007", "007", "007", "040"], "celsius": [10.0, 20.0, None, None]})
    summary = transforms.sensor_summary(measurements)
    assert summary["readings"].to_dict() == {"007": 2, "040": 0}
    assert summary.loc["007", "mean_celsius"] == 15.0
    assert pd.isna(summary.loc["040", "mean_celsius"])
