"""The computed tables: one function each, frame in, frame out."""

import pandas as pd


def sensor_summary(measurements: pd.DataFrame) -> pd.DataFrame:
    """How often each sensor gave a temperature, and the mean of them."""
    by_sensor = measurements.groupby("sensor")
    return by_sensor.agg(readings=("celsius", "count"), mean_celsius=("celsius", "mean"))
