"""From readings to bills. Amounts stay decimals from the file to the bill: not a cent is lost on the way."""

from decimal import ROUND_HALF_UP, Decimal

import pandas as pd

CENT = Decimal("0.01")


def daily_use(readings: pd.DataFrame) -> pd.DataFrame:
    """The difference between what a meter shows at one midnight and at the next."""
    ordered = readings.sort_values(["meter", "at"])
    used = ordered.groupby("meter")["kwh"].transform(lambda shown: shown - shown.shift())
    day = ordered["at"].dt.tz_localize(None).dt.normalize() - pd.Timedelta(days=1)
    return ordered.assign(day=day, kwh=used)[["meter", "day", "kwh"]].dropna(subset="kwh")


def bills(daily_use: pd.DataFrame, meters: pd.DataFrame, *, prices: dict[str, str]) -> pd.DataFrame:
    """Use by month, at the price of the meter's tariff, rounded once."""
    by_month = daily_use.assign(month=daily_use["day"].dt.to_period("M").dt.start_time)
    billed = by_month.groupby(["meter", "month"], as_index=False).agg(days=("day", "size"), kwh=("kwh", "sum"))
    billed = billed.merge(meters[["meter", "tariff"]], on="meter")
    priced = billed["tariff"].map(prices)
    billed["amount"] = [amount(kwh, price) for kwh, price in zip(billed["kwh"], priced, strict=True)]
    return billed[["meter", "month", "tariff", "days", "kwh", "amount"]]


def amount(kwh: Decimal, price: str) -> Decimal:
    """What so many kilowatt hours cost, in whole cents.

    >>> amount(Decimal("10.500"), "0.2890")
    Decimal('3.03')
    """
    return (kwh * Decimal(price)).quantize(CENT, ROUND_HALF_UP)


def silent_meters(meters: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    """Meters that are installed and were never read."""
    return meters.loc[~meters["meter"].isin(readings["meter"]), ["meter", "installed", "rooms"]]
