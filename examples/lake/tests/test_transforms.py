"""The transforms on tiny frames: no file, no bucket, no database."""

from decimal import Decimal

import pandas as pd
from transforms import amount, bills, daily_use, silent_meters


def readings(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Readings as the transforms get them."""
    frame = pd.DataFrame(rows, columns=["meter", "at", "kwh"])
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True), kwh=frame["kwh"].map(Decimal))


def test_use_is_the_difference_of_two_midnights() -> None:
    """Whatever order they come in."""
    use = daily_use(
        readings(("007", "2026-01-02", "12.500"), ("007", "2026-01-01", "10.000"), ("008", "2026-01-01", "3.000"))
    )
    assert use.values.tolist() == [["007", pd.Timestamp("2026-01-01"), Decimal("2.500")]]


def test_amounts_are_rounded_once_and_by_half_a_cent_up() -> None:
    """As a bill says it."""
    assert amount(Decimal("10.500"), "0.1") == Decimal("1.05")
    assert amount(Decimal("0.050"), "0.1") == Decimal("0.01")


def test_bills_have_the_price_of_the_tariff() -> None:
    """And count their days."""
    use = pd.DataFrame(
        {"meter": ["007"] * 2, "day": pd.to_datetime(["2026-01-30", "2026-01-31"]), "kwh": [Decimal(1), Decimal(2)]}
    )
    meters = pd.DataFrame({"meter": ["007"], "tariff": ["night"]})
    (bill,) = bills(use, meters, prices={"night": "0.2"}).to_dict("records")
    assert (bill["days"], bill["kwh"], bill["amount"]) == (2, Decimal(3), Decimal("0.60"))


def test_meters_without_readings_are_silent() -> None:
    """The others are not."""
    meters = pd.DataFrame({"meter": ["007", "008"], "installed": [pd.NaT, pd.NaT], "rooms": [1, 2]})
    assert silent_meters(meters, readings(("007", "2026-01-01", "1")))["meter"].tolist() == ["008"]
