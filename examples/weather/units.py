"""Units of measure."""

from __future__ import annotations

import pandas as pd


def celsius(fahrenheit: pd.Series) -> pd.Series:
    """Temperatures in °C of temperatures in °F, to one digit."""
    return ((fahrenheit - 32) * 5 / 9).round(1)
