"""The transforms on a few rows: a partition is a frame as any other."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest
import transforms

PRODUCTS = pd.DataFrame({"sku": ["0010", "0011", "0025"], "family": ["groceries", "groceries", "kitchen"]})


def sales(*rows: tuple[str, str, str, int, str]) -> pd.DataFrame:
    """Sales of (receipt, time, sku, quantity, price) in one shop."""
    frame = pd.DataFrame(rows, columns=["receipt", "sold_at", "sku", "quantity", "price"])
    price = frame["price"].map(Decimal)
    return frame.assign(shop="bern", sold_at=pd.to_datetime(frame["sold_at"]), price=price)


def test_daily_adds_up_families() -> None:
    """Receipts are counted once, however many rows they have."""
    sold = sales(
        ("b-1", "2024-01-03 09:00", "0010", 2, "4.80"),
        ("b-1", "2024-01-03 09:00", "0011", 1, "5.20"),
        ("b-2", "2024-01-03 17:59", "0025", 1, "12.90"),
    )
    found = transforms.daily(sold, PRODUCTS, date(2024, 1, 3)).reset_index()
    assert found.to_dict("records") == [
        {"shop": "bern", "family": "groceries", "receipts": 1, "items": 3, "revenue": Decimal("14.80")},
        {"shop": "bern", "family": "kitchen", "receipts": 1, "items": 1, "revenue": Decimal("12.90")},
    ]


def test_receipt_of_another_day_is_refused() -> None:
    """A file under the wrong name is no day's."""
    with pytest.raises(ValueError, match="b-1 is not of 2024-01-04"):
        transforms.daily(sales(("b-1", "2024-01-03 09:00", "0010", 1, "4.80")), PRODUCTS, date(2024, 1, 4))


def test_monthly_compares_with_the_month_before() -> None:
    """A shop that was not there the month before has no change."""
    days = [date(2024, 2, 1), date(2024, 2, 2), date(2024, 2, 2)]
    daily = pd.DataFrame({"day": days, "shop": ["bern", "bern", "chur"], "revenue": map(Decimal, ("1.50", "2", "4"))})
    before = pd.DataFrame({"shop": ["bern"], "revenue": [Decimal(5)]})
    found = transforms.monthly(daily, before).to_dict("records")
    assert found[0] == {"shop": "bern", "days": 2, "revenue": Decimal("3.50"), "change": Decimal("-1.50")}
    assert pd.isna(found[1]["change"])


def test_best_month_is_the_first_of_equals() -> None:
    """Of two months with the same revenue."""
    months = pd.DataFrame({"shop": "bern", "month": ["2024-02", "2024-01"], "revenue": [Decimal(7), Decimal(7)]})
    assert transforms.best_months(months)["month"].tolist() == ["2024-01"]
